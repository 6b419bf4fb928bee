//! Who is in which lineage: putting processes in, and letting them leave.

use super::{NodeId, Tree};

impl Tree {
    /// Puts a node, and every descendant of it that is in no lineage, into a lineage; gives those changed.
    pub fn set_lineage(&mut self, id: NodeId, lineage: u32) -> Vec<NodeId> {
        let mut changed = vec![id];
        self.change_lineage(id, lineage);
        let mut next = 0;
        while let Some(parent) = changed.get(next).copied() {
            next += 1;
            let outside = self.all_children(parent).filter(|(_, node)| node.lineage == 0);
            let mut children: Vec<NodeId> = outside.map(|(child, _)| child).collect();
            children.sort_unstable();
            for child in children {
                self.change_lineage(child, lineage);
                changed.push(child);
            }
        }
        changed
    }

    fn change_lineage(&mut self, id: NodeId, lineage: u32) {
        if let Some(node) = self.nodes.get_mut(id) {
            node.lineage = lineage;
        }
    }

    /// Takes a node, and its descendants in the same lineage, out of that lineage; gives those changed.
    pub fn leave_lineage(&mut self, id: NodeId) -> Vec<NodeId> {
        let lineage = self.nodes.get(id).map_or(0, |node| node.lineage);
        if lineage == 0 {
            return Vec::new();
        }
        let mut left = vec![id];
        let mut next = 0;
        while let Some(parent) = left.get(next).copied() {
            next += 1;
            let inside = self.all_children(parent).filter(|(_, node)| node.lineage == lineage);
            let mut children: Vec<NodeId> = inside.map(|(child, _)| child).collect();
            children.sort_unstable();
            left.extend(children);
        }
        for id in &left {
            if let Some(node) = self.nodes.get_mut(*id) {
                node.lineage = 0;
                node.previous.clear();
            }
        }
        left
    }
}
