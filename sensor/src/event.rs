//! What happened, typed: the one input of the core.
//!
//! Events come from decoded records ([`crate::decode`]) and from nowhere else: what the agent itself finds out (procfs,
//! watches, losses) is put into records first, so that a capture holds everything a replay needs.
//! Paths and arguments are bytes: the kernel does not promise UTF-8.

use crate::container::Contained;
use crate::provenance::Provenance;
use bstr::BString;
use sensor_common::key::ProcessKey;
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::{Hook, Kind};
use serde::{Deserialize, Serialize};
use std::net::IpAddr;
use std::sync::{Arc, OnceLock};

/// One thing that happened.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// When, nanoseconds of `CLOCK_BOOTTIME`.
    pub time_boottime_ns: u64,
    /// Who did it. `start_boottime_ns` is 0 where the source knew only the tgid.
    pub process: ProcessKey,
    /// The acting thread.
    pub thread: u32,
    /// The lineage number the kernel knew for `process`; 0 for none.
    pub lineage: u32,
    /// Who saw it.
    pub hook: Hook,
    /// What.
    pub body: Body,
}

/// What happened.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// `Event::process` made a process.
    Fork(Fork),
    /// It began another program.
    Exec(Arc<Exec>),
    /// Its last thread ended.
    Exit(Exit),
    /// It touched a file.
    File(Box<File>),
    /// It used a socket.
    Net(Box<Net>),
    /// It was found in procfs, in this state.
    Process(Arc<Exec>),
    /// A directory is now watched.
    Watch(Box<Watch>),
    /// Records were lost.
    Loss(Loss),
    /// procfs was read again after a loss.
    Healed,
    /// Time passed: what waits for a deadline may be decided.
    Tick,
    /// What `Event::process` has written over its arguments.
    Title(BString),
    /// The systemd unit that the server `Event::process` runs in.
    Unit(BString),
    /// Which container some processes are in.
    Container(Box<Contained>),
    /// What was found out about a file.
    Inspected(Box<Inspected>),
    /// What was remembered from before this start.
    Remembered(Box<Remembered>),
}

/// The answer to a question about a file ([`crate::pipeline::Request::Inspect`]).
#[derive(Clone, Debug, PartialEq)]
pub struct Inspected {
    /// The question's number.
    pub question: u64,
    /// What there is to know.
    pub provenance: Provenance,
}

/// One thing that was remembered.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Remembered {
    /// What it is part of.
    pub kind: Memory,
    /// Its name there.
    pub key: String,
    /// JSON, as the part that wrote it understands it.
    pub value: String,
}

/// What is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Memory {
    /// Who wrote which file: [`crate::ledger`].
    Ledger,
    /// What servers normally start: [`crate::baseline`].
    Baseline,
}

/// A new process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fork {
    /// The new process; its parent in the tree is `Event::process`.
    pub child: ProcessKey,
    /// Who the kernel made its parent, by tgid.
    pub kernel_parent_tgid: u32,
    /// Its pid in its own pid namespace.
    pub pid_in_namespace: u32,
    /// Inode of its pid namespace.
    pub pid_namespace: u32,
    /// Effective user id of the new process.
    pub euid: u32,
}

/// A program in a process.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Exec {
    /// Who called fork for this process.
    pub parent: ProcessKey,
    /// Absolute path of the executable, as the kernel's dentries have it. Empty when not known (kernel threads).
    pub executable: BString,
    /// The script, when a `#!` interpreter was started: as given to exec, made absolute with `directory`.
    pub script: Option<BString>,
    /// Arguments; at most 4 KiB in all.
    pub argv: Vec<BString>,
    /// argv was longer than what is here.
    pub argv_cut: bool,
    /// Working directory.
    pub directory: BString,
    /// `task.comm` without padding.
    pub comm: BString,
    /// Real and effective ids, in the initial user namespace.
    pub uid: u32,
    /// Real group id.
    pub gid: u32,
    /// Effective user id.
    pub euid: u32,
    /// Effective group id.
    pub egid: u32,
    /// Effective capabilities, a bit each.
    pub cap_effective: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Session id.
    pub session: u32,
    /// Cgroup v2 id, 0 if not known.
    pub cgroup_id: u64,
    /// Inode of the pid namespace.
    pub pid_namespace: u32,
    /// Inode of the mount namespace.
    pub mount_namespace: u32,
    /// Pid in its own namespace.
    pub pid_in_namespace: u32,
    /// The executable's device, kernel encoding.
    pub device: u32,
    /// The executable's inode.
    pub inode: u64,
    /// Generation of that inode; 0 if not known.
    pub generation: u32,
    /// Type and permissions of the executable; 0 if not known.
    pub mode: u32,
    /// Bits of [`sensor_common::process::exec_flags`].
    pub flags: u32,
    /// What descriptors 0, 1 and 2 are.
    pub standard: [Descriptor; 3],
    /// Its command line for people: worked out when it is first needed, since a server's program does many things.
    pub shown: Once<Arc<str>>,
}

