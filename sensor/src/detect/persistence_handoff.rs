//! persistence-handoff: a server's lineage writes what others run later, or what lets somebody in.
//!
//! Sees: files opened for writing (and, where the directory is watched or trampolines are used, renamed or linked) among
//! the catalogue's persistence places: crontabs, at jobs, units, authorized keys, preloaded libraries, shell profiles,
//! PAM, sudoers. Cannot see: the same by a daemon that was asked over a socket (`systemctl`, `at` through its own daemon),
//! other than the programs that ask. Normal: servers whose trade it is to run programs, and jobs they run.

use super::author::Author;
use super::component_write::Told;
use super::story::process;
use super::{Context, Detector, Finding, Severity, Technique};
use crate::catalogue::ExecPolicy;
use crate::event::{Body, Event, File};

/// The detector's memory.
#[derive(Default)]
pub struct PersistenceHandoff {
    told: Told,
}

impl PersistenceHandoff {
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        let placement = context.placement?;
        let Body::File(used) = &event.body else {
            return None;
        };
        let id = context.applied.node?;
        let node = context.tree.node(id)?;
        let (_, kind) = context.server(node.lineage)?;
        let place = context.catalogue.persistence(&placement.path)?;
        // A server's own program is the author of what it does not load itself, too.
        let own = matches!(placement.author, Author::Own | Author::OtherServer);
        if placement.author == Author::Job || kind.exec_policy == ExecPolicy::Any && own {
            return None;
        }
        let severity = if kind.exec_policy == ExecPolicy::Any { Severity::High } else { Severity::Critical };
        let mut finding = Finding::new(Detector::PersistenceHandoff, severity, event, id, node)
            .because(format!("{} is {}: what it holds is used later, outside the server.", placement.path, place.what))
            .because(format!("The writer, {}, is in the lineage of {}.", process(node), kind.name));
        finding.techniques = vec![Technique::of_place(place.technique.as_ref().map(|(id, _)| id.as_str()))];
        finding.file = Some(File { path: placement.path.clone(), ..used.as_ref().clone() });
        self.told.first(&finding).then_some(finding)
    }
}
