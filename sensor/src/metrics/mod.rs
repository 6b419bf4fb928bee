//! What the sensor says about itself, for Prometheus.
//!
//! Always holds: labels are closed sets, never a pid, path or command line. The agent writes, the listener reads; neither
//! waits for the other.

pub mod http;
mod own;

use crate::alert::Alert;
use crate::event::Loss;
use crate::kernel::{HookReport, ProgramStatistics};
use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::{Atomic, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::{Metric, Registry};
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::Kind;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// Bounds of the latency histogram, in seconds.
const LATENCY_BOUNDS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

/// Why an output did not get something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// Its queue was full.
    QueueFull,
    /// Writing failed.
    WriteFailed,
    /// Nobody reads it any more.
    Closed,
}

impl DropReason {
    const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::WriteFailed => "write_failed",
            Self::Closed => "closed",
        }
    }
}

macro_rules! labels {
    ($($name:ident { $($label:ident),+ })+) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        struct $name { $($label: &'static str),+ }
    )+};
}

labels! {
    OfKind { kind }
    OfLoss { ring, reason, kind }
    OfRing { ring }
    OfRole { role }
    OfAlert { rule, severity }
    OfDetector { detector }
    OfOutput { output }
    OfDrop { output, reason }
    OfProgram { program }
    OfReason { reason }
    OfResult { result }
    OfHook { hook, set }
    Build { version, commit }
}

type Seconds = Counter<f64, AtomicU64>;

/// All metrics.
pub struct Metrics {
    registry: Registry,
    events: Family<OfKind, Counter>,
    lost: Family<OfLoss, Counter>,
    ring_bytes: Family<OfRing, Gauge>,
    ring_capacity: Family<OfRing, Gauge>,
    processes: Gauge,
    evictions: Counter,
    servers: Family<OfRole, Gauge>,
    watched: Gauge,
    ledger: Gauge,
    incidents: Gauge,
    alerts: Family<OfAlert, Counter>,
    exceptions: Family<OfDetector, Counter>,
    latency: Histogram,
    dropped: Family<OfDrop, Counter>,
    queue: Family<OfOutput, Gauge>,
    program_seconds: Family<OfProgram, Seconds>,
    program_runs: Family<OfProgram, Counter>,
    reconciliations: Family<OfReason, Counter>,
    blind_seconds: Seconds,
    hook_attached: Family<OfHook, Gauge>,
    reloads: Family<OfResult, Counter>,
    ready: AtomicBool,
    /// When the agent's loop last went round, `CLOCK_BOOTTIME`.
    alive_ns: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

struct Builder(Registry);

impl Builder {
    fn add<M: Metric + Clone + Default>(&mut self, name: &str, help: &str) -> M {
        self.with(name, help, M::default())
    }

    fn with<M: Metric + Clone>(&mut self, name: &str, help: &str, metric: M) -> M {
        self.0.register(format!("sensor_{name}"), help, metric.clone());
        metric
    }
}

impl Metrics {
    /// All at zero; those whose labels are known are there from the start.
    pub fn new() -> Self {
        let mut of = Builder(Registry::default());
        of.0.register_collector(Box::new(own::OwnProcess));
        let build =
            Build { version: env!("CARGO_PKG_VERSION"), commit: option_env!("SENSOR_COMMIT").unwrap_or("unknown") };
        of.0.register("sensor_build", "Which sensor this is", Info::new(build));
        let metrics = Self {
            events: of.add("events", "Events taken in, by kind"),
            lost: of.add("lost_events", "Events lost, by ring, reason and kind"),
            ring_bytes: of.add("ring_bytes", "Bytes that wait in a ring of the kernel"),
            ring_capacity: of.add("ring_capacity_bytes", "Size of a ring of the kernel"),
            processes: of.add("processes", "Processes in the tree, lately ended ones included"),
            evictions: of
                .add("process_evictions", "Processes pushed out of the tree, or not taken in, because it was full"),
            servers: of.add("servers", "Running servers, by role"),
            watched: of.add("watched_directories", "Directories that are watched"),
            ledger: of.add("ledger_files", "Written files that are followed to whoever loads them"),
            incidents: of.add("incidents_open", "Incidents that had a finding in the last hour"),
            alerts: of.add("alerts", "Alerts, by rule and severity"),
            exceptions: of.add("exceptions", "Findings that an exception covered"),
            latency: of.with(
                "detection_latency_seconds",
                "From the kernel's time stamp to the alert handed to the outputs",
                Histogram::new(LATENCY_BOUNDS),
            ),
            dropped: of.add("output_dropped", "Alerts and events that an output did not get"),
            queue: of.add("output_queue_length", "Alerts and events that wait for an output"),
            program_seconds: of
                .add("program_run_seconds", "Time that a kernel program took, while kernel.bpf_stats_enabled is set"),
            program_runs: of.add("program_runs", "Runs of a kernel program, while kernel.bpf_stats_enabled is set"),
            reconciliations: of.add("reconciliations", "Times that procfs was read to repair the tree"),
            blind_seconds: of.add("blind_seconds", "Time in which losses were not repaired"),
            hook_attached: of.add("hook_attached", "1 if the hook works"),
            reloads: of.add("config_reloads", "Reloads asked for by SIGHUP"),
            ready: AtomicBool::new(false),
            alive_ns: AtomicU64::new(0),
            registry: Registry::default(),
        };
        metrics.begin_at_zero();
        Self { registry: of.0, ..metrics }
    }

