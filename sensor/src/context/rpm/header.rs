//! The header of an installed package, as it stands in the database: an index of tags, then their values, all numbers
//! big-endian (rpm `lib/header.c: headerUnload`). Total: what cannot be understood is left out.

use crate::context::digest::{Algorithm, Digest};
use crate::context::index::{MAX_PATH, plain};

/// Most tags; rpm allows 65,536.
const MAX_TAGS: usize = 65_536;
/// Longest name or version that is kept, in bytes.
const MAX_WORD: usize = 256;

const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const FILE_STATES: u32 = 1029;
const FILE_MODES: u32 = 1030;
const FILE_DIGESTS: u32 = 1035;
const DIR_INDEXES: u32 = 1116;
const BASE_NAMES: u32 = 1117;
const DIR_NAMES: u32 = 1118;
const FILE_DIGEST_ALGORITHM: u32 = 5011;

/// A header.
#[derive(Clone, Copy)]
pub struct Header<'a> {
    tags: &'a [u8],
    values: &'a [u8],
}

impl<'a> Header<'a> {
    /// Takes the bytes apart.
    pub fn new(bytes: &'a [u8]) -> Option<Self> {
        let (tags, rest) = bytes.split_first_chunk::<4>()?;
        let (length, rest) = rest.split_first_chunk::<4>()?;
        let tags = u32::from_be_bytes(*tags) as usize;
        if tags > MAX_TAGS {
            return None;
        }
        let (tags, rest) = rest.split_at_checked(tags * 16)?;
        Some(Self { tags, values: rest.get(..u32::from_be_bytes(*length) as usize)? })
    }

    /// The values of a tag from their first byte on, and how many there are.
    fn tag(&self, wanted: u32) -> Option<(&'a [u8], usize)> {
        let entry = self.tags.chunks_exact(16).find(|entry| number(entry, 0) == Some(wanted))?;
        Some((self.values.get(number(entry, 8)? as usize..)?, number(entry, 12)? as usize))
    }

    fn text(&self, tag: u32) -> Option<String> {
        let text = strings(self.tag(tag)?.0).next()?;
        Some(String::from_utf8_lossy(&text[..text.len().min(MAX_WORD)]).into_owned())
    }

    fn numbers(&self, tag: u32) -> impl Iterator<Item = u32> + use<'a> {
        let (values, count) = self.tag(tag).unwrap_or_default();
        values.as_chunks::<4>().0.iter().take(count).map(|bytes| u32::from_be_bytes(*bytes))
    }

    /// The package's name.
    pub fn name(&self) -> Option<String> {
        self.text(NAME)
    }

    /// `EPOCH:VERSION-RELEASE`, without the epoch if it has none.
    pub fn version(&self) -> String {
        let epoch = self.numbers(EPOCH).next().map_or_else(String::new, |epoch| format!("{epoch}:"));
        let release = self.text(RELEASE).map_or_else(String::new, |release| format!("-{release}"));
        format!("{epoch}{}{release}", self.text(VERSION).unwrap_or_default())
    }

    /// Hands over the path of each file that is the package's on disk, without the first slash, and its digest's digits.
    pub fn each_file(&self, mut each: impl FnMut(&[u8], &[u8])) {
        let directories: Vec<&[u8]> = match self.tag(DIR_NAMES) {
            Some((values, count)) => strings(values).take(count).map(plain).collect(),
            None => return,
        };
        let (names, count) = self.tag(BASE_NAMES).unwrap_or_default();
        let mut digests = strings(self.tag(FILE_DIGESTS).unwrap_or_default().0);
        let states = self.tag(FILE_STATES).unwrap_or_default().0;
        let modes = self.tag(FILE_MODES).unwrap_or_default().0.as_chunks::<2>().0;
        let mut path = Vec::new();
        for (index, (name, directory)) in strings(names).take(count).zip(self.numbers(DIR_INDEXES)).enumerate() {
            let digest = digests.next().unwrap_or_default();
            // 1: another package's file is there now; 2: was never put there.
            let elsewhere = matches!(states.get(index), Some(1 | 2));
            let is_directory = modes.get(index).is_some_and(|mode| u16::from_be_bytes(*mode) & 0o170_000 == 0o040_000);
            let Some(directory) = directories.get(directory as usize).filter(|_| !elsewhere && !is_directory) else {
                continue;
            };
            if directory.len() + name.len() > MAX_PATH {
                continue;
            }
            path.clear();
            path.extend_from_slice(directory);
            path.extend_from_slice(name);
            each(&path, digest);
        }
    }

    /// The digest of a file.
    pub fn digest_of(&self, wanted: &[u8]) -> Option<Digest> {
        // PGPHASHALGO of RFC 4880; packages of old have none and mean MD5.
        let algorithm = match self.numbers(FILE_DIGEST_ALGORITHM).next() {
            None | Some(1) => Algorithm::Md5,
            Some(2) => Algorithm::Sha1,
            Some(8) => Algorithm::Sha256,
            Some(9) => Algorithm::Sha384,
            Some(10) => Algorithm::Sha512,
            Some(_) => return None,
        };
        let mut found = None;
        self.each_file(|path, digest| {
            if path == wanted && found.is_none() {
                found = Digest::from_hex(algorithm, digest);
            }
        });
        found
    }
}

fn number(entry: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(entry.get(at..)?.first_chunk().copied()?))
}

/// Strings that end with a zero byte; what follows the last zero is none.
fn strings(bytes: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = bytes;
    std::iter::from_fn(move || {
        let end = rest.iter().position(|byte| *byte == 0)?;
        let text = &rest[..end];
        rest = &rest[end + 1..];
        Some(text)
    })
}
