//! What servers start in normal life, learned: the ground on which a child that a server never had is a finding.
//!
//! Comes in: edges from the shape of a parent to that of its child ([`shape()`]), each with the kind of the server and the
//! time; how long servers ran; what the operator says; rows that an earlier agent kept. Goes out: a [`Verdict`] for each
//! edge, and [`Change`]s for the store, small ones: an edge is a row. Always holds: what another detector has something
//! against is never learned; nothing here grows beyond the bounds below, and what finds no room is counted and said. It
//! has no clock and does no input or output.

mod approval;
pub mod control;
mod document;
mod interpreters;
mod kind;
mod learning;
mod programs;
mod rows;
mod shape;
mod shell;
mod words;

pub use approval::{ApprovalError, Imported};
pub use document::{Document, EdgeDocument, KindDocument};
pub use kind::{KindKey, NoKind};
pub use learning::{Edge, End, EndedBy, Facts, Kind, MAX_EDGES, MAX_STRETCH_NS, MAX_WAITING, Origin, Seen, Waiting};
pub use rows::{BadRow, Change};
pub use shape::{MAX_SHAPE, program, shape};

use learning::HOUR_NS;
use rows::Row;
use std::collections::BTreeMap;

/// Most kinds of servers.
pub const MAX_KINDS: usize = 1024;
/// Most edges of all kinds together, those that wait included.
pub const MAX_ALL_EDGES: usize = 65_536;
/// Longest text of a kind, in bytes.
pub const MAX_KIND_TEXT: usize = 2048;

/// A kind that was not observed for so long makes room for another.
const FORGOTTEN_AFTER_NS: u64 = 30 * 24 * HOUR_NS;

/// What is to be thought of an edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is known.
    Known,
    /// It is new, and was taken in, for the kind is still learned.
    Learned,
    /// It is new while the kind is still learned, and was not taken in, for another detector has something against it.
    Withheld,
    /// Learning is over, and it is new.
    New,
    /// The kind has too many edges to say, or there was no room for it.
    TooVaried,
}

/// All that was learned.
#[derive(Debug)]
pub struct Baselines {
    kinds: BTreeMap<KindKey, Kind>,
    /// Known and waiting, of all kinds.
    rows: usize,
    learning_ns: u64,
    refused: u64,
}

impl Baselines {
    /// Nothing is known yet. Learning takes at least so many hours of observed time.
    pub const fn new(learning_hours: u32) -> Self {
        Self { kinds: BTreeMap::new(), rows: 0, learning_ns: learning_hours as u64 * HOUR_NS, refused: 0 }
    }

    /// Another least time of learning. What is learned already stays so.
    pub const fn set_learning_hours(&mut self, learning_hours: u32) {
        self.learning_ns = learning_hours as u64 * HOUR_NS;
    }

    /// Takes in a row that an earlier agent kept. Rows beyond the bounds are refused and counted.
    pub fn restore(&mut self, row_value: &str) -> Result<(), BadRow> {
        let row = Row::read(row_value)?;
        let room = self.rows < MAX_ALL_EDGES;
        let Some(kind) = room_for(&mut self.kinds, row.kind(), 0) else {
            self.refused += 1;
            return Ok(());
        };
        let (added, refused) = match row {
            Row::Kind { facts, .. } => {
                kind.facts = facts;
                kind.saved = (facts.observed_ns, facts.execs);
                (false, false)
            }
            Row::Edge { parent, child, origin, seen, .. } => {
                let room = room && kind.edge_count < MAX_EDGES;
                (room && kind.insert(&parent, &child, Edge { origin, seen }), !room)
            }
            Row::Waiting { place, parent, child, flagged, seen, .. } => {
                let waiting = Waiting { parent, child, flagged, seen };
                (room && kind.waiting.insert(place, waiting).is_none(), !room)
            }
        };
        self.rows += usize::from(added);
        self.refused += u64::from(refused);
        Ok(())
    }

