//! Detectors: from events and the tree to findings.
//!
//! Comes in: an event that the tree has taken in, and the tree. Goes out: findings. What is waited for is decided with
//! the time that events bring. Each detector is a file of its own and says what it sees, what it cannot see, and what is
//! normal. None knows a particular tool, address or file of an attacker: facts about products are the catalogue's.

mod author;
mod bounded;
mod commands;
mod component_load;
mod component_write;
mod config_load_change;
mod credential_access;
mod dropped_executable;
mod fileless_exec;
mod finding;
mod new_ancestry;
mod persistence_handoff;
mod placement;
mod privilege_change;
mod reverse_shell;
mod rule;
mod server_egress;
mod server_shell;
mod severity;
mod story;

pub use author::Author;
pub use component_load::Question;
pub use finding::Finding;
pub use placement::{Placement, Target, judge as judge_write, writes};
pub use rule::{Detector, Technique};
pub use severity::Severity;
pub use story::Standing;

use crate::baseline::{Baselines, Change, KindKey, Verdict};
use crate::catalogue::{Catalogue, ServerKind};
use crate::container::Containers;
use crate::event::{Body, Event, Net};
use crate::ledger::Ledger;
use crate::tree::lineage::{Server, Servers};
use crate::tree::{Applied, NodeId, Tree};
use sensor_common::record::Kind;
use std::collections::BTreeSet;

/// Longest time that a detector waits for.
pub const LONGEST_WAIT_NS: u64 = server_shell::WAIT_NS;

/// What detectors look at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The tree, with the event taken in.
    pub tree: &'a Tree,
    /// The servers that run.
    pub servers: &'a Servers,
    /// Which processes are in which container.
    pub containers: &'a Containers,
    /// What is known about servers.
    pub catalogue: &'a Catalogue,
    /// Who wrote what, before this event.
    pub ledger: &'a Ledger,
    /// What this event wrote, judged.
    pub placement: Option<&'a Placement>,
    /// Which nodes the event is about.
    pub applied: Applied,
    /// Where who acted stands in a server's lineage, for events that detectors look at.
    pub standing: Option<Standing<'a>>,
    /// Unix time of the machine's start, nanoseconds.
    pub boot_unix_ns: u64,
}

impl<'a> Context<'a> {
    /// The same, knowing where who acted stands: found once for all detectors.
    #[must_use]
    pub fn with_standing(mut self, event: &Event) -> Self {
        let looked_at = match &event.body {
            Body::Exec(_) | Body::File(_) => true,
            Body::Net(net) => net.operation == Kind::Connect,
            _ => false,
        };
        if looked_at {
            self.standing = self.applied.node.and_then(|id| Standing::of(id, &self));
        }
        self
    }

    /// The server of a lineage, and its kind.
    pub fn server(&self, lineage: u32) -> Option<(&'a Server, &'a ServerKind)> {
        let server = self.servers.by_lineage(lineage)?;
        Some((server, self.catalogue.server(&server.id)?))
    }

    /// Unix time of an event, nanoseconds.
    pub const fn now_unix_ns(&self, event: &Event) -> u64 {
        self.boot_unix_ns + event.time_boottime_ns
    }
}

/// How often baselines are told that their servers run.
const OBSERVE_NS: u64 = 10_000_000_000;

/// All detectors and what they remember.
pub struct Detectors {
    server_shell: server_shell::ServerShell,
    component_write: component_write::ComponentWrite,
    component_load: component_load::ComponentLoad,
    config_load_change: config_load_change::ConfigLoadChange,
    reverse_shell: reverse_shell::ReverseShell,
    server_egress: server_egress::ServerEgress,
    persistence_handoff: persistence_handoff::PersistenceHandoff,
    credential_access: credential_access::CredentialAccess,
    /// What servers normally start and connect to.
    pub baselines: Baselines,
    observed_ns: Option<u64>,
    /// What of that is to be kept on disk: for the pipeline to take.
    pub changes: Vec<Change>,
}

