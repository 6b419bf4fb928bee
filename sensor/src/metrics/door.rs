//! What the process that answers HTTP and the agent say to each other, over a pair of sockets.
//!
//! The listener asks, the agent answers, one question after the other. A question is a byte for what is asked and its number
//! (32 bits, little endian); the answer repeats the number, so that one that comes too late is known as such, then says
//! yes or no, the length, and that many bytes of text. Before its first question the listener says how it is confined
//! ([`Confined`]). Both sides take a word of the other that makes no sense for its end.

use super::Format;
use std::io::{Error, ErrorKind, Read, Result, Write};

/// Longest text of an answer.
pub const MAX_TEXT: usize = 8 << 20;
/// Length of a question.
const QUESTION: usize = 5;
/// Length of an answer without its text.
pub const HEAD: usize = 9;

/// What can be asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// All metrics, in this format.
    Metrics(Format),
    /// Whether the agent's loop goes round.
    Alive,
    /// Whether the hooks are attached and procfs was read, too.
    Ready,
}

impl Question {
    const ALL: [Self; 4] =
        [Self::Metrics(Format::OpenMetrics), Self::Metrics(Format::Classic), Self::Alive, Self::Ready];

    const fn byte(self) -> u8 {
        match self {
            Self::Metrics(Format::OpenMetrics) => b'o',
            Self::Metrics(Format::Classic) => b'c',
            Self::Alive => b'a',
            Self::Ready => b'r',
        }
    }

    /// As it is sent.
    pub fn encode(self, number: u32) -> [u8; QUESTION] {
        let [a, b, c, d] = number.to_le_bytes();
        [self.byte(), a, b, c, d]
    }

    /// Reads the next one and its number.
    pub fn read(from: &mut impl Read) -> Result<(Self, u32)> {
        let mut bytes = [0; QUESTION];
        from.read_exact(&mut bytes)?;
        let [byte, number @ ..] = bytes;
        let question = Self::ALL.into_iter().find(|question| question.byte() == byte);
        Ok((question.ok_or(ErrorKind::InvalidData)?, u32::from_le_bytes(number)))
    }
}

/// The agent's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// Yes or no; yes for metrics.
    pub good: bool,
    /// What is to be said.
    pub text: String,
}

impl Answer {
    /// Writes it, as the answer to the question with that number.
    pub fn write(&self, number: u32, to: &mut impl Write) -> Result<()> {
        let length = u32::try_from(self.text.len().min(MAX_TEXT)).map_err(Error::other)?;
        let mut head = Vec::with_capacity(HEAD);
        head.extend_from_slice(&number.to_le_bytes());
        head.push(u8::from(self.good));
        head.extend_from_slice(&length.to_le_bytes());
        to.write_all(&head)?;
        to.write_all(&self.text.as_bytes()[..length as usize])
    }
}

/// What an answer begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Head {
    /// Of its question.
    pub number: u32,
    /// Yes or no.
    pub good: bool,
    /// Bytes of the text that follows.
    pub length: usize,
}

impl Head {
    /// Fails if it cannot be one.
    pub fn parse(bytes: [u8; HEAD]) -> Result<Self> {
        let [a, b, c, d, good, length @ ..] = bytes;
        let length = u32::from_le_bytes(length) as usize;
        if length > MAX_TEXT || good > 1 {
            return Err(ErrorKind::InvalidData.into());
        }
        Ok(Self { number: u32::from_le_bytes([a, b, c, d]), good: good == 1, length })
    }
}

/// How the listener is confined, beside what it does not start without: no capabilities, no way to more, its filter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Confined {
    /// It is nobody, in no group but nobody's.
    pub nobody: bool,
    /// What of the file system it is kept from by Landlock, beside having no call that opens a file.
    pub landlock: Landlock,
}

/// How much of what was asked for this kernel's Landlock does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Landlock {
    /// It has none, or it is off.
    Missing,
    /// Files, but not all of sockets and signals.
    Partly,
    /// All.
    Full,
}

impl Confined {
    const LENGTH: usize = 2;

    /// As it is sent.
    pub fn encode(self) -> [u8; Self::LENGTH] {
        [u8::from(self.nobody), self.landlock as u8]
    }

    /// Reads it.
    pub fn read(from: &mut impl Read) -> Result<Self> {
        let mut bytes = [0; Self::LENGTH];
        from.read_exact(&mut bytes)?;
        let landlock = match bytes[1] {
            0 => Landlock::Missing,
            1 => Landlock::Partly,
            2 => Landlock::Full,
            _ => return Err(ErrorKind::InvalidData.into()),
        };
        Ok(Self { nobody: bytes[0] == 1, landlock })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for question in Question::ALL {
            assert_eq!(Question::read(&mut &question.encode(77)[..]).unwrap(), (question, 77));
        }
        let mut bytes = Vec::new();
        Answer { good: true, text: "text".to_owned() }.write(9, &mut bytes).unwrap();
        let (head, text) = bytes.split_first_chunk::<HEAD>().unwrap();
        assert_eq!(Head::parse(*head).unwrap(), Head { number: 9, good: true, length: 4 });
        assert_eq!(text, b"text");
        for landlock in [Landlock::Missing, Landlock::Partly, Landlock::Full] {
            let confined = Confined { nobody: true, landlock };
            assert_eq!(Confined::read(&mut &confined.encode()[..]).unwrap(), confined);
        }
    }

    #[test]
    fn nonsense_is_an_error() {
        assert!(Question::read(&mut &b"x0000"[..]).is_err());
        assert!(Question::read(&mut &b"c00"[..]).is_err());
        assert!(Head::parse([0, 0, 0, 0, 2, 0, 0, 0, 0]).is_err());
        assert!(Head::parse([0, 0, 0, 0, 1, 0, 0, 0, 255]).is_err());
        assert!(Confined::read(&mut &[1, 7][..]).is_err());
    }
}
