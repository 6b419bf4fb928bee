//! Opening and reading what a root holds, bounded.

use crate::procfs::Root;
use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{Dir, Mode, OFlags};
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// What says that a file is another one, or was changed, since. The change time is there because anyone can set the
/// other one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    size: i64,
    modified: (i64, u64),
    changed: (i64, u64),
}

/// The stamp of what is at an absolute path.
pub fn stamp(root: &Root, path: &str) -> Option<Stamp> {
    let opened = root.open(Path::new(path), OFlags::PATH).ok()?;
    let stat = rustix::fs::fstat(&opened).ok()?;
    Some(Stamp {
        device: stat.st_dev,
        inode: stat.st_ino,
        size: stat.st_size,
        modified: (stat.st_mtime, stat.st_mtime_nsec),
        changed: (stat.st_ctime, stat.st_ctime_nsec),
    })
}

/// Device and inode of a directory.
pub fn identity(root: &Root, path: &str) -> Option<(u64, u64)> {
    let opened = root.open(Path::new(path), OFlags::PATH | OFlags::DIRECTORY).ok()?;
    let stat = rustix::fs::fstat(&opened).ok()?;
    Some((stat.st_dev, stat.st_ino))
}

/// A directory's descriptor.
pub fn directory(root: &Root, path: &str) -> Option<OwnedFd> {
    root.open(Path::new(path), OFlags::RDONLY | OFlags::DIRECTORY).ok()
}

/// The names in a directory, at most so many, sorted.
pub fn names(directory: &OwnedFd, most: usize) -> Vec<String> {
    let entries = Dir::read_from(directory).into_iter().flatten().flatten();
    let mut names: Vec<String> =
        entries.take(most).filter_map(|entry| Some(entry.file_name().to_str().ok()?.to_owned())).collect();
    names.sort_unstable();
    names
}

/// The first `most` bytes of a regular file in a directory; a link is not followed.
pub fn read_in(directory: impl AsFd, name: &str, most: u64) -> Option<Vec<u8>> {
    if name.contains('/') {
        return None;
    }
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = File::from(rustix::fs::openat(directory, name, flags, Mode::empty()).ok()?);
    let metadata = file.metadata().ok()?;
    if !metadata.is_file() {
        return None;
    }
    let mut text = Vec::with_capacity(metadata.len().min(most) as usize + 1);
    file.take(most).read_to_end(&mut text).ok()?;
    Some(text)
}

/// A regular file for reading, with its size.
pub fn regular(root: &Root, path: &str) -> Option<(File, u64)> {
    let file = File::from(root.open(Path::new(path), OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY).ok()?);
    let metadata = file.metadata().ok()?;
    metadata.is_file().then_some((file, metadata.len()))
}
