//! One process in the tree.

use crate::event::Exec;
use bstr::BString;
use sensor_common::key::ProcessKey;
use std::num::NonZeroU64;
use std::sync::Arc;

/// Names a node for as long as the tree has it; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId {
    /// Counts nodes.
    pub(super) number: NonZeroU64,
    /// Where it is kept.
    pub(super) place: u32,
}

/// Most earlier programs that a node remembers.
pub const MAX_PREVIOUS: usize = 32;

/// A process, running or lately ended.
#[derive(Clone, Debug)]
pub struct Node {
    /// Who it is. The start time is exact once a kernel record named it.
    pub key: ProcessKey,
    /// Who called fork for it, if the tree has that one.
    pub parent: Option<NodeId>,
    /// The same as a key; [`ProcessKey::NONE`] if not known.
    pub parent_key: ProcessKey,
    /// The program it runs; the parent's until its first exec. `None` while nothing is known of it.
    pub image: Option<Arc<Exec>>,
    /// Programs it ran before, oldest first, in a server's lineage only; at most [`MAX_PREVIOUS`].
    pub previous: Vec<Arc<Exec>>,
    /// 0, or the number of the server in whose lineage it is.
    pub lineage: u32,
    /// When it was forked; its start time if that was not seen.
    pub forked_boottime_ns: u64,
    /// Its latest exec that was seen.
    pub exec_boottime_ns: Option<u64>,
    /// When it ended.
    pub exited_boottime_ns: Option<u64>,
    /// As `wait(2)` gives it.
    pub exit_code: Option<u32>,
    /// Its effective user when it was forked, if that was seen.
    pub forked_euid: Option<u32>,
    /// What it has written over its arguments, when that was last read.
    pub title: Option<BString>,
    /// It listens on a socket itself.
    pub listens: bool,
    /// Known from exec, procfs or a child only: its fork was not seen.
    pub missed_fork: bool,
    /// The latest event that named it.
    pub(super) confirmed_boottime_ns: u64,
    /// The youngest of the nodes whose `parent` this is,
    pub(super) child: Option<NodeId>,
    /// and the two beside this one among those of its own parent: the next older, and the next younger.
    pub(super) older: Option<NodeId>,
    /// See `older`.
    pub(super) younger: Option<NodeId>,
    /// The process that had the same tgid before.
    pub(super) former: Option<NodeId>,
}

impl Node {
    /// Whether it still runs.
    pub const fn is_live(&self) -> bool {
        self.exited_boottime_ns.is_none()
    }

    /// Its effective user as far as that is known: at its latest exec, else at its fork.
    pub fn effective_user(&self) -> Option<u32> {
        let executed = self.image.as_ref().filter(|_| self.has_executed() || self.forked_euid.is_none());
        executed.map(|image| image.euid).or(self.forked_euid)
    }

    /// Whether it has run a program of its own since it was forked.
    pub const fn has_executed(&self) -> bool {
        self.exec_boottime_ns.is_some()
    }

    /// The executable's path; empty if nothing is known.
    pub fn executable(&self) -> &bstr::BStr {
        self.image.as_ref().map_or(bstr::BStr::new(""), |image| bstr::BStr::new(&image.executable))
    }
}
