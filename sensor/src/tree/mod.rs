//! The process tree: who forked whom, and what each runs.
//!
//! Comes in: events. Goes out: nodes. Always holds: a process is its key, never a pid; a parent is who called fork; an
//! ended process stays for [`GRACE_NS`], and longer while its children in a lineage need it; at most `max_processes`
//! nodes, beyond which the oldest ended ones go, then new ones are not taken in, both counted. No clock: time comes with
//! events. It does not know what a server is.

mod ended;
mod family;
mod inside;
mod node;
mod nodes;

pub mod lineage;

pub use node::{MAX_PREVIOUS, Node, NodeId};

use crate::event::{Body, Event, Exec, Exit, Fork};
use bstr::BString;
use foldhash::fast::RandomState;
use nodes::Nodes;
use sensor_common::key::ProcessKey;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

/// How long an ended process stays: late file and socket records still find it.
pub const GRACE_NS: u64 = 60_000_000_000;
/// Most ended processes that stay because of the grace time.
pub const MAX_EXITED: usize = 16_384;
/// How often ended processes are looked through.
const SWEEP_NS: u64 = 1_000_000_000;
/// Longest way upwards that is followed.
const MAX_ANCESTORS: usize = 256;

/// The tree.
pub struct Tree {
    nodes: Nodes,
    /// By tgid, who had it last; the node knows who had it before.
    newest: HashMap<u32, NodeId, RandomState>,
    /// Nodes whose parent is known by its key, and not there; by its tgid.
    orphans: HashMap<u32, Vec<NodeId>, RandomState>,
    /// Ended nodes, oldest first.
    exited: VecDeque<(u64, NodeId)>,
    max_processes: usize,
    evictions: u64,
    swept_ns: u64,
    /// The first procfs event since procfs was last read to its end.
    reconciling_since_ns: Option<u64>,
}

/// Which nodes an event was about.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// Who acted.
    pub node: Option<NodeId>,
    /// Who was made by it (fork).
    pub child: Option<NodeId>,
}

impl Tree {
    /// An empty tree of at most `max_processes` nodes.
    pub fn new(max_processes: usize) -> Self {
        Self {
            nodes: Nodes::default(),
            newest: HashMap::default(),
            orphans: HashMap::default(),
            exited: VecDeque::new(),
            max_processes,
            evictions: 0,
            swept_ns: 0,
            reconciling_since_ns: None,
        }
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) -> Applied {
        let now = event.time_boottime_ns;
        if now.saturating_sub(self.swept_ns) > SWEEP_NS {
            self.swept_ns = now;
            self.sweep(now);
        }
        match &event.body {
            Body::Fork(fork) => self.fork(event, fork),
            Body::Exec(exec) => Applied { node: self.exec(event, exec), child: None },
            Body::Process(exec) => Applied { node: self.found(event, exec), child: None },
            Body::Exit(exit) => Applied { node: self.exit(event, *exit), child: None },
            Body::Healed => {
                self.end_unconfirmed(now);
                Applied::default()
            }
            Body::Title(title) => Applied { node: self.titled(event, title), child: None },
            Body::File(_) | Body::Net(_) | Body::Watch(_) | Body::Unit(_) | Body::Container(_) => {
                Applied { node: self.find(event.process), child: None }
            }
            Body::Loss(_) | Body::Tick | Body::Inspected(_) | Body::Remembered(_) => Applied::default(),
        }
    }

    /// The node of that name.
    pub fn node(&self, id: NodeId) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The node of a process, ended ones too. A key without a start time finds the newest of that tgid.
    pub fn find(&self, key: ProcessKey) -> Option<NodeId> {
        let newest = *self.newest.get(&key.tgid)?;
        if key.start_boottime_ns == 0 {
            return Some(newest);
        }
        let mut of_tgid = self.of_tgid(newest).filter(|(_, node)| node.key.same_as(key));
        let (near, node) = of_tgid.next()?;
        // One tick of procfs may have seen two.
        let exact = (node.key != key).then(|| of_tgid.find(|(_, node)| node.key == key)).flatten();
        Some(exact.map_or(near, |(id, _)| id))
    }

    /// Those who had a tgid, newest first.
    fn of_tgid(&self, newest: NodeId) -> impl Iterator<Item = (NodeId, &Node)> {
        let with_id = |id| self.nodes.get(id).map(|node| (id, node));
        std::iter::successors(with_id(newest), move |(_, node)| with_id(node.former?))
    }

    /// Whether the event tells an end that was told before: of two last threads that end at the same moment, both do.
    pub fn knows_end(&self, event: &Event) -> bool {
        matches!(event.body, Body::Exit(_))
            && self.find(event.process).and_then(|id| self.nodes.get(id)).is_some_and(|node| node.exit_code.is_some())
    }

