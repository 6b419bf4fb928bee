//! What the operator says of a baseline: approve, finish, forget, import.

use super::{
    Baselines, Change, Document, Edge, End, EndedBy, Kind, KindKey, MAX_ALL_EDGES, MAX_EDGES, MAX_SHAPE, Origin, Seen,
    room_for, rows,
};

/// Why something that the operator wants cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ApprovalError {
    /// No such kind.
    #[error("no server of the kind {asked:?} was seen{}", near.as_ref().map_or_else(String::new, |near| format!("; did you mean {near}?")))]
    UnknownKind {
        /// What was asked for.
        asked: String,
        /// The most similar one.
        near: Option<String>,
    },
    /// More than one kind.
    #[error("{asked:?} may be any of: {}", kinds.join(", "))]
    Ambiguous {
        /// What was asked for.
        asked: String,
        /// Which it may be.
        kinds: Vec<String>,
    },
    /// Not the shape of a command line.
    #[error(
        "{0:?} is no shape; allowed: 1 to {MAX_SHAPE} printable ASCII characters, as `sensor baseline show` prints them"
    )]
    NoShape(String),
    /// There are too many edges.
    #[error("there is no room for another edge of {0}: at most {MAX_EDGES} of a kind and {MAX_ALL_EDGES} in all")]
    Full(KindKey),
}

/// What an import did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// For the store.
    pub changes: Vec<Change>,
    /// Edges that were not known before.
    pub new_edges: usize,
    /// Kinds and edges for which there was no room.
    pub refused: usize,
}

/// Whether it can be the shape of a command line.
pub fn is_shape(text: &str) -> bool {
    (1..=MAX_SHAPE).contains(&text.len()) && text.bytes().all(|byte| (b' '..=b'~').contains(&byte))
}

impl Baselines {
    /// The kind that is meant: its whole text, or a part of it that only one has.
    pub fn named(&self, asked: &str) -> Result<KindKey, ApprovalError> {
        let known = || self.kinds.keys().map(|key| (key, key.to_string()));
        if let Some((key, _)) = known().find(|(_, text)| text == asked) {
            return Ok(key.clone());
        }
        let mut among: Vec<_> = known().filter(|(key, _)| key.server == asked).collect();
        if among.is_empty() && !asked.is_empty() {
            among = known().filter(|(_, text)| text.contains(asked)).collect();
        }
        match among.as_slice() {
            [(key, _)] => Ok((*key).clone()),
            [] => {
                let near = known().min_by_key(|(_, text)| strsim::levenshtein(text, asked));
                Err(ApprovalError::UnknownKind { asked: asked.to_owned(), near: near.map(|(_, text)| text) })
            }
            several => {
                let kinds = several.iter().take(8).map(|(_, text)| text.clone()).collect();
                Err(ApprovalError::Ambiguous { asked: asked.to_owned(), kinds })
            }
        }
    }

    /// The operator says that an edge is normal, whether it was seen or not.
    pub fn approve(&mut self, key: &KindKey, parent: &str, child: &str) -> Result<Vec<Change>, ApprovalError> {
        if let Some(wrong) = [parent, child].into_iter().find(|shape| !is_shape(shape)) {
            return Err(ApprovalError::NoShape(wrong.to_owned()));
        }
        let rows = self.rows;
        let kind = self.known(key)?;
        let mut changes = Vec::new();
        let mut edge = Edge { origin: Origin::Approved, seen: Seen::default() };
        if let Some(known) = kind.edge(parent, child) {
            edge.seen = known.seen;
        } else if kind.edge_count >= MAX_EDGES || rows >= MAX_ALL_EDGES {
            return Err(ApprovalError::Full(key.clone()));
        }
        let place = kind.waiting_place(parent, child);
        if let Some((place, waiting)) = place.and_then(|place| Some((place, kind.waiting.remove(&place)?))) {
            edge.seen = waiting.seen;
            changes.push(rows::without_waiting(key, place));
        }
        let less = changes.len();
        let more = usize::from(kind.insert(parent, child, edge));
        changes.push(rows::of_edge(key, parent, child, &edge));
        self.rows = self.rows + more - less;
        Ok(changes)
    }

