//! Alerts: what leaves the sensor, as plain data.
//!
//! Comes in: a finding and what the tree knows. Goes out: one JSON object in Elastic Common Schema names
//! ([`Alert::to_json`]) or a text for people ([`Alert::to_pretty`]). [`schema`] names all of its
//! fields.
//!
//! Paths and arguments are bytes, JSON is not: bytes that are no UTF-8 show as U+FFFD, and the true bytes stand in base64
//! under `sensor.raw` with the field's name as key (`"process.args.2"`).

mod container;
mod fields;
mod json;
mod pretty;
mod room;
pub mod schema;

pub use container::{container_object, orchestrator_object};
pub use fields::{Text, cut, entity_id, incident_id, timestamp};
pub use json::ECS_VERSION;
pub use pretty::printable;

use crate::catalogue::Role;
use crate::container::Container;
use crate::detect::{Context, Detector, Finding, Severity, Technique};
use crate::event::{Exec, File, Net};
use crate::host::Host;
use crate::incident::Told;
use crate::ledger::Entry;
use crate::provenance::{Content, Provenance};
use crate::tree::lineage::Server;
use crate::tree::{Node, NodeId};
use sensor_common::key::ProcessKey;
use sensor_common::record::Hook;
use std::sync::Arc;

/// Most programs in `sensor.lineage`; the middle is left out beyond.
const MAX_LINEAGE: usize = 40;

/// An alert.
#[derive(Clone, Debug)]
pub struct Alert {
    /// `event.id`.
    pub id: String,
    /// `event.sequence`: counts alerts since the start.
    pub sequence: u64,
    /// Unix time of what decided, in nanoseconds.
    pub time_unix_ns: u64,
    /// The same in nanoseconds of `CLOCK_BOOTTIME`, for the latency.
    pub time_boottime_ns: u64,
    /// Which detector.
    pub detector: Detector,
    /// How bad.
    pub severity: Severity,
    /// ATT&CK techniques.
    pub techniques: Vec<Technique>,
    /// The machine.
    pub host_name: String,
    /// Its id.
    pub host_id: String,
    /// The process that did it.
    pub process: Process,
    /// Its parent.
    pub parent: Option<Process>,
    /// The container it is in.
    pub container: Option<Arc<Container>>,
    /// The file, if it is about one.
    pub file: Option<File>,
    /// The server.
    pub server: Option<ServerFacts>,
    /// From the server down to the process.
    pub lineage: Vec<Process>,
    /// The first program of the story, if it is another than the process's.
    pub story: Option<Process>,
    /// Who wrote the file, for detectors of loading.
    pub entry: Option<Entry>,
    /// Where the file comes from, as it was found when it was looked at.
    pub provenance: Option<Provenance>,
    /// The connection.
    pub net: Option<Net>,
    /// The incident it is part of.
    pub incident: Told,
    /// Why, in sentences.
    pub why: Vec<String>,
    /// Losses were not healed yet.
    pub blind: bool,
    /// Who saw it.
    pub hook: Hook,
}

/// A process in an alert.
#[derive(Clone, Debug)]
pub struct Process {
    /// `process.entity_id`.
    pub entity_id: String,
    /// Which.
    pub key: ProcessKey,
    /// Unix time of its start, nanoseconds.
    pub start_unix_ns: u64,
    /// Its program.
    pub image: Arc<Exec>,
    /// The user's name, if it is known.
    pub user_name: Option<String>,
}

/// The server in an alert.
#[derive(Clone, Debug)]
pub struct ServerFacts {
    /// Catalogue id.
    pub id: String,
    /// Its first role.
    pub role: Role,
    /// The running instance: its lineage number.
    pub instance: u32,
    /// Its first process.
    pub pid: u32,
    /// The id of its container, where that is another than the process's.
    pub container: Option<String>,
}

/// Makes the alert of a finding.
pub fn build(
    finding: &Finding,
    told: &Told,
    context: &Context<'_>,
    host: &Host,
    sequence: u64,
    blind: bool,
) -> Option<Alert> {
    let node = context.tree.node(finding.process)?;
    let server = context.server(finding.server);
    let roles = server.map_or(&[][..], |(_, kind)| kind.roles.as_slice());
    let container = node.image.as_deref().and_then(|image| context.containers.of(image)).cloned();
    Some(Alert {
        id: fields::event_id(host, finding),
        sequence,
        time_unix_ns: host.boot_time_unix_ns + finding.time_boottime_ns,
        time_boottime_ns: finding.time_boottime_ns,
        detector: finding.detector,
        severity: severity(finding, told),
        techniques: techniques(finding, roles),
        host_name: host.name.clone(),
        host_id: host.id.clone(),
        process: process(node.key, node.image.clone().unwrap_or_default(), host),
        parent: parent(node, context, host),
        container: container.clone(),
        file: finding.file.clone(),
        server: server.map(|(server, kind)| ServerFacts {
            id: server.id.clone(),
            role: kind.roles.first().copied().unwrap_or(Role::App),
            instance: server.lineage,
            pid: server.root.tgid,
            container: container_of(server, context)
                .map(|other| other.id.clone())
                .filter(|other| container.as_ref().is_none_or(|own| own.id != *other)),
        }),
        lineage: lineage(finding.process, node, context, host),
        story: story(finding, context, host),
        entry: finding.entry.clone(),
        provenance: finding.provenance.clone(),
        net: finding.net.clone(),
        incident: told.clone(),
        why: sentences(finding, told),
        blind,
        hook: finding.hook,
    })
}

