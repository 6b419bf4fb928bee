//! The system calls that are let through, each with what asks for it: the agent's after its hooks are attached, and those
//! of the process that answers HTTP.
//!
//! `cargo xtask syscalls` compares these lists with what the sensors of tests really call. A call that none of them makes stays
//! in a list only with the reason for that.

use libc::{
    SYS_accept4, SYS_access, SYS_bind, SYS_bpf, SYS_brk, SYS_chmod, SYS_clock_gettime, SYS_clock_nanosleep, SYS_clone,
    SYS_close, SYS_connect, SYS_epoll_create1, SYS_epoll_ctl, SYS_epoll_pwait, SYS_epoll_wait, SYS_eventfd2, SYS_exit,
    SYS_exit_group, SYS_fanotify_mark, SYS_fchmod, SYS_fchown, SYS_fcntl, SYS_fstat, SYS_fstatfs, SYS_fsync,
    SYS_ftruncate, SYS_futex, SYS_getcwd, SYS_getdents64, SYS_geteuid, SYS_getpid, SYS_getrandom, SYS_getsockname,
    SYS_getsockopt, SYS_gettid, SYS_getxattr, SYS_ioctl, SYS_lgetxattr, SYS_listen, SYS_lseek, SYS_madvise, SYS_mkdir,
    SYS_mmap, SYS_mprotect, SYS_mremap, SYS_munmap, SYS_name_to_handle_at, SYS_newfstatat, SYS_open, SYS_openat,
    SYS_openat2, SYS_poll, SYS_ppoll, SYS_prctl, SYS_pread64, SYS_pwrite64, SYS_read, SYS_readlink, SYS_readlinkat,
    SYS_recvfrom, SYS_recvmsg, SYS_rename, SYS_restart_syscall, SYS_rseq, SYS_rt_sigaction, SYS_rt_sigprocmask,
    SYS_rt_sigreturn, SYS_sched_getaffinity, SYS_sched_yield, SYS_sendmmsg, SYS_sendto, SYS_set_robust_list,
    SYS_setsockopt, SYS_shutdown, SYS_sigaltstack, SYS_socket, SYS_statx, SYS_tgkill, SYS_uname, SYS_unlink, SYS_wait4,
    SYS_write, SYS_writev,
};

/// A call that is let through.
#[derive(Clone, Copy, Debug)]
pub struct Call {
    /// Its number on this processor.
    pub number: i64,
    /// Its name, as syscalls(2) has it.
    pub name: &'static str,
    /// What asks for it.
    pub why: &'static str,
    /// Why no test makes it, if none does.
    pub untested: Option<&'static str>,
    /// If there are any: it is let through only where one of these holds.
    pub only: &'static [Only],
}

/// What an argument has to be; arguments are counted from 0, and 32 bits are looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Only {
    /// This value.
    Is(u8, u64),
    /// All of these bits.
    Has(u8, u64),
    /// None of these bits.
    HasNot(u8, u64),
}

macro_rules! calls {
    ($($number:ident $(($($only:expr),+))? : $why:literal $(, untested: $untested:literal)? ;)+) => {
        &[$(Call {
            number: $number,
            // Without `SYS_`.
            name: stringify!($number).split_at(4).1,
            why: $why,
            untested: [$($untested)?].first().copied(),
            only: &[$($($only),+)?],
        }),+]
    };
}

const BPF_MAP_LOOKUP_ELEM: u64 = 1;
const BPF_MAP_UPDATE_ELEM: u64 = 2;
const BPF_MAP_DELETE_ELEM: u64 = 3;
const BPF_MAP_GET_NEXT_KEY: u64 = 4;
const BPF_OBJ_GET_INFO_BY_FD: u64 = 15;
const PR_SET_NAME: u64 = 15;
const PR_CAPBSET_READ: u64 = 23;
const PR_SET_VMA: u64 = 0x5356_4d41;

