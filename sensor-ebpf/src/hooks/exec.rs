//! A process began another program.
//!
//! Kernel: include/trace/events/sched.h: sched_process_exec(struct task_struct *p, pid_t old_pid, struct linux_binprm
//! *bprm). Runs after the point of no return, in the new address space. `bprm->file` is the program that runs (the
//! interpreter of a script); the script's own path is `bprm->filename`, a kernel copy that no thread can rewrite.

use crate::{
    emit::{self, Outcome, Record, Slot, finish},
    file::{append_text, flag},
    inode::{Inode, typed_facts},
    lineage::Subject,
    maps::PROCESSES,
    memory::{copy_user, direct, read},
    notes, offsets as off, path,
    socket::{AF_INET, AF_INET6, Sock, bytes},
    task::TypedTask,
};
use aya_ebpf::{helpers::generated::bpf_get_current_cgroup_id, macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_common::{
    file::file_flags,
    key::{PROCFS_TICK_NS, ProcessKey},
    process::{Descriptor, ExecBody, descriptor_kinds, exec_flags},
    record::{Hook, Kind},
    settings::{MAX_ARGV, ProcessEntry},
};

#[btf_tracepoint(function = "sched_process_exec")]
pub fn sched_process_exec(ctx: BtfTracePointContext) -> u32 {
    // SAFETY: a task_struct to the verifier.
    let task = unsafe { TypedTask::new(ctx.arg(0)) };
    finish(Kind::Exec, try_exec(task, ctx.arg(2)))
}

#[inline(always)]
fn try_exec(task: TypedTask, bprm: *const u8) -> Outcome {
    let process = task.key();
    let known = known(process);
    let subject = Subject { process, thread: task.pid(), lineage: known.map_or(0, |entry| entry.lineage) };
    emit::record(Slot::Process, Kind::Exec, Hook::SchedProcessExec, &subject, size_of::<ExecBody>(), |record| {
        fill(record, task, bprm, known)
    })
}

/// The process map's entry, if it is of this very process. One that the agent wrote from procfs has a coarse start
/// time: it is made exact here.
#[inline(always)]
fn known(process: ProcessKey) -> Option<ProcessEntry> {
    let entry = PROCESSES.get_ptr_mut(process.tgid)?;
    // SAFETY: a live map value; at worst the next exec corrects what races here.
    unsafe {
        let start = (*entry).start_boottime_ns;
        if start / PROCFS_TICK_NS != process.start_boottime_ns / PROCFS_TICK_NS {
            return None;
        }
        (*entry).start_boottime_ns = process.start_boottime_ns;
        Some(*entry)
    }
}

#[inline(always)]
fn fill(record: &mut Record, task: TypedTask, bprm: *const u8, known: Option<ProcessEntry>) -> Outcome {
    // SAFETY: the members are a struct file, an int and an fs_struct.
    let (file, argc, fs): (*const u8, u32, *const u8) = unsafe {
        (direct(bprm, off::OFF_BPRM_FILE()), direct(bprm, off::OFF_BPRM_ARGC()), task.member(off::OFF_TASK_FS()))
    };
    // SAFETY: a struct file and an fs_struct to the verifier, which have these members.
    let ((executable_length, executable_cut), (directory_length, directory_cut)) = unsafe {
        (path::append_typed(record, file, off::OFF_FILE_PATH()), path::append_typed(record, fs, off::OFF_FS_PWD()))
    };
    let script_length = append_script(record, bprm);
    let (argv_length, argv_total) = append_argv(record, task);

    let parent_known = known.is_some_and(|entry| entry.parent.is_some());
    let flags = flag(executable_cut, exec_flags::EXECUTABLE_CUT)
        | flag(directory_cut, exec_flags::DIRECTORY_CUT)
        | flag(!parent_known, exec_flags::PARENT_FROM_KERNEL)
        | flag(argv_length == 0 && argv_total != 0, exec_flags::ARGV_UNREADABLE);
    // SAFETY: the record was made for an `ExecBody`, and every field is written.
    unsafe {
        let body = record.body::<ExecBody>();
        (*body).parent = match known {
            Some(entry) if parent_known => entry.parent,
            _ => task.real_parent().key(),
        };
        (*body).argc = argc;
        (*body).argv_total = argv_total;
        (*body).executable_length = executable_length;
        (*body).directory_length = directory_length;
        (*body).script_length = script_length;
        (*body).argv_length = argv_length;
        (*body).comm = task.member(off::OFF_TASK_COMM());
        (*body).cgroup_id = bpf_get_current_cgroup_id();
        (*body).flags = flags | executable(record, body, file);
        credentials(body, task);
        namespaces(body, task);
        if known.is_some_and(|entry| entry.lineage != 0) {
            standard_files(record, body, task);
        } else {
            (*body).standard = [Descriptor::default(); 3];
        }
    }
    Ok(())
}

/// What a server's descendant has as standard input, output and errors. Of others nobody asks.
///
/// # Safety
/// `body` must be the record's body.
#[inline(always)]
unsafe fn standard_files(record: &mut Record, body: *mut ExecBody, task: TypedTask) {
    let [input, output, errors] = task.standard_files();
    // SAFETY: stated by the caller.
    unsafe {
        (*body).standard[0] = describe(record, input);
        (*body).standard[1] = if output == input { (*body).standard[0] } else { describe(record, output) };
        (*body).standard[2] = if errors == output { (*body).standard[1] } else { describe(record, errors) };
    }
}

/// Device and inode of the executable, and what is odd about it.
///
/// # Safety
/// `body` must be the record's body, and `file` a struct file to the verifier.
#[inline(always)]
unsafe fn executable(record: &mut Record, body: *mut ExecBody, file: *const u8) -> u32 {
    // SAFETY: the member is an inode.
    let facts = unsafe {
        let inode: *const u8 = direct(file, off::OFF_FILE_INODE());
        typed_facts(inode, record.address(inode))
    };
    // A server's program, most likely: the sooner the agent knows of it, the more of what it does is reported.
    if notes::may_be_noted(facts.number) {
        record.wake();
    }
    let deleted = facts.flags & file_flags::DELETED != 0;
    let memfd = deleted && facts.on_tmpfs && {
        // SAFETY: the members are a dentry and a name.
        let name: u64 = unsafe {
            let dentry: *const u8 = direct(file, off::OFF_FILE_PATH() + off::OFF_PATH_DENTRY());
            read(direct(dentry, off::OFF_DENTRY_NAME()), 0)
        };
        name & 0xffff_ffff_ffff == MEMFD
    };
    // SAFETY: stated by the caller.
    unsafe {
        (*body).inode = facts.number;
        (*body).device = facts.device;
        (*body).generation = facts.generation;
        (*body).mode = facts.mode;
    }
    flag(memfd, exec_flags::MEMFD)
        | flag(deleted, exec_flags::DELETED)
        | flag(facts.flags & file_flags::OVERLAY != 0, exec_flags::OVERLAY)
        | flag(facts.flags & file_flags::OVERLAY_UPPER != 0, exec_flags::OVERLAY_UPPER)
}

/// A memfd's name begins so (mm/memfd.c).
const MEMFD: u64 = u64::from_ne_bytes(*b"memfd:\0\0");

/// # Safety
/// `body` must be the record's body.
#[inline(always)]
unsafe fn credentials(body: *mut ExecBody, task: TypedTask) {
    // SAFETY: stated by the caller; the members are a struct cred, ids and capability sets.
    unsafe {
        let cred: *const u8 = task.member(off::OFF_TASK_CRED());
        (*body).uid = direct(cred, off::OFF_CRED_UID());
        (*body).gid = direct(cred, off::OFF_CRED_GID());
        (*body).euid = direct(cred, off::OFF_CRED_EUID());
        (*body).egid = direct(cred, off::OFF_CRED_EGID());
        (*body).cap_effective = direct(cred, off::OFF_CRED_CAP_EFFECTIVE());
        (*body).cap_permitted = direct(cred, off::OFF_CRED_CAP_PERMITTED());
    }
}

/// # Safety
/// `body` must be the record's body.
#[inline(always)]
unsafe fn namespaces(body: *mut ExecBody, task: TypedTask) {
    let (pid_in_namespace, pid_namespace) = task.pid_namespace();
    // SAFETY: stated by the caller.
    unsafe {
        (*body).pid_in_namespace = pid_in_namespace;
        (*body).pid_namespace = pid_namespace;
        (*body).mount_namespace = task.mount_namespace();
        (*body).session = task.session();
    }
}

/// The script's path, when exec was told another file than the one that runs.
#[inline(always)]
fn append_script(record: &mut Record, bprm: *const u8) -> u16 {
    // SAFETY: the members are pointers to text, which are numbers to the verifier.
    let (filename, interpreter): (u64, u64) =
        unsafe { (direct(bprm, off::OFF_BPRM_FILENAME()), direct(bprm, off::OFF_BPRM_INTERP())) };
    if filename == interpreter {
        return 0;
    }
    append_text(record, filename)
}

/// argv, as it stands on the new program's stack: bytes copied and bytes there are.
#[inline(always)]
fn append_argv(record: &mut Record, task: TypedTask) -> (u16, u32) {
    // SAFETY: the members are an mm_struct and addresses.
    let (start, end): (u64, u64) = unsafe {
        let mm: *const u8 = task.member(off::OFF_TASK_MM());
        (direct(mm, off::OFF_MM_ARG_START()), direct(mm, off::OFF_MM_ARG_END()))
    };
    let total = end.wrapping_sub(start);
    if total == 0 || total > u32::MAX as u64 {
        return (0, 0);
    }
    let wanted = if total > MAX_ARGV as u64 { MAX_ARGV as u32 } else { total as u32 };
    // VERIFIER: "R2 min value is negative": the bound is lost over the comparison above, the mask gives it back.
    let length = wanted & 0x1fff;
    // SAFETY: there is room for MAX_ARGV bytes and 512 more; `wanted` is at most MAX_ARGV.
    if length as usize > MAX_ARGV || !unsafe { copy_user(record.tail(), length, start) } {
        return (0, total as u32);
    }
    record.position += length as usize;
    (length as u16, total as u32)
}

const S_IFMT: u32 = 0o170_000;
const S_IFSOCK: u32 = 0o140_000;
const S_IFREG: u32 = 0o100_000;
const S_IFCHR: u32 = 0o020_000;
const S_IFIFO: u32 = 0o010_000;

/// What the file behind a descriptor is.
#[inline(always)]
fn describe(record: &mut Record, file: u64) -> Descriptor {
    let mut told = Descriptor::default();
    if file == 0 {
        return told;
    }
    let inode = Inode::of_file(file).copied(record);
    told.inode = inode.member(off::OFF_INODE_INO());
    told.kind = match inode.member::<u16>(off::OFF_INODE_MODE()) as u32 & S_IFMT {
        S_IFREG => descriptor_kinds::FILE,
        S_IFIFO => descriptor_kinds::PIPE,
        S_IFCHR => character_device(inode.member(off::OFF_INODE_RDEV())),
        S_IFSOCK => descriptor_kinds::SOCKET,
        _ => descriptor_kinds::OTHER,
    };
    if told.kind == descriptor_kinds::SOCKET {
        let sock = Sock::of_file(file);
        told.family = sock.family();
        if told.family == AF_INET || told.family == AF_INET6 {
            let (address, port) = sock.remote(told.family);
            (told.address, told.port) = (bytes(address), port);
        }
    }
    told
}

/// Majors of terminals: 4 (tty), 5 (/dev/tty, console), 136 to 143 (pty slaves); Documentation/admin-guide/devices.txt.
#[inline(always)]
fn character_device(device: u32) -> u32 {
    let major = device >> 20;
    if major == 4 || major == 5 || major >> 3 == 17 { descriptor_kinds::TTY } else { descriptor_kinds::DEVICE }
}