/// The container that a server's first process is in.
fn container_of<'a>(server: &Server, context: &Context<'a>) -> Option<&'a Arc<Container>> {
    let root = context.tree.node(context.tree.find(server.root)?)?;
    context.containers.of(root.image.as_deref()?)
}

/// What is only to be known stays so; else an alert is as bad as its incident.
fn severity(finding: &Finding, told: &Told) -> Severity {
    if finding.severity == Severity::Info { finding.severity } else { finding.severity.max(told.severity) }
}

fn techniques(finding: &Finding, roles: &[Role]) -> Vec<Technique> {
    if finding.techniques.is_empty() { finding.detector.techniques(roles) } else { finding.techniques.clone() }
}

/// The finding's sentences, and those that its incident and its file add.
fn sentences(finding: &Finding, told: &Told) -> Vec<String> {
    let mut why = finding.why.clone();
    if let Some(package) = finding.provenance.as_ref().and_then(|known| known.package.as_ref()) {
        let content = match package.content {
            Content::Same => "its content is what the package brought",
            Content::Changed => "its content is not what the package brought",
            Content::Unknown => "the package has no digest for it",
            Content::Missing => "it is not there any more",
        };
        why.push(format!("The file belongs to the package {} {}; {content}.", package.name, package.version));
    }
    if told.severity > finding.severity && finding.severity > Severity::Info {
        let others: Vec<&str> =
            told.detectors.iter().filter(|other| **other != finding.detector).map(|other| other.id()).collect();
        why.push(format!(
            "It is part of an incident in which {} spoke as well: together they are {}.",
            others.join(", "),
            told.severity.name()
        ));
    }
    if told.untold > 0 {
        why.push(format!("{} findings of the incident before it were not told one by one.", told.untold));
    }
    why
}

/// The first program of the story that the process is part of.
fn story(finding: &Finding, context: &Context<'_>, host: &Host) -> Option<Process> {
    let node = context.tree.node(context.tree.find(finding.story)?)?;
    let kind = context.server(finding.server).map(|(_, kind)| kind);
    let own = |image: &&Arc<Exec>| kind.is_some_and(|kind| kind.owns(image));
    let first = node.previous.iter().chain(&node.image).find(|image| !own(image))?;
    Some(process(node.key, Arc::clone(first), host))
}

fn process(key: ProcessKey, image: Arc<Exec>, host: &Host) -> Process {
    Process {
        entity_id: entity_id(host, key),
        key,
        start_unix_ns: host.boot_time_unix_ns + key.start_boottime_ns,
        user_name: host.users.get(&image.euid).cloned(),
        image,
    }
}

fn parent(node: &Node, context: &Context<'_>, host: &Host) -> Option<Process> {
    let parent = context.tree.node(node.parent?)?;
    Some(process(parent.key, parent.image.clone()?, host))
}

/// Programs from the server's first process down; outside lineages from the oldest ancestor that is known. A process
/// that ran several programs stands there with each.
fn lineage(id: NodeId, node: &Node, context: &Context<'_>, host: &Host) -> Vec<Process> {
    let root = context.servers.by_lineage(node.lineage).map(|server| server.root);
    let mut programs = Vec::new();
    for (_, ancestor) in context.tree.ancestors(id) {
        if node.lineage != 0 && ancestor.lineage != node.lineage {
            break;
        }
        programs.extend(ancestor.image.iter().cloned().map(|image| process(ancestor.key, image, host)));
        programs.extend(ancestor.previous.iter().rev().cloned().map(|image| process(ancestor.key, image, host)));
        if root.is_some_and(|root| ancestor.key.same_as(root)) {
            break;
        }
    }
    programs.reverse();
    if programs.len() > MAX_LINEAGE {
        programs.drain(MAX_LINEAGE / 4..programs.len() - MAX_LINEAGE / 4 * 3);
    }
    programs
}

#[cfg(test)]
mod tests;
