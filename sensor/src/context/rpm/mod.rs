//! rpm's database: `rpmdb.sqlite`, a header for each package.
//!
//! Kept are an index of paths and where each header lies; a digest is read from there when it is asked for.

mod header;

use super::alias::Aliases;
use super::files;
use super::index::{Builder, MAX_PACKAGES, PathIndex};
use super::owners::Owned;
use super::sqlite::{Newer, Place, Reader, column};
use crate::procfs::Root;
use crate::provenance::Manager;
use header::Header;
use std::fs::File;
use std::sync::Arc;

/// Where it may lie.
pub const DIRECTORIES: &[&str] = &["/usr/lib/sysimage/rpm", "/var/lib/rpm", "/usr/share/rpm"];
/// What says that the database was changed.
pub const STAMPED: &[&str] = &[
    "/usr/lib/sysimage/rpm/rpmdb.sqlite",
    "/usr/lib/sysimage/rpm/rpmdb.sqlite-wal",
    "/var/lib/rpm/rpmdb.sqlite",
    "/var/lib/rpm/rpmdb.sqlite-wal",
    "/usr/share/rpm/rpmdb.sqlite",
    "/usr/share/rpm/rpmdb.sqlite-wal",
    "/usr/lib/sysimage/rpm/Packages.db",
    "/var/lib/rpm/Packages.db",
    "/var/lib/rpm/Packages",
];

/// Why a database that is there is not read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Unreadable {
    /// Of a kind without a reader.
    #[error("rpm database of an unsupported kind: {0} is {1}, only rpmdb.sqlite is read; its files have no package")]
    Kind(&'static str, &'static str),
    /// Not what its name says.
    #[error("{0} is no SQLite file with rpm's table Packages; its files have no package")]
    Broken(&'static str),
}

/// A read database.
pub struct Database {
    path: &'static str,
    newer: Newer,
    packages: Vec<Package>,
    index: PathIndex,
    cut: bool,
}

struct Package {
    name: Box<str>,
    version: Box<str>,
    place: Place,
}

impl Database {
    /// Reads that of a root; `None` if it has none.
    pub fn read(root: &Root) -> Option<Result<Self, Unreadable>> {
        for path in STAMPED {
            if path.ends_with("-wal") {
                continue;
            }
            let Some((file, _)) = files::regular(root, path) else {
                continue;
            };
            return Some(match path.rsplit_once('/').map_or("", |(_, name)| name) {
                "rpmdb.sqlite" => Self::sqlite(path, root, file).ok_or(Unreadable::Broken(path)),
                "Packages.db" => Err(Unreadable::Kind(path, "ndb")),
                _ => Err(Unreadable::Kind(path, "BerkeleyDB")),
            });
        }
        None
    }

    fn sqlite(path: &'static str, root: &Root, file: File) -> Option<Self> {
        let reader = reader(root, path, file, None)?;
        let table = reader.table("Packages")?;
        let mut packages = Vec::new();
        let mut paths = Builder::default();
        let mut cut = false;
        let whole = reader.scan(table, |place, row| {
            let Some(header) = column(row, 1).and_then(Header::new) else {
                return;
            };
            let Some(name) = header.name() else {
                return;
            };
            if packages.len() >= MAX_PACKAGES {
                cut = true;
                return;
            }
            let number = packages.len() as u32;
            header.each_file(|path, _| paths.add(path, number));
            packages.push(Package { name: name.into(), version: header.version().into(), place });
        });
        Some(Self {
            path,
            newer: reader.newer(),
            packages,
            cut: cut || !whole || paths.left_out > 0,
            index: paths.finish(),
        })
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
                let row = files::regular(root, self.path)
                    .and_then(|(file, _)| reader(root, self.path, file, Some(Arc::clone(&self.newer))))
                    .and_then(|reader| reader.at(package.place));
                let header = row.as_deref().and_then(|row| column(row, 1)).and_then(Header::new);
                owners.push(Owned {
                    manager: Manager::Rpm,
                    name: package.name.to_string(),
                    version: package.version.to_string(),
                    digest: header.and_then(|header| header.digest_of(&spelling)),
                });
            }
        }
        owners
    }
}

fn reader(root: &Root, path: &str, file: File, known: Option<Newer>) -> Option<Reader<File>> {
    let wal = files::regular(root, &format!("{path}-wal")).filter(|(_, size)| *size > 0).map(|(wal, _)| wal);
    Reader::open(file, wal, known)
}

#[cfg(test)]
mod tests;
