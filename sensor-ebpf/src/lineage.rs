//! Who acts, and in whose lineage: the kernel's process map.

use crate::{maps::PROCESSES, task::Task};
use aya_ebpf::helpers::generated::bpf_get_current_pid_tgid;
use sensor_common::key::ProcessKey;

/// Who a record is about.
pub struct Subject {
    pub process: ProcessKey,
    pub thread: u32,
    pub lineage: u32,
}

/// The current thread, if its process is in a server's lineage: one look-up, which is all that a stranger pays.
#[inline(always)]
pub fn current_in_lineage() -> Option<Subject> {
    let (tgid, thread) = current_ids();
    // SAFETY: the value is read at once; an entry that is replaced meanwhile reads as one or the other.
    let entry = unsafe { PROCESSES.get(tgid) }?;
    if entry.lineage == 0 {
        return None;
    }
    Some(Subject { process: ProcessKey::new(tgid, entry.start_boottime_ns), thread, lineage: entry.lineage })
}

/// The current thread, whoever it is.
#[inline(always)]
pub fn current() -> Subject {
    let (tgid, thread) = current_ids();
    // SAFETY: as above.
    match unsafe { PROCESSES.get(tgid) } {
        Some(entry) => {
            Subject { process: ProcessKey::new(tgid, entry.start_boottime_ns), thread, lineage: entry.lineage }
        }
        None => Subject { process: Task::current().key(), thread, lineage: 0 },
    }
}

#[inline(always)]
fn current_ids() -> (u32, u32) {
    // SAFETY: no arguments.
    let both = unsafe { bpf_get_current_pid_tgid() };
    ((both >> 32) as u32, both as u32)
}
