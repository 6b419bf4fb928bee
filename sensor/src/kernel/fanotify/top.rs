//! Watched directories and how the agent reaches them.

use anyhow::{Context, Result};
use rustix::fs::{CWD, Mode, OFlags};
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// File system id and file handle: what the kernel calls a directory in its events.
pub type Handle = Vec<u8>;

/// Which directory it is. Overlays over the same layers can have handles in common; their devices differ.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    pub handle: Handle,
    /// `st_dev`.
    pub device: u64,
}

/// A watched directory itself, and how the agent reaches it: through the roots of processes, in whose mount namespaces
/// its path means it. Nothing is held open, because that would keep a file system from being unmounted.
pub struct Top {
    identity: Identity,
    ways: Vec<PathBuf>,
}

/// Most ways that are remembered to one directory.
const MAX_WAYS: usize = 16;

impl Top {
    pub fn new(identity: Identity, way: PathBuf) -> Self {
        Self { identity, ways: vec![way] }
    }

    pub fn add(&mut self, way: PathBuf) {
        self.ways.retain(|known| *known != way);
        if self.ways.len() >= MAX_WAYS {
            self.ways.remove(0);
        }
        self.ways.push(way);
    }

    /// One that still leads there: a process may have ended, and its pid be another's.
    pub fn way(&mut self) -> Option<PathBuf> {
        while let Some(way) = self.ways.last() {
            let there = open_directory(way, true).and_then(|opened| Identity::of(&opened));
            if there.is_ok_and(|identity| identity == self.identity) {
                return Some(way.clone());
            }
            self.ways.pop();
        }
        None
    }
}

/// Opens a directory. A watched directory itself may be reached through links; what is below it must not lead out.
pub fn open_directory(path: &Path, through_links: bool) -> Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let flags = if through_links { flags } else { flags | OFlags::NOFOLLOW };
    rustix::fs::openat(CWD, path, flags, Mode::empty()).context("opening it")
}

/// `struct file_handle` with room for the longest (`MAX_HANDLE_SZ`).
#[repr(C)]
struct FileHandle {
    bytes: u32,
    kind: i32,
    handle: [u8; 128],
}

impl Identity {
    /// Of an open directory.
    pub fn of(directory: &OwnedFd) -> Result<Self> {
        let device = rustix::fs::fstat(directory).context("fstat")?.st_dev;
        Ok(Self { handle: handle_of(directory)?, device })
    }
}

/// `fsid` and `file_handle` of a directory, in the layout of the kernel's event.
fn handle_of(directory: &OwnedFd) -> Result<Handle> {
    let statfs = rustix::fs::fstatfs(directory).context("fstatfs")?;
    // SAFETY: `fsid_t` is two integers, read as its bytes.
    let fsid: [u8; 8] = unsafe { std::mem::transmute_copy(&statfs.f_fsid) };
    // The second is for file systems whose handles only name and do not open: overlayfs, since 6.6.
    let handle = file_handle(directory, libc::AT_EMPTY_PATH)
        .or_else(|error| file_handle(directory, libc::AT_EMPTY_PATH | AT_HANDLE_FID).map_err(|_| error))
        .context("name_to_handle_at")?;
    let mut key = fsid.to_vec();
    key.extend_from_slice(&handle.bytes.to_ne_bytes());
    key.extend_from_slice(&handle.kind.to_ne_bytes());
    key.extend_from_slice(&handle.handle[..(handle.bytes as usize).min(128)]);
    Ok(key)
}

/// A handle to be compared and not to be opened (`include/uapi/linux/fcntl.h`, since 6.5).
const AT_HANDLE_FID: libc::c_int = 0x200;

fn file_handle(directory: &OwnedFd, flags: libc::c_int) -> std::io::Result<FileHandle> {
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
            flags,
        )
    };
    if result < 0 { Err(std::io::Error::last_os_error()) } else { Ok(handle) }
}