    /// Series that are zero are there, so that a rate has a beginning.
    fn begin_at_zero(&self) {
        for kind in Kind::ALL {
            drop(self.events.get_or_create(&OfKind { kind: kind.name() }));
        }
        for (ring, kind) in lost_kinds() {
            for reason in LossReason::ALL {
                drop(self.lost.get_or_create(&of_loss(ring, reason, kind)));
            }
        }
        drop(self.reconciliations.get_or_create(&OfReason { reason: "loss" }));
    }

    /// Everything as OpenMetrics text.
    pub fn encode(&self) -> String {
        let mut text = String::new();
        if encode(&mut text, &self.registry).is_err() {
            // Writing to a String does not fail; a metric that cannot say its value might.
            tracing::warn!("the metrics could not be written");
        }
        text
    }

    /// An event was taken in.
    pub fn event(&self, kind: Kind) {
        self.events.get_or_create(&OfKind { kind: kind.name() }).inc();
    }

    /// Something was lost.
    pub fn lost(&self, loss: &Loss) {
        self.lost.get_or_create(&of_loss(loss.ring, loss.reason, loss.kind)).inc_by(loss.count);
    }

    /// How full a ring is.
    pub fn ring(&self, ring: Ring, used: usize, capacity: usize) {
        set(&self.ring_bytes, &OfRing { ring: ring.name() }, used);
        set(&self.ring_capacity, &OfRing { ring: ring.name() }, capacity);
    }

    /// The tree's size, and how many it pushed out so far.
    pub fn tree(&self, processes: usize, evictions: u64) {
        self.processes.set(i64::try_from(processes).unwrap_or(i64::MAX));
        raise(&self.evictions, evictions);
    }

    /// Running servers of a role.
    pub fn servers(&self, role: &'static str, count: usize) {
        set(&self.servers, &OfRole { role }, count);
    }

