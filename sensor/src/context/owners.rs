//! Which packages own a path, by all databases of a root; and the databases that are kept.
//!
//! A database is known by the directories that it lies in, so roots that share one share what was read; the stamps of its
//! files say whether it changed, or another was mounted over it. It is read anew for a question that was asked after it
//! was last read, if it changed since. A package manager at work changes it all the time: then ten times as long as
//! reading takes, at most half a second, is waited before it is read again, and the questions asked until then are
//! answered by that one reading.

use super::alias::Aliases;
use super::digest::Digest;
use super::files::{Stamp, identity, stamp};
use super::rpm::Unreadable;
use super::{apk, dpkg, rpm};
use crate::procfs::Root;
use crate::provenance::Manager;
use std::collections::HashSet;
use std::time::{Duration, Instant};

/// Longest time between two readings of a database that changes.
const MAX_PAUSE: Duration = Duration::from_millis(500);
/// Most databases that are kept.
const MAX_DATABASES: usize = 8;

/// A package that owns a path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// Whose database says so.
    pub manager: Manager,
    /// The package's name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// What the file's content should be.
    pub digest: Option<Digest>,
}

/// The databases that were read.
#[derive(Default)]
pub struct Owners {
    /// Least recently used first.
    kept: Vec<Kept>,
    /// What was said already.
    said: HashSet<Unreadable>,
}

struct Kept {
    manager: Manager,
    /// Device and inode of the directories in which it may lie.
    places: Vec<Option<(u64, u64)>>,
    stamps: Vec<Option<Stamp>>,
    begun: Instant,
    ended: Instant,
    /// `None` if it cannot be read, so that it is not tried again before it changes.
    database: Option<Database>,
}

enum Database {
    Dpkg(dpkg::Database),
    Apk(apk::Database),
    Rpm(rpm::Database),
}

impl Owners {
    /// The packages that own a path, links resolved, of a root, as it was when that was asked or later.
    pub fn of(&mut self, root: &Root, path: &[u8], asked: Instant) -> Vec<Owned> {
        let mut owners = Vec::new();
        let mut aliases = None;
        for (manager, directories) in
            [(Manager::Dpkg, dpkg::DIRECTORIES), (Manager::Apk, apk::DIRECTORIES), (Manager::Rpm, rpm::DIRECTORIES)]
        {
            let places: Vec<Option<(u64, u64)>> = directories.iter().map(|path| identity(root, path)).collect();
            if places.iter().all(Option::is_none) {
                continue;
            }
            let aliases = aliases.get_or_insert_with(|| Aliases::of(root));
            owners.extend(match self.database(manager, places, root, asked) {
                Some(Database::Dpkg(database)) => database.owners(root, aliases, path),
                Some(Database::Apk(database)) => database.owners(root, aliases, path),
                Some(Database::Rpm(database)) => database.owners(root, aliases, path),
                None => Vec::new(),
            });
        }
        owners
    }

    fn database(
        &mut self,
        manager: Manager,
        places: Vec<Option<(u64, u64)>>,
        root: &Root,
        asked: Instant,
    ) -> Option<&Database> {
        let known = self.kept.iter().position(|kept| kept.manager == manager && kept.places == places);
        let known = known.map(|at| self.kept.remove(at));
        let kept = match known {
            Some(kept) if kept.begun >= asked || kept.stamps == stamps(manager, root) => kept,
            outdated => {
                if let Some(outdated) = outdated {
                    let took = outdated.ended.saturating_duration_since(outdated.begun);
                    let pause = (took * 10).min(MAX_PAUSE);
                    std::thread::sleep(pause.saturating_sub(outdated.ended.elapsed()));
                }
                // The stamps first: what changes while it is read is read again.
                let (begun, stamps) = (Instant::now(), stamps(manager, root));
                let database = self.read(manager, root);
                Kept { manager, places, stamps, begun, ended: Instant::now(), database }
            }
        };
        if self.kept.len() >= MAX_DATABASES {
            self.kept.remove(0);
        }
        self.kept.push(kept);
        self.kept.last()?.database.as_ref()
    }

    fn read(&mut self, manager: Manager, root: &Root) -> Option<Database> {
        let begin = Instant::now();
        let (database, (packages, paths), cut) = match manager {
            Manager::Dpkg => {
                let read = dpkg::Database::read(root)?;
                let (counts, cut) = (read.counts(), read.is_cut());
                (Database::Dpkg(read), counts, cut)
            }
            Manager::Apk => {
                let read = apk::Database::read(root)?;
                let (counts, cut) = (read.counts(), read.is_cut());
                (Database::Apk(read), counts, cut)
            }
            Manager::Rpm => match rpm::Database::read(root)? {
                Ok(read) => {
                    let (counts, cut) = (read.counts(), read.is_cut());
                    (Database::Rpm(read), counts, cut)
                }
                Err(error) => {
                    if self.said.insert(error) {
                        tracing::warn!(%error, "files are judged without their package");
                    }
                    return None;
                }
            },
        };
        if cut {
            tracing::warn!(?manager, packages, paths, "a package database was not read whole: too big, or broken");
        }
        tracing::debug!(?manager, packages, paths, took = ?begin.elapsed(), "read a package database");
        Some(database)
    }
}

fn stamps(manager: Manager, root: &Root) -> Vec<Option<Stamp>> {
    let stamped = match manager {
        Manager::Dpkg => dpkg::STAMPED,
        Manager::Apk => apk::STAMPED,
        Manager::Rpm => rpm::STAMPED,
    };
    stamped.iter().map(|path| stamp(root, path)).collect()
}
