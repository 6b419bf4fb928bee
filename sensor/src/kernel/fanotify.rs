//! Watched directories in the tracepoint set: fanotify marks, turned into the same records that programs make.
//!
//! The kernel says which directory (by file handle), which name, and which process, whatever path was used; other
//! directories cost nothing. What it does not say is looked up when the event is read: what the name is now (a link,
//! a new file), and the time. Events of one process on one name that come quickly are merged by the kernel.
//! Bounds: [`MAX_MARKS`] directories; the kernel's queue (16,384 events), whose overflow is counted.

use super::ring::Batch;
use crate::encode::encode;
use crate::event::{Body, Event, File, Loss};
use anyhow::{Context, Result, bail};
use bstr::BString;
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::{Hook, Kind};
use std::collections::HashMap;
use std::ffi::{CStr, OsStr};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most directories with a mark; more are not watched, and counted.
const MAX_MARKS: usize = 16_384;
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
    /// Where the agent reaches it.
    reach: PathBuf,
    watch: u32,
    /// How many directories the watched one is above it; 0 is the watched one itself.
    depth: u32,
}

/// File system id and file handle: what the kernel calls a directory in its events.
type Handle = Vec<u8>;

/// The fanotify group.
pub struct Fanotify {
    group: OwnedFd,
    directories: HashMap<Handle, Marked>,
    buffer: Vec<u8>,
    overflows: u64,
    unmarked: u64,
}

