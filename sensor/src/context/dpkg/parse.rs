//! The texts of dpkg's database. Total: what cannot be understood is left out.

use crate::context::digest::{Algorithm, Digest};
use crate::context::index::plain;

/// Longest name or version that is kept, in bytes.
const MAX_WORD: usize = 256;
/// Most configuration files of a package.
const MAX_CONFFILES: usize = 4096;

/// A package in `status`, `status.d` or `updates`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stanza {
    /// `Package`.
    pub name: String,
    /// `Version`.
    pub version: String,
    /// `Architecture`.
    pub architecture: String,
    /// Configuration files and their digests.
    pub conffiles: Vec<(Vec<u8>, Digest)>,
}

/// The packages of a status text.
pub fn stanzas(text: &[u8]) -> impl Iterator<Item = Stanza> {
    let mut lines = text.split(|byte| *byte == b'\n');
    std::iter::from_fn(move || {
        let mut stanza = Stanza::default();
        let mut some = false;
        let mut in_conffiles = false;
        for line in lines.by_ref() {
            if line.trim_ascii().is_empty() {
                if some {
                    return Some(stanza);
                }
                continue;
            }
            some = true;
            if line.starts_with(b" ") || line.starts_with(b"\t") {
                if in_conffiles && stanza.conffiles.len() < MAX_CONFFILES {
                    stanza.conffiles.extend(conffile(line));
                }
                continue;
            }
            in_conffiles = field(line, b"Conffiles:").is_some();
            for (key, value) in [
                (&b"Package:"[..], &mut stanza.name),
                (b"Version:", &mut stanza.version),
                (b"Architecture:", &mut stanza.architecture),
            ] {
                if let Some(text) = field(line, key) {
                    *value = word(text);
                }
            }
        }
        some.then_some(stanza)
    })
}

/// The value of a field; names of fields have no case.
fn field<'a>(line: &'a [u8], key: &[u8]) -> Option<&'a [u8]> {
    let (begin, rest) = line.split_at_checked(key.len())?;
    begin.eq_ignore_ascii_case(key).then(|| rest.trim_ascii())
}

/// A short word as text.
pub fn word(text: &[u8]) -> String {
    String::from_utf8_lossy(&text[..text.len().min(MAX_WORD)]).into_owned()
}

/// ` /etc/name digest [obsolete] [remove-on-upgrade]`; the name may hold spaces.
fn conffile(line: &[u8]) -> Option<(Vec<u8>, Digest)> {
    let mut line = line.trim_ascii();
    for mark in [&b" obsolete"[..], b" remove-on-upgrade", b" obsolete"] {
        line = line.strip_suffix(mark).unwrap_or(line);
    }
    let space = line.iter().rposition(|byte| *byte == b' ')?;
    let digest = Digest::from_hex(Algorithm::Md5, &line[space + 1..])?;
    Some((line[..space].to_vec(), digest))
}

/// The paths of an `info/*.list`, but not directories that hold others of the list.
pub fn listed(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut lines = text.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            let holds = |next: &&[u8]| next.strip_prefix(line).is_some_and(|rest| rest.starts_with(b"/"));
            if line != b"/." && !lines.peek().is_some_and(holds) {
                return Some(line);
            }
        }
    })
}

/// The lines of a `*.md5sums`: path and digest as digits.
pub fn sums(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    text.split(|byte| *byte == b'\n').filter_map(|line| {
        let (digits, rest) = line.split_at_checked(32)?;
        let path = plain(rest.strip_prefix(b"  ")?);
        (!path.is_empty()).then_some((path, digits))
    })
}

/// The digest of a path in a `*.md5sums`; without the first slash.
pub fn sum_of(text: &[u8], path: &[u8]) -> Option<Digest> {
    let (_, digits) = sums(text).find(|(one, _)| *one == path)?;
    Digest::from_hex(Algorithm::Md5, digits)
}

/// A file that one package has moved away for its own.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diversion {
    /// What others call it; without the first slash.
    pub from: Vec<u8>,
    /// Where theirs is instead.
    pub to: Vec<u8>,
    /// The package that moved it; `:` for the administrator.
    pub by: Vec<u8>,
}

/// The diversions, at most so many.
pub fn diversions(text: &[u8], most: usize) -> Vec<Diversion> {
    let lines: Vec<&[u8]> = text.split(|byte| *byte == b'\n').take(most.saturating_mul(3)).collect();
    let diversion = |lines: &[&[u8]]| Diversion {
        from: plain(lines[0]).to_vec(),
        to: plain(lines[1]).to_vec(),
        by: lines[2].to_vec(),
    };
    lines.chunks_exact(3).map(diversion).collect()
}
