//! Hand-offs: a server's lineage wrote what cron, at or systemd then run. What runs is put back into that server's
//! lineage, so that the story goes on.
//!
//! Comes in: persistence findings, and what the files hold ([`crate::provenance`]), looked at once more while they may
//! still be written. Goes out: processes that are adopted. A process is one that was handed off if its runner started it,
//! and its command, or its executable if that is no shell, stands in such a file. Bounds: [`MAX_HANDOFFS`], the oldest go.

use super::{Core, Outcome, Request};
use crate::catalogue::{Suspicion, command_line, suspicion};
use crate::detect::Finding;
use crate::event::{Body, Event, Exec, File, Inspected};
use crate::tree::{Applied, NodeId};
use bstr::ByteSlice;
use std::collections::VecDeque;

/// Most files whose content is kept in mind.
const MAX_HANDOFFS: usize = 256;
/// Commands shorter than this could stand anywhere.
const MIN_COMMAND: usize = 4;
/// How long after it was written a file is looked at again, and how often: twice as long each time.
const AGAIN_NS: u64 = 500_000_000;
const LOOKS: u32 = 6;

/// What was written for others to run.
#[derive(Default)]
pub struct Handoffs {
    files: VecDeque<Handoff>,
}

struct Handoff {
    file: File,
    lineage: u32,
    text: String,
    looks: u32,
    due_ns: u64,
    question: u64,
}

impl Handoffs {
    fn of(&self, image: &Exec) -> Option<u32> {
        let command = image.argv.last().map_or(&b""[..], |last| last.as_slice());
        let shell = suspicion(image.executable.as_ref()) == Some(Suspicion::Shell);
        let stands = |text: &str| {
            let has = |what: &[u8]| what.len() >= MIN_COMMAND && text.as_bytes().find(what).is_some();
            !shell && has(&image.executable) || has(command.trim_ascii()) || has(&command_line(image))
        };
        self.files.iter().rev().find(|handoff| stands(&handoff.text)).map(|handoff| handoff.lineage)
    }
}

impl Core {
    pub(super) fn adopt_handed_off(&mut self, event: &Event, applied: Applied, outcome: &mut Outcome) {
        let (Body::Exec(image), Some(id)) = (&event.body, applied.node) else {
            return;
        };
        if self.handoffs.files.is_empty() || !self.is_run_for_others(id) {
            return;
        }
        let Some(lineage) = self.handoffs.of(image) else {
            return;
        };
        self.tree.leave_lineage(id);
        for changed in self.tree.set_lineage(id, lineage) {
            if let Some(node) = self.tree.node(changed).filter(|node| node.is_live()) {
                outcome.requests.push(Request::SetLineage { process: node.key, parent: node.parent_key, lineage });
            }
        }
    }

    /// Whether cron, at or systemd started a process.
    fn is_run_for_others(&self, id: NodeId) -> bool {
        let above = self.tree.ancestors(id).nth(1);
        let runner = |image: &Exec| self.settings.catalogue.runner(image).is_some();
        above.is_some_and(|(_, node)| node.image.as_deref().is_some_and(runner))
    }

    /// Keeps in mind what a server's lineage wrote for others to run.
    pub(super) fn hand_off(&mut self, finding: &Finding) {
        let Some(file) = finding.file.clone().filter(|_| finding.server != 0) else {
            return;
        };
        let text = finding.provenance.as_ref().and_then(|known| known.begins.clone()).unwrap_or_default();
        self.handoffs.files.retain(|known| known.file.path != file.path);
        if self.handoffs.files.len() >= MAX_HANDOFFS {
            self.handoffs.files.pop_front();
        }
        self.handoffs.files.push_back(Handoff {
            file,
            lineage: finding.server,
            text,
            looks: 0,
            due_ns: finding.time_boottime_ns + AGAIN_NS,
            question: 0,
        });
    }

    /// Looks again at what may have been written since, and takes in what was found.
    pub(super) fn look_at_handoffs(&mut self, event: &Event, outcome: &mut Outcome) {
        match &event.body {
            Body::Inspected(inspected) => self.handoffs.answered(inspected),
            Body::Tick => {
                let now = event.time_boottime_ns;
                let mut asked = Vec::new();
                for handoff in self.handoffs.files.iter_mut().filter(|file| file.looks < LOOKS && file.due_ns <= now) {
                    handoff.question = self.held.number();
                    handoff.due_ns = now + (AGAIN_NS << handoff.looks);
                    handoff.looks += 1;
                    // By name: cron's own tools write another file and rename it.
                    let file = File { inode: 0, device: 0, ..handoff.file.clone() };
                    asked.push((handoff.question, handoff.lineage, file));
                }
                for (question, lineage, file) in asked {
                    // Who wrote it may have ended; the server sees the same files.
                    let root = self.servers.by_lineage(lineage).map(|server| server.root);
                    if let Some(id) = root.and_then(|root| self.tree.find(root)) {
                        self.ask(question, id, &file, outcome);
                    }
                }
            }
            _ => {}
        }
    }
}

impl Handoffs {
    fn answered(&mut self, inspected: &Inspected) {
        let asked = |handoff: &&mut Handoff| handoff.question != 0 && handoff.question == inspected.question;
        if let Some(handoff) = self.files.iter_mut().find(asked)
            && let Some(text) = &inspected.provenance.begins
        {
            handoff.text.clone_from(text);
        }
    }
}