    /// A server of the kind had a child. `flagged`: another detector has something against it.
    ///
    /// A change comes with a new edge, and now and then with a known one.
    pub fn observe(
        &mut self,
        key: &KindKey,
        parent: &str,
        child: &str,
        now_unix_ns: u64,
        flagged: bool,
    ) -> (Verdict, Option<Change>) {
        let room = self.rows < MAX_ALL_EDGES;
        let Some(kind) = room_for(&mut self.kinds, key, now_unix_ns) else {
            self.refused += 1;
            return (Verdict::TooVaried, None);
        };
        kind.facts.execs = kind.facts.execs.saturating_add(1);
        if let Some(edge) = kind.edge_mut(parent, child) {
            let tell = edge.seen.again(now_unix_ns);
            let edge = *edge;
            return (Verdict::Known, tell.then(|| rows::of_edge(key, parent, child, &edge)));
        }
        if kind.facts.too_varied {
            return (Verdict::TooVaried, None);
        }
        let before = kind.waiting_place(parent, child);
        let against =
            flagged || before.and_then(|place| kind.waiting.get(&place)).is_some_and(|waiting| waiting.flagged);
        if kind.facts.learned.is_none() && !against {
            if !room || kind.edge_count >= MAX_EDGES {
                kind.facts.too_varied = true;
                self.refused += 1;
                return (Verdict::TooVaried, Some(rows::of_kind(key, kind)));
            }
            let edge = Edge { origin: Origin::Learned, seen: Seen::once(now_unix_ns) };
            kind.insert(parent, child, edge);
            kind.facts.last_new_unix_ns = now_unix_ns;
            kind.facts.last_new_observed_ns = kind.facts.observed_ns;
            self.rows += 1;
            return (Verdict::Learned, Some(rows::of_edge(key, parent, child, &edge)));
        }
        let verdict = if kind.facts.learned.is_some() { Verdict::New } else { Verdict::Withheld };
        let (added, change) = wait(key, kind, before, &Waiting::new(parent, child, against, now_unix_ns), room);
        self.rows += usize::from(added);
        self.refused += u64::from(!added && change.is_none() && before.is_none());
        (verdict, change)
    }

    /// A server of the kind ran, and the sensor watched, from one moment to another; to be said at least every ten
    /// minutes ([`MAX_STRETCH_NS`]), and may be said for each server of the kind. May end learning.
    pub fn ran(&mut self, key: &KindKey, from_unix_ns: u64, to_unix_ns: u64) -> Vec<Change> {
        let mut changes = Vec::new();
        if self.kinds.len() >= MAX_KINDS && !self.kinds.contains_key(key) {
            changes = self.make_room(to_unix_ns);
        }
        let learning_ns = self.learning_ns;
        let Some(kind) = room_for(&mut self.kinds, key, from_unix_ns) else {
            self.refused += 1;
            return changes;
        };
        if kind.ran(from_unix_ns, to_unix_ns, learning_ns) {
            changes.push(rows::of_kind(key, kind));
        }
        changes
    }

    /// Takes a learned edge back, if it was first seen at `since` or later: for a detector that speaks up late.
    pub fn withdraw(&mut self, key: &KindKey, parent: &str, child: &str, since_unix_ns: u64) -> Vec<Change> {
        let Some(kind) = self.kinds.get_mut(key) else {
            return Vec::new();
        };
        let fresh = |edge: &Edge| edge.origin == Origin::Learned && edge.seen.first_unix_ns >= since_unix_ns;
        if !kind.edge(parent, child).is_some_and(fresh) {
            return Vec::new();
        }
        let mut changes = vec![rows::without_edge(key, parent, child)];
        if let Some(edge) = kind.remove(parent, child) {
            let waiting = Waiting { seen: edge.seen, ..Waiting::new(parent, child, true, edge.seen.last_unix_ns) };
            let (added, change) = wait(key, kind, None, &waiting, true);
            // One less known; one more waits, or took the place of another.
            self.rows -= usize::from(!added);
            changes.extend(change);
        }
        changes
    }

