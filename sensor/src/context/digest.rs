//! Digests that package databases keep, and how a file's content compares.

use crate::provenance::Content;
use sha2::digest::DynDigest;

/// How a digest is made. All are as strong as their database's format; MD5 only proves that nobody meant to deceive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// dpkg, old rpm.
    Md5,
    /// apk, old rpm.
    Sha1,
    /// rpm.
    Sha256,
    /// rpm, seldom.
    Sha384,
    /// rpm, seldom.
    Sha512,
}

impl Algorithm {
    /// Something that makes it.
    pub fn hasher(self) -> Box<dyn DynDigest> {
        match self {
            Self::Md5 => Box::<md5::Md5>::default(),
            Self::Sha1 => Box::<sha1::Sha1>::default(),
            Self::Sha256 => Box::<sha2::Sha256>::default(),
            Self::Sha384 => Box::<sha2::Sha384>::default(),
            Self::Sha512 => Box::<sha2::Sha512>::default(),
        }
    }

    const fn bytes(self) -> usize {
        match self {
            Self::Md5 => 16,
            Self::Sha1 => 20,
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// A digest.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Digest {
    /// How it is made.
    pub algorithm: Algorithm,
    /// Its bytes, as many as the algorithm makes.
    pub value: Vec<u8>,
}

impl Digest {
    /// Of bytes, if there are as many as the algorithm makes.
    pub fn new(algorithm: Algorithm, value: Vec<u8>) -> Option<Self> {
        (value.len() == algorithm.bytes()).then_some(Self { algorithm, value })
    }

    /// Of hexadecimal digits.
    pub fn from_hex(algorithm: Algorithm, text: &[u8]) -> Option<Self> {
        if text.len() != algorithm.bytes() * 2 {
            return None;
        }
        let pair = |pair: &[u8]| Some(digit(pair[0])? << 4 | digit(pair[1])?);
        Self::new(algorithm, text.chunks_exact(2).map(pair).collect::<Option<_>>()?)
    }
}

fn digit(byte: u8) -> Option<u8> {
    char::from(byte).to_digit(16).map(|value| value as u8)
}

/// Hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write;
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        // A String takes everything.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a file's content is to a package: `expected` is the database's digest, `actual` those of the file, if it was read.
pub fn compare(expected: Option<&Digest>, actual: Option<&[Digest]>) -> Content {
    let (Some(expected), Some(actual)) = (expected, actual) else {
        return Content::Unknown;
    };
    match actual.iter().find(|one| one.algorithm == expected.algorithm) {
        Some(one) if one == expected => Content::Same,
        Some(_) => Content::Changed,
        None => Content::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hexadecimal_goes_both_ways_and_must_have_the_length() {
        let text = "d41d8cd98f00b204e9800998ecf8427e";
        let digest = Digest::from_hex(Algorithm::Md5, text.as_bytes()).unwrap();
        assert_eq!(hex(&digest.value), text);
        assert_eq!(digest.value, Algorithm::Md5.hasher().finalize().to_vec());
        assert_eq!(Digest::from_hex(Algorithm::Md5, b"newconffile"), None);
        assert_eq!(Digest::from_hex(Algorithm::Sha1, text.as_bytes()), None);
        assert_eq!(Digest::from_hex(Algorithm::Md5, b"zz1d8cd98f00b204e9800998ecf8427e"), None);
    }
}
