//! The core: events in, alerts and requests out. No IO, no clock; what happens is decided by the events alone, so a
//! replay of the same events gives the same alerts.

mod succession;

use crate::alert::{self, Alert};
use crate::catalogue::Catalogue;
use crate::detect::{Context, Detectors, Finding};
use crate::event::{Body, Event, Exec};
use crate::exception::Exception;
use crate::host::Host;
use crate::tree::lineage::Servers;
use crate::tree::{Applied, NodeId, Tree};
use sensor_common::key::ProcessKey;
use sensor_common::losses::Ring;
use sensor_common::record::Kind;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most nodes of the tree, unless told otherwise.
pub const MAX_PROCESSES: usize = 65_536;

/// What the core is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What servers there are.
    pub catalogue: Arc<Catalogue>,
    /// What is declared normal.
    pub exceptions: Vec<Exception>,
    /// The machine.
    pub host: Host,
    /// Bound of the tree.
    pub max_processes: usize,
}

/// What came of an event.
#[derive(Default)]
pub struct Outcome {
    /// To be handed out.
    pub alerts: Vec<Alert>,
    /// To be done.
    pub requests: Vec<Request>,
}

/// What the core asks of the edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The kernel's process map is to know this lineage.
    SetLineage {
        /// Whose.
        process: ProcessKey,
        /// Who forked it.
        parent: ProcessKey,
        /// The server's number.
        lineage: u32,
    },
    /// A server appeared: its component directories are to be found and watched.
    WatchServer {
        /// A process of it.
        process: ProcessKey,
        /// Catalogue id.
        server: String,
    },
    /// Process records were lost: procfs is to be read again.
    Reconcile,
}

/// The core.
pub struct Core {
    /// Who forked whom.
    pub tree: Tree,
    /// Servers that run.
    pub servers: Servers,
    settings: Settings,
    detectors: Detectors,
    sequence: u64,
    blind_since_ns: Option<u64>,
    blind_total_ns: u64,
    exception_hits: BTreeMap<&'static str, u64>,
}

impl Core {
    /// An empty core.
    pub fn new(settings: Settings) -> Self {
        Self {
            tree: Tree::new(settings.max_processes),
            servers: Servers::default(),
            settings,
            detectors: Detectors::default(),
            sequence: 0,
            blind_since_ns: None,
            blind_total_ns: 0,
            exception_hits: BTreeMap::new(),
        }
    }

    /// What is known about servers.
    pub fn catalogue(&self) -> &Catalogue {
        &self.settings.catalogue
    }

    /// The machine.
    pub fn host(&self) -> &Host {
        &self.settings.host
    }