impl Detectors {
    /// With baselines that are taken for learned after so many hours.
    pub fn new(learning_hours: u32) -> Self {
        Self {
            server_shell: server_shell::ServerShell::default(),
            component_write: component_write::ComponentWrite::default(),
            component_load: component_load::ComponentLoad::default(),
            config_load_change: config_load_change::ConfigLoadChange::default(),
            reverse_shell: reverse_shell::ReverseShell::default(),
            server_egress: server_egress::ServerEgress::default(),
            persistence_handoff: persistence_handoff::PersistenceHandoff::default(),
            credential_access: credential_access::CredentialAccess::default(),
            baselines: Baselines::new(learning_hours),
            observed_ns: None,
            changes: Vec::new(),
        }
    }

    /// Servers that run make their baselines older; looked at every [`OBSERVE_NS`].
    pub fn learn_time(&mut self, now: u64, context: &Context<'_>) {
        let since = self.observed_ns.unwrap_or(now);
        if self.observed_ns.is_some() && now.saturating_sub(since) < OBSERVE_NS {
            return;
        }
        self.observed_ns = Some(now);
        let (from, to) = (context.boot_unix_ns + since, context.boot_unix_ns + now);
        let running = context.servers.iter().filter(|server| server.ended_boottime_ns.is_none());
        let kinds: BTreeSet<KindKey> = running.filter_map(|server| new_ancestry::kind_key(server, context)).collect();
        for key in kinds {
            let egress = KindKey { server: format!("{} egress", key.server), ..key.clone() };
            self.changes.extend(self.baselines.ran(&key, from, to));
            self.changes.extend(self.baselines.ran(&egress, from, to));
        }
    }

    /// Looks at an event.
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Vec<Finding> {
        let mut findings = self.server_shell.observe(event, context);
        findings.extend(self.component_write.observe(event, context));
        findings.extend(self.config_load_change.observe(event, context));
        findings.extend(self.component_load.observe(event, context));
        findings.extend(dropped_executable::observe(event, context));
        findings.extend(fileless_exec::observe(event, context));
        findings.extend(self.reverse_shell.observe(event, context));
        findings.extend(privilege_change::observe(event, context));
        findings.extend(self.persistence_handoff.observe(event, context));
        findings.extend(self.credential_access.observe(event, context));
        match (&event.body, context.applied.node) {
            (Body::Net(net), Some(id)) if net.operation == Kind::Connect => {
                findings.extend(self.connected(event, id, net, context));
            }
            (Body::Exec(_), Some(id)) => findings.extend(self.executed(event, id, &findings, context)),
            _ => {}
        }
        findings
    }

    /// The questions that have come up since the last call.
    pub fn questions(&mut self) -> Vec<Question> {
        std::mem::take(&mut self.component_load.questions)
    }

    /// Until when something waits for time to pass, if anything does; `CLOCK_BOOTTIME`.
    pub fn deadline(&self) -> Option<u64> {
        self.server_shell.deadline()
    }

    fn executed(&mut self, event: &Event, id: NodeId, found: &[Finding], context: &Context<'_>) -> Option<Finding> {
        let judged = context.standing.is_some_and(|standing| server_shell::judge(&standing).is_some());
        let flagged = judged || found.iter().any(|finding| finding.process == id);
        let (finding, change) = new_ancestry::observe(event, id, flagged, &mut self.baselines, context);
        self.changes.extend(change);
        finding
    }

    fn connected(&mut self, event: &Event, id: NodeId, net: &Net, context: &Context<'_>) -> Option<Finding> {
        let verdict = self.learn_address(event, net, context);
        self.server_egress.observe(event, id, net, verdict, context)
    }

    /// Addresses have a baseline of their own, beside that of what a server starts.
    fn learn_address(&mut self, event: &Event, net: &Net, context: &Context<'_>) -> Option<Verdict> {
        let standing = context.standing?;
        let peer = net.remote.map(|(address, port)| (address.to_canonical(), port));
        let peer = peer.filter(|(address, _)| !address.is_loopback())?;
        let flagged = server_shell::judge(&standing).is_some();
        let key = new_ancestry::kind_key(standing.server, context)?;
        let key = KindKey { server: format!("{} egress", key.server), ..key };
        let parent = if standing.own { standing.kind.id.clone() } else { crate::baseline::shape(standing.image) };
        let child = server_egress::shape(peer);
        let (verdict, change) = self.baselines.observe(&key, &parent, &child, context.now_unix_ns(event), flagged);
        self.changes.extend(change);
        Some(verdict)
    }
}

#[cfg(test)]
mod tests;
