//! Who is in which lineage: putting processes in, and letting them leave.

use super::{NodeId, Tree};
use std::collections::HashSet;

impl Tree {
    /// Puts a node, and every descendant of it that is in no lineage, into a lineage; gives those changed. Looks through
    /// the whole tree, as often as the lineage is deep.
    pub fn set_lineage(&mut self, id: NodeId, lineage: u32) -> Vec<NodeId> {
        let mut changed = Vec::new();
        let mut new = vec![id];
        while !new.is_empty() {
            for id in &new {
                if let Some(node) = self.nodes.get_mut(id) {
                    node.lineage = lineage;
                }
            }
            let parents: HashSet<NodeId> = new.iter().copied().collect();
            changed.append(&mut new);
            new = self
                .nodes
                .iter()
                .filter(|(_, node)| node.lineage == 0)
                .filter(|(_, node)| self.parent(node).is_some_and(|parent| parents.contains(&parent)))
                .map(|(child, _)| *child)
                .collect();
            new.sort_unstable();
        }
        changed
    }

    /// Takes a node, and its descendants in the same lineage, out of that lineage; gives those changed.
    pub fn leave_lineage(&mut self, id: NodeId) -> Vec<NodeId> {
        let lineage = self.nodes.get(&id).map_or(0, |node| node.lineage);
        if lineage == 0 {
            return Vec::new();
        }
        let mut left = vec![id];
        let mut next = 0;
        while let Some(parent) = left.get(next).copied() {
            next += 1;
            let inside = self.nodes.iter().filter(|(_, node)| node.lineage == lineage);
            let mut children: Vec<NodeId> =
                inside.filter(|(_, node)| self.parent(node) == Some(parent)).map(|(child, _)| *child).collect();
            children.retain(|child| !left.contains(child));
            children.sort_unstable();
            left.extend(children);
        }
        for id in &left {
            if let Some(node) = self.nodes.get_mut(id) {
                node.lineage = 0;
                node.previous.clear();
            }
        }
        left
    }
}
