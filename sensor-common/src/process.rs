//! Bodies of fork, exec and exit.

use crate::key::ProcessKey;

/// Body of [`crate::record::Kind::Fork`]. No tail.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct ForkBody {
    /// The new process.
    pub child: ProcessKey,
    /// Who the kernel made its parent (`task->real_parent->tgid`): another than the caller with `CLONE_PARENT`.
    pub kernel_parent_tgid: u32,
    /// The child's pid in its own pid namespace.
    pub pid_in_namespace: u32,
    /// Inode of the child's pid namespace.
    pub pid_namespace: u32,
    /// The child's effective user id, in the initial user namespace: a worker that gave up root shows it here.
    pub euid: u32,
}

/// Body of [`crate::record::Kind::Exec`] and [`crate::record::Kind::Process`].
///
/// Tail, in this order: executable (path components), working directory (path components), script (raw path as
/// given to exec), argv (NUL-terminated strings one after the other).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct ExecBody {
    /// Who called fork, from the kernel's process map; from `real_parent` where the map has no entry (flag
    /// [`exec_flags::PARENT_FROM_KERNEL`]).
    pub parent: ProcessKey,
    /// `cred.cap_effective`, a bit per capability.
    pub cap_effective: u64,
    /// `cred.cap_permitted`.
    pub cap_permitted: u64,
    /// Cgroup v2 id (inode of the cgroup directory), 0 if unknown.
    pub cgroup_id: u64,
    /// The executable's inode number.
    pub inode: u64,
    /// The executable's file system: `super_block.s_dev` in the kernel's encoding (major << 20 | minor).
    pub device: u32,
    /// Real user id, in the initial user namespace.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Session id (initial pid namespace).
    pub session: u32,
    /// Inode of the process's pid namespace.
    pub pid_namespace: u32,
    /// Inode of its mount namespace.
    pub mount_namespace: u32,
    /// Its pid in its own pid namespace.
    pub pid_in_namespace: u32,
    /// Bits of [`exec_flags`].
    pub flags: u32,
    /// How many arguments the program was given (`linux_binprm.argc`), 0 if not known.
    pub argc: u32,
    /// Bytes that argv really has; more than `argv_length` when it was cut.
    pub argv_total: u32,
    /// Bytes of the executable's path in the tail.
    pub executable_length: u16,
    /// Bytes of the working directory's path in the tail.
    pub directory_length: u16,
    /// Bytes of the script path in the tail, 0 when no `#!` interpreter was started.
    pub script_length: u16,
    /// Bytes of argv in the tail.
    pub argv_length: u16,
    /// `inode.i_generation` of the executable, as in [`crate::file::FileBody::generation`].
    pub generation: u32,
    /// `inode.i_mode` of the executable: set-user-id shows here.
    pub mode: u32,
    /// `task.comm`, NUL-padded.
    pub comm: [u8; 16],
    /// What file descriptors 0, 1 and 2 are.
    pub standard: [Descriptor; 3],
}

/// Bits of [`ExecBody::flags`].
pub mod exec_flags {
    /// The executable is a memfd (`memfd_create(2)`).
    pub const MEMFD: u32 = 1;
    /// The executable has no name any more (`i_nlink` is 0).
    pub const DELETED: u32 = 2;
    /// The executable lies in an overlay's upper layer: it was written in this container.
    pub const OVERLAY_UPPER: u32 = 4;
    /// The executable's path is cut: deeper than the walk goes.
    pub const EXECUTABLE_CUT: u32 = 8;
    /// The working directory's path is cut.
    pub const DIRECTORY_CUT: u32 = 16;
    /// `parent` is what the kernel says now, not who called fork.
    pub const PARENT_FROM_KERNEL: u32 = 32;
    /// argv could not be read (its page was not resident); it is unknown, not empty.
    pub const ARGV_UNREADABLE: u32 = 64;
    /// The executable's file system is an overlay.
    pub const OVERLAY: u32 = 128;
}

/// What a file descriptor is.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct Descriptor {
    /// Inode of the file, pipe or socket behind it.
    pub inode: u64,
    /// Peer address of an internet socket; an IPv4 address uses the first four bytes.
    pub address: [u8; 16],
    /// Peer port, host byte order.
    pub port: u16,
    /// `AF_INET` (2), `AF_INET6` (10), `AF_UNIX` (1), else 0.
    pub family: u16,
    /// One of [`descriptor_kinds`].
    pub kind: u32,
}

/// Values of [`Descriptor::kind`].
pub mod descriptor_kinds {
    /// Closed, or not looked at.
    pub const NONE: u32 = 0;
    /// A regular file.
    pub const FILE: u32 = 1;
    /// A pipe or FIFO.
    pub const PIPE: u32 = 2;
    /// A terminal.
    pub const TTY: u32 = 3;
    /// A socket.
    pub const SOCKET: u32 = 4;
    /// A character device that is no terminal (`/dev/null`).
    pub const DEVICE: u32 = 5;
    /// Anything else (directory, anonymous inode).
    pub const OTHER: u32 = 6;
}

/// Body of [`crate::record::Kind::Exit`]. No tail.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct ExitBody {
    /// `task.exit_code`: status in bits 8 to 15, signal in bits 0 to 6, as `wait(2)` gives it.
    pub exit_code: u32,
    /// Always 0.
    pub reserved: u32,
}
