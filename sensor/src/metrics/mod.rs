//! What the sensor says about itself, for Prometheus.
//!
//! Always holds: labels are closed sets, never a pid, path or command line. The agent writes, the listener reads; neither
//! waits for the other.

mod classic;
mod described;
pub mod door;
mod encode;
mod families;
mod health;
pub mod http;
mod labels;
pub mod listener;
mod outputs;
mod own;
mod reference;
mod registrar;

use crate::alert::Alert;
use crate::catalogue::Role;
use crate::event::Loss;
use crate::kernel::{Attach, HookReport, ProgramStatistics};
use crate::machine::boottime_ns;
pub use described::{Described, described};
pub use encode::Format;
use families::{Families, Seconds};
pub use health::Health;
use labels::{
    OfAlert, OfDetector, OfHook, OfKind, OfLoss, OfProgram, OfReason, OfResult, OfRing, OfRole, possible_losses,
};
pub use outputs::{DropReason, OutputCounts, Outputs};
use prometheus_client::metrics::counter::{Atomic, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;
pub use reference::reference;
use registrar::{Note, Registrar};
use sensor_common::losses::Ring;
use sensor_common::record::Kind;
use std::collections::BTreeMap;
use std::fmt::Debug;
use std::hash::Hash;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// All metrics.
pub struct Metrics {
    registry: Registry,
    families: Families,
    health: Health,
    /// When the latest event from the kernel happened, `CLOCK_BOOTTIME`; 0 before the first.
    last_event_ns: AtomicU64,
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// All at zero; those whose labels are known are there from the start.
    pub fn new() -> Self {
        Self::with_notes().0
    }

    /// The same, and what the reference says of each.
    fn with_notes() -> (Self, Vec<Note>) {
        let mut registrar = Registrar::default();
        let families = Families::register(&mut registrar);
        let metrics = Self {
            registry: registrar.registry,
            families,
            health: Health::default(),
            last_event_ns: AtomicU64::new(0),
        };
        metrics.reload_came_out(true);
        (metrics, registrar.notes)
    }

    /// What is asked for rather than told.
    fn before_encoding(&self) {
        self.families.ready.set(self.is_ready().into());
        let last = self.last_event_ns.load(Ordering::Acquire);
        if last > 0 {
            let ago = Duration::from_nanos(boottime_ns().saturating_sub(last));
            self.families.last_event.set(unix_seconds(SystemTime::now() - ago));
        }
    }

    /// An event was taken in; when it happened, `CLOCK_BOOTTIME`.
    pub fn event(&self, kind: Kind, boottime_ns: u64) {
        if kind.is_kernels() {
            self.last_event_ns.fetch_max(boottime_ns, Ordering::AcqRel);
        }
        self.families.events.get_or_create(&OfKind { kind: kind.name() }).inc();
    }

    /// Something was lost.
    pub fn lost(&self, loss: &Loss) {
        self.families.lost.get_or_create(&OfLoss::of(loss)).inc_by(loss.count);
    }

    /// How full a ring is.
    pub fn ring(&self, ring: Ring, used: usize, capacity: usize) {
        set(&self.families.ring_bytes, &OfRing { ring: ring.name() }, used);
        set(&self.families.ring_capacity, &OfRing { ring: ring.name() }, capacity);
    }

    /// The tree's size, and how many it pushed out so far.
    pub fn tree(&self, processes: usize, evictions: u64) {
        self.families.processes.set(i64::try_from(processes).unwrap_or(i64::MAX));
        raise(&self.families.evictions, evictions);
    }

    /// Running servers, by role; none of those that are not named.
    pub fn servers(&self, counts: &BTreeMap<&'static str, usize>) {
        for role in Role::ALL.map(Role::name) {
            set(&self.families.servers, &OfRole { role }, counts.get(role).copied().unwrap_or_default());
        }
    }

    /// Watched directories.
    pub fn watched(&self, count: usize) {
        self.families.watched.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    /// Written files that are followed, and incidents that are open.
    pub fn stories(&self, files: usize, incidents: usize) {
        self.families.ledger.set(i64::try_from(files).unwrap_or(i64::MAX));
        self.families.incidents.set(i64::try_from(incidents).unwrap_or(i64::MAX));
    }

    /// An alert was handed out, so long after what it is about.
    pub fn alert(&self, alert: &Alert, latency_ns: u64) {
        self.families
            .alerts
            .get_or_create(&OfAlert { rule: alert.detector.id(), severity: alert.severity.name() })
            .inc();
        self.families.latency.observe(seconds(latency_ns));
    }

    /// Findings of a detector that exceptions covered so far.
    pub fn excepted(&self, detector: &'static str, total: u64) {
        raise(&self.families.exceptions.get_or_create(&OfDetector { detector }), total);
    }

    /// What outputs did and did not deliver.
    pub const fn outputs(&self) -> &Outputs {
        &self.families.outputs
    }

    /// What the kernel programs cost so far.
    pub fn programs(&self, statistics: &[ProgramStatistics]) {
        for program in statistics {
            let labels = OfProgram { program: program.name };
            raise(&self.families.program_runs.get_or_create(&labels), program.runs);
            raise_seconds(&self.families.program_seconds.get_or_create(&labels), seconds(program.nanoseconds));
        }
    }

    /// procfs was read again.
    pub fn reconciled(&self, reason: &'static str) {
        self.families.reconciliations.get_or_create(&OfReason { reason }).inc();
    }

    /// Time blind so far.
    pub fn blind(&self, nanoseconds: u64) {
        raise_seconds(&self.families.blind_seconds, seconds(nanoseconds));
    }

    /// Which hooks work.
    pub fn hooks(&self, report: &HookReport) {
        for hook in &report.hooks {
            set(&self.families.hook_attached, &OfHook { hook: hook.name, set: report.set }, usize::from(hook.attached));
            if hook.kind != Attach::Fanotify.name() {
                self.families.begin_program(hook.name);
            }
        }
    }

    /// The sensor's own filter refused so many system calls.
    pub fn refused_calls(&self, count: u32) {
        self.families.refused_calls.inc_by(count.into());
    }

    /// How many that are so far.
    pub fn refused_calls_so_far(&self) -> u64 {
        self.families.refused_calls.get()
    }

    /// A reload was asked for: `success` or `failure`.
    pub fn reloaded(&self, result: &'static str) {
        self.families.reloads.get_or_create(&OfResult { result }).inc();
        self.reload_came_out(result == "success");
    }

    fn reload_came_out(&self, well: bool) {
        self.families.reload_successful.set(well.into());
        if well {
            self.families.reload_time.set(unix_seconds(SystemTime::now()));
        }
    }

    /// Lost so far, where there is any.
    pub fn lost_so_far(&self) -> Vec<Loss> {
        possible_losses()
            .map(|(ring, reason, kind)| {
                let labels = OfLoss::new(ring, reason, kind);
                let count = self.families.lost.get(&labels).map_or(0, |counter| counter.get());
                Loss { ring, reason, kind, count }
            })
            .filter(|loss| loss.count > 0)
            .collect()
    }

    /// Taken in so far, by kind.
    pub fn events_so_far(&self) -> Vec<(&'static str, u64)> {
        Kind::ALL
            .into_iter()
            .map(|kind| (kind.name(), self.families.events.get_or_create(&OfKind { kind: kind.name() }).get()))
            .collect()
    }

    /// Whether the agent works.
    pub const fn health(&self) -> &Health {
        &self.health
    }

    /// The hooks are attached and procfs was read.
    pub fn set_ready(&self, ready: bool) {
        self.health.set_ready(ready);
    }

    /// Whether that is so, and the loop goes round.
    pub fn is_ready(&self) -> bool {
        self.health.is_ready(boottime_ns())
    }

    /// Whether the agent's loop goes round.
    pub fn is_alive(&self) -> bool {
        self.health.is_alive(boottime_ns())
    }

    /// The agent's loop goes round.
    pub fn set_alive(&self, boottime_ns: u64) {
        self.health.set_alive(boottime_ns);
    }
}

fn seconds(nanoseconds: u64) -> f64 {
    Duration::from_nanos(nanoseconds).as_secs_f64()
}

fn unix_seconds(time: SystemTime) -> f64 {
    time.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs_f64()
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
