//! Which directories a server loads components from: patterns turned into directories that exist.
//!
//! Comes in: a process and the patterns of its kind. Goes out: directories by device and inode, and what does not exist
//! yet. Always holds: paths are looked up as the process sees them, and no link leads out of its root. It decides nothing
//! about files, and installs nothing in the kernel.

use crate::procfs::{Root, is_glob};
use bstr::BString;
use rustix::io::Errno;
use sensor_common::file::WatchKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::{Component, Path, PathBuf};

/// Most directories that are watched at once; the kernel's map has room for more, the marks of fanotify have not.
pub const MAX_DIRECTORIES: usize = 4096;
/// A pattern is watched from its fixed part on, if that has at least so many names; else what it stands for now is.
const FIXED_ENOUGH: usize = 3;
/// Directories that hold so much else that watching all below them would tell nothing.
const TOO_BROAD: &[&str] = &[
    "/",
    "/bin",
    "/boot",
    "/dev",
    "/etc",
    "/home",
    "/lib",
    "/lib64",
    "/media",
    "/mnt",
    "/opt",
    "/proc",
    "/root",
    "/run",
    "/sbin",
    "/sys",
    "/tmp",
    "/usr",
    "/usr/bin",
    "/usr/lib",
    "/usr/lib64",
    "/usr/local",
    "/usr/local/bin",
    "/usr/local/lib",
    "/usr/sbin",
    "/usr/share",
    "/var",
    "/var/cache",
    "/var/lib",
    "/var/log",
    "/var/run",
    "/var/tmp",
];

/// A pattern that a server loads components from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Wanted {
    /// Kind of component, in the catalogue's words.
    pub component: String,
    /// An absolute directory; `*` stands for a part of one name.
    pub pattern: PathBuf,
}

impl Wanted {
    /// From its parts.
    pub fn new(component: &str, pattern: impl Into<PathBuf>) -> Self {
        Self { component: component.to_owned(), pattern: pattern.into() }
    }
}

/// A directory to watch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// Kind of component.
    pub component: String,
    /// Its path in the process's mount namespace.
    pub path: BString,
    /// Its path from the process's root.
    pub in_root: PathBuf,
    /// What the kernel knows it by.
    pub key: WatchKey,
}

/// A pattern of which nothing is watched.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NotWatched {
    /// Kind of component.
    pub component: String,
    /// As wanted.
    pub pattern: String,
    /// Why not.
    pub reason: String,
}

/// What became of the patterns.
#[derive(Clone, Debug, Default)]
pub struct Expansion {
    /// To watch.
    pub found: Vec<Found>,
    /// Not there.
    pub not_watched: Vec<NotWatched>,
}

