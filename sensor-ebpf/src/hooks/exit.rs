//! The last thread of a process ended.
//!
//! Kernel: include/trace/events/sched.h: sched_process_exit(struct task_struct *p), since 6.16 with bool group_dead.
//! `signal->live` has been counted down before (kernel/exit.c: do_exit). Two last threads that end at the same moment
//! may both find it 0, and both report: the agent leaves the second record out. Misses nothing.

use crate::{
    emit::{self, Outcome, Slot, finish},
    lineage::Subject,
    maps::PROCESSES,
    memory::direct,
    offsets as off,
    task::TypedTask,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_common::{
    process::ExitBody,
    record::{Hook, Kind},
};

#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> u32 {
    // SAFETY: a task_struct; its signal_struct, and that one's atomic counter.
    let (task, live): (_, u32) = unsafe {
        let task = TypedTask::new(ctx.arg(0));
        let signal: *const u8 = task.member(off::OFF_TASK_SIGNAL());
        (task, direct(signal, off::OFF_SIGNAL_LIVE()))
    };
    if live != 0 {
        return 0;
    }
    finish(Kind::Exit, try_exit(task))
}

#[inline(always)]
fn try_exit(task: TypedTask) -> Outcome {
    let (process, thread) = (task.key(), task.pid());
    // SAFETY: the member is an int.
    let exit_code = unsafe { task.member(off::OFF_TASK_EXIT_CODE()) };
    // SAFETY: read at once.
    let lineage = unsafe { PROCESSES.get(process.tgid) }.map_or(0, |entry| entry.lineage);
    if lineage != 0 {
        // Gone already is what is wanted.
        let _ = PROCESSES.remove(process.tgid);
    }
    let subject = Subject { process, thread, lineage };
    emit::record(Slot::Process, Kind::Exit, Hook::SchedProcessExit, &subject, size_of::<ExitBody>(), |record| {
        record.calm();
        // SAFETY: the record was made for an `ExitBody`.
        unsafe { record.body::<ExitBody>().write(ExitBody { exit_code, reserved: 0 }) };
        Ok(())
    })
}
