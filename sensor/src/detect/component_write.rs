//! component-write: somebody writes a file where a server loads components from.
//!
//! Sees: files created, opened for writing, truncated, renamed or linked into place, or made executable below a watched
//! directory, whatever name or mount was used; and what databases and the like write into document roots, watched or
//! not. Cannot see: writes through descriptors from before the watch, and what a file holds. Normal: package managers
//! and deployers that are in no server's lineage (one that a web shell started is not); compiled templates and caches;
//! files of kinds that are not loaded. Told at info: a person's edits in a session, and what a server deploys through its
//! own manager or updater, because a web shell may do so too: the incident then says what followed.
//! One finding for a file and a writer.

use super::author::Author;
use super::bounded::Once;
use super::placement::{Placement, Target};
use super::story::process;
use super::{Context, Detector, Finding};
use crate::event::{Body, Event, File};
use bstr::{BString, ByteSlice};
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::record::Kind;

/// Most writer-and-file pairs that are remembered.
const MAX_TOLD: usize = 16_384;

/// The detector's memory.
#[derive(Default)]
pub struct ComponentWrite {
    told: Told,
}

impl ComponentWrite {
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        let placement = context.placement?;
        let target = placement.target.as_ref().filter(|target| !target.configures)?;
        let finding = finding(Detector::ComponentWrite, event, placement, target, context)?;
        self.told.first(&finding).then_some(finding)
    }
}

/// Which writer's files were told.
#[derive(Default)]
pub struct Told {
    told: Once<(ProcessKey, BString), MAX_TOLD>,
}

impl Told {
    /// Whether it is the first finding of that writer about that file.
    pub fn first(&mut self, finding: &Finding) -> bool {
        let path = finding.file.as_ref().map(|file| file.path.clone()).unwrap_or_default();
        self.told.first((finding.story, path))
    }
}

/// The finding of a write that was judged to be worth one.
pub fn finding(
    detector: Detector,
    event: &Event,
    placement: &Placement,
    target: &Target,
    context: &Context<'_>,
) -> Option<Finding> {
    let Body::File(used) = &event.body else {
        return None;
    };
    let id = context.applied.node?;
    let node = context.tree.node(id)?;
    let mut finding = Finding::new(detector, placement.severity?, event, id, node);
    if node.lineage == 0 {
        finding.server = target.server;
    } else if let Some(standing) = context.standing.filter(|standing| !standing.own) {
        finding.story = standing.story();
    }
    let loader = context.server(target.server).map_or("a web server", |(_, kind)| kind.name.as_str());
    let application = target.application.as_ref().map_or_else(String::new, |name| format!(" of {name}"));
    let file = File { path: placement.path.clone(), ..used.as_ref().clone() };
    let place = target.component.name();
    finding = finding.because(if target.configures {
        format!("{} {}; it says what {loader} loads.", file.path, deed(&file))
    } else {
        format!("{} {}; {loader} loads components ({place}{application}) from there.", file.path, deed(&file))
    });
    finding = finding.because(format!("The writer, {}, {}.", process(node), placement.reason));
    if let Some((_, kind)) = context.server(node.lineage).filter(|_| placement.author != Author::Own) {
        finding = finding.because(format!("It is in the lineage of {}.", kind.name));
    }
    if file.path != used.path {
        finding = finding.because(format!("The writer reached it as {}.", used.path.to_str_lossy()));
    }
    finding.file = Some(file);
    Some(finding)
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
