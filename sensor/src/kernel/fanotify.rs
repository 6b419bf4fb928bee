//! Watched directories in the tracepoint set: fanotify marks, turned into the same records that programs make.
//!
//! The kernel says which directory (by file handle), which name, and which process, whatever path was used; other
//! directories cost nothing. What it does not say is looked up when the event is read: what the name is now (a link,
//! a new file), and the time. Events of one process on one name that come quickly are merged by the kernel.
//! Bounds: [`MAX_MARKS`] directories; [`GROUPS`] that the kernel calls the same; the kernel's queue (16,384 events), whose
//! overflow is counted.
//!
//! What the kernel calls a directory need not be its name alone: overlays over the same layers, which containers of one image
//! are, can have one id and handles in common. Two such directories are marked in two groups. The groups are made at
//! the start, because one that is made without `CAP_SYS_ADMIN` is not told who acted.

mod notice;
mod top;

use super::ring::Batch;
use crate::encode::encode;
use crate::event::Loss;
use anyhow::{Context, Result, bail};
use bstr::BString;
use notice::{Notice, events};
use rustix::fs::AtFlags;
use sensor_common::losses::{LossReason, Ring};
use std::collections::{HashMap, HashSet};
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use top::{Handle, Identity, Top, open_directory};

/// Most directories with a mark; more are not watched, and counted.
const MAX_MARKS: usize = 16_384;
/// Most directories that the kernel calls the same: containers of one image, most likely.
const GROUPS: usize = 32;
/// Deepest directory below a watched one that gets a mark.
const MAX_DEPTH: u32 = 40;

const EVENTS: u64 = libc::FAN_CREATE
    | libc::FAN_MODIFY
    | libc::FAN_CLOSE_WRITE
    | libc::FAN_MOVED_TO
    | libc::FAN_ATTRIB
    | libc::FAN_ONDIR
    | libc::FAN_EVENT_ON_CHILD;

/// A directory with a mark.
struct Marked {
    /// Its path in the mount namespace of the process it is watched for.
    path: BString,
    /// The same from the watched directory on; empty for that one itself.
    below: PathBuf,
    watch: u32,
    /// How many directories the watched one is above it; 0 is the watched one itself.
    depth: u32,
}

/// A fanotify group, and what is marked in it.
struct Group {
    descriptor: OwnedFd,
    /// Each with the device that its file system is.
    directories: HashMap<Handle, (u64, Marked)>,
}

/// The fanotify groups.
pub struct Fanotify {
    groups: Vec<Group>,
    /// How many of them ever had a mark: those are read.
    used: usize,
    tops: HashMap<u32, Top>,
    /// Watches of one directory and not of those below it.
    shallow: HashSet<u32>,
    buffer: Vec<u8>,
    overflows: u64,
    unmarked: u64,
}

impl Fanotify {
    /// Makes the groups. Needs `CAP_SYS_ADMIN` and 5.9.
    pub fn new() -> Result<Self> {
        Ok(Self {
            groups: (0..GROUPS).map(|_| Group::new()).collect::<Result<_>>()?,
            used: 0,
            tops: HashMap::new(),
            shallow: HashSet::new(),
            buffer: vec![0; 256 << 10],
            overflows: 0,
            unmarked: 0,
        })
    }

