//! A process was made.
//!
//! Kernel: include/trace/events/sched.h: sched_process_fork(struct task_struct *parent, struct task_struct *child).
//! Runs in the calling thread, after the child exists and before it runs. Misses nothing; threads are left out.
//!
//! What the caller calls itself is read here, in its own memory, where a server's titles tell what its processes are for:
//! once the child has begun a program, the caller may have changed its title, or be gone.

use crate::{
    emit::{self, Outcome, Slot, finish},
    lineage::Subject,
    maps::PROCESSES,
    memory::{copy_user_text, direct},
    offsets as off,
    task::TypedTask,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_common::{
    key::ProcessKey,
    losses::LossReason,
    process::ForkBody,
    record::{AnnexBody, Hook, Kind},
    settings::{MAX_TITLE, ProcessEntry, process_flags},
};

#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> u32 {
    // SAFETY: both are task_structs to the verifier.
    let (parent, child) = unsafe { (TypedTask::new(ctx.arg(0)), TypedTask::new(ctx.arg(1))) };
    if child.pid() != child.tgid() {
        return 0;
    }
    finish(Kind::Fork, try_fork(parent, child))
}

#[inline(always)]
fn try_fork(parent: TypedTask, child: TypedTask) -> Outcome {
    // SAFETY: the member is a u64. The child is its own group leader.
    let start = unsafe { child.member(off::OFF_TASK_START_BOOTTIME()) };
    let (caller, made) = (parent.key(), ProcessKey::new(child.tgid(), start));
    // SAFETY: read at once.
    let (lineage, flags) = unsafe { PROCESSES.get(caller.tgid) }
        .filter(|entry| ProcessKey::new(caller.tgid, entry.start_boottime_ns).same_as(caller))
        .map_or((0, 0), |entry| (entry.lineage, entry.flags));
    let subject = Subject { process: caller, thread: parent.pid(), lineage };
    let mut kept = Ok(());
    if lineage != 0 {
        if flags & process_flags::TITLED != 0 {
            finish(Kind::Title, tell_title(parent, &subject));
        }
        let entry = ProcessEntry { start_boottime_ns: start, parent: caller, lineage, flags };
        kept = PROCESSES.insert(made.tgid, entry, 0).map_err(|_| LossReason::ProcessMapFull);
    }
    emit::record(Slot::Process, Kind::Fork, Hook::SchedProcessFork, &subject, size_of::<ForkBody>(), |record| {
        record.calm();
        let (pid_in_namespace, pid_namespace) = child.pid_namespace();
        // SAFETY: the record was made for a `ForkBody`.
        unsafe {
            record.body::<ForkBody>().write(ForkBody {
                child: made,
                kernel_parent_tgid: child.real_parent().tgid(),
                pid_in_namespace,
                pid_namespace,
                euid: child.effective_user(),
            });
        }
        Ok(())
    })?;
    kept
}

/// The caller's title: its arguments up to the first NUL.
#[inline(always)]
fn tell_title(caller: TypedTask, subject: &Subject) -> Outcome {
    // SAFETY: the members are an mm_struct and an address.
    let start: u64 = unsafe {
        let mm: *const u8 = caller.member(off::OFF_TASK_MM());
        direct(mm, off::OFF_MM_ARG_START())
    };
    emit::record(Slot::Process, Kind::Title, Hook::SchedProcessFork, subject, size_of::<AnnexBody>(), |record| {
        record.calm();
        // SAFETY: there is room for far more than MAX_TITLE bytes.
        let length =
            unsafe { copy_user_text::<{ MAX_TITLE as u32 }>(record.tail(), start) }.ok_or(LossReason::ReadFault)?;
        record.position += length as usize;
        // SAFETY: the record was made for an `AnnexBody`.
        unsafe { record.body::<AnnexBody>().write(AnnexBody { question: 0, length, reserved: 0 }) };
        Ok(())
    })
}
