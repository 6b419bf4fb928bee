//! What is known of one kind of server, and when learning is over.
//!
//! Learning ends by evidence: servers of the kind were watched for `learning_hours`, and in the last half of that time, at
//! least an hour, they did nothing new. Time counts while one of them ran and the sensor watched, once however many ran.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Most edges of a kind.
pub const MAX_EDGES: usize = 4096;
/// Most edges of a kind that wait for the operator.
pub const MAX_WAITING: usize = 64;
/// What a stretch of time counts at most: a longer one is a machine that slept, or a clock that was set.
pub const MAX_STRETCH_NS: u64 = 10 * 60 * SECOND_NS;

/// The least time without anything new that ends learning.
const LEAST_QUIET_NS: u64 = HOUR_NS;
/// How much observed time may be lost by a crash.
const SAVE_EVERY_NS: u64 = 60 * SECOND_NS;
/// How old `last` may be in the store.
const SAVE_SEEN_NS: u64 = HOUR_NS;

const SECOND_NS: u64 = 1_000_000_000;
pub(super) const HOUR_NS: u64 = 3600 * SECOND_NS;

/// How an edge came to be known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Origin {
    /// It was seen while the kind was learned.
    Learned,
    /// The operator approved it.
    Approved,
    /// It came with a document.
    Imported,
}

/// Why learning is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum EndedBy {
    /// See above.
    Evidence,
    /// The operator said so.
    Operator,
    /// A document said so.
    Import,
}

/// The end of learning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct End {
    /// When, Unix time.
    pub unix_ns: u64,
    /// Why.
    pub by: EndedBy,
}

/// How often something was seen, and when, in nanoseconds of Unix time; 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seen {
    /// How often.
    pub count: u64,
    /// First.
    pub first_unix_ns: u64,
    /// Last.
    pub last_unix_ns: u64,
}

impl Seen {
    pub(super) const fn once(now: u64) -> Self {
        Self { count: 1, first_unix_ns: now, last_unix_ns: now }
    }

    /// Counts, and says whether the store should know: when the number doubled, or in another hour. So an edge that is seen
    /// a thousand times a second is not written as often.
    pub(super) fn again(&mut self, now: u64) -> bool {
        self.count = self.count.saturating_add(1);
        let old = now / SAVE_SEEN_NS > self.last_unix_ns / SAVE_SEEN_NS;
        if self.first_unix_ns == 0 {
            self.first_unix_ns = now;
        }
        self.last_unix_ns = self.last_unix_ns.max(now);
        old || self.count.is_power_of_two()
    }
}

/// A known edge.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Edge {
    /// How it came to be known.
    pub origin: Origin,
    /// How often it was seen.
    pub seen: Seen,
}

/// An edge that was seen and is not known: the operator may approve it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// The shape of who started it.
    pub parent: String,
    /// The shape of what was started.
    pub child: String,
    /// Another detector has something against it.
    pub flagged: bool,
    /// How often it was seen.
    pub seen: Seen,
}

/// What is kept of a kind beside its edges.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Facts {
    /// When the kind was first seen, Unix time.
    pub first_seen_unix_ns: u64,
    /// How long servers of the kind ran while the sensor watched.
    pub observed_ns: u64,
    /// Until when that is known, Unix time.
    pub observed_until_unix_ns: u64,
    /// Edges seen, known or not.
    pub execs: u64,
    /// The end of learning; `None` while it goes on.
    pub learned: Option<End>,
    /// More edges than are kept.
    pub too_varied: bool,
    /// When the last edge was learned, Unix time; 0 for never.
    pub last_new_unix_ns: u64,
    /// What `observed_ns` was then.
    pub last_new_observed_ns: u64,
}

/// What is known of a kind.
#[derive(Clone, Debug, Default)]
pub struct Kind {
    /// All but the edges.
    pub facts: Facts,
    /// By the shape of the parent, by the shape of the child.
    pub edges: BTreeMap<String, BTreeMap<String, Edge>>,
    /// How many of them there are.
    pub edge_count: usize,
    /// By place: at most [`MAX_WAITING`].
    pub waiting: BTreeMap<u8, Waiting>,
    /// What `observed_ns` and `execs` were when the store was last told.
    pub(super) saved: (u64, u64),
}

impl Kind {
    /// The edge, if it is known.
    pub fn edge(&self, parent: &str, child: &str) -> Option<&Edge> {
        self.edges.get(parent)?.get(child)
    }

    pub(super) fn edge_mut(&mut self, parent: &str, child: &str) -> Option<&mut Edge> {
        self.edges.get_mut(parent)?.get_mut(child)
    }

    /// Puts an edge in, or another in its place. True if it was not there.
    pub(super) fn insert(&mut self, parent: &str, child: &str, edge: Edge) -> bool {
        let new = self.edges.entry(parent.to_owned()).or_default().insert(child.to_owned(), edge).is_none();
        self.edge_count += usize::from(new);
        new
    }

