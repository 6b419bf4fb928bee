//! The core: events in, alerts and requests out. No IO, no clock; what happens is decided by the events alone, so a
//! replay of the same events gives the same alerts.

mod classify;
mod handoff;
mod noting;
mod recent;
mod succession;
mod telling;

pub use noting::kept;
pub use recent::Recent;

use crate::alert::Alert;
use crate::catalogue::Catalogue;
use crate::container::Containers;
use crate::detect::{self, Context, Detector, Detectors};
use crate::event::{Body, Event, Memory, Remembered};
use crate::exception::Exception;
use crate::host::Host;
use crate::incident::Incidents;
use crate::ledger::Ledger;
use crate::tree::lineage::Servers;
use crate::tree::{Applied, NodeId, Tree};
use bstr::BString;
use sensor_common::key::ProcessKey;
use sensor_common::losses::Ring;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Most nodes of the tree, unless told otherwise.
pub const MAX_PROCESSES: usize = 65_536;

/// What the core is told at start.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What servers there are.
    pub catalogue: Arc<Catalogue>,
    /// What is declared normal.
    pub exceptions: Vec<Exception>,
    /// The machine.
    pub host: Host,
    /// Bound of the tree.
    pub max_processes: usize,
    /// For how many hours a server is watched before its baseline is taken for learned.
    pub learning_hours: u32,
}

/// What came of an event.
#[derive(Default)]
pub struct Outcome {
    /// To be handed out.
    pub alerts: Vec<Alert>,
    /// To be done.
    pub requests: Vec<Request>,
}

/// What the core asks of the edges.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// The kernel's process map is to know this lineage; 0 for none.
    SetLineage {
        /// Whose.
        process: ProcessKey,
        /// Who forked it.
        parent: ProcessKey,
        /// The server's number.
        lineage: u32,
    },
    /// A server appeared: its component directories are to be found and watched.
    WatchServer {
        /// A process of it.
        process: ProcessKey,
        /// Catalogue id.
        server: String,
    },
    /// Process records were lost: procfs is to be read again.
    Reconcile,
    /// Facts about a file are to be found out; the answer is an event.
    Inspect {
        /// The question's number.
        question: u64,
        /// As whom the path is meant.
        process: ProcessKey,
        /// Where.
        path: BString,
        /// Which file must stand there; 0 if that does not matter.
        inode: u64,
        /// Its device.
        device: u32,
    },
    /// The kernel is to report when a server's lineage reads this file.
    NoteFile {
        /// Its device.
        device: u32,
        /// Its inode.
        inode: u64,
        /// Its generation, 0 for any.
        generation: u32,
    },
    /// Something is to be kept on disk.
    Remember(Remembered),
    /// It is to be kept no longer.
    Forget {
        /// What it is part of.
        kind: Memory,
        /// Its name.
        key: String,
    },
}

/// The core.
pub struct Core {
    /// Who forked whom.
    pub tree: Tree,
    /// Servers that run.
    pub servers: Servers,
    /// Which processes are in which container.
    pub containers: Containers,
    /// Who wrote what.
    pub ledger: Ledger,
    /// Stories that go on.
    pub incidents: Incidents,
    /// What was told lately.
    pub recent: Recent,
    settings: Settings,
    detectors: Detectors,
    held: telling::Held,
    handoffs: handoff::Handoffs,
    sequence: u64,
    blind_since_ns: Option<u64>,
    blind_total_ns: u64,
    exception_hits: Vec<u64>,
    /// What exceptions covered that are in force no more, by detector.
    former_exception_hits: BTreeMap<&'static str, u64>,
}

impl Core {
    /// An empty core.
    pub fn new(settings: Settings) -> Self {
        let exceptions = settings.exceptions.len();
        Self {
            tree: Tree::new(settings.max_processes),
            servers: Servers::default(),
            containers: Containers::default(),
            ledger: Ledger::default(),
            incidents: Incidents::default(),
            recent: Recent::default(),
            detectors: Detectors::new(settings.learning_hours),
            held: telling::Held::default(),
            handoffs: handoff::Handoffs::default(),
            sequence: 0,
            blind_since_ns: None,
            blind_total_ns: 0,
            exception_hits: vec![0; exceptions],
            former_exception_hits: Detector::ALL.map(|detector| (detector.id(), 0)).into(),
            settings,
        }
    }

    /// What is known about servers.
    pub fn catalogue(&self) -> &Catalogue {
        &self.settings.catalogue
    }

    /// The machine.
    pub fn host(&self) -> &Host {
        &self.settings.host
    }

    /// The exceptions in force, how often each covered a finding, and whether it has expired at `now` (`CLOCK_BOOTTIME`).
    pub fn exceptions(&self, now: u64) -> impl Iterator<Item = (&Exception, u64, bool)> {
        let now = self.settings.host.boot_time_unix_ns + now;
        let over = move |exception: &Exception| exception.expires_unix_ns.is_some_and(|expires| now >= expires);
        let with_hits = self.settings.exceptions.iter().zip(&self.exception_hits);
        with_hits.map(move |(exception, hits)| (exception, *hits, over(exception)))
    }

