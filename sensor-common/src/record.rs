//! The head of every record, and what kinds there are.

use crate::key::ProcessKey;
use crate::losses::{KERNEL_KINDS, Ring};

/// Starts every record.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct Head {
    /// Bytes of the whole record, this head included.
    pub length: u32,
    /// A [`Kind`].
    pub kind: u16,
    /// A [`Hook`]: which program, or which part of the agent, saw it.
    pub hook: u16,
    /// When, `CLOCK_BOOTTIME` in nanoseconds (`bpf_ktime_get_boot_ns`).
    pub time_boottime_ns: u64,
    /// Whose act it is. For [`Kind::Fork`] the task that called fork, whatever parent the child was then given.
    /// A start time of 0 means that the source knew only the tgid (fanotify).
    pub process: ProcessKey,
    /// Thread id of the acting thread in the initial pid namespace.
    pub thread: u32,
    /// The lineage the kernel's process map had for it: 0 for none, else what the agent wrote there.
    pub lineage: u32,
}

/// Body of what is told in words, most of it by the agent: the words are the tail.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct AnnexBody {
    /// Which question it answers; 0 for none.
    pub question: u64,
    /// Bytes of the tail.
    pub length: u32,
    /// Always 0.
    pub reserved: u32,
}

/// What a record tells.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Kind {
    /// A process (not a thread) was made: [`crate::process::ForkBody`].
    Fork = 1,
    /// A process began another program: [`crate::process::ExecBody`].
    Exec = 2,
    /// The last thread of a process ended: [`crate::process::ExitBody`].
    Exit = 3,
    /// A file was opened: [`crate::file::FileBody`], `argument` holds the open flags.
    Open = 4,
    /// A file was cut by path or descriptor.
    Truncate = 5,
    /// A file got a new name; the second path is the old one.
    Rename = 6,
    /// A file got a further name; the second path is the first name.
    Link = 7,
    /// A symbolic link was made; the second path is its raw target, not components.
    Symlink = 8,
    /// A file's mode was changed so that it is executable; `argument` holds the new mode.
    Chmod = 9,
    /// A file was mapped with `PROT_EXEC`; `argument` holds the protection bits.
    MmapExec = 10,
    /// An outgoing connection: [`crate::net::NetBody`].
    Connect = 11,
    /// An accepted connection.
    Accept = 12,
    /// A socket began to listen.
    Listen = 13,
    /// What a process has written over its arguments, as it makes a child: [`AnnexBody`], the title in the tail. Only of
    /// processes with [`crate::settings::process_flags::TITLED`].
    Title = 14,
    /// Made by the agent: a process found in procfs. The body is an [`crate::process::ExecBody`].
    Process = 32,
    /// Made by the agent: a directory is now watched: [`crate::file::WatchBody`].
    Watch = 33,
    /// Made by the agent: records were lost: [`crate::losses::LossBody`].
    Loss = 34,
    /// Made by the agent: procfs was read again after a loss; the tree is right again. No body.
    Healed = 35,
    /// Made by the agent: time passed. No body.
    Tick = 36,
    /// Made by the agent: what was found out about a file that the core asked about: [`AnnexBody`] with the question's
    /// number; JSON in the tail.
    Inspected = 38,
    /// Made by the agent: what was remembered from before this start: [`AnnexBody`], JSON in the tail.
    Remembered = 39,
    /// Made by the agent: the systemd unit or the container that a server runs in: [`AnnexBody`], its name in the tail.
    Unit = 40,
    /// Made by the agent: which container a control group and mount namespace belong to: [`AnnexBody`], JSON in the tail.
    Container = 41,
}

impl Kind {
    /// All kinds, in the order of their numbers.
    pub const ALL: [Self; 23] = [
        Self::Fork,
        Self::Exec,
        Self::Exit,
        Self::Open,
        Self::Truncate,
        Self::Rename,
        Self::Link,
        Self::Symlink,
        Self::Chmod,
        Self::MmapExec,
        Self::Connect,
        Self::Accept,
        Self::Listen,
        Self::Title,
        Self::Process,
        Self::Watch,
        Self::Loss,
        Self::Healed,
        Self::Tick,
        Self::Inspected,
        Self::Remembered,
        Self::Unit,
        Self::Container,
    ];

    /// The kind of that number, if there is one.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| *kind as u16 == number)
    }

    /// Where the agent finds records of this kind.
    pub const fn ring(self) -> Ring {
        match self {
            Self::Fork | Self::Exec | Self::Exit | Self::Title => Ring::Process,
            _ => Ring::Activity,
        }
    }

    /// Whether a kernel program makes records of this kind.
    pub const fn is_kernels(self) -> bool {
        (self as u32) < KERNEL_KINDS
    }

    /// The name used in metrics (`sensor_events_total{kind}`) and in printed events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fork => "fork",
            Self::Exec => "exec",
            Self::Exit => "exit",
            Self::Open => "open",
            Self::Truncate => "truncate",
            Self::Rename => "rename",
            Self::Link => "link",
            Self::Symlink => "symlink",
            Self::Chmod => "chmod",
            Self::MmapExec => "mmap-exec",
            Self::Connect => "connect",
            Self::Accept => "accept",
            Self::Listen => "listen",
            Self::Title => "title",
            Self::Process => "process",
            Self::Watch => "watch",
            Self::Loss => "loss",
            Self::Healed => "healed",
            Self::Tick => "tick",
            Self::Inspected => "inspected",
            Self::Remembered => "remembered",
            Self::Unit => "unit",
            Self::Container => "container",
        }
    }
}

