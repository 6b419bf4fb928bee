//! A file got another name, a further name, or a mode that makes it executable (trampoline set; in the tracepoint set
//! fanotify reports these below watched directories).
//!
//! Kernel: security/security.c, since 2.6.29:
//! int security_path_rename(const struct path *old_dir, struct dentry *old_dentry, const struct path *new_dir,
//! struct dentry *new_dentry, unsigned int flags);
//! int security_path_link(struct dentry *old_dentry, const struct path *new_dir, struct dentry *new_dentry);
//! int security_path_symlink(const struct path *dir, struct dentry *dentry, const char *old_name);
//! int security_path_chmod(const struct path *path, umode_t mode).
//! They run when the names have been looked up and before anything is changed: what the file system or another security
//! module then refuses is reported too.

use crate::{
    emit::{Slot, finish},
    file::{self, Deed, Name, Other},
    hooks::open::address,
    inode::Inode,
    memory::read,
    offsets as off, path,
};
use aya_ebpf::{macros::fentry, programs::FEntryContext};
use sensor_common::record::{Hook, Kind};

#[fentry(function = "security_path_rename")]
pub fn security_path_rename(ctx: FEntryContext) -> u32 {
    let (old_directory, old, new_directory, new) =
        (address(&ctx, 0), address(&ctx, 1), address(&ctx, 2), address(&ctx, 3));
    let flags: u32 = ctx.arg(4);
    let deed = deed(Kind::Rename, Hook::SecurityPathRename, flags, Inode::of_dentry(old));
    let outcome = file::report(deed, name(new, new_directory), Other::Name(name(old, old_directory)));
    finish(Kind::Rename, outcome)
}

#[fentry(function = "security_path_link")]
pub fn security_path_link(ctx: FEntryContext) -> u32 {
    let (old, new_directory, new) = (address(&ctx, 0), address(&ctx, 1), address(&ctx, 2));
    let deed = deed(Kind::Link, Hook::SecurityPathLink, 0, Inode::of_dentry(old));
    // A hard link is in one file system, so the new directory's mount leads from the old name upwards as well.
    let outcome = file::report(deed, name(new, new_directory), Other::Name(name(old, new_directory)));
    finish(Kind::Link, outcome)
}

#[fentry(function = "security_path_symlink")]
pub fn security_path_symlink(ctx: FEntryContext) -> u32 {
    let (directory, link, target) = (address(&ctx, 0), address(&ctx, 1), address(&ctx, 2));
    let deed = deed(Kind::Symlink, Hook::SecurityPathSymlink, 0, Inode(0));
    finish(Kind::Symlink, file::report(deed, name(link, directory), Other::Text(target)))
}

#[fentry(function = "security_path_chmod")]
pub fn security_path_chmod(ctx: FEntryContext) -> u32 {
    let target = address(&ctx, 0);
    let mode: u32 = ctx.arg::<u32>(1) & 0o7777;
    if mode & 0o111 == 0 {
        return 0;
    }
    let (dentry, vfsmount) = path::parts(target);
    let deed = deed(Kind::Chmod, Hook::SecurityPathChmod, mode, Inode::of_dentry(dentry));
    finish(Kind::Chmod, file::report(deed, Name { dentry, vfsmount }, Other::None))
}

#[inline(always)]
fn name(dentry: u64, directory: u64) -> Name {
    Name { dentry, vfsmount: read(directory, off::OFF_PATH_MNT()) }
}

#[inline(always)]
fn deed(kind: Kind, hook: Hook, argument: u32, inode: Inode) -> Deed {
    Deed { slot: Slot::Names, kind, hook, argument, flags: 0, inode: inode.0 }
}
