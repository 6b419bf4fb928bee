//! The facts of one file: identity, times, content, package, layer.

use super::digest::{Algorithm, Digest, compare, hex};
use super::inspect::Question;
use super::overlay;
use super::owners::{Owned, Owners};
use crate::procfs::{Place, Root, host_process, kernel_device};
use crate::provenance::{Content, Package, Provenance};
use bstr::ByteSlice;
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::{AtFlags, FileType, OFlags, Statx, StatxFlags};
use rustix::io::Errno;
use std::fs::File;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Biggest file whose content is read, in bytes.
const MAX_CONTENT: u64 = 64 << 20;
/// How much of a text is shown, in bytes.
const BEGINS: usize = 1024;
/// File systems whose `stat` may give another device than the kernel has (`linux/magic.h`: overlay, btrfs, bcachefs).
const OWN_DEVICES: &[i64] = &[OVERLAY, 0x9123_683e, 0xca45_1a4e];
const OVERLAY: i64 = 0x794c_7630;

/// Finds facts.
pub struct Facts {
    proc_root: PathBuf,
    owners: Owners,
}

/// What was read of a file.
struct Taken {
    begins: Vec<u8>,
    /// `None` if it was too big or could not be read to its end.
    digests: Option<Vec<Digest>>,
}

impl Facts {
    /// With a procfs.
    pub fn new(proc_root: &Path) -> Self {
        Self { proc_root: proc_root.to_owned(), owners: Owners::default() }
    }

    /// What is known of the file that a question names, which was asked at that time.
    pub fn of(&mut self, question: &Question, asked: Instant) -> Provenance {
        let path = Path::new(std::ffi::OsStr::from_bytes(&question.path));
        if !path.is_absolute() {
            return Provenance::absent();
        }
        if let Ok(root) = Root::of(&self.proc_root, question.pid) {
            return self.below(&root, question.pid, path, question, asked);
        }
        // Its process is gone, and its root with it. Most have the host's: then the very file is there.
        let here = self.host().ok().filter(|_| question.inode != 0 && question.device != 0).filter(|host| {
            let found = host.open(path, OFlags::PATH).and_then(|opened| host.place(&opened, path));
            found.is_ok_and(|place| is_inode(&place, question) && is_device(&place, question))
        });
        here.map_or_else(Provenance::absent, |host| self.below(&host, 1, path, question, asked))
    }

    /// The root of the first process; where that may not be looked at, the sensor's own.
    fn host(&self) -> rustix::io::Result<Root> {
        Root::of(&self.proc_root, host_process(&self.proc_root))
    }

    fn below(&mut self, root: &Root, pid: u32, path: &Path, question: &Question, asked: Instant) -> Provenance {
        let kind = if question.directory { OFlags::DIRECTORY } else { OFlags::empty() };
        let opened = match root.open(path, OFlags::PATH | kind) {
            Ok(opened) => opened,
            Err(Errno::NOENT | Errno::NOTDIR) if !question.directory => return self.missing(root, path, asked),
            Err(_) => return Provenance::absent(),
        };
        let Ok(place) = root.place(&opened, path) else {
            return Provenance::absent();
        };
        let file_system = rustix::fs::fstatfs(&opened).map_or(0, |facts| facts.f_type);
        let device_counts = question.device != 0 && !OWN_DEVICES.contains(&file_system);
        if question.inode != 0 && !is_inode(&place, question) || device_counts && !is_device(&place, question) {
            return Provenance::absent();
        }
        let mut provenance = plain(&opened, &place.statx);
        if file_system == OVERLAY {
            let process = self.proc_root.join(pid.to_string());
            let host = self.host().ok();
            provenance.upper_layer = overlay::upper_layer(&process, host.as_ref(), &place.in_root, &place.statx);
        }
        let kind = FileType::from_raw_mode(provenance.mode);
        if kind == FileType::Directory {
            return provenance;
        }
        let owners = self.owners.of(root, place.in_root.as_os_str().as_bytes(), asked);
        let content = if kind == FileType::RegularFile { content(&opened, provenance.size, &owners) } else { None };
        let digests = content.as_ref().and_then(|content| content.digests.as_deref());
        provenance.package = package(owners, digests);
        if let Some(digest) = digests.and_then(|all| all.iter().find(|one| one.algorithm == Algorithm::Sha256)) {
            provenance.sha256 = Some(hex(&digest.value));
        }
        if let Some(content) = content {
            provenance.elf = content.begins.starts_with(b"\x7fELF");
            provenance.begins = text(&content.begins);
        }
        provenance
    }

