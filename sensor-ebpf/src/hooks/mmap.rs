//! A file was mapped executable by a server's lineage: a native module, seen whether it was opened by name or not.
//!
//! Trampoline set. Kernel: security/security.c: int security_mmap_file(struct file *file, unsigned long prot, unsigned
//! long flags), since 3.5. Runs before the mapping is made.
//! Tracepoint set. Kernel: syscalls:sys_enter_mmap, which has the descriptor: what another thread does to it during the
//! call is missed, and so is mprotect(2) in both sets.

use crate::{
    emit::{Outcome, Slot, finish},
    file::{self, Deed, Name, Other},
    hooks::open::syscall_argument,
    inode::Inode,
    lineage::{self, Subject},
    offsets as off, path,
    task::Task,
    watch,
};
use aya_ebpf::{
    macros::{fentry, tracepoint},
    programs::{FEntryContext, TracePointContext},
};
use sensor_common::record::{Hook, Kind};

const PROT_EXEC: u32 = 4;
const MAP_ANONYMOUS: u32 = 0x20;

#[fentry(function = "security_mmap_file")]
pub fn security_mmap_file(ctx: FEntryContext) -> u32 {
    let (file, prot): (u64, u32) = (ctx.arg(0), ctx.arg(1));
    if prot & PROT_EXEC == 0 || file == 0 {
        return 0;
    }
    match lineage::current_in_lineage() {
        Some(subject) => finish(Kind::MmapExec, mapped(&subject, file, prot, Hook::SecurityMmapFile)),
        None => 0,
    }
}

#[tracepoint(category = "syscalls", name = "sys_enter_mmap")]
pub fn sys_enter_mmap(ctx: TracePointContext) -> u32 {
    let prot = syscall_argument(&ctx, 2) as u32;
    if prot & PROT_EXEC == 0 || syscall_argument(&ctx, 3) as u32 & MAP_ANONYMOUS != 0 {
        return 0;
    }
    let Some(subject) = lineage::current_in_lineage() else {
        return 0;
    };
    let file = Task::current().file(syscall_argument(&ctx, 4) as u32);
    if file == 0 {
        return 0;
    }
    finish(Kind::MmapExec, mapped(&subject, file, prot, Hook::SysEnterMmap))
}

#[inline(always)]
fn mapped(subject: &Subject, file: u64, prot: u32, hook: Hook) -> Outcome {
    let (dentry, vfsmount) = path::parts(file + off::OFF_FILE_PATH() as u64);
    let deed =
        Deed { slot: Slot::Other, kind: Kind::MmapExec, hook, argument: prot, flags: 0, inode: Inode::of_file(file).0 };
    file::send(&deed, subject, Name { dentry, vfsmount }, Other::None, watch::above(dentry, vfsmount))
}
