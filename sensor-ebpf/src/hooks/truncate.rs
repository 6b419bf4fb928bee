//! A file was cut (trampoline set).
//!
//! Kernel: security/security.c: int security_path_truncate(const struct path *path), since 2.6.29, for truncate(2), and
//! before 6.2 for ftruncate(2) and O_TRUNC as well; int security_file_truncate(struct file *file), since 6.2, for those
//! two. So an open with O_TRUNC gives an open record and a truncate record. Runs before the file is cut.

use crate::{
    emit::{Outcome, Slot, finish},
    file::{self, Deed, Name, Other},
    inode::Inode,
    offsets as off, path,
};
use aya_ebpf::{macros::fentry, programs::FEntryContext};
use sensor_common::record::{Hook, Kind};

#[fentry(function = "security_path_truncate")]
pub fn security_path_truncate(ctx: FEntryContext) -> u32 {
    finish(Kind::Truncate, truncated(ctx.arg(0), Hook::SecurityPathTruncate))
}

#[fentry(function = "security_file_truncate")]
pub fn security_file_truncate(ctx: FEntryContext) -> u32 {
    let file: u64 = ctx.arg(0);
    finish(Kind::Truncate, truncated(file + off::OFF_FILE_PATH() as u64, Hook::SecurityFileTruncate))
}

#[inline(always)]
fn truncated(target: u64, hook: Hook) -> Outcome {
    let (dentry, vfsmount) = path::parts(target);
    let deed = Deed {
        slot: Slot::Names,
        kind: Kind::Truncate,
        hook,
        argument: 0,
        flags: 0,
        inode: Inode::of_dentry(dentry).0,
    };
    file::report(deed, Name { dentry, vfsmount }, Other::None)
}
