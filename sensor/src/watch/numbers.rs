//! The numbers of watched directories, which file events carry.

use super::MAX_DIRECTORIES;
use sensor_common::file::WatchKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The watched directories: a number for each, whoever loads from it. At the maximum the one that has been watched for
/// longest and whose servers have all ended gives way; while all run, nothing more is watched.
///
/// A directory stays watched when its server ends: what is put there then is loaded when the server starts again.
#[derive(Default)]
pub struct Numbers {
    by_key: HashMap<WatchKey, u32>,
    held: BTreeMap<u32, Held>,
    last: u32,
}

struct Held {
    key: WatchKey,
    /// The servers that load from it.
    lineages: BTreeSet<u32>,
}

/// What came of asking for a number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Numbered {
    /// The directory's number.
    pub watch: u32,
    /// Who gave way: it must not be watched any more.
    pub released: Option<(u32, WatchKey)>,
}

impl Numbers {
    /// The number of a directory that the server `lineage` loads from; `None` if there are as many as can be and all are
    /// of servers that run. Numbers are never used again.
    pub fn number(&mut self, key: WatchKey, lineage: u32, runs: &dyn Fn(u32) -> bool) -> Option<Numbered> {
        if let Some(watch) = self.by_key.get(&key).copied() {
            if let Some(held) = self.held.get_mut(&watch) {
                held.lineages.retain(|known| runs(*known));
                held.lineages.insert(lineage);
            }
            return Some(Numbered { watch, released: None });
        }
        let released = if self.by_key.len() < MAX_DIRECTORIES { None } else { Some(self.release(runs)?) };
        self.last += 1;
        self.by_key.insert(key, self.last);
        self.held.insert(self.last, Held { key, lineages: BTreeSet::from([lineage]) });
        Some(Numbered { watch: self.last, released })
    }

    fn release(&mut self, runs: &dyn Fn(u32) -> bool) -> Option<(u32, WatchKey)> {
        let idle = |held: &Held| !held.lineages.iter().any(|lineage| runs(*lineage));
        let (watch, key) = self.held.iter().find(|(_, held)| idle(held)).map(|(watch, held)| (*watch, held.key))?;
        self.held.remove(&watch);
        self.by_key.remove(&key);
        Some((watch, key))
    }

    /// How many directories have a number.
    pub fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether none has.
    pub fn is_empty(&self) -> bool {
        self.by_key.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(inode: u64) -> WatchKey {
        WatchKey { inode, device: 8, reserved: 0 }
    }

    #[test]
    fn a_directory_has_one_number() {
        let mut numbers = Numbers::default();
        let mut number = |inode| numbers.number(key(inode), 1, &|_| true).unwrap().watch;
        assert_eq!([number(5), number(6), number(5)], [1, 2, 1]);
    }

    #[test]
    fn at_the_maximum_the_oldest_of_servers_that_ended_gives_way() {
        let mut numbers = Numbers::default();
        for inode in 0..MAX_DIRECTORIES as u64 {
            assert!(numbers.number(key(inode), inode as u32, &|_| true).is_some());
        }
        // The second directory is loaded from by another server too.
        numbers.number(key(1), 7, &|_| true);
        assert_eq!(numbers.number(key(1_000_000), 9, &|_| true), None);
        let runs = |lineage: u32| lineage > 2;
        let new = numbers.number(key(1_000_000), 9, &runs).unwrap();
        assert_eq!(new.released, Some((1, key(0))));
        assert_eq!(numbers.number(key(1_000_001), 9, &runs).unwrap().released, Some((3, key(2))));
        assert_eq!(numbers.number(key(1_000_002), 9, &runs), None);
        assert_eq!(numbers.len(), MAX_DIRECTORIES);
    }
}
