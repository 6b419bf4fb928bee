//! The last thread of a process ended.
//!
//! Kernel: include/trace/events/sched.h: sched_process_exit(struct task_struct *p), since 6.16 with bool group_dead.
//! `signal->live` has been counted down before (kernel/exit.c: do_exit). Two last threads that end at the same moment
//! may both find it 0: the one that still finds the process in the map reports.

use crate::{
    emit::{self, Outcome, Slot, finish},
    lineage::Subject,
    maps::PROCESSES,
    memory::direct,
    offsets as off,
};
use aya_ebpf::{macros::btf_tracepoint, programs::BtfTracePointContext};
use sensor_common::{
    key::ProcessKey,
    process::ExitBody,
    record::{Hook, Kind},
};

#[btf_tracepoint(function = "sched_process_exit")]
pub fn sched_process_exit(ctx: BtfTracePointContext) -> u32 {
    let task: *const u8 = ctx.arg(0);
    // SAFETY: a task_struct, and its signal_struct.
    let live: u32 = unsafe {
        let signal: *const u8 = direct(task, off::OFF_TASK_SIGNAL());
        direct(signal, off::OFF_SIGNAL_LIVE())
    };
    if live != 0 {
        return 0;
    }
    finish(Kind::Exit, try_exit(task))
}

#[inline(always)]
fn try_exit(task: *const u8) -> Outcome {
    // SAFETY: task_structs.
    let (tgid, thread, exit_code, start): (u32, u32, u32, u64) = unsafe {
        let leader: *const u8 = direct(task, off::OFF_TASK_GROUP_LEADER());
        (
            direct(task, off::OFF_TASK_TGID()),
            direct(task, off::OFF_TASK_PID()),
            direct(task, off::OFF_TASK_EXIT_CODE()),
            direct(leader, off::OFF_TASK_START_BOOTTIME()),
        )
    };
    // SAFETY: read at once.
    let lineage = unsafe { PROCESSES.get(tgid) }.map_or(0, |entry| entry.lineage);
    if PROCESSES.remove(tgid).is_err() && thread != tgid {
        return Ok(());
    }
    let subject = Subject { process: ProcessKey::new(tgid, start), thread, lineage };
    emit::record(Slot::Process, Kind::Exit, Hook::SchedProcessExit, &subject, size_of::<ExitBody>(), |record| {
        record.calm();
        // SAFETY: the record was made for an `ExitBody`.
        unsafe { record.body::<ExitBody>().write(ExitBody { exit_code, reserved: 0 }) };
        Ok(())
    })
}