/// The agent's, from when its hooks are attached. No call starts a program, makes a process, mounts, traces, loads a kernel
/// module, or changes who this process is.
pub const AGENT: &[Call] = calls![
    // Files.
    SYS_openat: "procfs, configuration, component files, state, outputs";
    SYS_openat2: "files below another process's root, with no way out of it";
    SYS_open: "the same, by older C libraries";
    SYS_close: "what was opened";
    SYS_read: "files, the fanotify group, sockets";
    SYS_pread64: "the state's database, package databases";
    SYS_write: "outputs, logs, waking a thread";
    SYS_writev: "outputs, logs";
    SYS_pwrite64: "the state's database";
    SYS_lseek: "files that are read in pieces";
    SYS_fstat: "files";
    SYS_newfstatat: "files and directories";
    SYS_statx: "which file it is: device, inode, mount";
    SYS_fstatfs: "the file system's id, as fanotify says it";
    SYS_access: "SQLite looks for a journal of another mode", untested: "only after the machine went down while the state was written";
    SYS_readlink: "exe, root, cwd, ns and fd of processes";
    SYS_readlinkat: "the same, by a directory";
    SYS_getdents64: "procfs and component directories";
    SYS_getxattr: "attributes of files in overlays", untested: "only in containers: `cargo xtask containers`";
    SYS_lgetxattr: "the same", untested: "only in containers: `cargo xtask containers`";
    SYS_getcwd: "relative paths in the configuration", untested: "paths in tests are absolute";
    SYS_fcntl: "locks of the state's database, flags of descriptors";
    SYS_ftruncate: "the state's journal";
    SYS_fsync: "what must survive: state, spools";
    SYS_fchmod: "SQLite sets the mode of a journal that the umask narrowed", untested: "the umask of tests narrows nothing";
    SYS_fchown: "SQLite gives its journal the owner of its database";
    SYS_chmod: "the mode of the control socket";
    SYS_mkdir: "directories of outputs, state and control socket";
    SYS_rename: "rotation of output files, spools, a state that is moved aside";
    SYS_unlink: "the oldest output file, spools, the state's journal, the control socket";
    SYS_ioctl: "whether a descriptor is a terminal; bytes that wait; sockets that do not block";
    // The kernel's side.
    SYS_bpf(
        Only::Is(0, BPF_MAP_LOOKUP_ELEM), Only::Is(0, BPF_MAP_UPDATE_ELEM), Only::Is(0, BPF_MAP_DELETE_ELEM),
        Only::Is(0, BPF_MAP_GET_NEXT_KEY), Only::Is(0, BPF_OBJ_GET_INFO_BY_FD)
    ): "maps and programs that are open: lineages, watches, notes, losses, costs; nothing is loaded or attached any more";
    SYS_fanotify_mark: "new servers' directories, in the tracepoint set";
    SYS_name_to_handle_at: "what the kernel calls a directory in fanotify's events";
    // Waiting.
    SYS_poll: "waiting for the kernel's rings, and in the resolver";
    SYS_ppoll: "the same, with a time";
    SYS_epoll_create1: "outputs that speak to the network";
    SYS_epoll_ctl: "the same";
    SYS_epoll_wait: "the same";
    SYS_epoll_pwait: "the same", untested: "newer C libraries ask it instead of the one before";
    SYS_eventfd2: "waking a thread";
    SYS_futex: "threads that wait for each other";
    SYS_clock_nanosleep: "SQLite waits for a lock; too many who ask on the control socket, and the end of the process that answers HTTP, are waited for", untested: "nobody else holds the state in tests";
    SYS_clock_gettime: "the time, where the kernel does not give it without a call", untested: "the machines of tests give the time without a call";
    SYS_restart_syscall: "a wait that went on after the process was stopped", untested: "tests do not stop it; seen where a debugger did";
    // Sockets.
    SYS_socket(
        Only::Is(0, libc::AF_UNIX as u64), Only::Is(0, libc::AF_INET as u64), Only::Is(0, libc::AF_INET6 as u64),
        Only::Is(0, libc::AF_NETLINK as u64)
    ): "outputs, the control socket; the resolver asks netlink for this machine's addresses";
    SYS_connect: "outputs; the resolver";
    SYS_bind: "the control socket; the resolver's netlink socket";
    SYS_listen: "the control socket";
    SYS_accept4: "the control socket";
    SYS_getsockname: "the resolver", untested: "tests resolve names without a server";
    SYS_getsockopt: "who asks on the control socket; whether a connection came about";
    SYS_setsockopt: "time limits";
    SYS_shutdown: "has the process that answers HTTP end", untested: "that lives as long as the agent";
    SYS_sendto: "sockets";
    SYS_sendmmsg: "the resolver asks a server for names", untested: "tests resolve names without one";
    SYS_recvfrom: "sockets";
    SYS_recvmsg: "the resolver", untested: "tests resolve names without a server";
    // Memory and threads.
    SYS_mmap: "memory; libraries that the resolver loads";
    SYS_munmap: "memory";
    SYS_mremap: "memory; the state's database";
    SYS_mprotect: "memory; guard pages of threads";
    SYS_madvise: "giving memory back";
    SYS_brk: "memory";
    SYS_clone(Only::Has(0, libc::CLONE_THREAD as u64)): "threads, never processes";
    SYS_set_robust_list: "a thread begins";
    SYS_rseq: "a thread begins";
    SYS_sched_getaffinity: "a thread begins: where its stack is";
    SYS_sched_yield: "threads that wait for each other", untested: "only where two threads meet at the same instant";
    SYS_sigaltstack: "a thread begins";
    SYS_rt_sigprocmask: "a thread begins";
    SYS_rt_sigaction: "a signal that is to end the process, the second time";
    SYS_rt_sigreturn: "a signal was dealt with";
    SYS_prctl(Only::Is(0, PR_SET_NAME), Only::Is(0, PR_CAPBSET_READ), Only::Is(0, PR_SET_VMA)): "names of threads and memory";
    SYS_exit: "a thread ends";
    SYS_exit_group: "the end";
    SYS_tgkill: "abort, after a failure that cannot be told otherwise", untested: "no test makes it fail so";
    SYS_wait4: "how the process that answers HTTP ended", untested: "that lives as long as the agent";
    // Asking who and where.
    SYS_getpid: "logs, procfs";
    SYS_gettid: "logs";
    SYS_geteuid: "who may ask";
    SYS_uname: "the kernel's name";
    SYS_getrandom: "keys of hash tables, TLS";
];

