//! Where the nodes are kept: each in a place that is used again when it has gone.

use super::{Node, NodeId};
use std::num::NonZeroU64;

/// All nodes. Each is allocated by itself: a table of them would keep the size of the largest burst.
pub struct Nodes {
    places: Vec<Option<(NonZeroU64, Box<Node>)>>,
    free: Vec<u32>,
    next: NonZeroU64,
}

impl Default for Nodes {
    fn default() -> Self {
        Self { places: Vec::new(), free: Vec::new(), next: NonZeroU64::MIN }
    }
}

impl Nodes {
    /// The node of that name.
    pub fn get(&self, id: NodeId) -> Option<&Node> {
        let (number, node) = self.places.get(id.place as usize)?.as_ref()?;
        (*number == id.number).then_some(node)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        let (number, node) = self.places.get_mut(id.place as usize)?.as_mut()?;
        (*number == id.number).then_some(node)
    }

    /// Takes a node in.
    pub fn insert(&mut self, node: Node) -> NodeId {
        let number = self.next;
        self.next = number.saturating_add(1);
        let place = self.free.pop().unwrap_or_else(|| {
            self.places.push(None);
            self.places.len() as u32 - 1
        });
        if let Some(free) = self.places.get_mut(place as usize) {
            *free = Some((number, Box::new(node)));
        }
        NodeId { number, place }
    }

    /// Lets go of a node.
    pub fn remove(&mut self, id: NodeId) {
        if self.get(id).is_some()
            && let Some(place) = self.places.get_mut(id.place as usize)
        {
            *place = None;
            self.free.push(id.place);
        }
    }

    /// All of them, in no order that means anything.
    pub fn iter(&self) -> impl Iterator<Item = (NodeId, &Node)> {
        let places = (0..).zip(&self.places);
        places.filter_map(|(place, node)| {
            node.as_ref().map(|(number, node)| (NodeId { number: *number, place }, &**node))
        })
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }
}
