//! Standard output.

use super::lines;
use super::message::{Message, Sink, Trouble, Undelivered};
use std::io::{ErrorKind, Write};

/// Standard output, or what stands for it in tests.
pub struct Stdout<W> {
    out: W,
    /// The last line is incomplete.
    torn: bool,
}

impl<W> Stdout<W> {
    /// Writes there.
    pub const fn new(out: W) -> Self {
        Self { out, torn: false }
    }
}

impl<W: Write + Send> Sink for Stdout<W> {
    fn deliver(&mut self, batch: &[Message]) -> Result<(), Undelivered> {
        if self.torn {
            // What follows is whole again.
            self.torn = self.out.write_all(b"\n").is_err();
        }
        let (progress, result) = lines::write(&mut self.out, batch);
        self.torn |= progress.bytes > progress.whole;
        result.map_err(|error| Undelivered {
            delivered: progress.messages,
            kind: if error.kind() == ErrorKind::BrokenPipe { Trouble::Closed } else { Trouble::Retry },
            error: anyhow::Error::from(error).context("writing to standard output"),
        })
    }
}