/// The process that answers HTTP, once it has its two sockets. It opens nothing, connects to nothing, makes nothing.
pub const LISTENER: &[Call] = calls![
    SYS_accept4: "connections";
    SYS_read: "the counter by which it is woken, when that is full", untested: "it was not";
    SYS_write: "questions to the agent, waking";
    SYS_recvfrom: "requests, the agent's answers";
    SYS_sendto: "answers, questions to the agent";
    SYS_writev: "answers";
    SYS_shutdown: "ending a connection";
    SYS_close: "ending a connection";
    SYS_epoll_ctl: "waiting for sockets";
    SYS_epoll_wait: "waiting for sockets";
    SYS_epoll_pwait: "the same", untested: "newer C libraries ask it instead of the one before";
    SYS_getsockopt: "whether a connection failed", untested: "none failed";
    SYS_fcntl(Only::Is(1, libc::F_GETFL as u64), Only::Is(1, libc::F_GETFD as u64)): "whether a socket blocks, in builds with debug assertions", untested: "tests use the release build";
    SYS_futex: "waking";
    SYS_mmap(Only::HasNot(2, libc::PROT_EXEC as u64)): "memory", untested: "what it has at its start is enough for the answers of tests";
    SYS_mremap: "memory", untested: "what it has at its start is enough for the answers of tests";
    SYS_munmap: "memory";
    SYS_madvise: "giving memory back", untested: "what it has at its start is enough for the answers of tests";
    SYS_brk: "memory";
    SYS_clock_gettime: "the time, where the kernel does not give it without a call", untested: "the machines of tests give the time without a call";
    SYS_getrandom: "keys of hash tables that are made later", untested: "none was made later";
    SYS_rt_sigreturn: "a signal was dealt with", untested: "tests signal the agent alone";
    SYS_restart_syscall: "a wait that went on after the process was stopped", untested: "tests do not stop it";
    SYS_sigaltstack: "the end";
    SYS_exit_group: "the end";
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_call_stands_once_and_has_a_reason() {
        for list in [AGENT, LISTENER] {
            let mut names: Vec<&str> = list.iter().map(|call| call.name).collect();
            names.sort_unstable();
            let count = names.len();
            names.dedup();
            assert_eq!(names.len(), count, "a call stands twice");
            assert!(list.iter().all(|call| !call.why.is_empty()));
        }
    }

    #[test]
    fn nothing_dangerous_is_listed() {
        let dangerous = [
            "execve",
            "execveat",
            "fork",
            "vfork",
            "clone3",
            "kill",
            "ptrace",
            "process_vm_writev",
            "mount",
            "fsmount",
            "pivot_root",
            "chroot",
            "setns",
            "unshare",
            "init_module",
            "finit_module",
            "kexec_load",
            "setuid",
            "setresuid",
            "capset",
            "perf_event_open",
            "fanotify_init",
            "keyctl",
            "io_uring_setup",
            "userfaultfd",
            "memfd_create",
            "open_by_handle_at",
        ];
        for list in [AGENT, LISTENER] {
            assert!(list.iter().all(|call| !dangerous.contains(&call.name)));
        }
        let listener: Vec<&str> = LISTENER.iter().map(|call| call.name).collect();
        for call in ["openat", "socket", "connect", "bind", "clone", "bpf", "kill", "ioctl", "mprotect", "dup"] {
            assert!(!listener.contains(&call), "{call}");
        }
    }
}
