//! Who is whose parent: both ways, so that nothing has to look through the whole tree.
//!
//! A node whose parent is not there yet is noted by the parent's tgid, and gets it when that comes.

use super::{MAX_ANCESTORS, Node, NodeId, Tree};

impl Tree {
    /// A node and its ancestors, nearest first.
    pub fn ancestors(&self, id: NodeId) -> impl Iterator<Item = (NodeId, &Node)> {
        let parent = |(_, node): &(NodeId, &Node)| self.with_id(node.parent?);
        std::iter::successors(self.with_id(id), parent).take(MAX_ANCESTORS)
    }

    /// The running children of a node, oldest first.
    pub fn children(&self, id: NodeId) -> Vec<NodeId> {
        let live = self.all_children(id).filter(|(_, node)| node.is_live());
        let mut children: Vec<NodeId> = live.map(|(child, _)| child).collect();
        children.sort_unstable();
        children
    }

    /// The ended children of a node that the tree still has, oldest first.
    pub fn ended_children(&self, id: NodeId) -> Vec<NodeId> {
        let ended = self.all_children(id).filter(|(_, node)| !node.is_live());
        let mut children: Vec<NodeId> = ended.map(|(child, _)| child).collect();
        children.sort_unstable();
        children
    }

    pub(super) fn all_children(&self, id: NodeId) -> impl Iterator<Item = (NodeId, &Node)> {
        let first = self.nodes.get(id).and_then(|node| self.with_id(node.child?));
        std::iter::successors(first, |(_, node)| self.with_id(node.older?))
    }

    fn with_id(&self, id: NodeId) -> Option<(NodeId, &Node)> {
        self.nodes.get(id).map(|node| (id, node))
    }

    /// Makes a node a child of another, of whatever it was one before. Not of its own descendant: a record may lie.
    pub(super) fn adopt(&mut self, child: NodeId, parent: NodeId) {
        if self.ancestors(parent).any(|(above, _)| above == child) {
            return;
        }
        self.leave_parent(child);
        self.join_parent(child, parent);
    }

    /// The same for a node that is nobody's child and has none.
    pub(super) fn join_parent(&mut self, child: NodeId, parent: NodeId) {
        let Some(older) = self.nodes.get_mut(parent).map(|node| node.child.replace(child)) else {
            return;
        };
        if let Some(older) = older.and_then(|older| self.nodes.get_mut(older)) {
            older.younger = Some(child);
        }
        if let Some(node) = self.nodes.get_mut(child) {
            (node.parent, node.older, node.younger) = (Some(parent), older, None);
        }
    }

    fn leave_parent(&mut self, child: NodeId) {
        let Some(node) = self.nodes.get_mut(child) else {
            return;
        };
        let (parent, older, younger) = (node.parent.take(), node.older.take(), node.younger.take());
        let wanted = (parent.is_none() && node.parent_key.is_some()).then_some(node.parent_key.tgid);
        if let Some(older) = older.and_then(|older| self.nodes.get_mut(older)) {
            older.younger = younger;
        }
        match younger.and_then(|younger| self.nodes.get_mut(younger)) {
            Some(younger) => younger.older = older,
            None => {
                if let Some(parent) = parent.and_then(|parent| self.nodes.get_mut(parent)) {
                    parent.child = older;
                }
            }
        }
        if let Some((tgid, orphans)) = wanted.and_then(|tgid| Some((tgid, self.orphans.get_mut(&tgid)?))) {
            orphans.retain(|orphan| *orphan != child);
            if orphans.is_empty() {
                self.orphans.remove(&tgid);
            }
        }
    }

    /// A node has gone: its children become its parent's.
    pub(super) fn leave_children(&mut self, id: NodeId) {
        let parent = self.nodes.get(id).and_then(|node| node.parent);
        while let Some(child) = self.nodes.get(id).and_then(|node| node.child) {
            self.leave_parent(child);
            if let Some(parent) = parent {
                self.join_parent(child, parent);
            }
        }
        self.leave_parent(id);
    }

    /// Looks for the parent of a node by its key, now or when that comes.
    pub(super) fn look_for_parent(&mut self, id: NodeId) {
        let Some(key) = self.nodes.get(id).filter(|node| node.parent.is_none()).map(|node| node.parent_key) else {
            return;
        };
        match self.find(key) {
            _ if !key.is_some() => {}
            Some(parent) => self.adopt(id, parent),
            None => self.orphans.entry(key.tgid).or_default().push(id),
        }
    }

    /// A node came: those that waited for it are its children.
    pub(super) fn take_orphans(&mut self, id: NodeId) {
        let Some(key) = self.nodes.get(id).map(|node| node.key) else {
            return;
        };
        for orphan in self.orphans.remove(&key.tgid).unwrap_or_default() {
            let parent_key = self.nodes.get(orphan).map(|node| node.parent_key);
            if parent_key.is_some_and(|wanted| wanted.start_boottime_ns == 0 || wanted.same_as(key)) {
                self.adopt(orphan, id);
            } else {
                self.orphans.entry(key.tgid).or_default().push(orphan);
            }
        }
    }
}
