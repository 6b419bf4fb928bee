//! Reading a task: identity, credentials, namespaces.

use crate::{memory::read, offsets as off};
use aya_ebpf::helpers::generated::bpf_get_current_task;
use sensor_common::key::ProcessKey;

/// A `struct task_struct`, by address; read with the probe helper, which every program type may use.
#[derive(Clone, Copy)]
pub struct Task(pub u64);

/// `enum pid_type`: the session's index in `signal_struct.pids`, since 4.19.
const PIDTYPE_SID: u32 = 3;

impl Task {
    #[inline(always)]
    pub fn current() -> Self {
        // SAFETY: no arguments.
        Self(unsafe { bpf_get_current_task() })
    }

    /// Start time of the thread group, `CLOCK_BOOTTIME` nanoseconds.
    #[inline(always)]
    pub fn start(self) -> u64 {
        let leader: u64 = read(self.0, off::OFF_TASK_GROUP_LEADER());
        read(leader, off::OFF_TASK_START_BOOTTIME())
    }

    #[inline(always)]
    pub fn key(self) -> ProcessKey {
        ProcessKey::new(read(self.0, off::OFF_TASK_TGID()), self.start())
    }

    #[inline(always)]
    pub fn real_parent(self) -> Self {
        Self(read(self.0, off::OFF_TASK_REAL_PARENT()))
    }

    /// The session's id in the initial pid namespace.
    #[inline(always)]
    pub fn session(self) -> u32 {
        let signal: u64 = read(self.0, off::OFF_TASK_SIGNAL());
        let pid: u64 = read(signal, off::OFF_SIGNAL_PIDS() + PIDTYPE_SID * 8);
        read(pid, off::OFF_PID_NUMBERS() + off::OFF_UPID_NR())
    }

    /// The pid in the task's own pid namespace, and that namespace's inode.
    #[inline(always)]
    pub fn pid_namespace(self) -> (u32, u32) {
        let pid: u64 = read(self.0, off::OFF_TASK_THREAD_PID());
        let level: u32 = read(pid, off::OFF_PID_LEVEL());
        let upid = off::OFF_PID_NUMBERS() + (level & 31) * off::SIZE_UPID();
        let number: u32 = read(pid, upid + off::OFF_UPID_NR());
        let namespace: u64 = read(pid, upid + off::OFF_UPID_NS());
        (number, read(namespace, off::OFF_PIDNS_INUM()))
    }

    /// Inode of the mount namespace.
    #[inline(always)]
    pub fn mount_namespace(self) -> u32 {
        let proxy: u64 = read(self.0, off::OFF_TASK_NSPROXY());
        let namespace: u64 = read(proxy, off::OFF_NSPROXY_MNT_NS());
        read(namespace, off::OFF_MNTNS_INUM())
    }

    /// The open file behind a descriptor, 0 if there is none.
    #[inline(always)]
    pub fn file(self, descriptor: u32) -> u64 {
        let files: u64 = read(self.0, off::OFF_TASK_FILES());
        let table: u64 = read(files, off::OFF_FILES_FDT());
        let most: u32 = read(table, off::OFF_FDT_MAX_FDS());
        if descriptor >= most {
            return 0;
        }
        let array: u64 = read(table, off::OFF_FDT_FD());
        read(array + descriptor as u64 * 8, 0)
    }
}
