//! component-write: somebody writes a file where a server loads components from.
//!
//! Sees: files created, opened for writing, truncated, renamed or linked into place, or made executable below a watched
//! directory, whatever name or mount was used. Cannot see: writes through descriptors from before the watch, and what a
//! file holds. Normal: package managers and deployers that are in no server's lineage (one that a web shell started is
//! not), the server's own writes where the catalogue says that it writes, and files of kinds that are not loaded.
//! One finding for a file and a writer.

use super::{Context, Detector, Finding, Severity};
use crate::catalogue::{Component, ComponentKind, ServerKind, base_name};
use crate::event::{Body, Event, File};
use crate::tree::lineage::Server;
use crate::tree::{Node, NodeId};
use bstr::{BString, ByteSlice};
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::record::Kind;
use std::collections::{HashSet, VecDeque};

/// Most writer-and-file pairs that are remembered.
const MAX_TOLD: usize = 16_384;

/// Programs that install software: by the base name of their executable.
const PACKAGE_MANAGERS: &[&str] = &[
    "dpkg",
    "dpkg-deb",
    "apt",
    "apt-get",
    "aptitude",
    "unattended-upgrade",
    "rpm",
    "dnf",
    "dnf5",
    "yum",
    "microdnf",
    "zypper",
    "apk",
    "packagekitd",
    "snapd",
];
/// Programs that deploy applications. Language installers run in an interpreter: by the script's base name.
const DEPLOYERS: &[&str] = &[
    "git",
    "composer",
    "pip",
    "pip3",
    "npm",
    "yarn",
    "pnpm",
    "gem",
    "bundle",
    "wp",
    "drush",
    "ansible-playbook",
    "puppet",
    "chef-client",
    "salt-minion",
    "dockerd",
    "containerd",
    "containerd-shim-runc-v2",
    "buildkitd",
    "runc",
    "crun",
    "podman",
    "kubelet",
];

/// The detector's memory.
#[derive(Default)]
pub struct ComponentWrite {
    told: HashSet<(ProcessKey, BString)>,
    order: VecDeque<(ProcessKey, BString)>,
}

impl ComponentWrite {
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        let Body::File(used) = &event.body else {
            return None;
        };
        let (server, watch) = context.servers.watch(used.watch?)?;
        let file = &File { path: real_path(used, &watch.path), ..used.as_ref().clone() };
        let kind = context.catalogue.server(&server.id)?;
        if !is_write(file) || !loaded(kind, &watch.component, &file.path) {
            return None;
        }
        let id = context.applied.node?;
        let node = context.tree.node(id)?;
        if expected(id, node, server, kind, &watch.component, context) || !self.first_time(node.key, file) {
            return None;
        }
        let mut finding = finding(event, file, id, node, server, kind, &watch.component, context);
        if file.path != used.path {
            finding.why.push(format!("The writer reached it as {}.", used.path));
        }
        Some(finding)
    }

    fn first_time(&mut self, writer: ProcessKey, file: &File) -> bool {
        let pair = (writer, file.path.clone());
        if !self.told.insert(pair.clone()) {
            return false;
        }
        if self.order.len() >= MAX_TOLD
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        self.order.push_back(pair);
        true
    }
}

/// The file's path below the watched directory, by the directory's own name: a bind mount or another mount namespace
/// shows it elsewhere.
fn real_path(file: &File, watched: &BString) -> BString {
    let names: Vec<&[u8]> = file.path.rsplitn(file.watch_depth as usize + 1, |byte| *byte == b'/').collect();
    if file.watch_depth == 0 || names.len() <= file.watch_depth as usize {
        return file.path.clone();
    }
    let mut path = watched.clone();
    for name in names[..file.watch_depth as usize].iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    path
}

fn is_write(file: &File) -> bool {
    match file.operation {
        Kind::Open => file.flags & file_flags::WRITE != 0,
        Kind::Rename | Kind::Link | Kind::Symlink | Kind::Truncate => true,
        Kind::Chmod => file.argument & 0o111 != 0,
        _ => false,
    }
}

/// Whether the server loads files of that name from a directory of that kind.
fn loaded(kind: &ServerKind, component: &str, path: &[u8]) -> bool {
    let of_kind: Vec<&Component> = kind.components.iter().filter(|known| known.kind.name() == component).collect();
    // A directory that was found in the server's configuration is of a kind that the catalogue may not list for it.
    match ComponentKind::from_name(component) {
        Some(kind) if of_kind.is_empty() => kind.usually_loads(path),
        _ => of_kind.iter().any(|known| known.loads(path)),
    }
}

fn expected(
    id: NodeId,
    writer: &Node,
    server: &Server,
    kind: &ServerKind,
    component: &str,
    context: &Context<'_>,
) -> bool {
    if writer.lineage == 0 {
        return context.tree.ancestors(id).any(|(_, node)| installs(node));
    }
    let own_directory = kind.components.iter().any(|known| known.kind.name() == component && known.own_writes);
    own_directory && writer.lineage == server.lineage && writer.image.as_deref().is_some_and(|image| kind.owns(image))
}

/// Whether a process is a package manager or deployer.
fn installs(node: &Node) -> bool {
    let Some(image) = node.image.as_deref() else {
        return false;
    };
    let script = image.script.as_ref().or_else(|| image.argv.get(1));
    let known = |path: &[u8], names: &[&str]| names.iter().any(|name| name.as_bytes() == base_name(path));
    known(&image.executable, PACKAGE_MANAGERS)
        || known(&image.executable, DEPLOYERS)
        || script.is_some_and(|script| known(script, DEPLOYERS) || known(script, PACKAGE_MANAGERS))
}

#[allow(clippy::too_many_arguments, reason = "the facts of one sentence each")]
fn finding(
    event: &Event,
    file: &File,
    id: NodeId,
    writer: &Node,
    server: &Server,
    kind: &ServerKind,
    component: &str,
    context: &Context<'_>,
) -> Finding {
    let by_server = context.server(writer.lineage);
    let severity = if by_server.is_some() { Severity::High } else { Severity::Medium };
    let mut why = vec![format!(
        "{} {} by {} (pid {}); {} loads components ({component}) from there.",
        file.path,
        deed(file),
        writer.executable().to_str_lossy(),
        writer.key.tgid,
        kind.name,
    )];
    why.push(match by_server {
        Some((_, by)) => format!(
            "The writer is in the lineage of a running server, {}: servers do not install their own components.",
            by.name
        ),
        None => {
            "The writer is no package manager and no deployer that is known, and none of its ancestors is.".to_owned()
        }
    });
    Finding {
        detector: Detector::ComponentWrite,
        severity,
        process: id,
        story: writer.key,
        server: by_server.map_or(server.lineage, |(by, _)| by.lineage),
        file: Some(file.clone()),
        why,
        hook: event.hook,
        time_boottime_ns: event.time_boottime_ns,
    }
}

fn deed(file: &File) -> String {
    let from = |other: &Option<BString>| other.as_ref().map_or_else(String::new, |other| format!(" from {other}"));
    match file.operation {
        Kind::Rename => format!("was renamed into place{}", from(&file.other)),
        Kind::Link => format!("was linked into place{}", from(&file.other)),
        Kind::Symlink => {
            let to = file.other.as_ref().map_or_else(String::new, |other| format!(" to {other}"));
            format!("was made as a symbolic link{to}")
        }
        Kind::Truncate => "was truncated".to_owned(),
        Kind::Chmod => format!("was made executable (mode {:o})", file.argument),
        _ if file.flags & file_flags::CREATED != 0 => "was created".to_owned(),
        _ => "was opened for writing".to_owned(),
    }
}
