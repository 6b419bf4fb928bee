//! Keeping what was learned: the ledger's entries, and changes of baselines.

use super::{Core, Outcome, Request, context};
use crate::catalogue::command_line;
use crate::detect::Placement;
use crate::event::{Body, Event, Exec, File, Memory, Remembered};
use crate::ledger::{Class, Entry, Writer};
use crate::tree::{Applied, Node, NodeId};
use bstr::ByteSlice;
use sensor_common::file::file_flags;
use sensor_common::record::Hook;
use std::sync::Arc;

/// Most programs that are kept of a writer's lineage, and characters of a command line.
const MAX_LINEAGE: usize = 8;
const MAX_COMMAND: usize = 200;

impl Core {
    /// Notes in the ledger what a write was judged to be.
    pub(super) fn note(&mut self, event: &Event, applied: Applied, placement: &Placement, outcome: &mut Outcome) {
        let (Body::File(file), Some(id)) = (&event.body, applied.node) else {
            return;
        };
        let Some(class) = placement.class else {
            if let Some(key) = self.ledger.forget((file.device, file.inode)) {
                outcome.requests.push(Request::Forget { kind: Memory::Ledger, key });
            }
            return;
        };
        if placement.stages() {
            let lineage = self.lineage_of(Some(id));
            self.ledger.stage(&placement.path, lineage, event.time_boottime_ns);
        }
        let known = self.ledger.find((file.device, file.inode), file.generation);
        if file.inode == 0 || known.is_some_and(|known| !supersedes(known, class, file)) {
            return;
        }
        let Some(entry) = self.entry(event, id, file, class, placement, known) else {
            return;
        };
        // The kernel notes by itself what its own hooks see; what fanotify told it does not know.
        if event.hook == Hook::Fanotify {
            let (device, inode, generation) = (entry.device, entry.inode, entry.generation);
            outcome.requests.push(Request::NoteFile { device, inode, generation });
        }
        if let Some(remembered) = self.ledger.note(entry) {
            outcome.requests.push(Request::Remember(remembered));
        }
    }

    fn entry(
        &self,
        event: &Event,
        id: NodeId,
        file: &File,
        class: Class,
        placement: &Placement,
        known: Option<&Entry>,
    ) -> Option<Entry> {
        let node = self.tree.node(id)?;
        let host = &self.settings.host;
        let same = known.filter(|known| known.path == placement.path);
        let generation = same.map_or(0, |known| known.generation);
        let known = known.filter(|_| file.flags & file_flags::CREATED == 0);
        Some(Entry {
            path: placement.path.clone(),
            device: file.device,
            inode: file.inode,
            // fanotify does not tell it; what the kernel's hooks told of the same file holds.
            generation: if file.generation == 0 { generation } else { file.generation },
            class,
            component: placement.target.as_ref().map(|target| target.component.name().to_owned()),
            writer: self.writer(id, node),
            lineage: node.lineage,
            written_unix_ns: host.boot_time_unix_ns + event.time_boottime_ns,
            incident: known.and_then(|known| known.incident.clone()),
            boot_unix_s: host.boot_time_unix_ns / 1_000_000_000,
        })
    }

    fn writer(&self, id: NodeId, node: &Node) -> Writer {
        let server = self.servers.by_lineage(node.lineage);
        let command = |node: &Node| node.image.as_deref().map(shown).unwrap_or_default();
        let above = self.tree.ancestors(id).take_while(|(_, above)| above.lineage == node.lineage).take(MAX_LINEAGE);
        let mut lineage: Vec<Arc<str>> = above.map(|(_, above)| command(above)).collect();
        lineage.reverse();
        Writer {
            executable: node.executable().to_owned(),
            command: command(node),
            pid: node.key.tgid,
            user: node.effective_user().unwrap_or(0),
            server: server.map(|server| server.id.clone()),
            lineage,
        }
    }

    /// Changes of baselines, to be kept.
    pub(super) fn keep_changes(&mut self, outcome: &mut Outcome) {
        for change in std::mem::take(&mut self.detectors.changes) {
            outcome.requests.push(kept(change));
        }
    }

    /// Servers that run make their baselines older.
    pub(super) fn learn_time(&mut self, event: &Event) {
        if matches!(event.body, Body::Tick) {
            let Self { tree, servers, containers, settings, ledger, detectors, .. } = self;
            let context = context(tree, servers, containers, settings, ledger, Applied::default());
            detectors.learn_time(event.time_boottime_ns, &context);
        }
    }
}

/// A command line as it is kept: worked out once for a program.
fn shown(image: &Exec) -> Arc<str> {
    let cut = || command_line(image).to_str_lossy().chars().take(MAX_COMMAND).collect::<String>().into();
    Arc::clone(image.shown.0.get_or_init(cut))
}

/// A change of a baseline as a request.
pub fn kept(change: crate::baseline::Change) -> Request {
    match change.value {
        Some(value) => Request::Remember(Remembered { kind: Memory::Baseline, key: change.key, value }),
        None => Request::Forget { kind: Memory::Baseline, key: change.key },
    }
}

/// Whether a new write says more of a file than what is known: the same server appending to its own file does not make a
/// dropped file its data.
fn supersedes(known: &Entry, class: Class, file: &File) -> bool {
    file.flags & file_flags::CREATED != 0 || class >= known.class || known.path != file.path
}