    /// Nothing is there; a package may say that something should be.
    fn missing(&mut self, root: &Root, path: &Path, asked: Instant) -> Provenance {
        let parent = path.parent().and_then(|parent| root.directory(parent).ok());
        let real = match (parent, path.file_name()) {
            (Some(parent), Some(name)) => parent.in_root.join(name),
            _ => path.to_owned(),
        };
        let owner = self.owners.of(root, real.as_os_str().as_bytes(), asked).into_iter().next();
        Provenance { package: owner.map(|owner| named(owner, Content::Missing)), ..Provenance::absent() }
    }
}

fn is_inode(place: &Place, question: &Question) -> bool {
    place.statx.stx_ino == question.inode
}

fn is_device(place: &Place, question: &Question) -> bool {
    let stat = kernel_device(place.statx.stx_dev_major, place.statx.stx_dev_minor);
    question.device == place.device || question.device == stat
}

/// What `statx` says.
fn plain(opened: &OwnedFd, statx: &Statx) -> Provenance {
    let mask = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let born = rustix::fs::statx(opened, c"", AtFlags::EMPTY_PATH, mask)
        .ok()
        .filter(|statx| StatxFlags::from_bits_retain(statx.stx_mask).contains(StatxFlags::BTIME))
        .map(|statx| unix_ns(statx.stx_btime.tv_sec, statx.stx_btime.tv_nsec));
    Provenance {
        size: statx.stx_size,
        modified_unix_ns: unix_ns(statx.stx_mtime.tv_sec, statx.stx_mtime.tv_nsec),
        born_unix_ns: born,
        exists: true,
        uid: statx.stx_uid,
        mode: u32::from(statx.stx_mode),
        ..Provenance::absent()
    }
}

fn unix_ns(seconds: i64, nanoseconds: u32) -> u64 {
    u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000_000).saturating_add(u64::from(nanoseconds))
}

/// The owner whose digest fits, or else one that has a digest, or else any.
fn package(owners: Vec<Owned>, actual: Option<&[Digest]>) -> Option<Package> {
    let rated = owners.into_iter().map(|owner| {
        let content = compare(owner.digest.as_ref(), actual);
        named(owner, content)
    });
    rated.min_by_key(|package| match package.content {
        Content::Same => 0,
        Content::Changed => 1,
        Content::Unknown | Content::Missing => 2,
    })
}

fn named(owner: Owned, content: Content) -> Package {
    Package { manager: owner.manager, name: owner.name, version: owner.version, content }
}

/// Reads a file once, for all digests that are wanted.
fn content(opened: &OwnedFd, size: u64, owners: &[Owned]) -> Option<Taken> {
    // By descriptor: the very file that was looked at, whatever its name stands for now.
    let name = format!("/proc/self/fd/{}", opened.as_raw_fd());
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let mut file = File::from(rustix::fs::open(name, flags, rustix::fs::Mode::empty()).ok()?);
    let mut algorithms = vec![Algorithm::Sha256];
    for digest in owners.iter().filter_map(|owner| owner.digest.as_ref()) {
        if !algorithms.contains(&digest.algorithm) {
            algorithms.push(digest.algorithm);
        }
    }
    let mut hashers: Vec<_> = algorithms.into_iter().map(|algorithm| (algorithm, algorithm.hasher())).collect();
    let mut begins = Vec::new();
    let mut buffer = vec![0; 64 << 10];
    let mut length = 0_u64;
    let whole = loop {
        let read = match file.read(&mut buffer) {
            Ok(0) => break true,
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
            Err(_) => break false,
        };
        let some = &buffer[..read];
        begins.extend_from_slice(&some[..read.min(BEGINS.saturating_sub(begins.len()))]);
        length += read as u64;
        if size > MAX_CONTENT || length > MAX_CONTENT {
            break false;
        }
        for (_, hasher) in &mut hashers {
            hasher.update(some);
        }
    };
    let digests =
        hashers.into_iter().filter_map(|(algorithm, hasher)| Digest::new(algorithm, hasher.finalize().to_vec()));
    Some(Taken { begins, digests: whole.then(|| digests.collect()) })
}

/// Bytes as text, if they hold nothing that text does not; `None` if they do.
fn text(bytes: &[u8]) -> Option<String> {
    let control = |byte: &u8| byte.is_ascii_control() && !matches!(byte, b'\t' | b'\n' | b'\r' | 0x0c | 0x1b);
    if bytes.iter().any(control) {
        return None;
    }
    // The cut may go through a character.
    let cut = match bytes.to_str() {
        Err(error) if bytes.len() == BEGINS && error.error_len().is_none() => &bytes[..error.valid_up_to()],
        _ => bytes,
    };
    Some(cut.to_str_lossy().into_owned())
}

#[cfg(test)]
mod tests;
