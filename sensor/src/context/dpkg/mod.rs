//! dpkg's database: `/var/lib/dpkg`, and the `status.d` of images without dpkg.
//!
//! Its list of paths is kept as an index. Digests are read from the package's own `.md5sums` when they are asked for;
//! those of configuration files stand in `status` and are kept. A path that a diversion concerns is that of the package
//! whose file is really there. While dpkg works, versions may be those of before.

mod parse;

use super::alias::Aliases;
use super::digest::Digest;
use super::files;
use super::index::{Builder, MAX_PACKAGES, PathIndex, hash};
use super::owners::Owned;
use crate::procfs::Root;
use parse::{Diversion, Stanza};
use std::collections::HashMap;
use std::path::Path;

/// Where it may lie.
pub const DIRECTORIES: &[&str] = &[INFO, STATUS_D];
/// What says that the database was changed.
pub const STAMPED: &[&str] = &[STATUS, INFO, UPDATES, STATUS_D, DIVERSIONS];
const STATUS: &str = "/var/lib/dpkg/status";
const INFO: &str = "/var/lib/dpkg/info";
const UPDATES: &str = "/var/lib/dpkg/updates";
const STATUS_D: &str = "/var/lib/dpkg/status.d";
const DIVERSIONS: &str = "/var/lib/dpkg/diversions";

/// Most bytes of `status`.
const MAX_STATUS: u64 = 64 << 20;
/// Most bytes of a package's list.
const MAX_LIST: u64 = 16 << 20;
/// Most bytes of all.
const MAX_BYTES: u64 = 512 << 20;
/// Most names in the directory of lists; a package has up to ten files there.
const MAX_NAMES: usize = MAX_PACKAGES * 10;
/// Most updates that wait to be merged; dpkg merges after some 250.
const MAX_UPDATES: usize = 1024;
/// Most diversions.
const MAX_DIVERSIONS: usize = 16_384;
/// Most diversions to one path; more than one is a mistake.
const MAX_TO: usize = 4;
/// Most configuration files.
const MAX_CONFFILES: usize = 65_536;

/// A read database.
pub struct Database {
    packages: Vec<Package>,
    index: PathIndex,
    /// Hash of the path, number of the package, digest; sorted.
    conffiles: Vec<(u64, u32, Digest)>,
    diversions: Vec<Diversion>,
    cut: bool,
}

struct Package {
    name: Box<str>,
    version: Box<str>,
    /// What its files are called: `libc6:amd64`.
    stem: Box<str>,
    directory: &'static str,
}

/// Which packages a path may belong to.
#[derive(Clone, Copy)]
enum Whose<'a> {
    All,
    Only(&'a [u8]),
    Not(&'a [u8]),
}

impl Whose<'_> {
    fn takes(self, package: &str) -> bool {
        match self {
            Self::All => true,
            Self::Only(name) => package.as_bytes() == name,
            Self::Not(name) => package.as_bytes() != name,
        }
    }
}

/// What is collected while reading.
#[derive(Default)]
struct Reading {
    packages: Vec<Package>,
    paths: Builder,
    conffiles: Vec<(u64, u32, Digest)>,
    bytes: u64,
    cut: bool,
}

