//! The agent: one thread that owns the core and goes round: wait for the kernel, apply what happened, do what the core
//! asks for, hand out alerts.
//!
//! Always holds: whatever the core learns is a record first, in the order of application, so a capture is the whole run.
//! The agent waits for nothing but the kernel's rings.

mod watching;

use crate::capture::Writer;
use crate::config::Config;
use crate::control::{Control, Facts, answer};
use crate::decode::{decode, stated_kind};
use crate::encode::encode;
use crate::event::{Body, Event, Loss};
use crate::kernel::Sensor;
use crate::machine::boottime_ns;
use crate::metrics::Metrics;
use crate::output::Outputs;
use crate::pipeline::{Core, Outcome, Request};
use crate::procfs::Procfs;
use crate::shutdown::Signals;
use anyhow::{Context, Result};
use sensor_common::key::ProcessKey;
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::{Hook, Kind};
use std::collections::{HashSet, VecDeque};
use std::fs::File;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watching::{Loading, Watching};

/// How long the loop waits when something waits for time to pass.
const SOON: Duration = Duration::from_millis(20);
/// How long it waits else: records that are not urgent wait so long at most.
const LATER: Duration = Duration::from_millis(250);
/// How often gauges are brought up to date.
const GAUGES: Duration = Duration::from_secs(1);

/// A capture that is being written.
pub type Capture = Writer<BufWriter<File>>;

/// Everything that the loop needs.
pub struct Agent {
    sensor: Sensor,
    core: Core,
    outputs: Outputs,
    metrics: Arc<Metrics>,
    metrics_address: Option<SocketAddr>,
    control: Control,
    capture: Option<Capture>,
    watching: Watching,
    /// Records that wait to be applied.
    waiting: VecDeque<Vec<u8>>,
    started_ns: u64,
    gauged: Option<Instant>,
}

/// What the agent is made of.
pub struct Parts {
    /// The kernel's side.
    pub sensor: Sensor,
    /// The core.
    pub core: Core,
    /// Where alerts go.
    pub outputs: Outputs,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Where they can be read.
    pub metrics_address: Option<SocketAddr>,
    /// Where questions come from.
    pub control: Control,
    /// Where records go, if they are kept.
    pub capture: Option<Capture>,
}

impl Agent {
    /// An agent whose hooks are attached already; it reads procfs now, so that nothing between is missed.
    pub fn new(parts: Parts) -> Result<Self> {
        let Parts { sensor, core, outputs, metrics, metrics_address, control, capture } = parts;
        metrics.hooks(sensor.report());
        let mut agent = Self {
            sensor,
            core,
            outputs,
            metrics,
            metrics_address,
            control,
            capture,
            watching: Watching::default(),
            waiting: VecDeque::new(),
            started_ns: boottime_ns(),
            gauged: None,
        };
        agent.read_procfs();
        agent.apply_waiting()?;
        agent.metrics.set_alive(boottime_ns());
        agent.metrics.set_ready(true);
        Ok(agent)
    }

    /// The core, for what is printed at start.
    pub const fn core(&self) -> &Core {
        &self.core
    }

    /// Goes round until `signals` say stop, or `length` is over.
    pub fn run(
        &mut self,
        signals: &Signals,
        length: Option<Duration>,
        reload: &dyn Fn() -> Option<Config>,
    ) -> Result<()> {
        let begin = Instant::now();
        while !signals.stop() && length.is_none_or(|length| begin.elapsed() < length) {
            self.turn(if self.core.waiting() { SOON } else { LATER })?;
            if signals.take_reload() {
                self.reload(reload);
            }
        }
        self.end()
    }

    /// Once round.
    fn turn(&mut self, timeout: Duration) -> Result<()> {
        let waiting = &mut self.waiting;
        self.sensor.poll(timeout, &mut |record| waiting.push_back(record.to_vec()))?;
        self.apply_waiting()?;
        for loss in self.sensor.losses() {
            self.lost(loss);
        }
        self.push(Body::Tick, ProcessKey::NONE);
        self.apply_waiting()?;
        while let Some(question) = self.control.next() {
            let answered = answer(question.command, &self.facts());
            question.reply(answered);
        }
        self.metrics.set_alive(boottime_ns());
        if self.gauged.is_none_or(|gauged| gauged.elapsed() >= GAUGES) {
            self.gauged = Some(Instant::now());
            self.bring_gauges_up_to_date();
        }
        Ok(())
    }

    /// Takes in what is left, decides what still waits, and closes the capture.
    fn end(&mut self) -> Result<()> {
        self.turn(Duration::ZERO)?;
        let later = boottime_ns() + crate::detect::LONGEST_WAIT_NS;
        self.waiting.push_back(encode(&own_event(later, Body::Tick, ProcessKey::NONE)));
        self.apply_waiting()?;
        match &mut self.capture {
            Some(capture) => capture.flush().context("writing the capture"),
            None => Ok(()),
        }
    }

    /// Ends: hands out what is queued.
    pub fn finish(self) {
        self.metrics.set_ready(false);
        self.outputs.finish();
    }

    fn push(&mut self, body: Body, process: ProcessKey) {
        self.waiting.push_back(encode(&own_event(boottime_ns(), body, process)));
    }

