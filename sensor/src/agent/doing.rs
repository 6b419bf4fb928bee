//! What the core asks of the agent: doing it.
//!
//! Comes in: the outcome of an event. Goes out: alerts to the outputs, lineages, notes and watches to the kernel, questions
//! about files to the inspector, rows to the store.

use super::Agent;
use super::state;
use super::watching::Loading;
use crate::context::{Asked, Question};
use crate::encode::encode;
use crate::event::{Body, Event, Loss, Remembered};
use crate::machine::boottime_ns;
use crate::pipeline::{Outcome, Request};
use crate::procfs::Procfs;
use sensor_common::file::{FileKey, FileNote, notes};
use sensor_common::key::ProcessKey;
use sensor_common::losses::{LossReason, Ring};
use std::path::Path;
use std::time::Instant;

impl Agent {
    pub(super) fn after(&mut self, event: &Event, outcome: Outcome) {
        for alert in outcome.alerts {
            self.metrics.alert(&alert, boottime_ns().saturating_sub(alert.time_boottime_ns));
            self.outputs.alert(&alert);
        }
        let mut reconcile = false;
        for request in outcome.requests {
            match request {
                Request::SetLineage { process, parent, lineage } => {
                    let titled = self.core.has_titles(lineage);
                    if let Err(error) = self.sensor.set_lineage(process, parent, lineage, titled) {
                        self.not_in_map(process, &error);
                    }
                }
                Request::WatchServer { process, server } => self.watch(process, &server),
                Request::Reconcile => reconcile = true,
                Request::Inspect { question, process, path, inode, device } => {
                    let asked = Question { tag: question, pid: process.tgid, path, inode, device, directory: false };
                    // No room: the finding is told without, after its wait.
                    let _ = self.inspector.ask(Asked::File(asked));
                }
                Request::NoteFile { device, inode, generation } => {
                    let key = FileKey { inode, device, reserved: 0 };
                    let note = FileNote { generation, what: notes::WRITTEN, ..FileNote::default() };
                    if let Err(error) = self.sensor.note_file(key, note) {
                        tracing::warn!(error = format!("{error:#}"), "a written file is not followed");
                    }
                }
                Request::Remember(Remembered { kind, key, value }) => state::keep(&self.store, kind, key, Some(value)),
                Request::Forget { kind, key } => state::keep(&self.store, kind, key, None),
            }
        }
        // A first process that makes new workers may have read its configuration anew.
        let forking = self.core.servers.by_lineage(event.lineage).filter(|server| server.root.same_as(event.process));
        if let (Body::Fork(_), Some(server)) = (&event.body, forking) {
            self.look_again(server.lineage);
        }
        let in_lineage = |id| self.core.tree.node(id).is_some_and(|node| node.lineage != 0);
        if matches!(event.body, Body::Exit(_)) && self.core.tree.find(event.process).is_some_and(in_lineage) {
            self.sensor.forget(event.process);
        }
        if reconcile {
            self.metrics.reconciled("loss");
            self.read_procfs();
        }
    }

    pub(super) fn not_in_map(&self, process: ProcessKey, error: &anyhow::Error) {
        tracing::warn!(pid = process.tgid, error = format!("{error:#}"), "not in the kernel's process map");
        let reason = LossReason::ProcessMapFull;
        self.metrics.lost(&Loss { ring: Ring::Process, reason, kind: None, count: 1 });
    }

    pub(super) fn watch(&mut self, process: ProcessKey, server: &str) {
        let Some(kind) = self.core.catalogue().server(server) else {
            return;
        };
        let node = self.core.tree.find(process).and_then(|id| self.core.tree.node(id));
        if let Some(image) = node.and_then(|node| node.image.as_deref()).filter(|image| image.inode != 0) {
            // Its next start wakes us. Where it cannot be noted, that start is seen a little later.
            let key = FileKey { inode: image.inode, device: image.device, reserved: 0 };
            let _ = self.sensor.note_file(key, FileNote { what: notes::PROGRAM, ..FileNote::default() });
        }
        let servers = &self.core.servers;
        let loading = Loading {
            proc_root: Path::new("/proc"),
            process,
            lineage: node.map_or(0, |node| node.lineage),
            kind,
            image: node.and_then(|node| node.image.as_deref()),
            runs: &|lineage| servers.by_lineage(lineage).is_some_and(|server| server.ended_boottime_ns.is_none()),
        };
        for watch in self.watching.begin(&mut self.sensor, &loading) {
            self.push(Body::Watch(Box::new(watch)), process);
        }
        // A container's image comes with its container.
        let unit = crate::procfs::unit(Path::new("/proc"), process.tgid).filter(|unit| unit.ends_with(".service"));
        if let Some(unit) = unit {
            self.push(Body::Unit(unit.into()), process);
        }
        // What it loaded before the kernel was told of it.
        self.waiting.extend(Procfs::default().mapped(process).iter().map(encode));
        self.secrets.soon();
    }

    /// Looks for a server's directories again, if that is due.
    pub(super) fn look_again(&mut self, lineage: u32) {
        let Some(server) = self.core.servers.by_lineage(lineage).filter(|server| server.ended_boottime_ns.is_none())
        else {
            return;
        };
        let (process, id) = (server.root, server.id.clone());
        if self.watching.due(lineage, Instant::now()) {
            self.watch(process, &id);
        }
    }

    pub(super) fn look_up_secrets(&mut self) {
        let servers = self.core.servers.iter().filter(|server| server.ended_boottime_ns.is_none());
        let pids: Vec<u32> = servers.map(|server| server.root.tgid).collect();
        self.secrets.look_up(&mut self.sensor, self.core.catalogue(), pids.into_iter());
    }
}
