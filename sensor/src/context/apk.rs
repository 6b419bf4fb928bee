//! apk's database: one text, `lib/apk/db/installed`, a block of lines for each package.
//!
//! Kept are an index of paths and where each package's block lies; a digest is read from there when it is asked for.

use super::alias::Aliases;
use super::digest::{Algorithm, Digest};
use super::files;
use super::index::{Builder, MAX_PACKAGES, MAX_PATH, PathIndex, plain};
use super::owners::Owned;
use crate::procfs::Root;
use crate::provenance::Manager;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use std::io::Read;
use std::os::unix::fs::FileExt;

/// Where it may lie.
pub const DIRECTORIES: &[&str] = &["/lib/apk/db", "/usr/lib/apk/db"];
/// What says that the database was changed.
pub const STAMPED: &[&str] = &["/lib/apk/db/installed", "/usr/lib/apk/db/installed"];

/// Most bytes that are read.
const MAX_BYTES: u64 = 128 << 20;
/// Longest name or version that is kept, in bytes.
const MAX_WORD: usize = 256;

/// A read database.
pub struct Database {
    path: &'static str,
    packages: Vec<Package>,
    index: PathIndex,
    cut: bool,
}

struct Package {
    name: Box<str>,
    version: Box<str>,
    offset: u64,
    length: usize,
}

impl Database {
    /// Reads that of a root; `None` if it has none.
    pub fn read(root: &Root) -> Option<Self> {
        let (path, file) = STAMPED.iter().find_map(|path| Some((*path, files::regular(root, path)?.0)))?;
        let mut text = Vec::new();
        file.take(MAX_BYTES).read_to_end(&mut text).ok()?;
        Some(Self::parse(path, &text))
    }

    fn parse(path: &'static str, text: &[u8]) -> Self {
        let mut packages = Vec::new();
        let mut paths = Builder::default();
        let mut cut = text.len() as u64 == MAX_BYTES;
        for (offset, block) in blocks(text) {
            if packages.len() >= MAX_PACKAGES {
                cut = true;
                break;
            }
            let number = packages.len() as u32;
            each_file(block, |path, _| paths.add(path, number));
            packages.push(Package {
                name: word(block, b"P:"),
                version: word(block, b"V:"),
                offset: offset as u64,
                length: block.len(),
            });
        }
        Self { path, packages, cut: cut || paths.left_out > 0, index: paths.finish() }
    }

    /// Whether it had more than is read.
    pub fn is_cut(&self) -> bool {
        self.cut
    }

    /// How many packages and paths.
    pub fn counts(&self) -> (usize, usize) {
        (self.packages.len(), self.index.len())
    }

    /// The packages to which what is at a path belongs.
    pub fn owners(&self, root: &Root, aliases: &Aliases, path: &[u8]) -> Vec<Owned> {
        let mut owners = Vec::new();
        for spelling in aliases.spellings(path) {
            for number in self.index.holders(&spelling) {
                let Some(package) = self.packages.get(*number as usize) else {
                    continue;
                };
                owners.push(Owned {
                    manager: Manager::Apk,
                    name: package.name.to_string(),
                    version: package.version.to_string(),
                    digest: self.block(root, package).and_then(|block| digest_of(&block, &spelling)),
                });
            }
        }
        owners
    }

    fn block(&self, root: &Root, package: &Package) -> Option<Vec<u8>> {
        let (file, size) = files::regular(root, self.path)?;
        if package.offset + package.length as u64 > size {
            return None;
        }
        let mut block = vec![0; package.length];
        file.read_exact_at(&mut block, package.offset).ok()?;
        Some(block)
    }
}

/// The blocks of lines between empty lines, with where they begin.
fn blocks(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let mut at = 0;
    std::iter::from_fn(move || {
        while text.get(at) == Some(&b'\n') {
            at += 1;
        }
        let rest = text.get(at..).filter(|rest| !rest.is_empty())?;
        let length = bstr::ByteSlice::find(rest, "\n\n").unwrap_or(rest.len());
        let block = (at, &rest[..length]);
        at += length;
        Some(block)
    })
}

fn word(block: &[u8], key: &[u8]) -> Box<str> {
    let line = block.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(key)).unwrap_or_default();
    String::from_utf8_lossy(&line[..line.len().min(MAX_WORD)]).into()
}

/// Hands over each file's path, without the first slash, and the value of the `Z:` line that follows it, if any.
fn each_file(block: &[u8], mut each: impl FnMut(&[u8], Option<&[u8]>)) {
    let mut directory: &[u8] = b"";
    let mut path = Vec::new();
    let mut open = false;
    for line in block.split(|byte| *byte == b'\n') {
        let (key, value) = line.split_at_checked(2).unwrap_or((line, b""));
        if open && matches!(key, b"F:" | b"R:") {
            each(&path, None);
            open = false;
        }
        match key {
            b"F:" => directory = plain(value),
            b"R:" if directory.len() + value.len() < MAX_PATH => {
                path.clear();
                path.extend_from_slice(directory);
                if !directory.is_empty() {
                    path.push(b'/');
                }
                path.extend_from_slice(value);
                open = true;
            }
            b"Z:" if open => {
                each(&path, Some(value));
                open = false;
            }
            _ => {}
        }
    }
    if open {
        each(&path, None);
    }
}

fn digest_of(block: &[u8], wanted: &[u8]) -> Option<Digest> {
    let mut found = None;
    each_file(block, |path, sum| {
        if path == wanted && found.is_none() {
            found = sum.and_then(decode);
        }
    });
    found
}

/// `Q1` and a SHA-1, or `Q2` and a SHA-256, in base64 (apk-tools `src/blob.c: apk_blob_push_csum`).
fn decode(sum: &[u8]) -> Option<Digest> {
    let algorithm = match sum.get(..2)? {
        b"Q1" => Algorithm::Sha1,
        b"Q2" => Algorithm::Sha256,
        _ => return None,
    };
    Digest::new(algorithm, STANDARD.decode(sum.get(2..)?).ok()?)
}

#[cfg(test)]
mod tests;
