//! What a detector found, as plain data.

use super::{Detector, Severity, Technique};
use crate::event::{Event, File, Net};
use crate::ledger::{Entry, FileId};
use crate::provenance::Provenance;
use crate::tree::{Node, NodeId};
use sensor_common::key::ProcessKey;
use sensor_common::record::Hook;

/// What a detector found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which detector.
    pub detector: Detector,
    /// How bad it is by itself; the incident that it becomes part of may be worse.
    pub severity: Severity,
    /// Who did it.
    pub process: NodeId,
    /// The topmost process of the story: the first below the server that is not normal, else who did it.
    pub story: ProcessKey,
    /// The server concerned: whose lineage it is, or whose components were written. 0 for none that runs.
    pub server: u32,
    /// Whether the deed was done in that server's lineage, so that what else that server does is the same story.
    pub in_lineage: bool,
    /// Techniques that only this finding knows; else the detector's.
    pub techniques: Vec<Technique>,
    /// The file, for detectors of files.
    pub file: Option<File>,
    /// Who wrote that file, for detectors of loading.
    pub entry: Option<Entry>,
    /// Where that file comes from, if that was asked.
    pub provenance: Option<Provenance>,
    /// The connection, for detectors of connections.
    pub net: Option<Net>,
    /// Why, in sentences.
    pub why: Vec<String>,
    /// Who saw what decided.
    pub hook: Hook,
    /// When that was.
    pub time_boottime_ns: u64,
}

impl Finding {
    /// A finding about what a node did, in a server's lineage or not.
    pub fn new(detector: Detector, severity: Severity, event: &Event, id: NodeId, node: &Node) -> Self {
        Self {
            detector,
            severity,
            process: id,
            story: node.key,
            server: node.lineage,
            in_lineage: node.lineage != 0,
            techniques: Vec::new(),
            file: None,
            entry: None,
            provenance: None,
            net: None,
            why: Vec::new(),
            hook: event.hook,
            time_boottime_ns: event.time_boottime_ns,
        }
    }

    /// With a sentence more.
    #[must_use]
    pub fn because(mut self, why: impl Into<String>) -> Self {
        self.why.push(why.into());
        self
    }

    /// The file by which it is connected with others.
    pub fn file_id(&self) -> Option<FileId> {
        let of_file = self.file.as_ref().map(|file| (file.device, file.inode));
        of_file.or_else(|| self.entry.as_ref().map(Entry::file)).filter(|(_, inode)| *inode != 0)
    }
}