    /// Findings that an exception covered, by detector.
    pub const fn exception_hits(&self) -> &BTreeMap<&'static str, u64> {
        &self.exception_hits
    }

    /// Nanoseconds for which losses were not healed, and whether they are not now.
    pub fn blind(&self, now: u64) -> (u64, bool) {
        let open = self.blind_since_ns.map_or(0, |since| now.saturating_sub(since));
        (self.blind_total_ns + open, self.blind_since_ns.is_some())
    }

    /// Puts another catalogue and other exceptions in force. Servers that run stay what they were taken for.
    pub fn reconfigure(&mut self, catalogue: Arc<Catalogue>, exceptions: Vec<Exception>) {
        self.settings.catalogue = catalogue;
        self.settings.exceptions = exceptions;
    }

    /// How many servers run, by role; a server with several roles counts for each.
    pub fn servers_by_role(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for server in self.servers.iter() {
            let roles = self.settings.catalogue.server(&server.id).map(|kind| kind.roles.as_slice());
            for role in roles.unwrap_or_default() {
                *counts.entry(role.name()).or_default() += usize::from(server.ended_boottime_ns.is_none());
            }
        }
        counts
    }

    /// Whether a detector waits for time to pass, so that a tick is useful soon.
    pub fn waiting(&self) -> bool {
        self.detectors.waiting()
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) -> Outcome {
        let mut outcome = Outcome::default();
        self.follow_losses(event, &mut outcome);
        let applied = self.tree.apply(event);
        self.classify(event, applied, &mut outcome);
        if let Body::Watch(watch) = &event.body {
            let lineage = self.lineage_of(applied.node);
            self.servers.watched(lineage, watch);
        }
        self.follow_servers(event, applied, &mut outcome);
        outcome.alerts = self.detect(event, applied);
        outcome
    }

    fn follow_losses(&mut self, event: &Event, outcome: &mut Outcome) {
        match &event.body {
            Body::Loss(loss) if loss.ring == Ring::Process => {
                self.blind_since_ns.get_or_insert(event.time_boottime_ns);
                outcome.requests.push(Request::Reconcile);
            }
            Body::Healed => {
                if let Some(since) = self.blind_since_ns.take() {
                    self.blind_total_ns += event.time_boottime_ns.saturating_sub(since);
                }
            }
            _ => {}
        }
    }

    /// Is this process a server? Asked when it begins a program, is found in procfs, or listens.
    fn classify(&mut self, event: &Event, applied: Applied, outcome: &mut Outcome) {
        let Some(id) = applied.node else { return };
        match &event.body {
            Body::Exec(_) | Body::Process(_) => self.become_server(event, id, outcome),
            Body::Net(net)
                if net.operation == Kind::Listen
                // A unix socket alone makes no server of a runtime: every build tool has one.
                && net.local.is_some() =>
            {
                self.tree.set_listens(id);
                self.become_server(event, id, outcome);
            }
            _ => {}
        }
        // The kernel inherits at fork; where it did not know the parent's lineage yet, it is told.
        let subject = applied.child.filter(|_| matches!(event.body, Body::Fork(_))).unwrap_or(id);
        self.correct_kernel(event, subject, outcome);
    }

    fn become_server(&mut self, event: &Event, id: NodeId, outcome: &mut Outcome) {
        let Some(node) = self.tree.node(id) else {
            return;
        };
        let Some(image) = node.image.clone() else {
            return;
        };
        let Some(kind) = self.settings.catalogue.identify(&image, node.listens) else {
            return;
        };
        let (key, kind_id) = (node.key, kind.id.clone());
        if node.lineage != 0 {
            // The outermost server keeps the lineage; one that reads its configuration anew is looked at again.
            let again = self.servers.by_lineage(node.lineage).is_some_and(|server| server.root.same_as(key));
            if again && matches!(event.body, Body::Exec(_)) {
                outcome.requests.push(Request::WatchServer { process: key, server: kind_id });
            }
            return;
        }
        let Some(lineage) = self.servers.add(&kind_id, key, event.time_boottime_ns) else {
            return;
        };
        for changed in self.tree.set_lineage(id, lineage) {
            if let Some(node) = self.tree.node(changed).filter(|node| node.is_live()) {
                outcome.requests.push(Request::SetLineage { process: node.key, parent: node.parent_key, lineage });
            }
        }
        outcome.requests.push(Request::WatchServer { process: key, server: kind_id });
    }

    fn correct_kernel(&mut self, event: &Event, subject: NodeId, outcome: &mut Outcome) {
        if !matches!(event.body, Body::Fork(_) | Body::Exec(_) | Body::Process(_)) {
            return;
        }
        let Some(node) = self.tree.node(subject).filter(|node| node.is_live()) else {
            return;
        };
        if node.lineage == event.lineage || node.lineage == 0 {
            return;
        }
        let request = Request::SetLineage { process: node.key, parent: node.parent_key, lineage: node.lineage };
        if !outcome.requests.contains(&request) {
            outcome.requests.push(request);
        }
    }

    fn lineage_of(&self, id: Option<NodeId>) -> u32 {
        id.and_then(|id| self.tree.node(id)).map_or(0, |node| node.lineage)
    }

    fn detect(&mut self, event: &Event, applied: Applied) -> Vec<Alert> {
        let context =
            Context { tree: &self.tree, servers: &self.servers, catalogue: &self.settings.catalogue, applied };
        let findings = self.detectors.observe(event, &context);
        let host = &self.settings.host;
        let mut alerts = Vec::new();
        for finding in findings {
            if excepted(&finding, &context, &self.settings) {
                *self.exception_hits.entry(finding.detector.id()).or_default() += 1;
                continue;
            }
            self.sequence += 1;
            alerts.extend(alert::build(&finding, &context, host, self.sequence, self.blind_since_ns.is_some()));
        }
        alerts
    }
}

fn excepted(finding: &Finding, context: &Context<'_>, settings: &Settings) -> bool {
    let server = context.servers.by_lineage(finding.server).map(|server| server.id.as_str());
    let now = settings.host.boot_time_unix_ns + finding.time_boottime_ns;
    // The story's programs: an exception for `sh -c COMMAND` covers what that shell then runs.
    let story = context.tree.find(finding.story).and_then(|id| context.tree.node(id));
    let nodes = story.into_iter().chain(context.tree.node(finding.process));
    let programs: Vec<&Exec> =
        nodes.flat_map(|node| node.image.iter().chain(&node.previous)).map(AsRef::as_ref).collect();
    settings.exceptions.iter().any(|exception| exception.covers(finding, server, &programs, now))
}

#[cfg(test)]
mod tests;
