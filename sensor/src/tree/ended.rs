//! Letting go of processes that have ended, so that the tree stays bounded.

use super::{GRACE_NS, MAX_EXITED, NodeId, Tree};
use std::collections::HashMap;

impl Tree {
    /// Lets go of ended nodes whose time is over. One that still has children is skipped over (its children become its
    /// parent's) outside lineages; in a lineage it stays, unless the tree is three quarters full.
    pub(super) fn sweep(&mut self, now: u64) {
        let crowded = self.nodes.len() > self.max_processes / 4 * 3;
        let mut skipped = HashMap::new();
        for _ in 0..self.exited.len() {
            let Some(&(time, id)) = self.exited.front() else {
                break;
            };
            if now.saturating_sub(time) < GRACE_NS && self.exited.len() <= MAX_EXITED {
                break;
            }
            self.exited.pop_front();
            let Some(node) = self.nodes.get(&id) else {
                continue;
            };
            if node.children == 0 {
                self.remove(id);
            } else if node.lineage == 0 || crowded {
                skipped.insert(id, node.parent);
                self.remove(id);
            } else {
                self.exited.push_back((now, id));
            }
        }
        if !skipped.is_empty() {
            self.skip_over(&skipped);
        }
    }

    fn skip_over(&mut self, skipped: &HashMap<NodeId, Option<NodeId>>) {
        let mut gained: HashMap<NodeId, u32> = HashMap::new();
        for node in self.nodes.values_mut() {
            let former = node.parent;
            while let Some(above) = node.parent.and_then(|parent| skipped.get(&parent)) {
                node.parent = *above;
            }
            if let Some(parent) = node.parent.filter(|parent| Some(*parent) != former) {
                *gained.entry(parent).or_default() += 1;
            }
        }
        for (id, count) in gained {
            if let Some(node) = self.nodes.get_mut(&id) {
                node.children += count;
            }
        }
    }

    pub(super) fn make_room(&mut self) -> bool {
        for _ in 0..self.exited.len() {
            let Some((time, id)) = self.exited.pop_front() else {
                return false;
            };
            match self.nodes.get(&id).map(|node| node.children) {
                Some(0) => {
                    self.remove(id);
                    self.evictions += 1;
                    return true;
                }
                Some(_) => self.exited.push_back((time, id)),
                None => {}
            }
        }
        false
    }

    fn remove(&mut self, id: NodeId) {
        let Some(node) = self.nodes.remove(&id) else {
            return;
        };
        if let Some(parent) = node.parent.and_then(|parent| self.nodes.get_mut(&parent)) {
            parent.children = parent.children.saturating_sub(1);
        }
        if let Some(ids) = self.by_tgid.get_mut(&node.key.tgid) {
            ids.retain(|other| *other != id);
            if ids.is_empty() {
                self.by_tgid.remove(&node.key.tgid);
            }
        }
    }
}