    fn lost(&mut self, loss: Loss) {
        self.metrics.lost(&loss);
        tracing::warn!(ring = loss.ring.name(), reason = loss.reason.name(), count = loss.count, "records were lost");
        self.push(Body::Loss(loss), ProcessKey::NONE);
    }

    fn apply_waiting(&mut self) -> Result<()> {
        while let Some(record) = self.waiting.pop_front() {
            self.apply(&record)?;
        }
        Ok(())
    }

    fn apply(&mut self, record: &[u8]) -> Result<()> {
        let event = match decode(record) {
            Ok(event) => event,
            Err(error) => {
                tracing::warn!(%error, "a record cannot be decoded");
                let kind = stated_kind(record);
                let ring = kind.map_or(Ring::Activity, Kind::ring);
                self.metrics.lost(&Loss { ring, reason: LossReason::Malformed, kind, count: 1 });
                return Ok(());
            }
        };
        if let Some(capture) = &mut self.capture {
            capture.frame(record).context("writing the capture")?;
        }
        self.metrics.event(event.kind());
        let outcome = self.core.apply(&event);
        if self.outputs.wants_events() {
            self.outputs.event(&event, &self.core);
        }
        self.after(&event, outcome);
        Ok(())
    }

    fn after(&mut self, event: &Event, outcome: Outcome) {
        for alert in outcome.alerts {
            self.metrics.alert(&alert, boottime_ns().saturating_sub(alert.time_boottime_ns));
            self.outputs.alert(&alert);
        }
        let mut reconcile = false;
        for request in outcome.requests {
            match request {
                Request::SetLineage { process, parent, lineage } => {
                    if let Err(error) = self.sensor.set_lineage(process, parent, lineage) {
                        self.not_in_map(process, &error);
                    }
                }
                Request::WatchServer { process, server } => self.watch(process, &server),
                Request::Reconcile => reconcile = true,
            }
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

    /// Reads procfs. The kernel is told of each process before it is looked at: so the end of every process that is then
    /// found will be reported.
    fn read_procfs(&mut self) {
        let procfs = Procfs::default();
        let listed = procfs.processes();
        for process in &listed {
            if let Err(error) = self.sensor.know(*process) {
                self.not_in_map(*process, &error);
            }
        }
        let found = procfs.snapshot();
        let there: HashSet<ProcessKey> = found.iter().map(|event| event.process).collect();
        for gone in listed.into_iter().filter(|process| !there.contains(process)) {
            self.sensor.forget(gone);
        }
        self.waiting.extend(found.iter().map(encode));
        self.push(Body::Healed, ProcessKey::NONE);
    }

    fn not_in_map(&self, process: ProcessKey, error: &anyhow::Error) {
        tracing::warn!(pid = process.tgid, error = format!("{error:#}"), "not in the kernel's process map");
        let reason = LossReason::ProcessMapFull;
        self.metrics.lost(&Loss { ring: Ring::Process, reason, kind: None, count: 1 });
    }

    fn watch(&mut self, process: ProcessKey, server: &str) {
        let Some(kind) = self.core.catalogue().server(server) else {
            return;
        };
        let node = self.core.tree.find(process).and_then(|id| self.core.tree.node(id));
        let servers = &self.core.servers;
        let loading = Loading {
            process,
            lineage: node.map_or(0, |node| node.lineage),
            kind,
            image: node.and_then(|node| node.image.as_deref()),
            runs: &|lineage| servers.by_lineage(lineage).is_some_and(|server| server.ended_boottime_ns.is_none()),
        };
        for watch in self.watching.begin(&mut self.sensor, &loading) {
            self.push(Body::Watch(Box::new(watch)), process);
        }
    }

    fn reload(&mut self, load: &dyn Fn() -> Option<Config>) {
        let Some(config) = load() else {
            self.metrics.reloaded("failure");
            return;
        };
        match crate::commands::catalogue_of(&config) {
            Ok(catalogue) => {
                self.core.reconfigure(Arc::new(catalogue), config.exceptions);
                self.outputs.reopen();
                self.metrics.reloaded("success");
                tracing::info!("catalogue and exceptions were read again, output files opened anew");
            }
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the old configuration stays");
                }
                self.metrics.reloaded("failure");
            }
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            core: &self.core,
            report: self.sensor.report(),
            metrics: &self.metrics,
            not_watched: self.watching.not_watched(),
            watched: self.watching.len(),
            started_ns: self.started_ns,
            metrics_address: self.metrics_address,
            rings: self.sensor.ring_use().into_iter().map(|(ring, used, size)| (ring.name(), used, size)).collect(),
        }
    }

    fn bring_gauges_up_to_date(&self) {
        let metrics = &self.metrics;
        for (ring, used, capacity) in self.sensor.ring_use() {
            metrics.ring(ring, used, capacity);
        }
        metrics.tree(self.core.tree.len(), self.core.tree.evictions());
        metrics.watched(self.watching.len());
        metrics.blind(self.core.blind(boottime_ns()).0);
        metrics.programs(&self.sensor.statistics());
        for (detector, hits) in self.core.exception_hits() {
            metrics.excepted(detector, *hits);
        }
        for (role, count) in self.core.servers_by_role() {
            metrics.servers(role, count);
        }
    }
}

fn own_event(time_boottime_ns: u64, body: Body, process: ProcessKey) -> Event {
    Event { time_boottime_ns, process, thread: process.tgid, lineage: 0, hook: Hook::Agent, body }
}