/// Who saw it. The name is the attach point, so that `sensor.hook` in an alert can be looked up in the kernel.
#[repr(u16)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Hook {
    /// tp_btf, both sets.
    SchedProcessFork = 1,
    /// tp_btf, both sets.
    SchedProcessExec = 2,
    /// tp_btf, both sets.
    SchedProcessExit = 3,
    /// fentry, trampoline set.
    SecurityFileOpen = 4,
    /// fentry, trampoline set.
    SecurityPathTruncate = 5,
    /// fentry, trampoline set, since 6.2.
    SecurityFileTruncate = 6,
    /// fentry, trampoline set.
    SecurityPathRename = 7,
    /// fentry, trampoline set.
    SecurityPathLink = 8,
    /// fentry, trampoline set.
    SecurityPathSymlink = 9,
    /// fentry, trampoline set.
    SecurityPathChmod = 10,
    /// fentry, trampoline set.
    SecurityMmapFile = 11,
    /// fentry, trampoline set.
    SecuritySocketConnect = 12,
    /// fentry, trampoline set.
    SecuritySockGraft = 13,
    /// fentry, trampoline set.
    SecuritySocketListen = 14,
    /// classic tracepoint, tracepoint set.
    SysExitOpen = 20,
    /// classic tracepoint, tracepoint set.
    SysExitOpenat = 21,
    /// classic tracepoint, tracepoint set.
    SysExitOpenat2 = 22,
    /// classic tracepoint, tracepoint set.
    SysExitCreat = 23,
    /// classic tracepoint, tracepoint set.
    SysEnterMmap = 24,
    /// classic tracepoint, tracepoint set.
    SysEnterConnect = 25,
    /// classic tracepoint, tracepoint set.
    SysExitConnect = 26,
    /// classic tracepoint, tracepoint set.
    SysExitAccept = 27,
    /// classic tracepoint, tracepoint set.
    SysExitAccept4 = 28,
    /// classic tracepoint, tracepoint set.
    SysEnterListen = 29,
    /// fanotify marks on the watched directories, tracepoint set.
    Fanotify = 40,
    /// `/proc`, at start and after a loss.
    Procfs = 41,
    /// The agent itself (watches, losses).
    Agent = 42,
}

impl Hook {
    /// All hooks.
    pub const ALL: [Self; 27] = [
        Self::SchedProcessFork,
        Self::SchedProcessExec,
        Self::SchedProcessExit,
        Self::SecurityFileOpen,
        Self::SecurityPathTruncate,
        Self::SecurityFileTruncate,
        Self::SecurityPathRename,
        Self::SecurityPathLink,
        Self::SecurityPathSymlink,
        Self::SecurityPathChmod,
        Self::SecurityMmapFile,
        Self::SecuritySocketConnect,
        Self::SecuritySockGraft,
        Self::SecuritySocketListen,
        Self::SysExitOpen,
        Self::SysExitOpenat,
        Self::SysExitOpenat2,
        Self::SysExitCreat,
        Self::SysEnterMmap,
        Self::SysEnterConnect,
        Self::SysExitConnect,
        Self::SysExitAccept,
        Self::SysExitAccept4,
        Self::SysEnterListen,
        Self::Fanotify,
        Self::Procfs,
        Self::Agent,
    ];

    /// The hook of that number, if there is one.
    pub fn from_number(number: u16) -> Option<Self> {
        Self::ALL.into_iter().find(|hook| *hook as u16 == number)
    }

    /// The attach point's own name. It is also the name of the kernel program.
    pub const fn name(self) -> &'static str {
        match self {
            Self::SchedProcessFork => "sched_process_fork",
            Self::SchedProcessExec => "sched_process_exec",
            Self::SchedProcessExit => "sched_process_exit",
            Self::SecurityFileOpen => "security_file_open",
            Self::SecurityPathTruncate => "security_path_truncate",
            Self::SecurityFileTruncate => "security_file_truncate",
            Self::SecurityPathRename => "security_path_rename",
            Self::SecurityPathLink => "security_path_link",
            Self::SecurityPathSymlink => "security_path_symlink",
            Self::SecurityPathChmod => "security_path_chmod",
            Self::SecurityMmapFile => "security_mmap_file",
            Self::SecuritySocketConnect => "security_socket_connect",
            Self::SecuritySockGraft => "security_sock_graft",
            Self::SecuritySocketListen => "security_socket_listen",
            Self::SysExitOpen => "sys_exit_open",
            Self::SysExitOpenat => "sys_exit_openat",
            Self::SysExitOpenat2 => "sys_exit_openat2",
            Self::SysExitCreat => "sys_exit_creat",
            Self::SysEnterMmap => "sys_enter_mmap",
            Self::SysEnterConnect => "sys_enter_connect",
            Self::SysExitConnect => "sys_exit_connect",
            Self::SysExitAccept => "sys_exit_accept",
            Self::SysExitAccept4 => "sys_exit_accept4",
            Self::SysEnterListen => "sys_enter_listen",
            Self::Fanotify => "fanotify",
            Self::Procfs => "procfs",
            Self::Agent => "agent",
        }
    }
}
