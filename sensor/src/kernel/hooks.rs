//! The two hook sets: which programs there are, how each attaches, and what a kernel that refuses one loses.

use sensor_common::record::Hook;

/// How a program is attached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attach {
    /// BTF-typed raw tracepoint.
    BtfTracepoint,
    /// Trampoline at a function's entry.
    Fentry,
    /// Classic tracepoint of the category `syscalls`.
    Tracepoint,
    /// No program: fanotify marks.
    Fanotify,
}

impl Attach {
    /// The kernel's word for it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::BtfTracepoint => "tp_btf",
            Self::Fentry => "fentry",
            Self::Tracepoint => "tracepoint",
            Self::Fanotify => "fanotify",
        }
    }
}

/// One program of a set.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// What it is attached to; also the program's name.
    pub hook: Hook,
    /// How.
    pub attach: Attach,
    /// Whether the set is of no use without it.
    pub required: bool,
    /// What is not seen without it.
    pub covers: &'static str,
}

const fn plan(hook: Hook, attach: Attach, required: bool, covers: &'static str) -> Plan {
    Plan { hook, attach, required, covers }
}

/// In both sets: every process.
pub const PROCESS: &[Plan] = &[
    plan(Hook::SchedProcessFork, Attach::BtfTracepoint, true, "new processes"),
    plan(Hook::SchedProcessExec, Attach::BtfTracepoint, true, "programs started"),
    plan(Hook::SchedProcessExit, Attach::BtfTracepoint, true, "processes ended"),
];

/// Preferred: sees the kernel's own objects at the moment of the deed, io_uring included, and costs other calls nothing.
pub const TRAMPOLINE: &[Plan] = &[
    plan(
        Hook::SecurityFileOpen,
        Attach::Fentry,
        true,
        "files opened for writing or created; noted files opened by servers for reading",
    ),
    plan(Hook::SecurityPathTruncate, Attach::Fentry, false, "files truncated by path"),
    plan(
        Hook::SecurityFileTruncate,
        Attach::Fentry,
        false,
        "files truncated by descriptor (since 6.2; earlier kernels report them by security_path_truncate)",
    ),
    plan(Hook::SecurityPathRename, Attach::Fentry, true, "files renamed"),
    plan(Hook::SecurityPathLink, Attach::Fentry, true, "hard links"),
    plan(Hook::SecurityPathSymlink, Attach::Fentry, true, "symbolic links"),
    plan(Hook::SecurityPathChmod, Attach::Fentry, true, "files made executable"),
    plan(Hook::SecurityMmapFile, Attach::Fentry, true, "files mapped executable"),
    plan(Hook::SecuritySocketConnect, Attach::Fentry, true, "outgoing connections"),
    plan(Hook::SecuritySockGraft, Attach::Fentry, true, "accepted connections"),
    plan(Hook::SecuritySocketListen, Attach::Fentry, true, "listening sockets"),
];

/// Where trampolines are refused (kernel lockdown, some microVM kernels).
pub const TRACEPOINT: &[Plan] = &[
    plan(Hook::SysExitOpen, Attach::Tracepoint, false, "open(2) by servers (absent on some architectures)"),
    plan(Hook::SysExitOpenat, Attach::Tracepoint, true, "openat(2) by servers, also of noted files for reading"),
    plan(Hook::SysExitOpenat2, Attach::Tracepoint, false, "openat2(2) by servers (since 5.6)"),
    plan(Hook::SysExitCreat, Attach::Tracepoint, false, "creat(2) by servers (absent on some architectures)"),
    plan(Hook::SysEnterMmap, Attach::Tracepoint, true, "files mapped executable by servers"),
    plan(Hook::SysEnterConnect, Attach::Tracepoint, true, "outgoing connections of servers"),
    plan(Hook::SysExitConnect, Attach::Tracepoint, true, "outgoing connections of servers"),
    plan(Hook::SysExitAccept, Attach::Tracepoint, true, "accept(2) by servers"),
    plan(Hook::SysExitAccept4, Attach::Tracepoint, true, "accept4(2) by servers"),
    plan(Hook::SysEnterListen, Attach::Tracepoint, true, "listening sockets"),
    plan(
        Hook::Fanotify,
        Attach::Fanotify,
        true,
        "watched directories: files created, written, renamed, linked, made executable",
    ),
];

/// What the tracepoint set sees less of than the other.
pub const TRACEPOINT_GAPS: &[&str] = &[
    "outside watched directories: rename, link, symlink, chmod, truncate, and opens through io_uring are not seen",
    "in watched directories: the writer is known by pid when the event is read, and the old name of a rename is not",
    "in watched directories: a file that is only truncated, or written through a mapping, shows as a write when closed",
    "connect through io_uring is not seen",
];

/// What neither set sees.
pub const COMMON_GAPS: &[&str] = &[
    "writes through a descriptor that was opened before the sensor started, or before its directory was watched",
    "a busybox shell's own applets: they run without any exec",
];
