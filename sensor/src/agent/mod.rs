//! The agent: one thread that owns the core and goes round: wait for the kernel, apply what happened, do what the core
//! asks for, hand out alerts.
//!
//! Always holds: whatever the core learns is a record first, in the order of application, so a capture is the whole run.
//! The agent waits for nothing but the kernel's rings.

mod containers;
mod doing;
mod reload;
mod secrets;
mod state;
mod watching;

use crate::baseline::{self, control::BaselineCommand};
use crate::capture::Writer;
use crate::config::Config;
use crate::context::{Answer, Inspector};
use crate::control::{Command, Control, Facts, answer};
use crate::decode::{decode, stated_kind};
use crate::encode::encode;
use crate::event::{Body, Event, Inspected, Loss, Memory, Remembered};
use crate::kernel::{Sensor, memory};
use crate::machine::boottime_ns;
use crate::metrics::Metrics;
use crate::metrics::listener::Serving;
use crate::output::Outputs;
use crate::pipeline::Core;
use crate::privileges::Shed;
use crate::procfs::Procfs;
use crate::shutdown::Signals;
use crate::store::{Row, Store};
use crate::supervisor::Supervisor;
use anyhow::{Context, Result};
use containers::Whereabouts;
use secrets::Secrets;
use sensor_common::key::ProcessKey;
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::{Hook, Kind};
use serde_json::Value;
use std::collections::VecDeque;
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use watching::Watching;

/// How long the loop waits at most when something waits: the end of a shell does not wake it.
const SOON: Duration = Duration::from_millis(2);
/// How long it waits else: records that are not urgent wait so long at most.
const LATER: Duration = Duration::from_millis(250);
/// How often memory that holds nothing is given back to the kernel.
const GIVE_BACK: Duration = Duration::from_secs(10);
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
    serving: Option<Serving>,
    shed: Shed,
    control: Control,
    capture: Option<Capture>,
    watching: Watching,
    inspector: Inspector,
    store: Store,
    secrets: Secrets,
    /// In force.
    config: Config,
    whereabouts: Whereabouts,
    /// Records that wait to be applied.
    waiting: VecDeque<Vec<u8>>,
    started_ns: u64,
    gauged: Option<Instant>,
    gave_back: Instant,
    supervisor: Supervisor,
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
    /// Who tells them to others.
    pub serving: Option<Serving>,
    /// What may still be done.
    pub shed: Shed,
    /// Where questions come from.
    pub control: Control,
    /// Where records go, if they are kept.
    pub capture: Option<Capture>,
    /// Who finds out about files.
    pub inspector: Inspector,
    /// What survives a restart.
    pub store: Store,
    /// What survived.
    pub rows: Vec<Row>,
    /// The configuration that all this was made from.
    pub config: Config,
}

