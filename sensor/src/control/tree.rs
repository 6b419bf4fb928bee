//! The answer to `sensor tree`: ancestry as nested objects, with what was found about each process.
//!
//! Comes in: the core. Goes out: `{"roots": [...], "cut": bool}`; each node has its children. An ended process is there
//! while the tree still has it (a minute, or as long as its children need it) and something was found about it or about
//! one below it: a web shell's command is over long before somebody looks. Always holds: at most [`MAX_PROCESSES`] nodes,
//! and `cut` says when there are more.

use super::answers::{container, cut};
use crate::alert::Alert;
use crate::detect::Severity;
use crate::incident::QUIET_NS;
use crate::machine::boottime_ns;
use crate::pipeline::Core;
use crate::tree::{Node, NodeId};
use sensor_common::key::ProcessKey;
use serde_json::{Value, json};
use std::collections::{BTreeSet, HashMap, HashSet};

/// Most processes in one answer.
const MAX_PROCESSES: usize = 4096;
/// Deepest tree.
const MAX_DEPTH: usize = 128;

/// Everything above a process, and everything below it.
pub fn ancestry(pid: u32, core: &Core) -> Value {
    let found = core.tree.live(pid).or_else(|| core.tree.find(ProcessKey::new(pid, 0)));
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
pub fn all_servers(core: &Core) -> Value {
    let mut drawing = Drawing::new(core);
    let shown = |node: &Node| drawing.is_shown(node);
    let inside =
        |id: NodeId| core.tree.ancestors(id).nth(1).is_some_and(|(_, above)| above.lineage != 0 && shown(above));
    let marked = drawing.marked.iter().filter_map(|id| core.tree.node(*id).map(|node| (*id, node)));
    let all = core.tree.live_nodes().chain(marked);
    let tops: BTreeSet<NodeId> = all.filter(|(id, node)| node.lineage != 0 && !inside(*id)).map(|(id, _)| id).collect();
    let roots: Vec<Value> = tops.into_iter().filter_map(|id| drawing.below(id, 0)).collect();
    json!({"roots": roots, "cut": drawing.cut})
}

/// What was found about one process, or in one server's lineage.
#[derive(Default)]
struct Findings {
    worst: Option<Severity>,
    detectors: BTreeSet<&'static str>,
    incidents: BTreeSet<String>,
}

impl Findings {
    fn take(&mut self, alert: &Alert) {
        self.worst = self.worst.max(Some(alert.severity));
        self.detectors.insert(alert.detector.id());
        self.incidents.insert(alert.incident.id.clone());
    }

    fn told(&self) -> Value {
        json!({
            "severity": self.worst.map(Severity::name),
            "detectors": self.detectors,
            "incidents": self.incidents,
        })
    }
}

struct Drawing<'a> {
    core: &'a Core,
    of_process: HashMap<NodeId, Findings>,
    /// By lineage number: of incidents that are open.
    of_server: HashMap<u32, Findings>,
    /// Processes with findings, and all above them.
    marked: HashSet<NodeId>,
    seen: HashSet<NodeId>,
    now_ns: u64,
    cut: bool,
}

impl<'a> Drawing<'a> {
    fn new(core: &'a Core) -> Self {
        let now_ns = boottime_ns();
        let mut drawing = Self {
            core,
            of_process: HashMap::new(),
            of_server: HashMap::new(),
            marked: HashSet::new(),
            seen: HashSet::new(),
            now_ns,
            cut: false,
        };
        for alert in core.recent.latest() {
            drawing.note(alert);
        }
        drawing
    }

    fn note(&mut self, alert: &Alert) {
        let open = self.now_ns.saturating_sub(alert.time_boottime_ns) < QUIET_NS;
        if let Some(server) = alert.server.as_ref().filter(|_| open) {
            self.of_server.entry(server.instance).or_default().take(alert);
        }
        if let Some(id) = self.core.tree.find(alert.process.key) {
            self.of_process.entry(id).or_default().take(alert);
            self.marked.extend(self.core.tree.ancestors(id).map(|(above, _)| above));
        }
    }

    fn is_shown(&self, node: &Node) -> bool {
        node.is_live() || self.core.tree.find(node.key).is_some_and(|id| self.marked.contains(&id))
    }

    fn below(&mut self, id: NodeId, depth: usize) -> Option<Value> {
        if self.seen.len() >= MAX_PROCESSES || depth > MAX_DEPTH {
            self.cut = true;
            return None;
        }
        // A node that was drawn makes going in circles impossible.
        if !self.seen.insert(id) {
            return None;
        }
        let mut object = self.process(self.core.tree.node(id)?);
        let mut children = self.core.tree.children(id);
        children.extend(self.core.tree.ended_children(id).into_iter().filter(|child| self.marked.contains(child)));
        children.sort_unstable();
        object["children"] = children.into_iter().filter_map(|child| self.below(child, depth + 1)).collect();
        Some(object)
    }

    fn process(&self, node: &Node) -> Value {
        let host = self.core.host();
        let image = node.image.as_deref();
        let server = self.core.servers.by_lineage(node.lineage);
        let root = server.is_some_and(|server| server.root.same_as(node.key));
        let kind = server.and_then(|server| self.core.catalogue().server(&server.id));
        let found = self.core.tree.find(node.key).and_then(|id| self.of_process.get(&id));
        let since = |then_ns: u64| self.now_ns.saturating_sub(then_ns) / 1_000_000_000;
        json!({
            "pid": node.key.tgid,
            "start": crate::alert::timestamp(host.boot_time_unix_ns + node.key.start_boottime_ns),
            "age_seconds": since(node.key.start_boottime_ns),
            "executable": cut(&node.executable().to_string()),
            "name": image.map(|image| image.comm.to_string()),
            "command_line": image.map(|image| cut(&String::from_utf8_lossy(&bstr::join(" ", &image.argv)))),
            "user": image.map(|image| host.users.get(&image.euid).cloned().unwrap_or_else(|| image.euid.to_string())),
            "live": node.is_live(),
            "container": container(self.core, node),
            "ended_seconds_ago": node.exited_boottime_ns.map(since),
            "lineage_number": node.lineage,
            "server": server.filter(|_| root).map(|server| server.id.clone()),
            "roles": kind.filter(|_| root).map(|kind| kind.roles.iter().map(|role| role.name()).collect::<Vec<_>>()),
            "unit": server.filter(|server| root && !server.unit.is_empty()).map(|server| server.unit.clone()),
            "findings": found.map(Findings::told),
            // Of all in its lineage, while their incidents are open.
            "server_findings": server.filter(|_| root).and_then(|server| self.of_server.get(&server.lineage)).map(Findings::told),
        })
    }
}