    /// What the store does not know yet: for the end of the agent.
    pub fn unsaved(&mut self) -> Vec<Change> {
        let unsaved = self.kinds.iter_mut().filter(|(_, kind)| !kind.is_saved());
        unsaved.map(|(key, kind)| rows::of_kind(key, kind)).collect()
    }

    /// The kinds, in order.
    pub fn kinds(&self) -> impl Iterator<Item = (&KindKey, &Kind)> {
        self.kinds.iter()
    }

    /// What is known of a kind.
    pub fn kind(&self, key: &KindKey) -> Option<&Kind> {
        self.kinds.get(key)
    }

    /// How far learning of a kind is, in words.
    pub fn said(&self, kind: &Kind, now_unix_ns: u64) -> String {
        kind.facts.said(now_unix_ns, self.learning_ns)
    }

    /// Edges and kinds for which there was no room, since the start.
    pub const fn refused(&self) -> u64 {
        self.refused
    }

    /// Kinds of which new children are no findings, for they have too many.
    pub fn too_varied(&self) -> usize {
        self.kinds.values().filter(|kind| kind.facts.too_varied).count()
    }

    /// Forgets the kind that was not observed for the longest time, if that is long.
    fn make_room(&mut self, now: u64) -> Vec<Change> {
        let last = |kind: &Kind| kind.facts.observed_until_unix_ns.max(kind.facts.first_seen_unix_ns);
        let oldest = self.kinds.iter().min_by_key(|(_, kind)| last(kind));
        let oldest = oldest.filter(|(_, kind)| last(kind).saturating_add(FORGOTTEN_AFTER_NS) <= now);
        let Some(key) = oldest.map(|(key, _)| key.clone()) else {
            return Vec::new();
        };
        self.remove_kind(&key)
    }

    fn remove_kind(&mut self, key: &KindKey) -> Vec<Change> {
        let Some(kind) = self.kinds.remove(key) else {
            return Vec::new();
        };
        self.rows -= kind.edge_count + kind.waiting.len();
        rows::without_kind(key, &kind)
    }
}

/// The kind, made if there is room for it.
fn room_for<'a>(kinds: &'a mut BTreeMap<KindKey, Kind>, key: &KindKey, now: u64) -> Option<&'a mut Kind> {
    if !kinds.contains_key(key) {
        if kinds.len() >= MAX_KINDS || key.to_string().len() > MAX_KIND_TEXT {
            return None;
        }
        let facts = Facts { first_seen_unix_ns: now, ..Facts::default() };
        kinds.insert(key.clone(), Kind { facts, ..Kind::default() });
    }
    kinds.get_mut(key)
}

/// Lets an edge wait for the operator; `before` is its place if it waits already. Whether it is one row more, and the
/// change.
fn wait(key: &KindKey, kind: &mut Kind, before: Option<u8>, edge: &Waiting, room: bool) -> (bool, Option<Change>) {
    if let Some((place, waiting)) = before.and_then(|place| Some((place, kind.waiting.get_mut(&place)?))) {
        let tell = waiting.seen.again(edge.seen.last_unix_ns) || (edge.flagged && !waiting.flagged);
        waiting.flagged |= edge.flagged;
        return (false, tell.then(|| rows::of_waiting(key, place, waiting)));
    }
    let place = kind.place_for_another();
    if !room && !kind.waiting.contains_key(&place) {
        return (false, None);
    }
    let added = kind.waiting.insert(place, edge.clone()).is_none();
    (added, Some(rows::of_waiting(key, place, edge)))
}

impl Waiting {
    fn new(parent: &str, child: &str, flagged: bool, now: u64) -> Self {
        Self { parent: parent.to_owned(), child: child.to_owned(), flagged, seen: Seen::once(now) }
    }
}

#[cfg(test)]
mod tests;
