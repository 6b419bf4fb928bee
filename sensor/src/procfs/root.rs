//! The file system as a process sees it: through `/proc/PID/root`, with its mounts, and with no link leading out.

use super::mounts::{self, Mounts};
use bstr::BString;
use globset::GlobBuilder;
use rustix::fd::OwnedFd;
use rustix::fs::{CWD, Mode, OFlags, ResolveFlags, Statx};
use std::ffi::{OsStr, OsString};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Component, Path, PathBuf};

/// Most paths that a pattern may stand for.
const MAX_MATCHES: usize = 256;
/// Most names of a directory that are looked at.
const MAX_NAMES: usize = 65_536;

/// The process whose root is the host's: the first one; where that may not be looked at, the sensor itself, which may be
/// in a mount namespace of its own (a service with a private `/tmp`, a container).
pub fn host_process(proc_root: &Path) -> u32 {
    if Root::of(proc_root, 1).is_ok() { 1 } else { std::process::id() }
}

/// The root directory of a process.
pub struct Root {
    root: OwnedFd,
    /// What its root is called in its mount namespace: `/`, or where it was chrooted to.
    chroot: BString,
    mounts: Mounts,
}

/// A file or directory that was found.
pub struct Place {
    /// Its path from the process's root, links resolved.
    pub in_root: PathBuf,
    /// Its path in the process's mount namespace, as the kernel programs see it.
    pub path: BString,
    /// Its device, kernel encoding.
    pub device: u32,
    /// Its facts.
    pub statx: Statx,
}

impl Root {
    /// That of a process; fails if it is gone.
    pub fn of(proc_root: &Path, pid: u32) -> rustix::io::Result<Self> {
        let process = proc_root.join(pid.to_string());
        let flags = OFlags::PATH | OFlags::CLOEXEC | OFlags::DIRECTORY;
        let root = rustix::fs::openat(CWD, process.join("root"), flags, Mode::empty())?;
        let chroot = std::fs::read_link(process.join("root")).unwrap_or_else(|_| PathBuf::from("/"));
        Ok(Self { root, chroot: BString::from(chroot.into_os_string().into_vec()), mounts: Mounts::of(&process) })
    }

    /// Opens an absolute path, whatever is there; links are followed and end inside the root.
    pub fn open(&self, path: &Path, flags: OFlags) -> rustix::io::Result<OwnedFd> {
        let relative = path.strip_prefix("/").unwrap_or(path);
        let relative = if relative.as_os_str().is_empty() { Path::new(".") } else { relative };
        let flags = flags | OFlags::CLOEXEC;
        rustix::fs::openat2(&self.root, relative, flags, Mode::empty(), ResolveFlags::IN_ROOT)
    }

    /// The directory of that absolute path.
    pub fn directory(&self, path: &Path) -> rustix::io::Result<Place> {
        self.place(&self.open(path, OFlags::PATH | OFlags::DIRECTORY)?, path)
    }

    /// What and where something is that was opened below this root by that path.
    pub fn place(&self, opened: &OwnedFd, path: &Path) -> rustix::io::Result<Place> {
        let statx = mounts::statx(opened)?;
        let link = std::fs::read_link(format!("/proc/self/fd/{}", opened.as_raw_fd()));
        let real = link.map_or_else(
            |_| BString::from(path.as_os_str().as_bytes()),
            |link| BString::from(link.into_os_string().into_vec()),
        );
        let real_path = Path::new(OsStr::from_bytes(&real));
        let in_root = self.own_path(real_path).unwrap_or_else(|| real_path.to_owned());
        Ok(Place { in_root, path: real, device: self.mounts.device(&statx), statx })
    }

    /// A path of the process's mount namespace as the process itself calls it: from its root. `None` if that lies outside.
    pub fn own_path(&self, path: &Path) -> Option<PathBuf> {
        let inside = path.strip_prefix(OsStr::from_bytes(&self.chroot)).ok()?;
        Some(Path::new("/").join(inside))
    }

    /// The first `most` bytes of a regular file.
    pub fn read(&self, path: &Path, most: u64) -> Option<Vec<u8>> {
        // Not blocking: what looks like a configuration file may be a FIFO.
        let opened = self.open(path, OFlags::RDONLY | OFlags::NONBLOCK).ok()?;
        let mut file = std::fs::File::from(opened);
        if !file.metadata().ok()?.is_file() {
            return None;
        }
        let mut text = Vec::new();
        (&mut file).take(most).read_to_end(&mut text).ok()?;
        Some(text)
    }

    /// What exists of an absolute pattern whose `*` stands for a part of one name; sorted, at most 256.
    pub fn matches(&self, pattern: &Path) -> Vec<PathBuf> {
        let mut found = vec![PathBuf::from("/")];
        for part in pattern.components() {
            let Component::Normal(name) = part else {
                continue;
            };
            if is_glob(name) {
                // Lazily: directories that are not needed any more are not read.
                let names = found.iter().flat_map(|directory| self.names(directory, name));
                found = names.take(MAX_MATCHES).collect();
            } else {
                for path in &mut found {
                    path.push(name);
                }
            }
        }
        found.retain(|path| self.open(path, OFlags::PATH).is_ok());
        found
    }

    fn names(&self, directory: &Path, pattern: &OsStr) -> Vec<PathBuf> {
        let glob = GlobBuilder::new(&pattern.to_string_lossy()).literal_separator(true).build();
        let (Ok(glob), Ok(opened)) = (glob, self.open(directory, OFlags::RDONLY | OFlags::DIRECTORY)) else {
            return Vec::new();
        };
        let matcher = glob.compile_matcher();
        let entries = rustix::fs::Dir::read_from(&opened).into_iter().flatten().flatten().take(MAX_NAMES);
        let mut names: Vec<OsString> = entries
            .map(|entry| OsString::from_vec(entry.file_name().to_bytes().to_vec()))
            .filter(|name| !name.as_bytes().starts_with(b".") && matcher.is_match(Path::new(name)))
            .collect();
        names.sort();
        names.into_iter().map(|name| directory.join(name)).collect()
    }
}

/// Whether a name is a pattern.
pub fn is_glob(name: &OsStr) -> bool {
    name.as_bytes().iter().any(|byte| b"*?[{".contains(byte))
}
