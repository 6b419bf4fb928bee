//! credential-access: a server's lineage opens a file with credentials.
//!
//! Sees: opens for reading, by inode, of the catalogue's secrets as they were when they were last looked up (at a
//! server's start and every minute). Cannot see: a secret that was made since, reading through a descriptor that was
//! handed over, and secrets in environment variables. Normal: what the catalogue says that the server reads itself; its
//! own program reading any other is told at medium.

use super::bounded::Once;
use super::story::process;
use super::{Context, Detector, Finding, Severity, Technique};
use crate::catalogue::ExecPolicy;
use crate::event::{Body, Event};
use crate::ledger::FileId;
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;

/// Most readings that are remembered, so that each story and file is told once.
const MAX_TOLD: usize = 4096;

/// The detector's memory.
#[derive(Default)]
pub struct CredentialAccess {
    told: Once<(ProcessKey, FileId), MAX_TOLD>,
}

impl CredentialAccess {
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        let Body::File(file) = &event.body else {
            return None;
        };
        let id = context.applied.node.filter(|_| file.flags & file_flags::NOTED_SECRET != 0)?;
        let standing = context.standing?;
        let place = context.catalogue.secret(&file.path)?;
        let normal = standing.kind.reads_secret(&file.path) && (standing.own || standing.is_normal());
        if normal || standing.kind.exec_policy == ExecPolicy::Any || standing.is_normal() && standing.is_free() {
            return None;
        }
        let severity = if standing.own { Severity::Medium } else { Severity::High };
        let story = standing.story();
        if !self.told.first((story, (file.device, file.inode))) {
            return None;
        }
        let mut finding = Finding::new(Detector::CredentialAccess, severity, event, id, standing.node)
            .because(format!(
                "{}, in the lineage of {}, opened {}.",
                process(standing.node),
                standing.kind.name,
                file.path
            ))
            .because(format!("That is {}, which {} does not read in normal service.", place.what, standing.kind.name));
        finding.story = story;
        finding.techniques = place.technique.as_ref().map(|(id, _)| Technique::of_secret(id)).into_iter().collect();
        finding.file = Some(file.as_ref().clone());
        Some(finding)
    }
}
