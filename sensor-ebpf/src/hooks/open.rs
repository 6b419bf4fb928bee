//! A file was opened for writing; or for reading, if it is noted ([`crate::notes`]) and a server's lineage does it.
//!
//! Trampoline set. Kernel: security/security.c: int security_file_open(struct file *file), since 4.18. Runs for open,
//! openat, openat2, creat, io_uring, and opens by the kernel, after the file was created and before the open returns:
//! another security module may still refuse it.
//! Tracepoint set. Kernel: syscalls:sys_exit_{open,openat,openat2,creat}, since 2.6 (openat2: 5.6). Reports what
//! succeeded, by the file behind the returned descriptor, for server lineages only: watched directories are fanotify's
//! in that set. Misses io_uring outside watched directories, and a descriptor that another thread closed meanwhile.

use crate::{
    emit::{Outcome, Slot, finish},
    file::{self, Deed, Name, Other, flag},
    inode::Inode,
    lineage::{self, Subject},
    memory::{direct, read},
    notes, offsets as off, path,
    task::Task,
    watch::{self, Watched},
};
use aya_ebpf::{
    EbpfContext,
    macros::{fentry, tracepoint},
    programs::{FEntryContext, TracePointContext},
};
use sensor_common::{
    file::file_flags,
    record::{Hook, Kind},
};

/// include/linux/fs.h
const FMODE_WRITE: u32 = 2;
const FMODE_EXEC: u32 = 0x20;
const FMODE_CREATED: u32 = 0x10_0000;

#[fentry(function = "security_file_open")]
pub fn security_file_open(ctx: FEntryContext) -> u32 {
    let opened: *const u8 = ctx.arg(0);
    // SAFETY: a struct file to the verifier.
    let mode: u32 = unsafe { direct(opened, off::OFF_FILE_MODE()) };
    if mode & FMODE_WRITE != 0 {
        return concerning(&ctx, written(mode));
    }
    // SAFETY: the members are a struct inode and its number.
    let inode: u64 = unsafe { direct(direct::<*const u8>(opened, off::OFF_FILE_INODE()), off::OFF_INODE_INO()) };
    if mode & FMODE_EXEC != 0 || !notes::may_be_noted(inode) {
        return 0;
    }
    match noted(&ctx) {
        0 => 0,
        flags => concerning(&ctx, flags),
    }
}

/// What is noted of a file that a server's lineage opens for reading. Apart from the program, like [`concerning`].
#[inline(never)]
fn noted(ctx: &FEntryContext) -> u32 {
    match lineage::current_in_lineage() {
        Some(subject) => notes::to_report(Inode::of_file(address(ctx, 0)).0, subject.lineage),
        None => 0,
    }
}

/// Apart from the program, so that an open for reading does not save the registers that only this needs.
///
/// VERIFIER: one function for both kinds of opens, with nothing in it that only one needs: more in its frame makes the stack
/// of the longest chain of calls larger than 512 bytes ("combined stack size of 5 calls").
#[inline(never)]
fn concerning(ctx: &FEntryContext, flags: u32) -> u32 {
    finish(Kind::Open, opened_by(address(ctx, 0), flags))
}

#[inline(always)]
fn opened_by(opened: u64, flags: u32) -> Outcome {
    let (dentry, vfsmount) = path::parts(opened + off::OFF_FILE_PATH() as u64);
    let watched = watch::above(dentry, vfsmount);
    match file::concerned(watched) {
        Some(subject) => reported(opened, flags, Hook::SecurityFileOpen, &subject, watched),
        None => Ok(()),
    }
}

#[inline(always)]
fn written(mode: u32) -> u32 {
    file_flags::WRITE | flag(mode & FMODE_CREATED != 0, file_flags::CREATED)
}

/// A pointer argument, as a number.
///
/// VERIFIER: read by the helper, because a typed pointer must not be handed to a global function ("R1 is not a scalar").
#[inline(always)]
pub fn address(ctx: &FEntryContext, index: u32) -> u64 {
    read(ctx.as_ptr() as u64, index * 8)
}

#[tracepoint(category = "syscalls", name = "sys_exit_open")]
pub fn sys_exit_open(ctx: TracePointContext) -> u32 {
    finish(Kind::Open, returned(&ctx, Hook::SysExitOpen))
}

#[tracepoint(category = "syscalls", name = "sys_exit_openat")]
pub fn sys_exit_openat(ctx: TracePointContext) -> u32 {
    finish(Kind::Open, returned(&ctx, Hook::SysExitOpenat))
}

#[tracepoint(category = "syscalls", name = "sys_exit_openat2")]
pub fn sys_exit_openat2(ctx: TracePointContext) -> u32 {
    finish(Kind::Open, returned(&ctx, Hook::SysExitOpenat2))
}

#[tracepoint(category = "syscalls", name = "sys_exit_creat")]
pub fn sys_exit_creat(ctx: TracePointContext) -> u32 {
    finish(Kind::Open, returned(&ctx, Hook::SysExitCreat))
}

#[inline(always)]
fn returned(ctx: &TracePointContext, hook: Hook) -> Outcome {
    let Some(subject) = lineage::current_in_lineage() else {
        return Ok(());
    };
    let descriptor = syscall_result(ctx);
    if descriptor < 0 {
        return Ok(());
    }
    let opened = Task::current().file(descriptor as u32);
    if opened == 0 {
        return Ok(());
    }
    let mode: u32 = read(opened, off::OFF_FILE_MODE());
    let flags = if mode & FMODE_WRITE != 0 {
        written(mode)
    } else {
        let inode = Inode::of_file(opened).0;
        if !notes::may_be_noted(read(inode, off::OFF_INODE_INO())) {
            return Ok(());
        }
        notes::to_report(inode, subject.lineage)
    };
    if flags == 0 {
        return Ok(());
    }
    let (dentry, vfsmount) = path::parts(opened + off::OFF_FILE_PATH() as u64);
    reported(opened, flags, hook, &subject, watch::above(dentry, vfsmount))
}

#[inline(always)]
fn reported(opened: u64, flags: u32, hook: Hook, subject: &Subject, watched: Watched) -> Outcome {
    let (dentry, vfsmount) = path::parts(opened + off::OFF_FILE_PATH() as u64);
    let deed = Deed {
        slot: Slot::Open,
        kind: Kind::Open,
        hook,
        argument: read(opened, off::OFF_FILE_FLAGS()),
        flags,
        inode: Inode::of_file(opened).0,
    };
    file::send(&deed, subject, Name { dentry, vfsmount }, Other::None, watched)
}

/// `ret` of a `syscalls:sys_exit_*` tracepoint: third word of its context.
#[inline(always)]
pub fn syscall_result(ctx: &TracePointContext) -> i64 {
    // SAFETY: inside the context, which the verifier checks.
    unsafe { ctx.as_ptr().cast::<i64>().add(2).read_volatile() }
}

/// Argument `index` of a `syscalls:sys_enter_*` tracepoint.
#[inline(always)]
pub fn syscall_argument(ctx: &TracePointContext, index: usize) -> u64 {
    // SAFETY: as above.
    unsafe { ctx.as_ptr().cast::<u64>().add(2 + index).read_volatile() }
}
