//! Writing messages as lines, and knowing how many of them are written in full when that fails.

use super::message::Message;
use std::io::{self, ErrorKind, Write};

/// How far it came.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Progress {
    /// Messages that are written in full.
    pub messages: usize,
    /// Bytes of those.
    pub whole: usize,
    /// Bytes in all.
    pub bytes: usize,
}

/// Writes all of them with as few calls as possible.
pub fn write(out: &mut impl Write, batch: &[Message]) -> (Progress, io::Result<()>) {
    let text: Vec<u8> = batch.iter().flat_map(|message| message.text.bytes()).collect();
    let mut bytes = 0;
    let result = loop {
        if bytes == text.len() {
            break out.flush();
        }
        match out.write(&text[bytes..]) {
            Ok(0) => break Err(ErrorKind::WriteZero.into()),
            Ok(written) => bytes += written,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => break Err(error),
        }
    };
    let mut progress = Progress { bytes, ..Progress::default() };
    for length in batch.iter().map(|message| message.text.len()) {
        if progress.whole + length > bytes {
            break;
        }
        progress.whole += length;
        progress.messages += 1;
    }
    (progress, result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes so many bytes, few at a time.
    struct Full(usize);

    impl Write for Full {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            if self.0 == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            let taken = bytes.len().min(self.0).min(3);
            self.0 -= taken;
            Ok(taken)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn what_is_written_in_full_is_counted() {
        let batch = ["one\n", "two\n", "three\n"].map(|text| Message { text: text.into(), alert: None });
        for (room, messages, whole) in [(0, 0, 0), (4, 1, 4), (7, 1, 4), (8, 2, 8), (13, 2, 8)] {
            let (progress, result) = write(&mut Full(room), &batch);
            assert_eq!(progress, Progress { messages, whole, bytes: room });
            assert_eq!(result.unwrap_err().kind(), ErrorKind::StorageFull);
        }
        let (progress, result) = write(&mut Full(100), &batch);
        assert_eq!((progress.messages, result.is_ok()), (3, true));
    }
}
