//! Which directories a server loads components from: patterns turned into directories that exist.
//!
//! Comes in: a process and the patterns of its kind. Goes out: directories by device and inode, and what does not exist
//! yet. Always holds: paths are looked up as the process sees them, and no link leads out of its root. It decides nothing
//! about files, and installs nothing in the kernel.

mod numbers;

pub use numbers::{Numbered, Numbers};

use crate::procfs::{Place, Root, is_glob};
use bstr::BString;
use rustix::io::Errno;
use sensor_common::file::WatchKey;
use sensor_common::key::ProcessKey;
use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, HashMap};
use std::path::{Component, Path, PathBuf};

/// Most directories that are watched at once; the kernel's map has room for more, the marks of fanotify have not.
pub const MAX_DIRECTORIES: usize = 4096;
/// Most directories of one server: what its configuration names must not use up the others' share. Those that are wanted
/// first come first.
const MAX_OF_ONE: usize = 512;
/// Most ways in which a directory is known that are told.
const MAX_ORIGINS: usize = 3;
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
    /// An absolute directory, or a file: its directory is then meant. `*` stands for a part of one name.
    pub pattern: PathBuf,
    /// How it is known, for people: `catalogue`, `nginx.conf: root`, `argv: -D`.
    pub origin: String,
}

impl Wanted {
    /// From its parts.
    pub fn new(component: &str, pattern: impl Into<PathBuf>, origin: impl Into<String>) -> Self {
        Self { component: component.to_owned(), pattern: pattern.into(), origin: origin.into() }
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
    /// How it is known; several ways with commas between them.
    pub origin: String,
}

/// A pattern of which nothing is watched.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct NotWatched {
    /// Kind of component.
    pub component: String,
    /// As wanted.
    pub pattern: String,
    /// How it is known.
    pub origin: String,
    /// Why not.
    pub reason: String,
}

impl Found {
    /// Adds another way in which it is known, up to three.
    fn also(&mut self, origin: &str) {
        let mut known = self.origin.split(", ");
        if known.clone().count() < MAX_ORIGINS && known.all(|known| known != origin) {
            self.origin = format!("{}, {origin}", self.origin);
        }
    }
}

/// What is remembered of a server's directories.
#[derive(Clone, Debug, Default)]
pub struct Noted {
    /// The process through which they were reached last.
    pub process: Option<ProcessKey>,
    /// Those that are watched.
    pub watched: HashMap<WatchKey, Watched>,
    /// Patterns of which nothing is watched.
    pub not_watched: Vec<NotWatched>,
}

impl Noted {
    /// How the directory of a number is known.
    pub fn origin(&self, watch: u32) -> Option<&str> {
        self.watched.values().find(|watched| watched.number == watch).map(|watched| watched.origin.as_str())
    }
}

