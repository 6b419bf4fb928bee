//! Letting go of processes that have ended, so that the tree stays bounded.

use super::{GRACE_NS, MAX_EXITED, NodeId, Tree};

impl Tree {
    /// Lets go of ended nodes whose time is over. One that still has children is skipped over (its children become its
    /// parent's) outside lineages; in a lineage it stays, unless the tree is three quarters full.
    pub(super) fn sweep(&mut self, now: u64) {
        let crowded = self.nodes.len() > self.max_processes / 4 * 3;
        for _ in 0..self.exited.len() {
            let Some(&(time, id)) = self.exited.front() else {
                break;
            };
            if now.saturating_sub(time) < GRACE_NS && self.exited.len() <= MAX_EXITED {
                break;
            }
            self.exited.pop_front();
            match self.nodes.get(id) {
                Some(node) if node.child.is_some() && node.lineage != 0 && !crowded => {
                    self.exited.push_back((now, id));
                }
                _ => self.remove(id),
            }
        }
    }

    pub(super) fn make_room(&mut self) -> bool {
        for _ in 0..self.exited.len() {
            let Some((time, id)) = self.exited.pop_front() else {
                return false;
            };
            match self.nodes.get(id).map(|node| node.child) {
                Some(None) => {
                    self.remove(id);
                    self.evictions += 1;
                    return true;
                }
                Some(Some(_)) => self.exited.push_back((time, id)),
                None => {}
            }
        }
        false
    }

    fn remove(&mut self, id: NodeId) {
        self.leave_children(id);
        let Some((tgid, former)) = self.nodes.get(id).map(|node| (node.key.tgid, node.former)) else {
            return;
        };
        self.nodes.remove(id);
        let newest = self.newest.get(&tgid).copied();
        if newest == Some(id) {
            match former {
                Some(former) => self.newest.insert(tgid, former),
                None => self.newest.remove(&tgid),
            };
            return;
        }
        let mut at = newest;
        while let Some(later) = at.and_then(|at| self.nodes.get_mut(at)) {
            if later.former == Some(id) {
                later.former = former;
                return;
            }
            at = later.former;
        }
    }
}