    /// Approves all that waits and that no other detector has something against. Gives the number, too.
    pub fn approve_all_new(&mut self, key: &KindKey) -> Result<(usize, Vec<Change>), ApprovalError> {
        let waiting = self.known(key)?.waiting.values().filter(|waiting| !waiting.flagged);
        let edges: Vec<(String, String)> = waiting.map(|edge| (edge.parent.clone(), edge.child.clone())).collect();
        let mut changes = Vec::new();
        for (parent, child) in &edges {
            changes.append(&mut self.approve(key, parent, child)?);
        }
        Ok((edges.len(), changes))
    }

    /// The operator says that all is learned.
    pub fn finish(&mut self, key: &KindKey, now_unix_ns: u64) -> Result<Change, ApprovalError> {
        let kind = self.known(key)?;
        kind.facts.learned.get_or_insert(End { unix_ns: now_unix_ns, by: EndedBy::Operator });
        Ok(rows::of_kind(key, kind))
    }

    /// Forgets a kind; it is learned anew when one of its servers runs.
    pub fn forget(&mut self, key: &KindKey) -> Result<Vec<Change>, ApprovalError> {
        self.known(key)?;
        Ok(self.remove_kind(key))
    }

    /// What is known, to be kept elsewhere or given to other hosts: one kind, or all.
    pub fn export(&self, only: Option<&KindKey>) -> Document {
        let kinds = self.kinds.iter().filter(|(key, _)| only.is_none_or(|only| only == *key));
        Document::of(kinds)
    }

    /// Takes in a document, beside what is known already. One that is not [valid](Document::problems) is taken as far as it
    /// can be.
    pub fn import(&mut self, document: &Document, now_unix_ns: u64) -> Imported {
        let mut done = Imported::default();
        for told in &document.kinds {
            let Some(kind) = room_for(&mut self.kinds, &told.kind, now_unix_ns) else {
                done.refused += 1 + told.edges.len();
                continue;
            };
            if told.learned {
                kind.facts.learned.get_or_insert(End { unix_ns: now_unix_ns, by: EndedBy::Import });
            }
            done.changes.push(rows::of_kind(&told.kind, kind));
            for edge in &told.edges {
                if kind.edge(&edge.parent, &edge.child).is_some() {
                    continue;
                }
                let room = kind.edge_count < MAX_EDGES && self.rows < MAX_ALL_EDGES;
                if !room || !is_shape(&edge.parent) || !is_shape(&edge.child) {
                    done.refused += 1;
                    continue;
                }
                if let Some(place) = kind.waiting_place(&edge.parent, &edge.child) {
                    kind.waiting.remove(&place);
                    self.rows -= 1;
                    done.changes.push(rows::without_waiting(&told.kind, place));
                }
                let known = Edge { origin: Origin::Imported, seen: Seen::default() };
                kind.insert(&edge.parent, &edge.child, known);
                self.rows += 1;
                done.new_edges += 1;
                done.changes.push(rows::of_edge(&told.kind, &edge.parent, &edge.child, &known));
            }
        }
        self.refused += done.refused as u64;
        done
    }

    fn known(&mut self, key: &KindKey) -> Result<&mut Kind, ApprovalError> {
        if !self.kinds.contains_key(key) {
            let near = self.kinds.keys().map(ToString::to_string);
            let asked = key.to_string();
            let near = near.min_by_key(|text| strsim::levenshtein(text, &asked));
            return Err(ApprovalError::UnknownKind { asked, near });
        }
        self.kinds.get_mut(key).ok_or_else(|| ApprovalError::UnknownKind { asked: key.to_string(), near: None })
    }
}
