//! Reading a task: identity, namespaces, open files.

use crate::{
    memory::{direct, read},
    offsets as off,
};
use aya_ebpf::helpers::generated::bpf_get_current_task;
use sensor_common::key::ProcessKey;

/// A `struct task_struct`, by address; read with the probe helper, which every program type may use.
#[derive(Clone, Copy)]
pub struct Task(pub u64);

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

/// A `struct task_struct` whose type the verifier knows: an argument of a tp_btf program. Read without helper calls.
#[derive(Clone, Copy)]
pub struct TypedTask(*const u8);

/// `struct upid`: `nr`, and eight bytes on `ns`, on every kernel so far; one read has both.
#[inline(always)]
fn number_and_namespace(pid: u64, at: u32) -> (u32, u64) {
    if off::OFF_UPID_NR() == 0 && off::OFF_UPID_NS() == 8 {
        let words: [u64; 2] = read(pid, at);
        return (words[0] as u32, words[1]);
    }
    (read(pid, at + off::OFF_UPID_NR()), read(pid, at + off::OFF_UPID_NS()))
}

/// `enum pid_type`: the session's index in `signal_struct.pids`, since 4.19.
const PIDTYPE_SID: u32 = 3;

impl TypedTask {
    /// # Safety
    /// `task` must be a task_struct to the verifier.
    #[inline(always)]
    pub const unsafe fn new(task: *const u8) -> Self {
        Self(task)
    }

    /// A member of the task.
    ///
    /// # Safety
    /// `offset` must be that of a member of type `T`.
    #[inline(always)]
    pub unsafe fn member<T: Copy>(self, offset: u32) -> T {
        // SAFETY: stated by the caller.
        unsafe { direct(self.0, offset) }
    }

    #[inline(always)]
    pub fn tgid(self) -> u32 {
        // SAFETY: the member is an int.
        unsafe { self.member(off::OFF_TASK_TGID()) }
    }

    #[inline(always)]
    pub fn pid(self) -> u32 {
        // SAFETY: the member is an int.
        unsafe { self.member(off::OFF_TASK_PID()) }
    }

    /// Thread group and its start.
    #[inline(always)]
    pub fn key(self) -> ProcessKey {
        // SAFETY: the member is a task_struct, and its start a u64.
        let start = unsafe {
            let leader: *const u8 = self.member(off::OFF_TASK_GROUP_LEADER());
            direct(leader, off::OFF_TASK_START_BOOTTIME())
        };
        ProcessKey::new(self.tgid(), start)
    }

    /// Effective user id, in the initial user namespace.
    #[inline(always)]
    pub fn effective_user(self) -> u32 {
        // SAFETY: the members are a struct cred and its id.
        unsafe {
            let cred: *const u8 = self.member(off::OFF_TASK_CRED());
            direct(cred, off::OFF_CRED_EUID())
        }
    }

    #[inline(always)]
    pub fn real_parent(self) -> Self {
        // SAFETY: the member is a task_struct.
        Self(unsafe { self.member(off::OFF_TASK_REAL_PARENT()) })
    }

    /// The session's id in the initial pid namespace.
    #[inline(always)]
    pub fn session(self) -> u32 {
        // SAFETY: the members are a signal_struct, one of its struct pids, and the first number in that.
        unsafe {
            let signal: *const u8 = self.member(off::OFF_TASK_SIGNAL());
            let pid: *const u8 = direct(signal, off::OFF_SIGNAL_PIDS() + PIDTYPE_SID * 8);
            direct(pid, off::OFF_PID_NUMBERS() + off::OFF_UPID_NR())
        }
    }

    /// The pid in the task's own pid namespace, and that namespace's inode.
    #[inline(always)]
    pub fn pid_namespace(self) -> (u32, u32) {
        // SAFETY: the members are a struct pid and its unsigned int.
        let (pid, level): (*const u8, u32) = unsafe {
            let pid: *const u8 = self.member(off::OFF_TASK_THREAD_PID());
            (pid, direct(pid, off::OFF_PID_LEVEL()))
        };
        if level == 0 {
            // SAFETY: the first of the numbers, its namespace, and that one's inode.
            return unsafe {
                let namespace: *const u8 = direct(pid, off::OFF_PID_NUMBERS() + off::OFF_UPID_NS());
                (direct(pid, off::OFF_PID_NUMBERS() + off::OFF_UPID_NR()), direct(namespace, off::OFF_PIDNS_INUM()))
            };
        }
        let at = off::OFF_PID_NUMBERS() + (level & 31) * off::SIZE_UPID();
        let (number, namespace) = number_and_namespace(pid as u64, at);
        (number, read(namespace, off::OFF_PIDNS_INUM()))
    }

    /// Inode of the mount namespace.
    #[inline(always)]
    pub fn mount_namespace(self) -> u32 {
        // SAFETY: the members are an nsproxy, a mnt_namespace and an unsigned int.
        unsafe {
            let proxy: *const u8 = self.member(off::OFF_TASK_NSPROXY());
            let namespace: *const u8 = direct(proxy, off::OFF_NSPROXY_MNT_NS());
            direct(namespace, off::OFF_MNTNS_INUM())
        }
    }

    /// The open files behind descriptors 0, 1 and 2; 0 for none.
    #[inline(always)]
    pub fn standard_files(self) -> [u64; 3] {
        // SAFETY: the members are a files_struct, an fdtable, a pointer and an unsigned int.
        let (array, most): (*const u8, u32) = unsafe {
            let files: *const u8 = self.member(off::OFF_TASK_FILES());
            let table: *const u8 = direct(files, off::OFF_FILES_FDT());
            (direct(table, off::OFF_FDT_FD()), direct(table, off::OFF_FDT_MAX_FDS()))
        };
        // A table never has fewer than 64 places (`NR_OPEN_DEFAULT`); 0 means that there was none to read.
        if most < 3 { [0; 3] } else { read(array as u64, 0) }
    }
}