    /// The running process of that tgid.
    pub fn live(&self, tgid: u32) -> Option<NodeId> {
        let newest = *self.newest.get(&tgid)?;
        self.nodes.get(newest).filter(|node| node.is_live()).map(|_| newest)
    }

    /// Notes that a process listens on a socket itself.
    pub fn set_listens(&mut self, id: NodeId) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.listens = true;
        }
    }

    /// Nodes, ended ones included.
    pub fn len(&self) -> usize {
        self.nodes.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.nodes.len() == 0
    }

    /// Nodes that were pushed out, or not taken in, because the tree was full.
    pub const fn evictions(&self) -> u64 {
        self.evictions
    }

    /// Every running process.
    pub fn live_nodes(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        self.nodes.iter().filter(|(_, node)| node.is_live())
    }

    fn fork(&mut self, event: &Event, fork: &Fork) -> Applied {
        let now = event.time_boottime_ns;
        let Some(parent) = self.known_or_placeholder(event.process, now) else {
            return Applied::default();
        };
        let (image, lineage, parent_key) = match self.nodes.get_mut(parent) {
            Some(node) => {
                node.confirmed_boottime_ns = now;
                (node.image.clone(), node.lineage, node.key)
            }
            None => (None, 0, event.process),
        };
        if let Some(child) = self.find(fork.child) {
            // Its exec, or procfs, was seen first.
            self.adopt_late(child, parent, parent_key);
            return Applied { node: Some(parent), child: Some(child) };
        }
        self.end_former(fork.child, now);
        let child = self.insert(Node {
            parent: Some(parent),
            parent_key,
            image,
            lineage,
            forked_boottime_ns: now,
            forked_euid: Some(fork.euid),
            missed_fork: false,
            ..blank(fork.child, now)
        });
        Applied { node: Some(parent), child }
    }

    fn exec(&mut self, event: &Event, exec: &Arc<Exec>) -> Option<NodeId> {
        let now = event.time_boottime_ns;
        let id = match self.find(event.process) {
            Some(id) => id,
            None => self.insert_with_parent(event.process, exec.parent, now)?,
        };
        let node = self.nodes.get_mut(id)?;
        // A key from procfs becomes exact.
        node.key = event.process;
        node.confirmed_boottime_ns = now;
        if let Some(image) =
            node.image.take().filter(|_| node.lineage != 0 && (node.has_executed() || node.missed_fork))
        {
            if node.previous.len() == MAX_PREVIOUS {
                node.previous.remove(0);
            }
            node.previous.push(image);
        }
        node.image = Some(Arc::clone(exec));
        node.exec_boottime_ns = Some(now);
        Some(id)
    }

    /// A process found in procfs. What live events told of it is newer, and stays.
    fn found(&mut self, event: &Event, exec: &Arc<Exec>) -> Option<NodeId> {
        let now = event.time_boottime_ns;
        self.reconciling_since_ns.get_or_insert(now);
        let id = if let Some(id) = self.find(event.process) {
            id
        } else {
            self.end_former(event.process, now);
            self.insert_with_parent(event.process, exec.parent, now)?
        };
        let node = self.nodes.get_mut(id)?;
        node.confirmed_boottime_ns = now;
        let stale = node
            .image
            .as_ref()
            .is_none_or(|image| (image.device, image.inode) != (exec.device, exec.inode) && exec.inode != 0);
        if stale || node.missed_fork && node.exec_boottime_ns.is_none() {
            node.image = Some(Arc::clone(exec));
        }
        // procfs shows the arguments as they are now.
        node.title = Some(BString::from(bstr::join(" ", &exec.argv)));
        if !node.parent_key.is_some() {
            node.parent_key = exec.parent;
            self.look_for_parent(id);
        }
        Some(id)
    }

    fn titled(&mut self, event: &Event, title: &BString) -> Option<NodeId> {
        let id = self.find(event.process)?;
        // Some wipe what is left of their arguments with spaces.
        self.nodes.get_mut(id)?.title = Some(BString::from(title.trim_ascii_end()));
        Some(id)
    }

    fn exit(&mut self, event: &Event, exit: Exit) -> Option<NodeId> {
        let id = self.find(event.process)?;
        let node = self.nodes.get_mut(id)?;
        if node.is_live() {
            node.exited_boottime_ns = Some(event.time_boottime_ns);
            node.exit_code = Some(exit.exit_code);
            self.exited.push_back((event.time_boottime_ns, id));
        }
        Some(id)
    }

    fn known_or_placeholder(&mut self, key: ProcessKey, now: u64) -> Option<NodeId> {
        self.find(key).or_else(|| self.insert_with_parent(key, ProcessKey::NONE, now))
    }

    fn insert_with_parent(&mut self, key: ProcessKey, parent_key: ProcessKey, now: u64) -> Option<NodeId> {
        let parent = parent_key.is_some().then(|| self.find(parent_key)).flatten();
        let lineage = parent.and_then(|parent| self.nodes.get(parent)).map_or(0, |parent| parent.lineage);
        self.insert(Node { parent, parent_key, lineage, ..blank(key, now) })
    }

    fn insert(&mut self, mut node: Node) -> Option<NodeId> {
        if self.nodes.len() >= self.max_processes && !self.make_room() {
            self.evictions += 1;
            return None;
        }
        // The parent may be who made room.
        let parent = node.parent.take().filter(|parent| self.nodes.get(*parent).is_some());
        let tgid = node.key.tgid;
        let id = self.nodes.insert(node);
        self.put_in_order(id, tgid);
        match parent {
            Some(parent) => self.join_parent(id, parent),
            None => self.look_for_parent(id),
        }
        if !self.orphans.is_empty() {
            self.take_orphans(id);
        }
        Some(id)
    }

    /// Puts a new node among those of its tgid, by its start.
    fn put_in_order(&mut self, id: NodeId, tgid: u32) {
        let newest = self.newest.get(&tgid).copied();
        let Some(start) = self.nodes.get(id).map(|node| node.key.start_boottime_ns) else {
            return;
        };
        let younger =
            newest.map(|newest| self.of_tgid(newest).take_while(|(_, node)| node.key.start_boottime_ns > start));
        let younger = younger.and_then(|younger| younger.last()).map(|(id, _)| id);
        let former = match younger.and_then(|younger| self.nodes.get_mut(younger)) {
            Some(younger) => younger.former.replace(id),
            None => self.newest.insert(tgid, id),
        };
        let Some(node) = self.nodes.get_mut(id) else {
            return;
        };
        node.former = former;
        if younger.is_some() {
            // A late record: somebody younger has the pid already.
            node.exited_boottime_ns = Some(node.confirmed_boottime_ns);
            self.exited.push_back((node.confirmed_boottime_ns, id));
        }
    }

    /// The fork of a process that is in the tree already was seen.
    fn adopt_late(&mut self, child: NodeId, parent: NodeId, parent_key: ProcessKey) {
        let lineage = self.nodes.get(parent).map_or(0, |node| node.lineage);
        self.adopt(child, parent);
        if let Some(node) = self.nodes.get_mut(child).filter(|node| node.parent == Some(parent)) {
            node.parent_key = parent_key;
            if node.lineage == 0 {
                node.lineage = lineage;
            }
        }
    }

    /// A tgid that is used again: whoever had it before has ended, whether that was seen or not.
    fn end_former(&mut self, next: ProcessKey, now: u64) {
        let mut at = self.newest.get(&next.tgid).copied();
        while let Some((id, node)) = at.and_then(|id| Some((id, self.nodes.get_mut(id)?))) {
            if node.is_live() && node.key.start_boottime_ns <= next.start_boottime_ns {
                node.exited_boottime_ns = Some(now);
                self.exited.push_back((now, id));
            }
            at = node.former;
        }
    }

    /// procfs was read: who runs in the tree but was not there has ended.
    fn end_unconfirmed(&mut self, now: u64) {
        let Some(since) = self.reconciling_since_ns.take() else {
            return;
        };
        let gone = self.live_nodes().filter(|(_, node)| node.confirmed_boottime_ns < since);
        let mut gone: Vec<NodeId> = gone.map(|(id, _)| id).collect();
        gone.sort_unstable();
        for id in gone {
            if let Some(node) = self.nodes.get_mut(id) {
                node.exited_boottime_ns = Some(now);
                self.exited.push_back((now, id));
            }
        }
    }
}

/// A node of which nothing but its key is known.
fn blank(key: ProcessKey, now: u64) -> Node {
    Node {
        key,
        parent: None,
        parent_key: ProcessKey::NONE,
        image: None,
        previous: Vec::new(),
        lineage: 0,
        forked_boottime_ns: key.start_boottime_ns,
        exec_boottime_ns: None,
        exited_boottime_ns: None,
        exit_code: None,
        forked_euid: None,
        title: None,
        listens: false,
        missed_fork: true,
        confirmed_boottime_ns: now,
        child: None,
        older: None,
        younger: None,
        former: None,
    }
}

#[cfg(test)]
mod tests;