    /// Findings that an exception covered since the start, by detector.
    pub fn exception_hits(&self) -> BTreeMap<&'static str, u64> {
        let mut hits = self.former_exception_hits.clone();
        for (exception, count) in self.settings.exceptions.iter().zip(&self.exception_hits) {
            *hits.entry(exception.detector.id()).or_default() += count;
        }
        hits
    }

    /// What servers normally start and connect to.
    pub fn baselines(&mut self) -> &mut crate::baseline::Baselines {
        &mut self.detectors.baselines
    }

    /// Nanoseconds for which losses were not healed, and whether they are not now.
    pub fn blind(&self, now: u64) -> (u64, bool) {
        let open = self.blind_since_ns.map_or(0, |since| now.saturating_sub(since));
        (self.blind_total_ns + open, self.blind_since_ns.is_some())
    }

    /// Puts another catalogue and other exceptions in force. Servers that run stay what they were taken for.
    pub fn reconfigure(&mut self, catalogue: Arc<Catalogue>, exceptions: Vec<Exception>) {
        self.former_exception_hits = self.exception_hits();
        self.exception_hits = vec![0; exceptions.len()];
        self.settings.catalogue = catalogue;
        self.settings.exceptions = exceptions;
    }

    /// How many servers run, by role; a server with several roles counts for each.
    pub fn servers_by_role(&self) -> BTreeMap<&'static str, usize> {
        let mut counts: BTreeMap<&'static str, usize> = BTreeMap::new();
        for server in self.servers.iter() {
            let roles = self.settings.catalogue.server(&server.id).map(|kind| kind.roles.as_slice());
            for role in roles.unwrap_or_default() {
                *counts.entry(role.name()).or_default() += usize::from(server.ended_boottime_ns.is_none());
            }
        }
        counts
    }

    /// Until when something waits for time to pass, if anything does: then a tick is useful. `CLOCK_BOOTTIME`.
    pub fn deadline(&self) -> Option<u64> {
        self.detectors.deadline().into_iter().chain(self.held.deadline()).min()
    }

    /// Whether the server of that lineage has processes whose titles say what they are for.
    pub fn has_titles(&self, lineage: u32) -> bool {
        let server = self.servers.by_lineage(lineage);
        let kind = server.and_then(|server| self.settings.catalogue.server(&server.id));
        kind.is_some_and(|kind| kind.titles)
    }

    /// Takes an event in.
    pub fn apply(&mut self, event: &Event) -> Outcome {
        let mut outcome = Outcome::default();
        if let Body::Remembered(remembered) = &event.body {
            self.restore(remembered, &mut outcome);
            return outcome;
        }
        self.follow_losses(event, &mut outcome);
        let applied = self.tree.apply(event);
        self.adopt_handed_off(event, applied, &mut outcome);
        self.classify(event, applied, &mut outcome);
        match &event.body {
            Body::Watch(watch) => self.servers.watched(self.lineage_of(applied.node), watch),
            Body::Unit(unit) => self.servers.runs_in(self.lineage_of(applied.node), unit),
            Body::Container(contained) => {
                let running = || self.tree.live_nodes().filter_map(|(_, node)| node.image.as_deref());
                self.containers.learn(contained, running);
            }
            _ => {}
        }
        self.follow_servers(event, applied, &mut outcome);
        self.learn_time(event);
        self.detect(event, applied, &mut outcome);
        outcome
    }

    fn restore(&mut self, remembered: &Remembered, outcome: &mut Outcome) {
        match remembered.kind {
            Memory::Ledger => {
                if let Some(entry) = self.ledger.restore(&remembered.value) {
                    let (device, inode, generation) = (entry.device, entry.inode, entry.generation);
                    outcome.requests.push(Request::NoteFile { device, inode, generation });
                }
            }
            // What cannot be read is left out; the store has said so.
            Memory::Baseline => drop(self.detectors.baselines.restore(&remembered.value)),
        }
    }

    fn follow_losses(&mut self, event: &Event, outcome: &mut Outcome) {
        match &event.body {
            Body::Loss(loss) if loss.ring == Ring::Process => {
                self.blind_since_ns.get_or_insert(event.time_boottime_ns);
                outcome.requests.push(Request::Reconcile);
            }
            Body::Healed => {
                if let Some(since) = self.blind_since_ns.take() {
                    self.blind_total_ns += event.time_boottime_ns.saturating_sub(since);
                }
            }
            _ => {}
        }
    }

    fn lineage_of(&self, id: Option<NodeId>) -> u32 {
        id.and_then(|id| self.tree.node(id)).map_or(0, |node| node.lineage)
    }

    fn context(&self, applied: Applied) -> Context<'_> {
        context(&self.tree, &self.servers, &self.containers, &self.settings, &self.ledger, applied)
    }

    fn detect(&mut self, event: &Event, applied: Applied, outcome: &mut Outcome) {
        let Self { tree, servers, containers, settings, ledger, detectors, .. } = self;
        let context = context(tree, servers, containers, settings, ledger, applied).with_standing(event);
        let placement = detect::judge_write(event, &context);
        let findings = detectors.observe(event, &Context { placement: placement.as_ref(), ..context });
        if let Some(placement) = &placement {
            self.note(event, applied, placement, outcome);
        }
        for question in self.detectors.questions() {
            self.ask(question.number, question.process, &question.file, outcome);
        }
        self.keep_changes(outcome);
        self.tell(event, findings, outcome);
    }
}

/// What detectors look at; of the core's parts, so that another part can be changed meanwhile.
fn context<'a>(
    tree: &'a Tree,
    servers: &'a Servers,
    containers: &'a Containers,
    settings: &'a Settings,
    ledger: &'a Ledger,
    applied: Applied,
) -> Context<'a> {
    Context {
        tree,
        servers,
        containers,
        catalogue: &settings.catalogue,
        ledger,
        placement: None,
        applied,
        standing: None,
        boot_unix_ns: settings.host.boot_time_unix_ns,
    }
}

#[cfg(test)]
mod tests;