/// What follows from the rest, and is worked out once.
#[derive(Clone, Debug)]
pub struct Once<T>(pub OnceLock<T>);

impl<T> Default for Once<T> {
    fn default() -> Self {
        Self(OnceLock::new())
    }
}

impl<T> PartialEq for Once<T> {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

/// What a file descriptor is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Descriptor {
    /// Closed or not looked at.
    #[default]
    None,
    /// A regular file, by inode.
    File(u64),
    /// A pipe, by inode.
    Pipe(u64),
    /// A terminal.
    Tty,
    /// A socket: inode, and the peer where it is an internet socket with one.
    Socket {
        /// Inode of the socket.
        inode: u64,
        /// `AF_*` number.
        family: u16,
        /// Peer.
        peer: Option<(IpAddr, u16)>,
    },
    /// A character device that is no terminal.
    Device,
    /// Anything else.
    Other,
}

/// The end of a process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exit {
    /// As `wait(2)` gives it.
    pub exit_code: u32,
}

/// Something that happened to a file.
#[derive(Clone, Debug, PartialEq)]
pub struct File {
    /// One of the file kinds (open, truncate, rename, link, symlink, chmod, mmap-exec).
    pub operation: Kind,
    /// Absolute path; the new one for rename, link, symlink.
    pub path: BString,
    /// The old path (rename, link), or the target as written (symlink).
    pub other: Option<BString>,
    /// The watch under which `path` lies.
    pub watch: Option<u32>,
    /// How many directories above the file the watched one is; 1 is its own directory.
    pub watch_depth: u32,
    /// Device, kernel encoding.
    pub device: u32,
    /// Inode; 0 if it was not known.
    pub inode: u64,
    /// Generation of that inode; 0 if not known.
    pub generation: u32,
    /// Bits of [`sensor_common::file::file_flags`].
    pub flags: u32,
    /// `i_mode`.
    pub mode: u32,
    /// Owner.
    pub owner: u32,
    /// Open flags, new mode, or protection bits.
    pub argument: u32,
}

impl File {
    /// A file of which no more than its name and inode is known.
    pub fn named(operation: Kind, path: &BString, device: u32, inode: u64, generation: u32) -> Self {
        Self {
            operation,
            path: path.clone(),
            other: None,
            watch: None,
            watch_depth: 0,
            device,
            inode,
            generation,
            flags: 0,
            mode: 0,
            owner: 0,
            argument: 0,
        }
    }
}

/// Something that happened to a socket.
#[derive(Clone, Debug, PartialEq)]
pub struct Net {
    /// Connect, accept or listen.
    pub operation: Kind,
    /// `AF_*` number.
    pub family: u16,
    /// `SOCK_*` number.
    pub socket_type: u16,
    /// The peer of an internet socket.
    pub remote: Option<(IpAddr, u16)>,
    /// The own address of an internet socket.
    pub local: Option<(IpAddr, u16)>,
    /// Path of a unix socket; an abstract one begins with a NUL.
    pub path: Option<BString>,
}

/// A directory that is watched from now on, with everything below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watch {
    /// The number that file events carry.
    pub watch: u32,
    /// Catalogue id of the server that loads from it. `Event::process` is the server process it was found for.
    pub server: String,
    /// Component kind in the catalogue's words (`script_docroot`, `native_module` ...).
    pub component: String,
    /// Its path when the watch was set.
    pub path: BString,
    /// Device, kernel encoding.
    pub device: u32,
    /// Inode.
    pub inode: u64,
}

/// So many records were lost since the last such event.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Loss {
    /// Where.
    pub ring: Ring,
    /// Why.
    pub reason: LossReason,
    /// Of which kind, if known.
    pub kind: Option<Kind>,
    /// How many.
    pub count: u64,
}

impl Event {
    /// The kind of record this came from.
    pub fn kind(&self) -> Kind {
        match &self.body {
            Body::Fork(_) => Kind::Fork,
            Body::Exec(_) => Kind::Exec,
            Body::Exit(_) => Kind::Exit,
            Body::File(file) => file.operation,
            Body::Net(net) => net.operation,
            Body::Process(_) => Kind::Process,
            Body::Watch(_) => Kind::Watch,
            Body::Loss(_) => Kind::Loss,
            Body::Healed => Kind::Healed,
            Body::Tick => Kind::Tick,
            Body::Title(_) => Kind::Title,
            Body::Unit(_) => Kind::Unit,
            Body::Container(_) => Kind::Container,
            Body::Inspected(_) => Kind::Inspected,
            Body::Remembered(_) => Kind::Remembered,
        }
    }
}
