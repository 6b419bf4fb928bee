//! Which file system a mount belongs to: the kernel's own device numbers, which `stat` does not always give (btrfs).

use super::parse;
use bstr::BString;
use rustix::fs::{AtFlags, Statx, StatxFlags};
use std::collections::HashMap;
use std::os::fd::AsFd;
use std::path::Path;

/// One line of `/proc/PID/mountinfo`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Mount id, as `statx` gives it.
    pub id: u64,
    /// `super_block.s_dev` in the kernel's encoding.
    pub device: u32,
    /// Where it is mounted.
    pub point: BString,
    /// Kind of file system.
    pub kind: BString,
}

/// The mounts of one mount namespace.
#[derive(Clone, Debug, Default)]
pub struct Mounts {
    by_id: HashMap<u64, Mount>,
}

impl Mounts {
    /// Those that a process sees: `/proc/PID/mountinfo`. Empty if it cannot be read.
    pub fn of(process: &Path) -> Self {
        let text = std::fs::read(process.join("mountinfo")).unwrap_or_default();
        Self { by_id: parse_mountinfo(&text).into_iter().map(|mount| (mount.id, mount)).collect() }
    }

    /// The mount of that id.
    pub fn by_id(&self, id: u64) -> Option<&Mount> {
        self.by_id.get(&id)
    }

    /// The first mount of a kind of file system.
    pub fn of_kind(&self, kind: &[u8]) -> Option<&Mount> {
        self.by_id.values().filter(|mount| mount.kind == kind).min_by_key(|mount| mount.id)
    }

    /// The device that the kernel programs see for a file: from its mount, or else (kernels before 5.8, another
    /// namespace) what `stat` gives.
    pub fn device(&self, statx: &Statx) -> u32 {
        let known = StatxFlags::from_bits_retain(statx.stx_mask).contains(StatxFlags::MNT_ID);
        let mount = known.then(|| self.by_id(statx.stx_mnt_id)).flatten();
        mount.map_or_else(|| kernel_device(statx.stx_dev_major, statx.stx_dev_minor), |mount| mount.device)
    }
}

/// A device number as the kernel has it inside (`include/linux/kdev_t.h: MKDEV`).
pub const fn kernel_device(major: u32, minor: u32) -> u32 {
    major << 20 | minor
}

/// `statx` of what a descriptor names, with the mount's id.
pub fn statx(file: impl AsFd) -> rustix::io::Result<Statx> {
    rustix::fs::statx(file, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS | StatxFlags::MNT_ID)
}

/// Takes a mountinfo text apart; lines that cannot be understood are left out.
pub fn parse_mountinfo(text: &[u8]) -> Vec<Mount> {
    text.split(|byte| *byte == b'\n').filter_map(parse_line).collect()
}

fn parse_line(line: &[u8]) -> Option<Mount> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let (major, minor) = fields.get(2)?.split_at(fields.get(2)?.iter().position(|byte| *byte == b':')?);
    let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    Some(Mount {
        id: parse::number(fields.first()?)?,
        device: kernel_device(parse::number(major)? as u32, parse::number(&minor[1..])? as u32),
        point: unescape(fields.get(4)?),
        kind: unescape(fields.get(dash + 1)?),
    })
}

/// `\040` is a space (`fs/seq_file.c: mangle_path`).
fn unescape(text: &[u8]) -> BString {
    let mut plain = BString::default();
    let mut at = 0;
    while let Some(&byte) = text.get(at) {
        let octal = text.get(at + 1..at + 4).filter(|_| byte == b'\\');
        let value = octal.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 8).ok());
        plain.push(value.unwrap_or(byte));
        at += if value.is_some() { 4 } else { 1 };
    }
    plain
}