/// A directory that is watched.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    /// Its number.
    pub number: u32,
    /// Kind of component that it is watched as.
    pub component: String,
    /// How it is known.
    pub origin: String,
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
                for directory in directories {
                    if found.len() >= MAX_OF_ONE {
                        let reason = format!("the server has more than {MAX_OF_ONE} directories");
                        expansion.not_watched.push(not_watched(one, reason));
                        break;
                    }
                    match found.entry((directory.path.clone(), directory.component.clone())) {
                        Entry::Vacant(free) => drop(free.insert(directory)),
                        Entry::Occupied(mut known) => known.get_mut().also(&directory.origin),
                    }
                }
            }
            Err(reason) => expansion.not_watched.push(not_watched(one, reason)),
        }
    }
    for directory in found.into_values() {
        let inside = |outer: &Found| {
            outer.component == directory.component
                // Configuration that only the server names is not watched deep.
                && (outer.component != "config_loader" || outer.origin.starts_with("catalogue"))
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
    NotWatched {
        component: wanted.component.clone(),
        pattern: wanted.pattern.display().to_string(),
        origin: wanted.origin.clone(),
        reason,
    }
}

fn expand_one(root: &Root, wanted: &Wanted) -> Result<Vec<Found>, String> {
    let begin = start(&wanted.pattern);
    let mut found: Vec<Found> = Vec::new();
    let mut reason = None;
    for path in root.matches(&begin) {
        let (place, is_file) = match place_of(root, &path) {
            Ok(place) => place,
            Err(error) => {
                reason = Some(format!("{}: {error}", path.display()));
                continue;
            }
        };
        if TOO_BROAD.iter().any(|broad| place.in_root == Path::new(broad)) {
            let is = if is_file { "it is a file in " } else { "" };
            let which = if is_file { ", which" } else { "" };
            reason = Some(format!("{is}{}{which} holds too much else", place.in_root.display()));
            continue;
        }
        let key = WatchKey { inode: place.statx.stx_ino, device: place.device, reserved: 0 };
        if found.iter().all(|known| known.key != key) {
            let (component, origin) = (wanted.component.clone(), wanted.origin.clone());
            found.push(Found { component, path: place.path, in_root: place.in_root, key, origin });
        }
    }
    if found.is_empty() { Err(reason.unwrap_or_else(|| "does not exist yet".to_owned())) } else { Ok(found) }
}

/// The directory of that path, or that of the file, and whether it is a file.
fn place_of(root: &Root, path: &Path) -> rustix::io::Result<(Place, bool)> {
    match root.directory(path) {
        Err(Errno::NOTDIR) => Ok((root.directory(path.parent().unwrap_or(Path::new("/")))?, true)),
        other => Ok((other?, false)),
    }
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
            Wanted::new("native_module", "/usr/lib/php/20*", "catalogue"),
            Wanted::new("webapp", "/var/lib/tomcat*/webapps", "catalogue"),
            Wanted::new("script_docroot", "/var/www/**", "catalogue"),
            Wanted::new("script_docroot", "/var/www/html", "catalogue"),
            Wanted::new("native_module", "/usr/lib64/nothing", "catalogue"),
            Wanted::new("app_source", "/usr", "catalogue"),
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
    fn a_file_stands_for_its_directory_unless_that_is_too_broad() {
        let (proc_root, root) = fake();
        fs::create_dir_all(root.join("etc/mysql")).unwrap();
        fs::write(root.join("etc/my.cnf"), "").unwrap();
        fs::write(root.join("etc/mysql/my.cnf"), "").unwrap();
        let wanted = ["/etc/my.cnf", "/etc/mysql/my.cnf", "/etc/mysql"];
        let wanted = wanted.map(|path| Wanted::new("config_loader", path, format!("for {path}")));
        let expansion = expand(proc_root.path(), 7, &wanted);
        assert_eq!(paths(&expansion), ["/etc/mysql"]);
        assert_eq!(expansion.found[0].origin, "for /etc/mysql/my.cnf, for /etc/mysql");
        assert_eq!(expansion.not_watched.len(), 1);
        assert_eq!(expansion.not_watched[0].reason, "it is a file in /etc, which holds too much else");
    }

    #[test]
    fn one_server_cannot_have_all() {
        let (proc_root, root) = fake();
        for number in 0..300 {
            fs::create_dir_all(root.join(format!("a/{number}"))).unwrap();
            fs::create_dir_all(root.join(format!("b/{number}"))).unwrap();
        }
        fs::create_dir_all(root.join("z")).unwrap();
        let wanted = ["/z", "/a/[0-9]*", "/b/[0-9]*"].map(|path| Wanted::new("app_source", path, "x"));
        let expansion = expand(proc_root.path(), 7, &wanted);
        // A pattern stands for 256 at most.
        assert_eq!(expansion.found.len(), MAX_OF_ONE);
        assert!(expansion.found.iter().any(|found| found.in_root == Path::new("/z")));
        assert_eq!(expansion.not_watched[0].reason, "the server has more than 512 directories");
    }

    #[test]
    fn links_stay_inside_the_root() {
        let (proc_root, root) = fake();
        fs::create_dir_all(root.join("srv/app/public")).unwrap();
        fs::create_dir_all(root.join("var/www")).unwrap();
        symlink("/srv/app/public", root.join("var/www/html")).unwrap();
        symlink("../../../../../../../../../../etc/ssl", root.join("var/www/escape")).unwrap();
        let wanted = [
            Wanted::new("script_docroot", "/var/www/html", "catalogue"),
            Wanted::new("script_docroot", "/var/www/escape", "catalogue"),
        ];
        let expansion = expand(proc_root.path(), 7, &wanted);
        assert_eq!(paths(&expansion), ["/srv/app/public"]);
        assert_eq!(expansion.not_watched.len(), 1);
    }

    #[test]
    fn a_process_that_is_gone_gives_nothing() {
        let (proc_root, _) = fake();
        let expansion = expand(proc_root.path(), 8, &[Wanted::new("script_docroot", "/var/www", "catalogue")]);
        assert!(expansion.found.is_empty() && expansion.not_watched.len() == 1);
    }
}