    /// Watched directories.
    pub fn watched(&self, count: usize) {
        self.watched.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Written files that are followed, and incidents that are open.
    pub fn stories(&self, files: usize, incidents: usize) {
        self.ledger.set(i64::try_from(files).unwrap_or(i64::MAX));
        self.incidents.set(i64::try_from(incidents).unwrap_or(i64::MAX));
    }

    /// An alert was handed out, so long after what it is about.
    pub fn alert(&self, alert: &Alert, latency_ns: u64) {
        self.alerts.get_or_create(&OfAlert { rule: alert.detector.id(), severity: alert.severity.name() }).inc();
        self.latency.observe(seconds(latency_ns));
    }

    /// Findings of a detector that exceptions covered so far.
    pub fn excepted(&self, detector: &'static str, total: u64) {
        raise(&self.exceptions.get_or_create(&OfDetector { detector }), total);
    }

    /// An output exists.
    pub fn watch_queue(&self, output: &'static str) {
        for reason in [DropReason::QueueFull, DropReason::WriteFailed, DropReason::Closed] {
            drop(self.dropped.get_or_create(&OfDrop { output, reason: reason.name() }));
        }
        self.queue_length(output, 0);
    }

    /// An output did not get something.
    pub fn output_dropped(&self, output: &'static str, reason: DropReason) {
        self.dropped.get_or_create(&OfDrop { output, reason: reason.name() }).inc();
    }

    /// How much waits for an output.
    pub fn queue_length(&self, output: &'static str, length: usize) {
        set(&self.queue, &OfOutput { output }, length);
    }

    /// What the kernel programs cost so far.
    pub fn programs(&self, statistics: &[ProgramStatistics]) {
        for program in statistics {
            let labels = OfProgram { program: program.name };
            raise(&self.program_runs.get_or_create(&labels), program.runs);
            raise_seconds(&self.program_seconds.get_or_create(&labels), seconds(program.nanoseconds));
        }
    }

    /// procfs was read again.
    pub fn reconciled(&self, reason: &'static str) {
        self.reconciliations.get_or_create(&OfReason { reason }).inc();
    }

    /// Time blind so far.
    pub fn blind(&self, nanoseconds: u64) {
        raise_seconds(&self.blind_seconds, seconds(nanoseconds));
    }

    /// Which hooks work.
    pub fn hooks(&self, report: &HookReport) {
        for hook in &report.hooks {
            set(&self.hook_attached, &OfHook { hook: hook.name, set: report.set }, usize::from(hook.attached));
        }
    }

    /// A reload was asked for.
    pub fn reloaded(&self, result: &'static str) {
        self.reloads.get_or_create(&OfResult { result }).inc();
    }

    /// Lost so far, where there is any.
    pub fn lost_so_far(&self) -> Vec<Loss> {
        let every = lost_kinds().flat_map(|(ring, kind)| LossReason::ALL.map(|reason| (ring, reason, kind)));
        every
            .map(|(ring, reason, kind)| {
                let count = self.lost.get_or_create(&of_loss(ring, reason, kind)).get();
                Loss { ring, reason, kind, count }
            })
            .filter(|loss| loss.count > 0)
            .collect()
    }

    /// Taken in so far, by kind.
    pub fn events_so_far(&self) -> Vec<(&'static str, u64)> {
        Kind::ALL
            .into_iter()
            .map(|kind| (kind.name(), self.events.get_or_create(&OfKind { kind: kind.name() }).get()))
            .collect()
    }

    /// The hooks are attached and procfs was read.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// Whether that is so.
    pub fn is_ready(&self) -> bool {
        self.ready.load(Ordering::Acquire)
    }

    /// The agent's loop goes round.
    pub fn set_alive(&self, boottime_ns: u64) {
        self.alive_ns.store(boottime_ns, Ordering::Release);
    }

    /// When it last did.
    pub fn alive_ns(&self) -> u64 {
        self.alive_ns.load(Ordering::Acquire)
    }
}

/// Rings and kinds of what can be lost; the kind is not always known.
fn lost_kinds() -> impl Iterator<Item = (Ring, Option<Kind>)> {
    let known = Kind::ALL.into_iter().filter(|kind| kind.is_kernels()).map(|kind| (kind.ring(), Some(kind)));
    known.chain(Ring::ALL.map(|ring| (ring, None)))
}

fn of_loss(ring: Ring, reason: LossReason, kind: Option<Kind>) -> OfLoss {
    OfLoss { ring: ring.name(), reason: reason.name(), kind: kind.map_or("unknown", Kind::name) }
}

fn seconds(nanoseconds: u64) -> f64 {
    std::time::Duration::from_nanos(nanoseconds).as_secs_f64()
}

fn set<L: Clone + Debug + Hash + Eq>(family: &Family<L, Gauge>, labels: &L, value: usize) {
    family.get_or_create(labels).set(i64::try_from(value).unwrap_or(i64::MAX));
}

/// Brings a counter up to a total that is counted elsewhere.
fn raise<A: Atomic<u64>>(counter: &Counter<u64, A>, total: u64) {
    counter.inc_by(total.saturating_sub(counter.get()));
}

fn raise_seconds(counter: &Seconds, total: f64) {
    counter.inc_by((total - counter.get()).max(0.0));
}