/// Looks the patterns up as process `pid` sees them. A directory inside another of the same kind is left to that one.
pub fn expand(proc_root: &Path, pid: u32, wanted: &[Wanted]) -> Expansion {
    let mut expansion = Expansion::default();
    let root = match Root::of(proc_root, pid) {
        Ok(root) => root,
        Err(error) => {
            let reason = format!("the process's root cannot be opened: {error}");
            expansion.not_watched = wanted.iter().map(|one| not_watched(one, reason.clone())).collect();
            return expansion;
        }
    };
    let mut found: BTreeMap<(BString, String), Found> = BTreeMap::new();
    for one in wanted {
        match expand_one(&root, one) {
            Ok(directories) => {
                found.extend(
                    directories.into_iter().map(|found| ((found.path.clone(), found.component.clone()), found)),
                );
            }
            Err(reason) => expansion.not_watched.push(not_watched(one, reason)),
        }
    }
    for directory in found.into_values() {
        let inside = |outer: &Found| {
            outer.component == directory.component
                && directory.path.strip_prefix(outer.path.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
        };
        // Outer ones come first in the order of paths.
        if !expansion.found.iter().any(inside) {
            expansion.found.push(directory);
        }
    }
    expansion
}

fn not_watched(wanted: &Wanted, reason: String) -> NotWatched {
    NotWatched { component: wanted.component.clone(), pattern: wanted.pattern.display().to_string(), reason }
}

fn expand_one(root: &Root, wanted: &Wanted) -> Result<Vec<Found>, String> {
    let begin = start(&wanted.pattern);
    let mut found = Vec::new();
    let mut reason = None;
    for path in root.matches(&begin) {
        let place = match root.directory(&path) {
            Ok(place) => place,
            Err(Errno::NOTDIR) => continue,
            Err(error) => {
                reason = Some(format!("{}: {error}", path.display()));
                continue;
            }
        };
        if TOO_BROAD.iter().any(|broad| place.in_root == Path::new(broad)) {
            reason = Some(format!("{} holds too much else", place.in_root.display()));
            continue;
        }
        let key = WatchKey { inode: place.statx.stx_ino, device: place.device, reserved: 0 };
        found.push(Found { component: wanted.component.clone(), path: place.path, in_root: place.in_root, key });
    }
    if found.is_empty() { Err(reason.unwrap_or_else(|| "does not exist yet".to_owned())) } else { Ok(found) }
}

/// Where watching begins: at the pattern's fixed part where that says enough, so that new matches are seen too; else at
/// the directories that the pattern stands for.
fn start(pattern: &Path) -> PathBuf {
    let names: Vec<_> = pattern
        .components()
        .filter_map(|part| if let Component::Normal(name) = part { Some(name) } else { None })
        .collect();
    let fixed = names.iter().position(|name| is_glob(name)).unwrap_or(names.len());
    let kept = if fixed >= FIXED_ENOUGH { fixed } else { names.len() };
    // `/dir/*` and `/dir/**` mean the directory itself.
    let all = |name: &&std::ffi::OsStr| *name == "*" || *name == "**";
    let trailing = names[..kept].iter().rev().take_while(|name| all(name)).count();
    let mut path = PathBuf::from("/");
    path.extend(&names[..kept - trailing]);
    path
}

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
    use std::fs;
    use std::os::unix::fs::{MetadataExt, symlink};

    /// A procfs with one process, 7, whose root is a directory `root` beside it.
    fn fake() -> (tempfile::TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(&root).unwrap();
        fs::create_dir_all(directory.path().join("7")).unwrap();
        symlink(&root, directory.path().join("7/root")).unwrap();
        (directory, root)
    }

    fn paths(expansion: &Expansion) -> Vec<String> {
        expansion.found.iter().map(|found| found.in_root.display().to_string()).collect()
    }

    #[test]
    fn patterns_become_directories() {
        let (proc_root, root) = fake();
        for path in ["usr/lib/php/20220829", "var/lib/tomcat9/webapps", "var/lib/tomcat10/webapps", "var/www/html"] {
            fs::create_dir_all(root.join(path)).unwrap();
        }
        fs::write(root.join("var/lib/tomcat-file"), "").unwrap();
        let wanted = [
            Wanted::new("native_module", "/usr/lib/php/20*"),
            Wanted::new("webapp", "/var/lib/tomcat*/webapps"),
            Wanted::new("script_docroot", "/var/www/**"),
            Wanted::new("script_docroot", "/var/www/html"),
            Wanted::new("native_module", "/usr/lib64/nothing"),
            Wanted::new("app_source", "/usr"),
        ];
        let expansion = expand(proc_root.path(), 7, &wanted);
        let expected = ["/usr/lib/php", "/var/lib/tomcat10/webapps", "/var/lib/tomcat9/webapps", "/var/www"];
        assert_eq!(paths(&expansion), expected);
        let reasons: Vec<&str> = expansion.not_watched.iter().map(|not| not.reason.as_str()).collect();
        assert_eq!(reasons, ["does not exist yet", "/usr holds too much else"]);
        let inode = fs::metadata(root.join("usr/lib/php")).unwrap().ino();
        assert_eq!(expansion.found[0].key.inode, inode);
    }

    #[test]
    fn links_stay_inside_the_root() {
        let (proc_root, root) = fake();
        fs::create_dir_all(root.join("srv/app/public")).unwrap();
        fs::create_dir_all(root.join("var/www")).unwrap();
        symlink("/srv/app/public", root.join("var/www/html")).unwrap();
        symlink("../../../../../../../../../../etc/ssl", root.join("var/www/escape")).unwrap();
        let wanted = [Wanted::new("script_docroot", "/var/www/html"), Wanted::new("script_docroot", "/var/www/escape")];
        let expansion = expand(proc_root.path(), 7, &wanted);
        assert_eq!(paths(&expansion), ["/srv/app/public"]);
        assert_eq!(expansion.not_watched.len(), 1);
    }

    #[test]
    fn a_process_that_is_gone_gives_nothing() {
        let (proc_root, _) = fake();
        let expansion = expand(proc_root.path(), 8, &[Wanted::new("script_docroot", "/var/www")]);
        assert!(expansion.found.is_empty() && expansion.not_watched.len() == 1);
    }

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
