//! Questions and orders of the operator, as they come through the agent's socket, and their answers.
//!
//! Comes in: a [`BaselineCommand`]. Goes out: JSON, `{"error": ...}` if it cannot be, and what the store is to keep.

use super::{ApprovalError, Baselines, Change, Document, Kind, KindKey, Seen};
use crate::alert::timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// What can be asked of the baseline. `kind` may be a part of a kind's text that no other has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "kebab-case", deny_unknown_fields)]
pub enum BaselineCommand {
    /// All kinds, or all of one.
    Show {
        /// Which.
        kind: Option<String>,
    },
    /// An edge is normal.
    Approve {
        /// Of which kind.
        kind: String,
        /// The shape of who starts.
        parent: String,
        /// The shape of what is started.
        child: String,
    },
    /// All new edges are normal that no other detector has something against.
    ApproveAllNew {
        /// Of which kind.
        kind: String,
    },
    /// Learning is over.
    Finish {
        /// Of which kind.
        kind: String,
    },
    /// Everything of a kind is forgotten.
    Forget {
        /// Of which kind.
        kind: String,
    },
    /// A document of all, or of one kind.
    Export {
        /// Which.
        kind: Option<String>,
    },
    /// Takes in a document.
    Import {
        /// What.
        document: Document,
    },
}

/// Answers, with what the store is to keep.
pub fn answer(baselines: &mut Baselines, command: BaselineCommand, now_unix_ns: u64) -> (Value, Vec<Change>) {
    let answered = match command {
        BaselineCommand::Import { document } => return import(baselines, &document, now_unix_ns),
        BaselineCommand::Show { kind } => show(baselines, kind.as_deref(), now_unix_ns),
        BaselineCommand::Export { kind } => export(baselines, kind.as_deref()),
        order => follow(baselines, order, now_unix_ns),
    };
    answered.unwrap_or_else(|error| (json!({"error": error.to_string()}), Vec::new()))
}

type Answered = Result<(Value, Vec<Change>), ApprovalError>;

fn show(baselines: &Baselines, kind: Option<&str>, now: u64) -> Answered {
    let shown = match kind {
        None => baselines.kinds().map(|(key, kind)| summary(baselines, key, kind, now)).collect(),
        Some(asked) => {
            let key = baselines.named(asked)?;
            let kind = baselines.kind(&key);
            kind.map(|kind| whole(summary(baselines, &key, kind, now), kind)).into_iter().collect::<Vec<_>>()
        }
    };
    Ok((json!({"kinds": shown, "refused": baselines.refused(), "whole": kind.is_some()}), Vec::new()))
}

fn summary(baselines: &Baselines, key: &KindKey, kind: &Kind, now: u64) -> Value {
    let facts = &kind.facts;
    json!({
        "kind": key.to_string(),
        "server": key.server,
        "executable": key.executable,
        "unit": key.unit,
        "state": facts.state(),
        "said": baselines.said(kind, now),
        "first_seen": time(facts.first_seen_unix_ns),
        "observed_seconds": facts.observed_ns / 1_000_000_000,
        "learned": facts.learned.map(|end| json!({"time": time(end.unix_ns), "by": end.by})),
        "last_new": time(facts.last_new_unix_ns),
        "execs": facts.execs,
        "edge_count": kind.edge_count,
        "new_count": kind.waiting.len(),
    })
}

fn whole(mut summary: Value, kind: &Kind) -> Value {
    let edge = |parent: &str, child: &str, seen: &Seen| {
        json!({
            "parent": parent, "child": child, "count": seen.count,
            "first": time(seen.first_unix_ns), "last": time(seen.last_unix_ns),
        })
    };
    let known = kind.all_edges().map(|(parent, child, known)| {
        let mut shown = edge(parent, child, &known.seen);
        shown["origin"] = json!(known.origin);
        shown
    });
    summary["edges"] = known.collect();
    let new = kind.waiting.values().map(|waiting| {
        let mut shown = edge(&waiting.parent, &waiting.child, &waiting.seen);
        shown["flagged"] = waiting.flagged.into();
        shown
    });
    summary["new"] = new.collect();
    summary
}

fn time(unix_ns: u64) -> Option<String> {
    (unix_ns != 0).then(|| timestamp(unix_ns))
}

fn export(baselines: &Baselines, kind: Option<&str>) -> Answered {
    let only = kind.map(|asked| baselines.named(asked)).transpose()?;
    Ok((json!({"document": baselines.export(only.as_ref())}), Vec::new()))
}

fn import(baselines: &mut Baselines, document: &Document, now: u64) -> (Value, Vec<Change>) {
    let problems = document.problems();
    if !problems.is_empty() {
        return (json!({"error": problems.join("; ")}), Vec::new());
    }
    let done = baselines.import(document, now);
    let answer = json!({"kinds": document.kinds.len(), "new_edges": done.new_edges, "refused": done.refused});
    (answer, done.changes)
}

fn follow(baselines: &mut Baselines, order: BaselineCommand, now: u64) -> Answered {
    let (key, done, changes) = match order {
        BaselineCommand::Approve { kind, parent, child } => {
            let key = baselines.named(&kind)?;
            let changes = baselines.approve(&key, &parent, &child)?;
            (key, format!("approved: {parent} -> {child}"), changes)
        }
        BaselineCommand::ApproveAllNew { kind } => {
            let key = baselines.named(&kind)?;
            let (number, changes) = baselines.approve_all_new(&key)?;
            let left = baselines.kind(&key).map_or(0, |kind| kind.waiting.len());
            let left = match left {
                0 => String::new(),
                left => format!(
                    "; {left} stay new, for another detector has something against them (approve those one by one)"
                ),
            };
            (key, format!("approved: {number} edges{left}"), changes)
        }
        BaselineCommand::Finish { kind } => {
            let key = baselines.named(&kind)?;
            let change = baselines.finish(&key, now)?;
            let said = baselines.kind(&key).map_or_else(String::new, |kind| baselines.said(kind, now));
            (key, said, vec![change])
        }
        BaselineCommand::Forget { kind } => {
            let key = baselines.named(&kind)?;
            let changes = baselines.forget(&key)?;
            (key, "forgotten; it is learned anew when one of its servers runs".to_owned(), changes)
        }
        // Answered before.
        BaselineCommand::Show { .. } | BaselineCommand::Export { .. } | BaselineCommand::Import { .. } => {
            return Ok((Value::Null, Vec::new()));
        }
    };
    Ok((json!({"kind": key.to_string(), "done": done}), changes))
}
