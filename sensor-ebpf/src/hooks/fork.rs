//! A process was made.
//!
//! Kernel: include/trace/events/sched.h: sched_process_fork(struct task_struct *parent, struct task_struct *child).
//! Runs in the calling thread, after the child exists and before it runs. Misses nothing; threads are left out.

use crate::{
    emit::{self, Outcome, Slot, finish},
    lineage::Subject,
    maps::PROCESSES,
    memory::{direct, read},
    offsets as off,
    task::Task,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_common::{
    key::ProcessKey,
    losses::LossReason,
    process::ForkBody,
    record::{Hook, Kind},
    settings::ProcessEntry,
};

#[btf_tracepoint(function = "sched_process_fork")]
pub fn sched_process_fork(ctx: BtfTracePointContext) -> u32 {
    let parent: *const u8 = ctx.arg(0);
    let child: *const u8 = ctx.arg(1);
    // SAFETY: both are task_structs to the verifier.
    let (pid, tgid): (u32, u32) =
        unsafe { (direct(child, off::OFF_TASK_PID()), direct(child, off::OFF_TASK_TGID())) };
    if pid != tgid {
        return 0;
    }
    finish(Kind::Fork, try_fork(parent, child, tgid))
}

#[inline(always)]
fn try_fork(parent: *const u8, child: *const u8, tgid: u32) -> Outcome {
    // SAFETY: task_structs, and a task_struct read from one.
    let (start, caller, thread, leader_start): (u64, u32, u32, u64) = unsafe {
        let leader: *const u8 = direct(parent, off::OFF_TASK_GROUP_LEADER());
        (
            direct(child, off::OFF_TASK_START_BOOTTIME()),
            direct(parent, off::OFF_TASK_TGID()),
            direct(parent, off::OFF_TASK_PID()),
            direct(leader, off::OFF_TASK_START_BOOTTIME()),
        )
    };
    // SAFETY: read at once.
    let lineage = unsafe { PROCESSES.get(caller) }.map_or(0, |entry| entry.lineage);
    let subject = Subject { process: ProcessKey::new(caller, leader_start), thread, lineage };
    let entry = ProcessEntry { start_boottime_ns: start, parent: subject.process, lineage, reserved: 0 };
    let kept = PROCESSES.insert(tgid, entry, 0).map_err(|_| LossReason::ProcessMapFull);
    let child_task = Task(child as u64);
    emit::record(Slot::Process, Kind::Fork, Hook::SchedProcessFork, &subject, size_of::<ForkBody>(), |record| {
        record.calm();
        let (pid_in_namespace, pid_namespace) = child_task.pid_namespace();
        // SAFETY: the record was made for a `ForkBody`.
        unsafe {
            record.body::<ForkBody>().write(ForkBody {
                child: ProcessKey::new(tgid, start),
                kernel_parent_tgid: read(child_task.real_parent().0, off::OFF_TASK_TGID()),
                pid_in_namespace,
                pid_namespace,
                reserved: 0,
            });
        }
        Ok(())
    })?;
    kept
}