impl Fanotify {
    /// Makes the group. Needs `CAP_SYS_ADMIN` and 5.9.
    pub fn new() -> Result<Self> {
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
        let group = unsafe { OwnedFd::from_raw_fd(group) };
        Ok(Self { group, directories: HashMap::new(), buffer: vec![0; 256 << 10], overflows: 0, unmarked: 0 })
    }

    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.group.as_fd()
    }

    /// Marks a directory and every one below it.
    pub fn watch(&mut self, pid: u32, path: &Path, watch: u32) -> Result<()> {
        let root = PathBuf::from(format!("/proc/{pid}/root"));
        let reach = root.join(path.strip_prefix("/").unwrap_or(path));
        let top = Marked { path: BString::from(path.as_os_str().as_bytes()), reach, watch, depth: 0 };
        self.mark_tree(top, &mut |_, _| {})
    }

    /// Marks `top` and what is below it; `found` is told of every file there.
    fn mark_tree(&mut self, top: Marked, found: &mut dyn FnMut(&Marked, &CStr)) -> Result<()> {
        let mut waiting = vec![top];
        let mut first = true;
        while let Some(directory) = waiting.pop() {
            let opened = match self.mark(&directory) {
                Ok(opened) => opened,
                Err(error) if first => return Err(error),
                Err(error) => {
                    self.unmarked += 1;
                    tracing::warn!(path = %directory.path, error = format!("{error:#}"), "directory is not watched");
                    continue;
                }
            };
            first = false;
            for entry in rustix::fs::Dir::read_from(&opened.0).into_iter().flatten().flatten() {
                let name = entry.file_name();
                if name == c"." || name == c".." {
                    continue;
                }
                if is_directory(&opened.0, name) {
                    if directory.depth < MAX_DEPTH {
                        waiting.push(directory.below(name.to_bytes()));
                    }
                } else {
                    found(&directory, name);
                }
            }
            self.directories.insert(opened.1, directory);
        }
        Ok(())
    }

    fn mark(&mut self, directory: &Marked) -> Result<(OwnedFd, Handle)> {
        if self.directories.len() >= MAX_MARKS {
            bail!("more than {MAX_MARKS} directories");
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
        // The watched directory itself may be reached through links; what is below it must not lead out.
        let flags = if directory.depth == 0 { flags - OFlags::NOFOLLOW } else { flags };
        let opened = rustix::fs::openat(CWD, &directory.reach, flags, Mode::empty()).context("opening it")?;
        let handle = handle_of(&opened).context("its file handle")?;
        // SAFETY: a null path means the descriptor itself.
        let marked = unsafe {
            libc::fanotify_mark(
                self.group.as_raw_fd(),
                libc::FAN_MARK_ADD,
                EVENTS,
                opened.as_raw_fd(),
                std::ptr::null(),
            )
        };
        if marked < 0 {
            bail!("fanotify_mark: {}", std::io::Error::last_os_error());
        }
        Ok((opened, handle))
    }

    /// Reads what waits, as records.
    pub fn read(&mut self, batch: &mut Batch) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..16 {
            let Ok(length) = rustix::io::read(&self.group, &mut buffer[..]) else {
                break;
            };
            if length == 0 {
                break;
            }
            let mut rest = &buffer[..length];
            while let Some((notice, next)) = Notice::parse(rest) {
                self.notice(&notice, batch);
                rest = next;
            }
        }
        self.buffer = buffer;
    }

    fn notice(&mut self, notice: &Notice<'_>, batch: &mut Batch) {
        if notice.mask & libc::FAN_Q_OVERFLOW != 0 {
            self.overflows += 1;
            return;
        }
        let Some((handle, name)) = notice.directory_and_name() else {
            return;
        };
        let Some(directory) = self.directories.get(handle) else {
            return;
        };
        if notice.mask & libc::FAN_ONDIR != 0 {
            if notice.mask & (libc::FAN_CREATE | libc::FAN_MOVED_TO) != 0 {
                let below = directory.below(name.to_bytes());
                self.new_directory(below, notice.pid, batch);
            }
            return;
        }
        for event in events(directory, name, notice.mask, notice.pid) {
            batch.push(&encode(&event));
        }
    }

    /// A directory appeared: it is marked, and what was put into it before that is reported as created.
    fn new_directory(&mut self, directory: Marked, pid: u32, batch: &mut Batch) {
        let mut records = Vec::new();
        let marked = self.mark_tree(directory, &mut |inside, name| {
            for event in events(inside, name, libc::FAN_CREATE, pid) {
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

impl Marked {
    fn below(&self, name: &[u8]) -> Self {
        let mut path = self.path.clone();
        if !path.ends_with(b"/") {
            path.push(b'/');
        }
        path.extend_from_slice(name);
        Self { path, reach: self.reach.join(OsStr::from_bytes(name)), watch: self.watch, depth: self.depth + 1 }
    }
}

fn is_directory(directory: &OwnedFd, name: &CStr) -> bool {
    rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)
        .is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFDIR)
}

/// `struct file_handle` with room for the longest (`MAX_HANDLE_SZ`).
#[repr(C)]
struct FileHandle {
    bytes: u32,
    kind: i32,
    handle: [u8; 128],
}

/// `fsid` and `file_handle` of a directory, in the layout of the kernel's event.
fn handle_of(directory: &OwnedFd) -> Result<Handle> {
    let statfs = rustix::fs::fstatfs(directory).context("fstatfs")?;
    // SAFETY: `fsid_t` is two integers, read as its bytes.
    let fsid: [u8; 8] = unsafe { std::mem::transmute_copy(&statfs.f_fsid) };
    let mut handle = FileHandle { bytes: 128, kind: 0, handle: [0; 128] };
    let mut mount = 0i32;
    // SAFETY: the handle states its own room; an empty path with AT_EMPTY_PATH means the descriptor.
    let result = unsafe {
        libc::syscall(
            libc::SYS_name_to_handle_at,
            directory.as_raw_fd(),
            c"".as_ptr(),
            &raw mut handle,
            &raw mut mount,
            libc::AT_EMPTY_PATH,
        )
    };
    if result < 0 {
        bail!("name_to_handle_at: {}", std::io::Error::last_os_error());
    }
    let mut key = fsid.to_vec();
    key.extend_from_slice(&handle.bytes.to_ne_bytes());
    key.extend_from_slice(&handle.kind.to_ne_bytes());
    key.extend_from_slice(&handle.handle[..(handle.bytes as usize).min(128)]);
    Ok(key)
}

/// One event of the kernel's (`struct fanotify_event_metadata` and what follows it).
struct Notice<'a> {
    mask: u64,
    pid: u32,
    info: &'a [u8],
}

impl<'a> Notice<'a> {
    fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let length = number::<4>(bytes, 0).map(u32::from_ne_bytes)? as usize;
        let metadata = number::<2>(bytes, 6).map(u16::from_ne_bytes)? as usize;
        let event = bytes.get(..length).filter(|_| length >= 24)?;
        let notice = Self {
            mask: number::<8>(event, 8).map(u64::from_ne_bytes)?,
            pid: number::<4>(event, 20).map(u32::from_ne_bytes)?,
            info: event.get(metadata..)?,
        };
        Some((notice, &bytes[length..]))
    }

    /// The record of type `FAN_EVENT_INFO_TYPE_DFID_NAME`: directory and name.
    fn directory_and_name(&self) -> Option<(&'a [u8], &'a CStr)> {
        let mut rest = self.info;
        loop {
            let length = number::<2>(rest, 2).map(u16::from_ne_bytes)? as usize;
            let info = rest.get(..length).filter(|_| length >= 4)?;
            if info[0] == libc::FAN_EVENT_INFO_TYPE_DFID_NAME {
                let handle_bytes = number::<4>(info, 12).map(u32::from_ne_bytes)? as usize;
                let end = 20 + handle_bytes;
                let name = CStr::from_bytes_until_nul(info.get(end..)?).ok()?;
                return Some((info.get(4..end)?, name));
            }
            rest = &rest[length..];
        }
    }
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

/// The events that a mask stands for, strongest first, with what the name is now.
fn events(directory: &Marked, name: &CStr, mask: u64, pid: u32) -> Vec<Event> {
    let reach = directory.reach.join(OsStr::from_bytes(name.to_bytes()));
    let stat = rustix::fs::statat(CWD, &reach, AtFlags::SYMLINK_NOFOLLOW).ok();
    let mode = stat.as_ref().map_or(0, |stat| stat.st_mode);
    let symlink = mode & libc::S_IFMT == libc::S_IFLNK;
    let links = stat.as_ref().map_or(1, |stat| stat.st_nlink);
    let mut deeds = Vec::new();
    if mask & libc::FAN_MOVED_TO != 0 {
        deeds.push((Kind::Rename, 0));
    }
    if mask & libc::FAN_CREATE != 0 {
        match (symlink, links > 1) {
            (true, _) => deeds.push((Kind::Symlink, 0)),
            (_, true) => deeds.push((Kind::Link, 0)),
            _ => deeds.push((Kind::Open, file_flags::WRITE | file_flags::CREATED)),
        }
    } else if mask & (libc::FAN_MODIFY | libc::FAN_CLOSE_WRITE) != 0 {
        deeds.push((Kind::Open, file_flags::WRITE));
    }
    if mask & libc::FAN_ATTRIB != 0 && mode & 0o111 != 0 && !symlink {
        deeds.push((Kind::Chmod, 0));
    }
    let other = symlink.then(|| rustix::fs::readlinkat(CWD, &reach, Vec::new()).ok()).flatten();
    let path = directory.below(name.to_bytes()).path;
    let deeds = deeds.into_iter().map(|(operation, flags)| Event {
        time_boottime_ns: crate::machine::boottime_ns(),
        process: ProcessKey::new(pid, 0),
        thread: pid,
        lineage: 0,
        hook: Hook::Fanotify,
        body: Body::File(Box::new(File {
            operation,
            path: path.clone(),
            other: other.as_ref().map(|target| BString::from(target.to_bytes())),
            watch: Some(directory.watch),
            watch_depth: directory.depth + 1,
            device: stat.as_ref().map_or(0, |stat| kernel_device(stat.st_dev)),
            inode: stat.as_ref().map_or(0, |stat| stat.st_ino),
            flags,
            mode,
            owner: stat.as_ref().map_or(0, |stat| stat.st_uid),
            argument: if operation == Kind::Chmod { mode & 0o7777 } else { 0 },
        })),
    });
    deeds.collect()
}

/// A device as the kernel has it inside (`MKDEV`), from what stat gives.
fn kernel_device(device: u64) -> u32 {
    rustix::fs::major(device) << 20 | rustix::fs::minor(device)
}

#[cfg(test)]
mod tests;
