//! reverse-shell: a shell or interpreter in a server's lineage talks to the network.
//!
//! Sees: a shell or interpreter that begins with an internet socket as standard input or output; a shell that connects
//! itself (`/dev/tcp`); a shell on a terminal below a program that connected out before (a pseudo-terminal in between).
//! Cannot see: a shell whose input and output a relay copies over pipes. Normal: servers that hand connections to programs
//! as their trade.

use super::bounded::{Bounded, Once};
use super::story::{Standing, described, process};
use super::{Context, Detector, Finding, Severity};
use crate::catalogue::{ExecPolicy, Suspicion, suspicion};
use crate::event::{Body, Descriptor, Event, Net};
use crate::tree::NodeId;
use sensor_common::key::ProcessKey;
use sensor_common::record::Kind;
use std::net::IpAddr;

/// Most processes whose connections, and stories that were told, are remembered.
const MAX_REMEMBERED: usize = 4096;

/// The detector's memory.
#[derive(Default)]
pub struct ReverseShell {
    connected: Bounded<ProcessKey, (IpAddr, u16), MAX_REMEMBERED>,
    told: Once<ProcessKey, MAX_REMEMBERED>,
}

impl ReverseShell {
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        let id = context.applied.node?;
        let finding = match &event.body {
            Body::Exec(_) => self.executed(event, id, context),
            Body::Net(net) if net.operation == Kind::Connect => self.connects(event, id, net, context),
            _ => None,
        }?;
        // One finding a process.
        let process = context.tree.node(finding.process)?.key;
        self.told.first(process).then_some(finding)
    }

    fn executed(&self, event: &Event, id: NodeId, context: &Context<'_>) -> Option<Finding> {
        let standing = judged(context)?;
        let kind = suspicion(standing.image.executable.as_ref())?;
        if !matches!(kind, Suspicion::Shell | Suspicion::Interpreter) {
            return None;
        }
        let peers = standing.image.standard[..2].iter().filter_map(|descriptor| match descriptor {
            Descriptor::Socket { peer, .. } => *peer,
            _ => None,
        });
        if let Some(peer) = peers.into_iter().find(|(address, port)| !address.is_unspecified() && *port != 0) {
            let why = format!("Its standard input or output is a connection to {}.", shown(peer));
            return Some(finding(event, id, &standing, why, Some(peer)));
        }
        let on_terminal = standing.image.standard[0] == Descriptor::Tty && kind == Suspicion::Shell;
        let parent = standing.node.parent.and_then(|id| context.tree.node(id)).filter(|_| on_terminal)?;
        let peer = *self.connected.get(&parent.key)?;
        let why =
            format!("It runs on a terminal below {}, which connected to {} before.", process(parent), shown(peer));
        Some(finding(event, id, &standing, why, Some(peer)))
    }

    fn connects(&mut self, event: &Event, id: NodeId, net: &Net, context: &Context<'_>) -> Option<Finding> {
        let peer = net.remote?;
        let standing = judged(context)?;
        if standing.own {
            return None;
        }
        self.connected.set(standing.node.key, peer);
        if suspicion(standing.image.executable.as_ref()) != Some(Suspicion::Shell) {
            return None;
        }
        // An applet of busybox has the shell's executable and its own name.
        let name = standing.image.argv.first().map(|argv0| crate::catalogue::base_name(argv0).to_vec())?;
        suspicion(name.trim_ascii_start().strip_prefix(b"-").unwrap_or(&name).into())
            .filter(|kind| *kind == Suspicion::Shell)?;
        let why = format!("The shell itself connected to {}.", shown(peer));
        let mut finding = finding(event, id, &standing, why, Some(peer));
        finding.net = Some(net.clone());
        Some(finding)
    }
}

fn judged<'a>(context: &Context<'a>) -> Option<Standing<'a>> {
    let standing = context.standing?;
    let trade = standing.kind.exec_policy == ExecPolicy::Any || standing.is_normal() && standing.is_free();
    (!trade).then_some(standing)
}

fn finding(event: &Event, id: NodeId, standing: &Standing<'_>, why: String, peer: Option<(IpAddr, u16)>) -> Finding {
    let mut finding = Finding::new(Detector::ReverseShell, Severity::Critical, event, id, standing.node)
        .because(format!(
            "{} (pid {}) runs in the lineage of {}.",
            described(standing.image),
            standing.node.key.tgid,
            standing.kind.name
        ))
        .because(why);
    finding.story = standing.story();
    finding.net = peer.map(|peer| Net {
        operation: Kind::Connect,
        family: if peer.0.is_ipv4() { 2 } else { 10 },
        socket_type: 1,
        remote: Some(peer),
        local: None,
        path: None,
    });
    finding
}

/// An address and a port in a sentence.
pub fn shown((address, port): (IpAddr, u16)) -> String {
    match address {
        IpAddr::V4(address) => format!("{address}:{port}"),
        IpAddr::V6(address) => format!("[{address}]:{port}"),
    }
}
