//! Captures: records in a file, to be replayed.
//!
//! Layout, little-endian: the magic `SENSORCP`, a `u32` version of the contract, then frames: `u32` length of the payload,
//! `u32` CRC-32 of it, payload. The first frame is the header in JSON, every other one a record as the kernel or the
//! agent made it, in the order in which they were applied. A capture that ends inside a frame, or whose bytes changed, is
//! an error that says at which byte.

use crate::host::Host;
use sensor_common::CONTRACT_VERSION;
use serde::{Deserialize, Serialize};
use std::io::{self, Read, Write};

const MAGIC: &[u8; 8] = b"SENSORCP";
/// Longest frame that is believed.
const MAX_FRAME: u32 = 1 << 20;

/// The first frame.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Version of sensor that wrote it.
    pub sensor_version: String,
    /// The machine it was written on.
    pub host: Host,
}

/// What is wrong with a capture.
#[derive(Debug, thiserror::Error)]
pub enum CaptureError {
    /// It cannot be read.
    #[error("at byte {at}: {source}")]
    Io {
        /// Where.
        at: u64,
        /// Why.
        source: io::Error,
    },
    /// It does not begin as captures do.
    #[error("at byte 0: this is no sensor capture")]
    NotACapture,
    /// Another version wrote it.
    #[error("at byte 8: the capture has contract version {found}, this program reads {expected}")]
    Version {
        /// In the file.
        found: u32,
        /// Here.
        expected: u32,
    },
    /// It ends too early.
    #[error("at byte {at}: the capture ends inside {what}: {missing} more bytes were expected")]
    Cut {
        /// Where it ends.
        at: u64,
        /// In what.
        what: &'static str,
        /// How many are missing.
        missing: u64,
    },
    /// The bytes are not those that were written.
    #[error("at byte {at}: the frame that begins here is damaged ({reason})")]
    Damaged {
        /// Where the frame begins.
        at: u64,
        /// How that is known.
        reason: String,
    },
}

/// Writes a capture.
pub struct Writer<W: Write> {
    out: W,
}

impl<W: Write> Writer<W> {
    /// Begins one.
    pub fn new(mut out: W, header: &Header) -> io::Result<Self> {
        out.write_all(MAGIC)?;
        out.write_all(&CONTRACT_VERSION.to_le_bytes())?;
        let mut writer = Self { out };
        writer.frame(&serde_json::to_vec(header)?)?;
        Ok(writer)
    }

    /// Adds a record.
    pub fn frame(&mut self, payload: &[u8]) -> io::Result<()> {
        self.out.write_all(&(payload.len() as u32).to_le_bytes())?;
        self.out.write_all(&crc32fast::hash(payload).to_le_bytes())?;
        self.out.write_all(payload)
    }

    /// Hands on what is still held back.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

/// Reads a capture, record by record.
pub struct Reader<R: Read> {
    input: R,
    at: u64,
}

impl<R: Read> Reader<R> {
    /// Opens one and reads its header.
    pub fn new(input: R) -> Result<(Self, Header), CaptureError> {
        let mut reader = Self { input, at: 0 };
        let mut magic = [0; 8];
        if reader.fill(&mut magic)? < magic.len() || &magic != MAGIC {
            return Err(CaptureError::NotACapture);
        }
        let mut version = [0; 4];
        reader.all(&mut version, "the version")?;
        let found = u32::from_le_bytes(version);
        if found != CONTRACT_VERSION {
            return Err(CaptureError::Version { found, expected: CONTRACT_VERSION });
        }
        let at = reader.at;
        let payload = reader.frame()?.ok_or(CaptureError::Cut { at, what: "the header", missing: 8 })?;
        let header = serde_json::from_slice(&payload)
            .map_err(|error| CaptureError::Damaged { at, reason: format!("header: {error}") })?;
        Ok((reader, header))
    }

    /// The next record; `None` at the end.
    pub fn frame(&mut self) -> Result<Option<Vec<u8>>, CaptureError> {
        let begin = self.at;
        let mut lead = [0; 8];
        match self.fill(&mut lead)? {
            0 => return Ok(None),
            8 => {}
            got => {
                return Err(CaptureError::Cut { at: self.at, what: "a frame's length", missing: 8 - got as u64 });
            }
        }
        let [l0, l1, l2, l3, c0, c1, c2, c3] = lead;
        let (length, crc) = (u32::from_le_bytes([l0, l1, l2, l3]), u32::from_le_bytes([c0, c1, c2, c3]));
        if length > MAX_FRAME {
            return Err(CaptureError::Damaged { at: begin, reason: format!("its length would be {length}") });
        }
        let mut payload = vec![0; length as usize];
        self.all(&mut payload, "a frame")?;
        let actual = crc32fast::hash(&payload);
        if actual != crc {
            return Err(CaptureError::Damaged {
                at: begin,
                reason: format!("CRC-32 {actual:08x} instead of {crc:08x}"),
            });
        }
        Ok(Some(payload))
    }

    /// Byte at which the next frame begins.
    pub const fn position(&self) -> u64 {
        self.at
    }

    fn all(&mut self, buffer: &mut [u8], what: &'static str) -> Result<(), CaptureError> {
        let wanted = buffer.len();
        let got = self.fill(buffer)?;
        if got < wanted {
            return Err(CaptureError::Cut { at: self.at, what, missing: (wanted - got) as u64 });
        }
        Ok(())
    }

    fn fill(&mut self, buffer: &mut [u8]) -> Result<usize, CaptureError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.input.read(&mut buffer[filled..]) {
                Ok(0) => break,
                Ok(count) => filled += count,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(source) => {
                    return Err(CaptureError::Io { at: self.at + filled as u64, source });
                }
            }
        }
        self.at += filled as u64;
        Ok(filled)
    }
}

#[cfg(test)]
mod tests;
