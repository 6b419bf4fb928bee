//! server-egress: a server's lineage connects to where that server does not.
//!
//! Sees: outgoing connections of a lineage: to a cloud metadata service, to a public address that the server's baseline
//! does not have, to many internal addresses or ports in a minute. Cannot see: names; what goes through a proxy; datagrams
//! without a connect. Normal: servers that connect wherever they are told (proxies, mail, monitoring), and whatever was
//! learned. While the baseline is learned, new addresses are no findings.

use super::reverse_shell::shown;
use super::rule::SWEEP;
use super::story::{Standing, process};
use super::{Context, Detector, Finding, Severity};
use crate::baseline::Verdict;
use crate::catalogue::Egress;
use crate::event::{Event, Net};
use crate::tree::NodeId;
use std::collections::{BTreeSet, HashMap};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// How long targets are gathered for a sweep, and how many make one.
const SWEEP_NS: u64 = 60_000_000_000;
const SWEEP_TARGETS: usize = 24;
/// Most lineages whose targets are gathered.
const MAX_LINEAGES: usize = 1024;

/// Metadata services of clouds: the link-local one that most have, Alibaba's, and AWS's for IPv6.
const METADATA: [IpAddr; 3] = [
    IpAddr::V4(Ipv4Addr::new(169, 254, 169, 254)),
    IpAddr::V4(Ipv4Addr::new(100, 100, 100, 200)),
    IpAddr::V6(Ipv6Addr::new(0xfd00, 0xec2, 0, 0, 0, 0, 0, 0x254)),
];

/// The detector's memory.
#[derive(Default)]
pub struct ServerEgress {
    targets: HashMap<u32, Targets>,
}

#[derive(Default)]
struct Targets {
    since_ns: u64,
    seen: BTreeSet<(IpAddr, u16)>,
    told: bool,
}

impl ServerEgress {
    /// `verdict` is what the baseline says of the address.
    pub fn observe(
        &mut self,
        event: &Event,
        id: NodeId,
        net: &Net,
        verdict: Option<Verdict>,
        context: &Context<'_>,
    ) -> Option<Finding> {
        let standing = context.standing?;
        let peer = net.remote.map(|(address, port)| (address.to_canonical(), port));
        let peer = peer.filter(|(address, port)| *port != 0 && !address.is_loopback() && !address.is_unspecified())?;
        let free = standing.kind.egress == Egress::Any && standing.own || standing.is_normal() && standing.is_free();
        if free {
            return None;
        }
        let found = if METADATA.contains(&peer.0) {
            metadata(&standing, verdict)
        } else if self.sweeps(event, &standing, peer) {
            Some((Severity::High, format!("More than {SWEEP_TARGETS} internal addresses and ports in a minute.")))
        } else {
            new_address(&standing, peer, verdict)
        };
        let (severity, why) = found?;
        let mut finding = Finding::new(Detector::ServerEgress, severity, event, id, standing.node)
            .because(format!(
                "{}, in the lineage of {}, connected to {}.",
                process(standing.node),
                standing.kind.name,
                shown(peer)
            ))
            .because(why);
        finding.story = standing.story();
        finding.net = Some(net.clone());
        if severity == Severity::High && !METADATA.contains(&peer.0) {
            finding.techniques = vec![SWEEP];
        }
        Some(finding)
    }

    fn sweeps(&mut self, event: &Event, standing: &Standing<'_>, peer: (IpAddr, u16)) -> bool {
        if !internal(peer.0) {
            return false;
        }
        let now = event.time_boottime_ns;
        if self.targets.len() >= MAX_LINEAGES {
            self.targets.retain(|_, targets| now.saturating_sub(targets.since_ns) < SWEEP_NS);
        }
        if self.targets.len() >= MAX_LINEAGES {
            return false;
        }
        let targets = self.targets.entry(standing.node.lineage).or_default();
        if now.saturating_sub(targets.since_ns) >= SWEEP_NS {
            *targets = Targets { since_ns: now, ..Targets::default() };
        }
        // More than make a sweep need not be kept.
        if targets.seen.len() <= SWEEP_TARGETS {
            targets.seen.insert(peer);
        }
        let many = targets.seen.len() > SWEEP_TARGETS && !targets.told;
        targets.told |= many;
        many
    }
}

fn metadata(standing: &Standing<'_>, verdict: Option<Verdict>) -> Option<(Severity, String)> {
    let why = "That is the cloud's metadata service, which hands out credentials.".to_owned();
    match (standing.own, verdict) {
        (false, _) => Some((Severity::High, why)),
        (true, Some(Verdict::Known)) => None,
        (true, Some(Verdict::Learned)) => Some((Severity::Info, why)),
        (true, _) => Some((Severity::Medium, why)),
    }
}

fn new_address(standing: &Standing<'_>, peer: (IpAddr, u16), verdict: Option<Verdict>) -> Option<(Severity, String)> {
    if verdict != Some(Verdict::New) || internal(peer.0) {
        return None;
    }
    let severity = if standing.own { Severity::Low } else { Severity::Medium };
    Some((severity, "Its baseline has no such address, and learning is over.".to_owned()))
}

fn internal(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            address.is_private()
                || address.is_link_local()
                || address.octets()[0] == 100 && address.octets()[1] & 0xc0 == 64
        }
        IpAddr::V6(address) => address.is_unique_local() || address.is_unicast_link_local(),
    }
}

/// How an address stands in a baseline: by its network, so that a pool of servers is one.
pub fn shape((address, port): (IpAddr, u16)) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, _] = address.octets();
            format!("-> {a}.{b}.{c}.0/24:{port}")
        }
        IpAddr::V6(address) => {
            let [a, b, c, ..] = address.segments();
            format!("-> {a:x}:{b:x}:{c:x}::/48:{port}")
        }
    }
}
