//! The kernel's events: their bytes, and what they tell.

use super::Marked;
use crate::event::{Body, Event, File};
use bstr::BString;
use rustix::fs::{AtFlags, CWD};
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::record::{Hook, Kind};
use std::ffi::{CStr, OsStr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// One event of the kernel's (`struct fanotify_event_metadata` and what follows it).
pub struct Notice<'a> {
    pub mask: u64,
    pub pid: u32,
    info: &'a [u8],
}

impl<'a> Notice<'a> {
    pub fn parse(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
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
    pub fn directory_and_name(&self) -> Option<(&'a [u8], &'a CStr)> {
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

/// The events that a mask stands for, strongest first, with what the name is now. `way` leads to the
/// watched directory; where nothing does, only what the kernel said is told.
pub fn events(directory: &Marked, way: Option<&Path>, name: &CStr, mask: u64, pid: u32) -> Vec<Event> {
    let reach = way.map(|way| way.join(&directory.below).join(OsStr::from_bytes(name.to_bytes())));
    let stat = reach.as_ref().and_then(|reach| rustix::fs::statat(CWD, reach, AtFlags::SYMLINK_NOFOLLOW).ok());
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
    let other = reach.filter(|_| symlink).and_then(|reach| rustix::fs::readlinkat(CWD, &reach, Vec::new()).ok());
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
            generation: 0,
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
