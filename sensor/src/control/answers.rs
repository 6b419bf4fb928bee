//! The agent's answers, as JSON: `--json` prints them as they are.

use super::{Command, servers, tree};
use crate::container::Runtime;
use crate::kernel::HookReport;
use crate::metrics::Metrics;
use crate::metrics::listener::Serving;
use crate::pipeline::Core;
use crate::privileges::Shed;
use crate::tree::Node;
use crate::watch::Noted;
use sensor_common::record::Kind;
use serde_json::{Value, json};
use std::collections::BTreeMap;

/// Longest text in one.
const MAX_TEXT: usize = 200;

/// What the agent knows beside the core.
pub struct Facts<'a> {
    /// The core.
    pub core: &'a Core,
    /// The hooks in use.
    pub report: &'a HookReport,
    /// Counters.
    pub metrics: &'a Metrics,
    /// By server number: which directories are watched and which are not, and how they are known.
    pub noted: &'a BTreeMap<u32, Noted>,
    /// Directories that are watched.
    pub watched: usize,
    /// When the agent started, `CLOCK_BOOTTIME`.
    pub started_ns: u64,
    /// Who tells the metrics to others.
    pub serving: Option<&'a Serving>,
    /// What the agent may still do.
    pub shed: &'a Shed,
    /// What survives a restart.
    pub state: crate::store::Health,
    /// How each output is.
    pub outputs: Vec<crate::output::Health>,
    /// Rings: name, bytes used, capacity.
    pub rings: Vec<(&'static str, usize, usize)>,
}

/// Answers a question.
pub fn answer(command: &Command, facts: &Facts<'_>) -> Value {
    match command {
        Command::Tree { pid: Some(pid) } => tree::ancestry(*pid, facts.core),
        Command::Tree { pid: None } => tree::all_servers(facts.core),
        Command::Status => status(facts),
        Command::Servers => servers::running(facts),
        Command::Explain { id: None } => match facts.core.recent.latest().next() {
            Some(alert) => crate::explain::explain(alert),
            None => json!({"error": "there was no alert yet"}),
        },
        Command::Explain { id: Some(id) } => match facts.core.recent.find(id) {
            Some(alert) => crate::explain::explain(alert),
            None => json!({"error": format!("no alert, or more than one, among the latest begins with {id:?}")}),
        },
        // Who keeps a baseline answers before this.
        Command::Baseline { .. } => json!({"error": "this agent keeps no baseline"}),
    }
}

fn status(facts: &Facts<'_>) -> Value {
    let now = crate::machine::boottime_ns();
    let (blind_ns, blind) = facts.core.blind(now);
    let lost = facts.metrics.lost_so_far();
    let lost: Vec<Value> = lost
        .iter()
        .map(|loss| {
            let kind = loss.kind.map(Kind::name);
            json!({"ring": loss.ring.name(), "reason": loss.reason.name(), "kind": kind, "count": loss.count})
        })
        .collect();
    let rings =
        facts.rings.iter().map(|(ring, used, capacity)| json!({"ring": ring, "bytes": used, "capacity": capacity}));
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "pid": std::process::id(),
        "uptime_seconds": now.saturating_sub(facts.started_ns) / 1_000_000_000,
        "ready": facts.metrics.is_ready(),
        "blind": blind,
        "blind_seconds": std::time::Duration::from_nanos(blind_ns).as_secs_f64(),
        "hooks": facts.report,
        "events": facts.metrics.events_so_far().into_iter().collect::<BTreeMap<_, _>>(),
        "lost": lost,
        "rings": rings.collect::<Vec<_>>(),
        "processes": facts.core.tree.len(),
        "process_evictions": facts.core.tree.evictions(),
        "servers": facts.core.servers.iter().filter(|server| server.ended_boottime_ns.is_none()).count(),
        "servers_by_role": facts.core.servers_by_role(),
        "servers_refused": facts.core.servers.refused(),
        "watched_directories": facts.watched,
        "ledger": facts.core.ledger.len(),
        "incidents_open": facts.core.incidents.len(),
        "outputs": facts.outputs,
        "latest_alerts": latest(facts.core),
        "exceptions": exceptions(facts.core),
        "state": facts.state,
        "metrics": facts.serving.map(|serving| format!("http://{}/metrics", serving.address)),
        "metrics_ended": facts.serving.and_then(Serving::ended),
        "privileges": facts.shed,
        "refused_system_calls": facts.metrics.refused_calls_so_far(),
    })
}

/// The latest alerts, one line each.
fn latest(core: &Core) -> Vec<Value> {
    const MOST: usize = 5;
    let latest = core.recent.latest().take(MOST);
    latest
        .map(|alert| {
            json!({
                "id": alert.id,
                "time": crate::alert::timestamp(alert.time_unix_ns),
                "severity": alert.severity.name(),
                "detector": alert.detector.id(),
                "server": alert.server.as_ref().map(|server| server.id.clone()),
                "incident": alert.incident.id,
                "why": alert.why.first().map(|why| cut(why)),
            })
        })
        .collect()
}

/// Exceptions in force, with what they covered.
fn exceptions(core: &Core) -> Vec<Value> {
    let told = core.exceptions(crate::machine::boottime_ns()).map(|(exception, hits, expired)| {
        json!({
            "detector": exception.detector.id(),
            "server": exception.server,
            "exe": exception.exe.as_ref().map(|pattern| pattern.text.clone()),
            "args": exception.args.as_ref().map(|pattern| pattern.text.clone()),
            "path": exception.path.as_ref().map(|pattern| pattern.text.clone()),
            "reason": exception.reason,
            "hits": hits,
            "expired": expired,
        })
    });
    told.collect()
}

/// The container that a process is in: id, runtime, name, and image with its tag.
pub(super) fn container(core: &Core, node: &Node) -> Option<Value> {
    let container = core.containers.of(node.image.as_deref()?)?;
    let tag = container.image.as_ref().and_then(|image| image.tag.as_deref());
    let image = container.image_name().map(|name| tag.map_or_else(|| name.to_owned(), |tag| format!("{name}:{tag}")));
    Some(json!({
        "id": container.id,
        "runtime": container.runtime.map(Runtime::name),
        "name": container.name,
        "image": image,
        "pod": container.pod.as_ref().map(|pod| &pod.name),
        "namespace": container.pod.as_ref().and_then(|pod| pod.namespace.as_ref()),
    }))
}

pub(super) fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}