    /// What becomes readable when something happened.
    pub fn descriptors(&self) -> impl Iterator<Item = BorrowedFd<'_>> {
        self.groups.iter().take(self.used).map(|group| group.descriptor.as_fd())
    }

    /// Marks a directory and, if it is `deep`, every one below it. One that is marked already is from now on reached through process
    /// `pid`: who it was marked for first may have ended. If nobody leads to it any more, it may be another under the same
    /// numbers, as a container's overlay has them after one that was unmounted: then it is marked anew.
    pub fn watch(&mut self, pid: u32, path: &Path, watch: u32, deep: bool) -> Result<()> {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let reach = root.join(path.strip_prefix("/").unwrap_or(path));
        if let Some(top) = self.tops.get_mut(&watch)
            && top.way().is_some()
        {
            top.add(reach);
            return Ok(());
        }
        let identity = Identity::of(&open_directory(&reach, true)?)?;
        self.tops.insert(watch, Top::new(identity, reach));
        if !deep {
            self.shallow.insert(watch);
        }
        let path = BString::from(path.as_os_str().as_bytes());
        let marked = self.mark_tree(Marked { path, below: PathBuf::new(), watch, depth: 0 }, &mut |_, _, _| {});
        if marked.is_err() {
            self.tops.remove(&watch);
        }
        marked
    }

    /// Forgets a watched directory. The kernel's marks go with their file system; what they still tell is not looked at.
    pub fn unwatch(&mut self, watch: u32) {
        self.tops.remove(&watch);
        self.shallow.remove(&watch);
        for group in &mut self.groups {
            group.directories.retain(|_, (_, marked)| marked.watch != watch);
        }
    }

    /// Where the agent reaches a watched directory now.
    fn way(&mut self, watch: u32) -> Option<PathBuf> {
        self.tops.get_mut(&watch)?.way()
    }

    /// Marks `top` and what is below it; `found` is told of every file there.
    fn mark_tree(&mut self, top: Marked, found: &mut dyn FnMut(&Marked, &Path, &CStr)) -> Result<()> {
        let way = self.way(top.watch).context("no process that runs leads to it")?;
        let mut waiting = vec![top];
        let mut first = true;
        while let Some(directory) = waiting.pop() {
            let (opened, group, identity) = match self.mark(&directory, &way) {
                Ok(marked) => marked,
                Err(error) if first => return Err(error),
                Err(error) => {
                    self.unmarked += 1;
                    tracing::warn!(path = %directory.path, error = format!("{error:#}"), "directory is not watched");
                    continue;
                }
            };
            first = false;
            for entry in rustix::fs::Dir::read_from(&opened).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if name == c"." || name == c".." {
                    continue;
                }
                if is_directory(&opened, name) {
                    if directory.depth < MAX_DEPTH && !self.shallow.contains(&directory.watch) {
                        waiting.push(directory.below(name.to_bytes()));
                    }
                } else {
                    found(&directory, &way, name);
                }
            }
            if let Some(group) = self.groups.get_mut(group) {
                group.directories.insert(identity.handle, (identity.device, directory));
            }
        }
        Ok(())
    }

    /// Marks a directory in the first group that has no other of its name; that group's number, and what the kernel calls it.
    fn mark(&mut self, directory: &Marked, way: &Path) -> Result<(OwnedFd, usize, Identity)> {
        if self.groups.iter().map(|group| group.directories.len()).sum::<usize>() >= MAX_MARKS {
            bail!("more than {MAX_MARKS} directories");
        }
        let opened = open_directory(&way.join(&directory.below), directory.depth == 0)?;
        let identity = Identity::of(&opened).context("its file handle")?;
        let number = self.group_for(&identity).with_context(|| {
            format!("{GROUPS} other directories have its file handle, such as those of containers of one image")
        })?;
        let group = &self.groups[number];
        // SAFETY: a null path means the descriptor itself.
        let marked = unsafe {
            libc::fanotify_mark(
                group.descriptor.as_raw_fd(),
                libc::FAN_MARK_ADD,
                EVENTS,
                opened.as_raw_fd(),
                std::ptr::null(),
            )
        };
        if marked < 0 {
            bail!("fanotify_mark: {}", std::io::Error::last_os_error());
        }
        self.used = self.used.max(number + 1);
        Ok((opened, number, identity))
    }

    /// The first group without another directory of that name; else one where nobody leads to the other any more, as when its
    /// container has ended.
    fn group_for(&mut self, identity: &Identity) -> Option<usize> {
        let other = |group: &Group| {
            let named = group.directories.get(&identity.handle);
            named.filter(|(device, _)| *device != identity.device).map(|(_, marked)| marked.watch)
        };
        if let Some(free) = self.groups.iter().position(|group| other(group).is_none()) {
            return Some(free);
        }
        let tops = &mut self.tops;
        let mut gone = |watch: u32| tops.get_mut(&watch).and_then(Top::way).is_none();
        self.groups.iter().position(|group| other(group).is_some_and(&mut gone))
    }

    /// Reads what waits, as records.
    pub fn read(&mut self, batch: &mut Batch) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for group in 0..self.used {
            self.read_group(group, &mut buffer, batch);
        }
        self.buffer = buffer;
    }

    fn read_group(&mut self, number: usize, buffer: &mut [u8], batch: &mut Batch) {
        for _ in 0..16 {
            let Some(group) = self.groups.get(number) else {
                return;
            };
            let Ok(length @ 1..) = rustix::io::read(&group.descriptor, &mut *buffer) else {
                return;
            };
            let mut rest = &buffer[..length];
            while let Some((notice, next)) = Notice::parse(rest) {
                self.notice(number, &notice, batch);
                rest = next;
            }
        }
    }

    fn notice(&mut self, group: usize, notice: &Notice<'_>, batch: &mut Batch) {
        if notice.mask & libc::FAN_Q_OVERFLOW != 0 {
            self.overflows += 1;
            return;
        }
        let Some((handle, name)) = notice.directory_and_name() else {
            return;
        };
        let Some((_, directory)) = self.groups.get(group).and_then(|group| group.directories.get(handle)) else {
            return;
        };
        if notice.mask & libc::FAN_ONDIR != 0 {
            let deep = !self.shallow.contains(&directory.watch);
            if deep && notice.mask & (libc::FAN_CREATE | libc::FAN_MOVED_TO) != 0 {
                let below = directory.below(name.to_bytes());
                self.new_directory(below, notice.mask & libc::FAN_MOVED_TO, notice.pid, batch);
            }
            return;
        }
        let way = self.tops.get_mut(&directory.watch).and_then(Top::way);
        for event in events(directory, way.as_deref(), name, notice.mask, notice.pid) {
            batch.push(&encode(&event));
        }
    }

    /// A directory appeared: it is marked, and what was put into it before that is reported as created, or as renamed if
    /// the directory was `moved`.
    fn new_directory(&mut self, directory: Marked, moved: u64, pid: u32, batch: &mut Batch) {
        let deed = if moved == 0 { libc::FAN_CREATE } else { moved };
        let mut records = Vec::new();
        let marked = self.mark_tree(directory, &mut |inside, way, name| {
            for event in events(inside, Some(way), name, deed, pid) {
                records.push(encode(&event));
            }
        });
        if let Err(error) = marked {
            self.unmarked += 1;
            tracing::warn!(error = format!("{error:#}"), "a new directory is not watched");
        }
        for record in records {
            batch.push(&record);
        }
    }

    /// Overflows of the kernel's queue, and directories that could not be marked, since the last call.
    pub fn take_losses(&mut self) -> Vec<Loss> {
        let overflows = std::mem::take(&mut self.overflows);
        let unmarked = std::mem::take(&mut self.unmarked);
        [(overflows, LossReason::RingFull), (unmarked, LossReason::ReadFault)]
            .into_iter()
            .filter(|(count, _)| *count > 0)
            .map(|(count, reason)| Loss { ring: Ring::Fanotify, reason, kind: None, count })
            .collect()
    }
}

impl Group {
    fn new() -> Result<Self> {
        let flags = libc::FAN_CLASS_NOTIF
            | libc::FAN_CLOEXEC
            | libc::FAN_NONBLOCK
            | libc::FAN_REPORT_DIR_FID
            | libc::FAN_REPORT_NAME;
        // SAFETY: numbers only.
        let group = unsafe { libc::fanotify_init(flags, libc::O_RDONLY as libc::c_uint) };
        if group < 0 {
            bail!("fanotify_init: {}", std::io::Error::last_os_error());
        }
        // SAFETY: a descriptor that was just made.
        let descriptor = unsafe { OwnedFd::from_raw_fd(group) };
        Ok(Self { descriptor, directories: HashMap::new() })
    }
}

impl Marked {
    fn below(&self, name: &[u8]) -> Self {
        let mut path = self.path.clone();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self { path, below: self.below.join(OsStr::from_bytes(name)), watch: self.watch, depth: self.depth + 1 }
    }
}

fn is_directory(directory: &OwnedFd, name: &CStr) -> bool {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

#[cfg(test)]
mod tests;
