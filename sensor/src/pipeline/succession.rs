//! A server whose first process has ended: it goes on in another, or has ended.
//!
//! A server that makes itself a daemon forks and ends; a killed master leaves its workers. But a child that has not yet
//! begun its own program looks just the same, and is no server: so whoever is to take over must have been there for
//! [`SETTLED_NS`]. Its component directories are asked for at once, because the way to them ended with the process.

use super::{Core, Outcome, Request};
use crate::event::{Body, Event};
use crate::tree::lineage::Server;
use crate::tree::{Applied, Node};
use sensor_common::key::ProcessKey;

/// How long after the end of its first process a server is taken for going on in another.
const SETTLED_NS: u64 = 2_000_000_000;

impl Core {
    pub(super) fn follow_servers(&mut self, event: &Event, applied: Applied, outcome: &mut Outcome) {
        let now = event.time_boottime_ns;
        let concerned: Vec<u32> = match &event.body {
            Body::Exit(_) => {
                self.follow_server(self.lineage_of(applied.node), event, outcome);
                return;
            }
            Body::Tick => self.servers.orphaned_before(now.saturating_sub(SETTLED_NS)),
            Body::Healed => self.servers.iter().map(|server| server.lineage).collect(),
            _ => return,
        };
        for lineage in concerned {
            self.follow_server(lineage, event, outcome);
        }
    }

    fn follow_server(&mut self, lineage: u32, event: &Event, outcome: &mut Outcome) {
        let Some(server) = self.servers.by_lineage(lineage).filter(|server| server.ended_boottime_ns.is_none()) else {
            return;
        };
        let runs = |id| self.tree.node(id).is_some_and(Node::is_live);
        if self.tree.find(server.root).is_some_and(runs) {
            return;
        }
        let now = event.time_boottime_ns;
        let Some(next) = self.successor(server) else {
            self.servers.ended(lineage, now);
            return;
        };
        let settled = server.orphaned_boottime_ns.is_some_and(|since| now.saturating_sub(since) >= SETTLED_NS);
        let newly = server.orphaned_boottime_ns.is_none();
        let server = server.id.clone();
        if settled || matches!(event.body, Body::Healed) {
            self.servers.moved(lineage, next);
        } else {
            self.servers.orphaned(lineage, now);
        }
        if newly {
            outcome.requests.push(Request::WatchServer { process: next, server });
        }
    }

    /// The eldest process of a server's lineage that runs the server's own program.
    fn successor(&self, server: &Server) -> Option<ProcessKey> {
        let kind = self.settings.catalogue.server(&server.id)?;
        let own =
            |node: &Node| node.lineage == server.lineage && node.image.as_deref().is_some_and(|image| kind.owns(image));
        let keys = self.tree.live_nodes().filter(|(_, node)| own(node)).map(|(_, node)| node.key);
        keys.min_by_key(|key| (key.start_boottime_ns, key.tgid))
    }
}
