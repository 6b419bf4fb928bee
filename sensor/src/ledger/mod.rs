//! The write ledger: who wrote which file, by inode, so that a file can be followed from its writer to its loader.
//!
//! Comes in: writes that were judged ([`crate::detect::placement`]). Goes out: the entry of a file that is loaded. Always
//! holds: at most [`MAX_ENTRIES`], the oldest go; an entry is of one file and not of another that got its inode number
//! later, as far as the file system tells them apart (generation). No clock: time comes with events. What must survive a
//! restart is handed out as [`Remembered`] and taken in again by [`Ledger::restore`].

mod entry;

pub use entry::{Class, Entry, Writer, looks_like_code};

use crate::event::{Memory, Remembered};
use bstr::{BStr, BString, ByteSlice};
use foldhash::fast::RandomState;
use std::collections::{HashMap, VecDeque};
use std::hash::BuildHasher;

/// Most files that are remembered.
pub const MAX_ENTRIES: usize = 65_536;
/// For how long an update that a server unpacked explains what the server then writes.
pub const UPDATE_NS: u64 = 600_000_000_000;
/// Most names that are remembered of updates.
const MAX_STAGED: usize = 65_536;
/// How often they are looked through for old ones at most, when there are so many.
const STAGED_SWEEP_NS: u64 = 10_000_000_000;

/// Device and inode.
pub type FileId = (u32, u64);

/// The ledger.
#[derive(Default)]
pub struct Ledger {
    entries: HashMap<FileId, (u64, Entry), RandomState>,
    /// Writes by age: a running number, and the file. Where the entry has another number, it was written again since.
    order: VecDeque<(u64, FileId)>,
    /// By a hash of the path, as it was last written.
    paths: HashMap<u64, FileId, RandomState>,
    last: u64,
    /// Names that a server unpacked where its updater unpacks, and archives that it deployed: whose, and when.
    staged: HashMap<BString, (u32, u64), RandomState>,
    staged_swept_ns: Option<u64>,
    evictions: u64,
}

impl Ledger {
    /// Notes a write; gives what is to be kept on disk, if it is to be kept.
    pub fn note(&mut self, entry: Entry) -> Option<Remembered> {
        let file = entry.file();
        let kept = entry.worth_keeping().then(|| remembered(&entry));
        self.last += 1;
        self.drop_entry(file);
        self.paths.insert(self.hashed(&entry.path), file);
        self.entries.insert(file, (self.last, entry));
        if self.entries.len() > MAX_ENTRIES {
            self.drop_oldest();
        }
        self.order.push_back((self.last, file));
        if self.order.len() > 2 * MAX_ENTRIES {
            self.order.retain(|(number, file)| self.entries.get(file).is_some_and(|(last, _)| last == number));
        }
        kept
    }

    /// Forgets a file: a package manager wrote it anew. Gives the key under which it was kept.
    pub fn forget(&mut self, file: FileId) -> Option<String> {
        let entry = self.drop_entry(file)?;
        entry.worth_keeping().then(|| key(file))
    }

    fn drop_oldest(&mut self) {
        while let Some((number, file)) = self.order.pop_front() {
            if self.entries.get(&file).is_some_and(|(last, _)| *last == number) {
                self.drop_entry(file);
                self.evictions += 1;
                return;
            }
        }
    }

    fn drop_entry(&mut self, file: FileId) -> Option<Entry> {
        let (_, dropped) = self.entries.remove(&file)?;
        let path = self.hashed(&dropped.path);
        if self.paths.get(&path) == Some(&file) {
            self.paths.remove(&path);
        }
        Some(dropped)
    }

    /// Whoever looks a path up compares it with the entry's.
    fn hashed(&self, path: &[u8]) -> u64 {
        self.paths.hasher().hash_one(path)
    }

    /// The entry of a file; `generation` 0 is any.
    pub fn find(&self, file: FileId, generation: u32) -> Option<&Entry> {
        let (_, entry) = self.entries.get(&file).filter(|_| file.1 != 0)?;
        (entry.generation == 0 || generation == 0 || entry.generation == generation).then_some(entry)
    }