impl Database {
    /// Reads that of a root; `None` if it has none.
    pub fn read(root: &Root) -> Option<Self> {
        let status = files::directory(root, "/var/lib/dpkg").and_then(|at| files::read_in(at, "status", MAX_STATUS));
        let distroless = files::directory(root, STATUS_D);
        if status.is_none() && distroless.is_none() {
            return None;
        }
        let mut reading = Reading::default();
        if let Some(status) = status {
            reading.info(root, &status);
        }
        if let Some(directory) = distroless {
            reading.distroless(&directory);
        }
        reading.conffiles.sort_unstable_by_key(|entry| (entry.0, entry.1));
        let diversions = root.read(Path::new(DIVERSIONS), MAX_LIST).unwrap_or_default();
        Some(Self {
            cut: reading.cut || reading.paths.left_out > 0,
            packages: reading.packages,
            index: reading.paths.finish(),
            conffiles: reading.conffiles,
            diversions: parse::diversions(&diversions, MAX_DIVERSIONS),
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
            let own = self.diversions.iter().find(|one| one.from == spelling);
            let whose = own.map_or(Whose::All, |one| Whose::Only(&one.by));
            self.holders(root, &spelling, whose, &mut owners);
            for diversion in self.diversions.iter().filter(|one| one.to == spelling).take(MAX_TO) {
                for from in aliases.spellings(&diversion.from) {
                    self.holders(root, &from, Whose::Not(&diversion.by), &mut owners);
                }
            }
        }
        owners
    }

    fn holders(&self, root: &Root, path: &[u8], whose: Whose<'_>, owners: &mut Vec<Owned>) {
        for number in self.index.holders(path) {
            let Some(package) = self.packages.get(*number as usize).filter(|one| whose.takes(&one.name)) else {
                continue;
            };
            owners.push(Owned {
                manager: crate::provenance::Manager::Dpkg,
                name: package.name.to_string(),
                version: package.version.to_string(),
                digest: self.digest(root, path, *number, package),
            });
        }
    }

    fn digest(&self, root: &Root, path: &[u8], number: u32, package: &Package) -> Option<Digest> {
        let key = (hash(path), number);
        if let Ok(at) = self.conffiles.binary_search_by_key(&key, |entry| (entry.0, entry.1)) {
            return self.conffiles.get(at).map(|entry| entry.2.clone());
        }
        let directory = files::directory(root, package.directory)?;
        let text = files::read_in(&directory, &format!("{}.md5sums", package.stem), MAX_LIST)?;
        parse::sum_of(&text, path)
    }
}

impl Reading {
    /// A database with lists in `info`.
    fn info(&mut self, root: &Root, status: &[u8]) {
        let mut known: HashMap<String, Stanza> = HashMap::new();
        let updates = files::directory(root, UPDATES);
        let updates = updates.iter().flat_map(|directory| {
            let names = files::names(directory, MAX_UPDATES).into_iter();
            names.filter_map(move |name| files::read_in(directory, &name, MAX_LIST))
        });
        // Later ones are newer.
        for text in std::iter::once(status.to_vec()).chain(updates) {
            for stanza in parse::stanzas(&text).take(MAX_PACKAGES) {
                if known.len() < MAX_PACKAGES {
                    known.insert(format!("{}:{}", stanza.name, stanza.architecture), stanza);
                }
            }
        }
        // `Multi-Arch: same` packages have the architecture in the file's name, others have not.
        let alone: HashMap<String, String> =
            known.iter().map(|(key, stanza)| (stanza.name.clone(), key.clone())).collect();
        let Some(directory) = files::directory(root, INFO) else {
            return;
        };
        for name in files::names(&directory, MAX_NAMES) {
            let Some(stem) = name.strip_suffix(".list") else {
                continue;
            };
            let Some(text) = self.text(&directory, &name) else {
                continue;
            };
            let stanza = known.get(stem).or_else(|| known.get(alone.get(stem)?));
            self.package(stem, INFO, stanza, parse::listed(&text));
        }
    }

    /// Images built without dpkg have a file for each package, and its digests beside it.
    fn distroless(&mut self, directory: &rustix::fd::OwnedFd) {
        for name in files::names(directory, MAX_NAMES) {
            if name.ends_with(".md5sums") || name.starts_with('.') {
                continue;
            }
            let (Some(status), Some(sums)) =
                (self.text(directory, &name), self.text(directory, &format!("{name}.md5sums")))
            else {
                continue;
            };
            let stanza = parse::stanzas(&status).next();
            self.package(&name, STATUS_D, stanza.as_ref(), parse::sums(&sums).map(|(path, _)| path));
        }
    }

    fn text(&mut self, directory: &rustix::fd::OwnedFd, name: &str) -> Option<Vec<u8>> {
        if self.bytes >= MAX_BYTES || self.packages.len() >= MAX_PACKAGES {
            self.cut = true;
            return None;
        }
        let text = files::read_in(directory, name, MAX_LIST)?;
        self.bytes += text.len() as u64;
        self.cut |= text.len() as u64 == MAX_LIST;
        Some(text)
    }

    fn package<'a>(
        &mut self,
        stem: &str,
        directory: &'static str,
        stanza: Option<&Stanza>,
        paths: impl Iterator<Item = &'a [u8]>,
    ) {
        let number = self.packages.len() as u32;
        for path in paths {
            self.paths.add(path, number);
        }
        for (path, digest) in stanza.into_iter().flat_map(|stanza| &stanza.conffiles) {
            if self.conffiles.len() < MAX_CONFFILES {
                self.conffiles.push((hash(path), number, digest.clone()));
            }
        }
        let name = stanza
            .map_or_else(|| parse::word(stem.split(':').next().unwrap_or(stem).as_bytes()), |one| one.name.clone());
        self.packages.push(Package {
            name: name.into(),
            version: stanza.map_or_else(String::new, |one| one.version.clone()).into(),
            stem: stem.into(),
            directory,
        });
    }
}

#[cfg(test)]
mod tests;
