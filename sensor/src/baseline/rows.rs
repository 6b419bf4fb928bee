//! What the store keeps of a baseline: a row for each kind, each edge, each edge that waits.
//!
//! A row is read by its value alone, in any order, and one that cannot be read harms no other.

use super::approval::is_shape;
use super::kind::KindKey;
use super::learning::{Edge, Facts, Kind, MAX_WAITING, Origin, Seen, Waiting};
use serde::{Deserialize, Serialize};

/// What the store is to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Which row.
    pub key: String,
    /// Its value, JSON; `None` removes it.
    pub value: Option<String>,
}

/// A row that cannot be used.
#[derive(Debug, thiserror::Error)]
#[error("a row of the baseline cannot be used: {0}")]
pub struct BadRow(pub(super) String);

#[derive(Debug, Serialize, Deserialize)]
#[serde(tag = "row", rename_all = "lowercase")]
pub(super) enum Row {
    Kind { kind: KindKey, facts: Facts },
    Edge { kind: KindKey, parent: String, child: String, origin: Origin, seen: Seen },
    Waiting { kind: KindKey, place: u8, parent: String, child: String, flagged: bool, seen: Seen },
}

impl Row {
    /// Reads a value.
    pub fn read(value: &str) -> Result<Self, BadRow> {
        let row: Self = serde_json::from_str(value).map_err(|error| BadRow(error.to_string()))?;
        match &row {
            Self::Edge { kind, parent, child, .. } | Self::Waiting { kind, parent, child, .. }
                if !is_shape(parent) || !is_shape(child) =>
            {
                Err(BadRow(format!("{parent:?} -> {child:?} of {kind} is no edge")))
            }
            Self::Waiting { kind, place, .. } if usize::from(*place) >= MAX_WAITING => {
                Err(BadRow(format!("place {place} of {kind}; the last is {}", MAX_WAITING - 1)))
            }
            _ => Ok(row),
        }
    }

    /// Whose row it is.
    pub const fn kind(&self) -> &KindKey {
        let (Self::Kind { kind, .. } | Self::Edge { kind, .. } | Self::Waiting { kind, .. }) = self;
        kind
    }

    /// The key under which the row is kept. Shapes and the texts of kinds hold no line breaks.
    fn key(&self) -> String {
        match self {
            Self::Kind { kind, .. } => kind.to_string(),
            Self::Edge { kind, parent, child, .. } => edge_key(kind, parent, child),
            Self::Waiting { kind, place, .. } => waiting_key(kind, *place),
        }
    }

    fn change(&self) -> Change {
        // Texts and numbers only: this cannot fail, and an empty value would be skipped when it is read.
        Change { key: self.key(), value: Some(serde_json::to_string(self).unwrap_or_default()) }
    }
}

fn edge_key(kind: &KindKey, parent: &str, child: &str) -> String {
    format!("{kind}\n{parent}\n{child}")
}

fn waiting_key(kind: &KindKey, place: u8) -> String {
    format!("{kind}\n#{place}")
}

pub(super) fn of_kind(key: &KindKey, kind: &mut Kind) -> Change {
    kind.saved = (kind.facts.observed_ns, kind.facts.execs);
    Row::Kind { kind: key.clone(), facts: kind.facts }.change()
}

pub(super) fn of_edge(kind: &KindKey, parent: &str, child: &str, edge: &Edge) -> Change {
    let (parent, child) = (parent.to_owned(), child.to_owned());
    Row::Edge { kind: kind.clone(), parent, child, origin: edge.origin, seen: edge.seen }.change()
}

pub(super) fn of_waiting(kind: &KindKey, place: u8, waiting: &Waiting) -> Change {
    let Waiting { parent, child, flagged, seen } = waiting.clone();
    Row::Waiting { kind: kind.clone(), place, parent, child, flagged, seen }.change()
}

pub(super) fn without_edge(kind: &KindKey, parent: &str, child: &str) -> Change {
    Change { key: edge_key(kind, parent, child), value: None }
}

pub(super) fn without_waiting(kind: &KindKey, place: u8) -> Change {
    Change { key: waiting_key(kind, place), value: None }
}

/// Removes all of a kind.
pub(super) fn without_kind(key: &KindKey, kind: &Kind) -> Vec<Change> {
    let mut changes = vec![Change { key: key.to_string(), value: None }];
    changes.extend(kind.all_edges().map(|(parent, child, _)| without_edge(key, parent, child)));
    changes.extend(kind.waiting.keys().map(|place| without_waiting(key, *place)));
    changes
}