    /// The entry of the file that was last written under a path.
    pub fn find_path(&self, path: &[u8]) -> Option<&Entry> {
        let file = self.paths.get(&self.hashed(path))?;
        self.entries.get(file).map(|(_, entry)| entry).filter(|entry| entry.path == path)
    }

    /// Notes the incident that a file belongs to; gives what is to be kept on disk, if it is news and is to be kept.
    pub fn belongs_to(&mut self, file: FileId, incident: &str) -> Option<Remembered> {
        let (_, entry) = self.entries.get_mut(&file).filter(|(_, entry)| entry.incident.is_none())?;
        entry.incident = Some(incident.to_owned());
        entry.worth_keeping().then(|| remembered(entry))
    }

    /// Notes that a server unpacked a file of an update, or deployed an archive.
    pub fn stage(&mut self, path: &[u8], lineage: u32, now: u64) {
        let swept = self.staged_swept_ns.is_some_and(|swept| now.saturating_sub(swept) < STAGED_SWEEP_NS);
        if self.staged.len() + 3 > MAX_STAGED && !swept {
            self.staged_swept_ns = Some(now);
            self.staged.retain(|_, (_, when)| now.saturating_sub(*when) < UPDATE_NS);
        }
        if self.staged.len() + 3 > MAX_STAGED {
            return;
        }
        for name in [path, tail(path, 2), tail(path, 1)] {
            self.staged.insert(BString::from(name), (lineage, now));
        }
    }

    /// Whether what a server writes to `path` is what it unpacked for an update before: by the last two names, or, where a
    /// file is written over, by its last.
    pub fn was_staged(&self, path: &[u8], over: bool, lineage: u32, now: u64) -> bool {
        self.staged_by(tail(path, 2), lineage, now) || over && self.staged_by(tail(path, 1), lineage, now)
    }

    /// Whether `path` lies in a directory that is named like an archive beside it which the server deployed.
    pub fn is_unpacked(&self, path: &[u8], lineage: u32, now: u64) -> bool {
        const ARCHIVES: [&str; 7] = [".war", ".ear", ".jar", ".jpi", ".hpi", ".zip", ".sar"];
        let mut directory = path;
        while let Some(slash) = directory.rfind_byte(b'/').filter(|slash| *slash > 0) {
            directory = &directory[..slash];
            let archive = |suffix: &str| self.staged_by(&[directory, suffix.as_bytes()].concat(), lineage, now);
            if ARCHIVES.iter().any(|suffix| archive(suffix)) {
                return true;
            }
        }
        false
    }

    fn staged_by(&self, name: &[u8], lineage: u32, now: u64) -> bool {
        self.staged
            .get(BStr::new(name))
            .is_some_and(|(whose, when)| *whose == lineage && now.saturating_sub(*when) < UPDATE_NS)
    }

    /// Takes in what was kept before. What cannot be read is left out.
    pub fn restore(&mut self, value: &str) -> Option<&Entry> {
        let entry: Entry = serde_json::from_str(value).ok()?;
        let file = entry.file();
        self.note(entry);
        self.entries.get(&file).map(|(_, entry)| entry)
    }

    /// How many files are remembered.
    pub fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many were forgotten because there were too many.
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }
}

fn remembered(entry: &Entry) -> Remembered {
    // Our own plain data: writing it cannot fail.
    let value = serde_json::to_string(entry).unwrap_or_default();
    Remembered { kind: Memory::Ledger, key: key(entry.file()), value }
}

fn key((device, inode): FileId) -> String {
    format!("{device}:{inode}")
}

/// The last `names` names of a path, with the slash before them.
fn tail(path: &[u8], names: usize) -> &[u8] {
    let mut start = path.len();
    for _ in 0..names {
        match path[..start].rfind_byte(b'/') {
            Some(slash) => start = slash,
            None => return path,
        }
    }
    &path[start..]
}

#[cfg(test)]
mod tests;
