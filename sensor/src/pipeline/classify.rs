//! Which processes are servers, and which leave a server's lineage: asked when a process begins a program, is found in
//! procfs, or listens.

use super::{Core, Outcome, Request};
use crate::detect::Standing;
use crate::event::{Body, Event, Exec, Net};
use crate::tree::{Applied, NodeId};
use sensor_common::record::Kind;

impl Core {
    pub(super) fn classify(&mut self, event: &Event, applied: Applied, outcome: &mut Outcome) {
        if matches!(event.body, Body::Healed) {
            self.let_all_leave(event, outcome);
            return;
        }
        let Some(id) = applied.node else { return };
        match &event.body {
            Body::Exec(_) | Body::Process(_) => {
                self.let_leave(id, outcome);
                self.become_server(event, id, outcome);
            }
            Body::Net(net) if net.operation == Kind::Listen && self.serves(id, net) => {
                self.tree.set_listens(id);
                self.become_server(event, id, outcome);
            }
            _ => {}
        }
        // The kernel inherits at fork; where it did not know the parent's lineage yet, it is told.
        let subject = applied.child.filter(|_| matches!(event.body, Body::Fork(_))).unwrap_or(id);
        self.correct_kernel(event, subject, outcome);
    }

    /// Whether listening there makes a server of a runtime. A unix socket does not: every build tool has one. Nor does a
    /// person's program that listens to its own machine only: an editor's helper, a notebook, a preview.
    fn serves(&self, id: NodeId, net: &Net) -> bool {
        let Some((address, _)) = net.local else {
            return false;
        };
        !address.to_canonical().is_loopback() || !self.in_session(id)
    }

    /// Whether a person's session is above a process.
    fn in_session(&self, id: NodeId) -> bool {
        let session = |image: &Exec| self.settings.catalogue.session(image);
        self.tree.ancestors(id).any(|(_, node)| node.image.as_deref().is_some_and(session))
    }

    /// A login session, a scheduled job, a supervised service: it begins a life of its own.
    fn let_leave(&mut self, id: NodeId, outcome: &mut Outcome) -> bool {
        let context = self.context(Applied::default());
        if !context.server(self.lineage_of(Some(id))).is_some_and(|(_, kind)| kind.lets_leave()) {
            return false;
        }
        let leaves = Standing::of(id, &context).is_some_and(|standing| {
            let child = standing.child.is_some_and(|child| child.leaves && standing.is_first());
            !standing.own && (standing.kind.supervisor || child)
        });
        if !leaves {
            return false;
        }
        for left in self.tree.leave_lineage(id) {
            if let Some(node) = self.tree.node(left).filter(|node| node.is_live()) {
                outcome.requests.push(Request::SetLineage { process: node.key, parent: node.parent_key, lineage: 0 });
            }
        }
        true
    }

    /// procfs was read: processes came in any order, so that who leaves could not be told before.
    fn let_all_leave(&mut self, event: &Event, outcome: &mut Outcome) {
        let mut inside: Vec<NodeId> =
            self.tree.live_nodes().filter(|(_, node)| node.lineage != 0).map(|(id, _)| id).collect();
        inside.sort_unstable();
        for id in inside {
            if self.let_leave(id, outcome) {
                self.become_servers_below(event, id, outcome);
            }
        }
    }

    /// What left may be, or have started, servers of its own.
    fn become_servers_below(&mut self, event: &Event, id: NodeId, outcome: &mut Outcome) {
        let mut waiting = vec![id];
        while let Some(id) = waiting.pop() {
            self.become_server(event, id, outcome);
            if self.lineage_of(Some(id)) == 0 {
                waiting.extend(self.tree.children(id));
            }
        }
    }

    fn become_server(&mut self, event: &Event, id: NodeId, outcome: &mut Outcome) {
        let Some(node) = self.tree.node(id) else {
            return;
        };
        let Some(image) = node.image.clone() else {
            return;
        };
        let (listens, catalogue) = (node.listens, std::sync::Arc::clone(&self.settings.catalogue));
        let Some(kind) = catalogue.identify(&image, listens) else {
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
        // A process whose fork was not seen may be in a lineage that only the kernel knows of.
        if node.lineage == event.lineage || node.lineage == 0 && node.missed_fork {
            return;
        }
        let request = Request::SetLineage { process: node.key, parent: node.parent_key, lineage: node.lineage };
        if !outcome.requests.contains(&request) {
            outcome.requests.push(request);
        }
    }
}