impl Agent {
    /// An agent whose hooks are attached already; it reads procfs now, so that nothing between is missed.
    pub fn new(parts: Parts) -> Result<Self> {
        let Parts { sensor, core, outputs, metrics, serving, shed, control, capture, inspector, store, rows, config } =
            parts;
        metrics.hooks(sensor.report());
        let mut agent = Self {
            sensor,
            core,
            outputs,
            metrics,
            serving,
            shed,
            control,
            capture,
            watching: Watching::default(),
            inspector,
            store,
            secrets: Secrets::default(),
            config,
            whereabouts: Whereabouts::new(Path::new("/proc")),
            waiting: VecDeque::new(),
            started_ns: boottime_ns(),
            gauged: None,
            gave_back: Instant::now(),
            supervisor: Supervisor::of_environment(),
        };
        Secrets::note_programs(&mut agent.sensor, agent.core.catalogue());
        agent.remember(rows);
        agent.read_procfs();
        agent.apply_waiting()?;
        agent.tell_expired();
        // What was only needed to start.
        memory::give_back();
        if let Err(error) = memory::unmap_start() {
            tracing::debug!(%error, "what was needed to start stays in memory");
        }
        agent.metrics.set_alive(boottime_ns());
        agent.metrics.set_ready(true);
        agent.supervisor.ready(&agent.status());
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
            self.turn(self.patience())?;
            if signals.take_reload() {
                self.reload(reload);
            }
        }
        self.end()
    }

    /// How long the kernel is waited for: what waits for time to pass is decided in time.
    fn patience(&self) -> Duration {
        self.core.deadline().map_or(LATER, |deadline| {
            let left = Duration::from_nanos(deadline.saturating_sub(boottime_ns()));
            left.min(SOON)
        })
    }

    /// Once round.
    fn turn(&mut self, timeout: Duration) -> Result<()> {
        let batch = self.sensor.poll(timeout, self.inspector.descriptor())?;
        batch.records().try_for_each(|record| self.apply(record))?;
        self.sensor.done_with(batch);
        self.apply_waiting()?;
        self.take_answers();
        self.apply_waiting()?;
        for loss in self.sensor.losses() {
            self.lost(loss);
        }
        self.push(Body::Tick, ProcessKey::NONE);
        self.apply_waiting()?;
        while let Some(question) = self.control.next() {
            if let Command::Baseline { ask } = &question.command {
                let answered = self.ask_baselines(ask.clone());
                question.reply(answered);
                continue;
            }
            let answered = answer(&question.command, &self.facts());
            question.reply(answered);
        }
        self.metrics.set_alive(boottime_ns());
        if self.gauged.is_none_or(|gauged| gauged.elapsed() >= GAUGES) {
            self.gauged = Some(Instant::now());
            self.supervisor.alive();
            if self.secrets.due() {
                self.look_up_secrets();
            }
            self.bring_gauges_up_to_date();
            self.tell_refused();
            for lineage in self.watching.overdue(Instant::now()) {
                self.look_again(lineage);
            }
        }
        if self.gave_back.elapsed() >= GIVE_BACK {
            self.gave_back = Instant::now();
            memory::give_back();
        }
        Ok(())
    }

    /// Takes in what is left, decides what still waits, and closes the capture.
    fn end(&mut self) -> Result<()> {
        self.supervisor.stopping();
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
    pub fn finish(mut self) {
        self.metrics.set_ready(false);
        for change in self.core.baselines().unsaved() {
            state::keep(&self.store, Memory::Baseline, change.key, change.value);
        }
        if let Err(error) = self.store.flush() {
            tracing::warn!(error = format!("{error:#}"), "what was learned last is not kept");
        }
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
        if self.core.tree.knows_end(&event) {
            return Ok(());
        }
        // What has to be known first is applied first, and stands first in the capture.
        self.read_container(&event)?;
        if let Some(capture) = &mut self.capture {
            capture.frame(record).context("writing the capture")?;
        }
        self.metrics.event(event.kind(), event.time_boottime_ns);
        let outcome = self.core.apply(&event);
        if self.outputs.wants_events() {
            self.outputs.event(&event, &self.core);
        }
        self.after(&event, outcome);
        Ok(())
    }

    /// Reads procfs.
    fn read_procfs(&mut self) {
        let found = Procfs::default().snapshot();
        self.waiting.extend(found.iter().map(encode));
        self.push(Body::Healed, ProcessKey::NONE);
    }

    /// What was kept, before anything else is applied.
    fn remember(&mut self, rows: Vec<Row>) {
        let boot_unix_s = self.core.host().boot_time_unix_ns / 1_000_000_000;
        for body in state::restore(&self.store, rows, boot_unix_s) {
            self.push(body, ProcessKey::NONE);
        }
    }

    /// What the operator asks or orders of baselines. What changes is a record too, so that a capture has it.
    fn ask_baselines(&mut self, ask: BaselineCommand) -> Value {
        let now = self.core.host().boot_time_unix_ns + boottime_ns();
        let (answered, changes) = baseline::control::answer(self.core.baselines(), ask, now);
        for change in changes {
            if let Some(value) = change.value.clone() {
                let remembered = Remembered { kind: Memory::Baseline, key: change.key.clone(), value };
                self.push(Body::Remembered(Box::new(remembered)), ProcessKey::NONE);
            }
            state::keep(&self.store, Memory::Baseline, change.key, change.value);
        }
        answered
    }

    /// What was found out about files and containers.
    fn take_answers(&mut self) {
        let answers: Vec<Answer> = self.inspector.answers().collect();
        for answer in answers {
            let body = match answer {
                Answer::File { tag, provenance } => Body::Inspected(Box::new(Inspected { question: tag, provenance })),
                Answer::Container(contained) => Body::Container(contained),
            };
            self.push(body, ProcessKey::NONE);
        }
    }

    /// An exception that has expired covers nothing: whoever wrote it may not know.
    fn tell_expired(&self) {
        for (exception, _, _) in self.core.exceptions(boottime_ns()).filter(|(_, _, expired)| *expired) {
            let (detector, reason) = (exception.detector.id(), &exception.reason);
            tracing::warn!(detector, reason, "an exception has expired and covers nothing any more");
        }
    }

    /// Calls that the filter refused: a library that learned a new one, most likely.
    fn tell_refused(&self) {
        for (number, count) in crate::kernel::refused::take() {
            self.metrics.refused_calls(count);
            tracing::error!(
                number,
                count,
                "a system call of the sensor was refused by its own filter (`ausyscall NUMBER` names it): please report \
                 this; agent.seccomp = \"off\" does without the filter"
            );
        }
    }

    fn facts(&self) -> Facts<'_> {
        Facts {
            core: &self.core,
            report: self.sensor.report(),
            metrics: &self.metrics,
            noted: self.watching.noted(),
            watched: self.watching.len(),
            started_ns: self.started_ns,
            serving: self.serving.as_ref(),
            shed: &self.shed,
            state: self.store.health(),
            outputs: self.outputs.health(),
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
        metrics.stories(self.core.ledger.len(), self.core.incidents.len());
        metrics.blind(self.core.blind(boottime_ns()).0);
        metrics.programs(&self.sensor.statistics());
        for (detector, hits) in self.core.exception_hits() {
            metrics.excepted(detector, hits);
        }
        metrics.servers(&self.core.servers_by_role());
    }
}

fn own_event(time_boottime_ns: u64, body: Body, process: ProcessKey) -> Event {
    Event { time_boottime_ns, process, thread: process.tgid, lineage: 0, hook: Hook::Agent, body }
}
