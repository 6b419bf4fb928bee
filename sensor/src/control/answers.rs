//! The agent's answers, as JSON: `--json` prints them as they are.

use super::{Command, servers};
use crate::kernel::HookReport;
use crate::metrics::Metrics;
use crate::pipeline::Core;
use crate::tree::{Node, NodeId};
use crate::watch::Noted;
use sensor_common::record::Kind;
use serde_json::{Value, json};
use std::collections::{BTreeMap, HashMap};

/// Most processes in one answer.
const MAX_PROCESSES: usize = 4096;
/// Longest text in one.
const MAX_TEXT: usize = 200;
/// Deepest tree.
const MAX_DEPTH: usize = 128;

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
    /// Where metrics are.
    pub metrics_address: Option<std::net::SocketAddr>,
    /// What survives a restart.
    pub state: crate::store::Health,
    /// Rings: name, bytes used, capacity.
    pub rings: Vec<(&'static str, usize, usize)>,
}

/// Answers a question.
pub fn answer(command: &Command, facts: &Facts<'_>) -> Value {
    match command {
        Command::Tree { pid: Some(pid) } => ancestry(*pid, facts.core),
        Command::Tree { pid: None } => all_servers(facts.core),
        Command::Status => status(facts),
        Command::Servers => servers::running(facts),
        Command::Explain { id } => match facts.core.recent.find(id) {
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
        "servers_refused": facts.core.servers.refused(),
        "watched_directories": facts.watched,
        "ledger": facts.core.ledger.len(),
        "incidents_open": facts.core.incidents.len(),
        "latest_alerts": latest(facts.core),
        "exceptions": exceptions(facts.core),
        "state": facts.state,
        "metrics": facts.metrics_address.map(|address| format!("http://{address}/metrics")),
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

/// Everything above a process, and everything below it.
fn ancestry(pid: u32, core: &Core) -> Value {
    let found = core.tree.live(pid).or_else(|| core.tree.find(sensor_common::key::ProcessKey::new(pid, 0)));
    let Some(id) = found else {
        return json!({"error": format!("no process {pid} is known (it may have ended more than a minute ago)")});
    };
    let mut drawing = Drawing::new(core);
    let Some(mut tree) = drawing.below(id, 0) else {
        return json!({"roots": []});
    };
    tree["asked"] = true.into();
    for (_, ancestor) in core.tree.ancestors(id).skip(1) {
        let mut above = drawing.process(ancestor);
        above["children"] = json!([tree]);
        tree = above;
    }
    json!({"roots": [tree], "cut": drawing.cut})
}

/// All lineages that live: below a server's first process, and what outlived it.
fn all_servers(core: &Core) -> Value {
    let mut drawing = Drawing::new(core);
    let above = |node: &Node| node.parent.and_then(|id| core.tree.node(id));
    let inside = |node: &Node| above(node).is_some_and(|parent| parent.is_live() && parent.lineage != 0);
    let tops = core.tree.live_nodes().filter(|(_, node)| node.lineage != 0 && !inside(node));
    let mut tops: Vec<NodeId> = tops.map(|(id, _)| id).collect();
    tops.sort_unstable();
    let roots: Vec<Value> = tops.into_iter().filter_map(|id| drawing.below(id, 0)).collect();
    json!({"roots": roots, "cut": drawing.cut})
}

struct Drawing<'a> {
    core: &'a Core,
    children: HashMap<NodeId, Vec<NodeId>>,
    drawn: usize,
    cut: bool,
}

impl<'a> Drawing<'a> {
    fn new(core: &'a Core) -> Self {
        let mut children: HashMap<NodeId, Vec<NodeId>> = HashMap::new();
        for (id, node) in core.tree.live_nodes() {
            if let Some(parent) = node.parent {
                children.entry(parent).or_default().push(id);
            }
        }
        for ids in children.values_mut() {
            ids.sort_unstable();
        }
        Self { core, children, drawn: 0, cut: false }
    }

    fn below(&mut self, id: NodeId, depth: usize) -> Option<Value> {
        if self.drawn >= MAX_PROCESSES || depth > MAX_DEPTH {
            self.cut = true;
            return None;
        }
        self.drawn += 1;
        let mut object = self.process(self.core.tree.node(id)?);
        // Taking the list away makes going in circles impossible.
        let children = self.children.remove(&id).unwrap_or_default();
        object["children"] = children.into_iter().filter_map(|child| self.below(child, depth + 1)).collect();
        Some(object)
    }

    fn process(&self, node: &Node) -> Value {
        let host = self.core.host();
        let image = node.image.as_deref();
        let server = self.core.servers.by_lineage(node.lineage);
        let root = server.is_some_and(|server| server.root.same_as(node.key));
        let kind = server.and_then(|server| self.core.catalogue().server(&server.id));
        json!({
            "pid": node.key.tgid,
            "start": crate::alert::timestamp(host.boot_time_unix_ns + node.key.start_boottime_ns),
            "executable": cut(&node.executable().to_string()),
            "name": image.map(|image| image.comm.to_string()),
            "command_line": image.map(|image| cut(&String::from_utf8_lossy(&bstr::join(" ", &image.argv)))),
            "user": image.map(|image| host.users.get(&image.euid).cloned().unwrap_or_else(|| image.euid.to_string())),
            "live": node.is_live(),
            "lineage_number": node.lineage,
            "server": server.filter(|_| root).map(|server| server.id.clone()),
            "roles": kind.filter(|_| root).map(|kind| kind.roles.iter().map(|role| role.name()).collect::<Vec<_>>()),
        })
    }
}

fn cut(text: &str) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
        None => text.to_owned(),
    }
}