    pub(super) fn remove(&mut self, parent: &str, child: &str) -> Option<Edge> {
        let children = self.edges.get_mut(parent)?;
        let removed = children.remove(child)?;
        if children.is_empty() {
            self.edges.remove(parent);
        }
        self.edge_count -= 1;
        Some(removed)
    }

    /// Every edge: parent, child, edge.
    pub fn all_edges(&self) -> impl Iterator<Item = (&str, &str, &Edge)> {
        self.edges.iter().flat_map(|(parent, children)| {
            children.iter().map(move |(child, edge)| (parent.as_str(), child.as_str(), edge))
        })
    }

    /// The place of a waiting edge.
    pub(super) fn waiting_place(&self, parent: &str, child: &str) -> Option<u8> {
        let same = |(_, waiting): &(&u8, &Waiting)| waiting.parent == parent && waiting.child == child;
        self.waiting.iter().find(same).map(|(place, _)| *place)
    }

    /// A place for another: a free one, or that of the one last seen longest ago. What is flagged stays longest.
    pub(super) fn place_for_another(&self) -> u8 {
        let free = (0..MAX_WAITING as u8).find(|place| !self.waiting.contains_key(place));
        let oldest = || {
            let oldest = self.waiting.iter().min_by_key(|(_, waiting)| (waiting.flagged, waiting.seen.last_unix_ns));
            oldest.map_or(0, |(place, _)| *place)
        };
        free.unwrap_or_else(oldest)
    }

    /// Servers of the kind ran and were watched from one time to another. True if the store should know.
    pub(super) fn ran(&mut self, from: u64, to: u64, learning_ns: u64) -> bool {
        let facts = &mut self.facts;
        let until = facts.observed_until_unix_ns;
        // A clock that was set back by more than a stretch: what was counted once cannot be told any more.
        let begin = if until > to.saturating_add(MAX_STRETCH_NS) { from } else { from.max(until) };
        let stretch = to.saturating_sub(begin).min(MAX_STRETCH_NS);
        facts.observed_ns = facts.observed_ns.saturating_add(stretch);
        if to >= from && (to > until || begin < until) {
            facts.observed_until_unix_ns = to;
        }
        let ends = facts.learned.is_none()
            && !facts.too_varied
            && facts.observed_ns >= learning_ns
            && facts.quiet_ns() >= facts.needed_quiet_ns();
        if ends {
            facts.learned = Some(End { unix_ns: to, by: EndedBy::Evidence });
        }
        ends || self.saved == (0, 0)
            || self.facts.observed_ns - self.saved.0.min(self.facts.observed_ns) >= SAVE_EVERY_NS
    }

    pub(super) const fn is_saved(&self) -> bool {
        self.saved.0 == self.facts.observed_ns && self.saved.1 == self.facts.execs
    }
}

impl Facts {
    /// Observed time since the last new edge.
    const fn quiet_ns(&self) -> u64 {
        self.observed_ns.saturating_sub(self.last_new_observed_ns)
    }

    /// Half of the observed time is quiet when the quiet is as long as what was before it.
    fn needed_quiet_ns(&self) -> u64 {
        self.last_new_observed_ns.max(LEAST_QUIET_NS)
    }

    /// One word for the state.
    pub const fn state(&self) -> &'static str {
        match self {
            Self { too_varied: true, .. } => "too-varied",
            Self { learned: Some(_), .. } => "learned",
            _ => "learning",
        }
    }

    /// How far learning is, for people.
    pub fn said(&self, now_unix_ns: u64, learning_ns: u64) -> String {
        if self.too_varied {
            return format!(
                "too varied: more than {MAX_EDGES} edges here or too many in all; its new children are no findings"
            );
        }
        if let Some(End { unix_ns, by }) = self.learned {
            let observed = hours(self.observed_ns);
            let how = match by {
                EndedBy::Evidence => format!("by evidence, {observed} observed"),
                EndedBy::Operator => "because the operator said so".to_owned(),
                EndedBy::Import => "because an imported document said so".to_owned(),
            };
            return format!("learned {} ago {how}", hours(now_unix_ns.saturating_sub(unix_ns)));
        }
        let last = match self.last_new_unix_ns {
            0 => "no edge yet".to_owned(),
            last => format!("last new edge {} ago", hours(now_unix_ns.saturating_sub(last))),
        };
        if self.observed_ns < learning_ns {
            let (so_far, wanted) = (hours(self.observed_ns), learning_ns / HOUR_NS);
            let so_far = so_far.strip_suffix(" h").unwrap_or(&so_far);
            return format!("learning: {so_far} of {wanted} h observed, {last}");
        }
        let (quiet, needed) = (hours(self.quiet_ns()), hours(self.needed_quiet_ns()));
        let observed = hours(self.observed_ns);
        format!("learning: {observed} observed, {last}; ends after {needed} without a new one, {quiet} so far")
    }
}

/// `40 min`, `6 h`, `12 d`: rounded down.
fn hours(ns: u64) -> String {
    match ns / HOUR_NS {
        0 => format!("{} min", ns / (60 * SECOND_NS)),
        hours @ 1..=99 => format!("{hours} h"),
        hours => format!("{} d", hours / 24),
    }
}
