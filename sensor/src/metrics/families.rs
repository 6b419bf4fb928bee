//! Which metrics there are, what each says and when to worry about it: the source of docs/metrics.md.

use super::labels::{
    Build, OfAlert, OfDetector, OfHook, OfKind, OfLoss, OfProgram, OfReason, OfResult, OfRing, OfRole, possible_losses,
};
use super::outputs::Outputs;
use super::own;
use super::registrar::Registrar;
use crate::catalogue::Role;
use crate::detect::{Detector, Severity};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::metrics::info::Info;
use prometheus_client::registry::Unit;
use sensor_common::losses::Ring;
use sensor_common::record::Kind;
use std::sync::atomic::AtomicU64;

/// Bounds of the latency histogram, in seconds.
const LATENCY_BOUNDS: [f64; 13] = [0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];

// Sections of the reference.
const KERNEL: &str = "What the kernel reports";
const KNOWN: &str = "What it knows";
const FOUND: &str = "What it found";
const OUTPUTS: &str = "Outputs";
const ITSELF: &str = "Itself";

/// A counter of seconds.
pub type Seconds = Counter<f64, AtomicU64>;
/// A point in time, in seconds since 1970.
pub type Time = Gauge<f64, AtomicU64>;

/// All metrics but those of the process.
pub struct Families {
    pub events: Family<OfKind, Counter>,
    pub last_event: Time,
    pub lost: Family<OfLoss, Counter>,
    pub blind_seconds: Seconds,
    pub reconciliations: Family<OfReason, Counter>,
    pub ring_bytes: Family<OfRing, Gauge>,
    pub ring_capacity: Family<OfRing, Gauge>,
    pub hook_attached: Family<OfHook, Gauge>,
    pub program_runs: Family<OfProgram, Counter>,
    pub program_seconds: Family<OfProgram, Seconds>,
    pub processes: Gauge,
    pub evictions: Counter,
    pub servers: Family<OfRole, Gauge>,
    pub watched: Gauge,
    pub ledger: Gauge,
    pub alerts: Family<OfAlert, Counter>,
    pub incidents: Gauge,
    pub exceptions: Family<OfDetector, Counter>,
    pub latency: Histogram,
    pub outputs: Outputs,
    pub ready: Gauge,
    pub reloads: Family<OfResult, Counter>,
    pub reload_successful: Gauge,
    pub reload_time: Time,
    pub refused_calls: Counter,
}

impl Families {
    /// Registers all; series whose labels are known from the start are there, at zero.
    pub fn register(of: &mut Registrar) -> Self {
        let families = Self::all(of);
        families.begin_at_zero();
        let build =
            Build { version: env!("CARGO_PKG_VERSION"), commit: option_env!("SENSOR_COMMIT").unwrap_or("unknown") };
        let worry = "Tells which machines still have an old one.";
        of.add(ITSELF, "build", None, "Which sensor this is", worry, Info::new(build));
        own::register(of);
        families
    }

    #[expect(clippy::too_many_lines, reason = "a list, an entry for each metric")]
    fn all(of: &mut Registrar) -> Self {
        Self {
            events: of.plain(
                KERNEL,
                "events",
                "Events taken in, by kind",
                "When `fork` and `exec` stand still on a machine that works, nothing is seen.",
            ),
            last_event: of.seconds(
                KERNEL,
                "last_event_timestamp",
                "Unix time of the latest event that came from the kernel, 0 before the first",
                "Old by a quarter of an hour: even an idle Linux starts something by then.",
            ),
            lost: of.plain(
                KERNEL,
                "lost_events",
                "Events lost, by ring, reason and kind",
                "Any rise: something may have gone unseen. `ring_full` wants a bigger ring or more processor time, \
                    `process_map_full` means more processes of servers than there is room for.",
            ),
            blind_seconds: of.seconds(
                KERNEL,
                "blind",
                "Time in which losses were not repaired",
                "Any rise: alerts of that time are marked `sensor.blind`, and what is missing in them may be missing \
                    because it was lost.",
            ),
            reconciliations: of.plain(
                KERNEL,
                "reconciliations",
                "Times that procfs was read to repair the tree",
                "Follows losses; by itself harmless.",
            ),
            ring_bytes: of.bytes(
                KERNEL,
                "ring",
                "Bytes that wait in a ring of the kernel",
                "Above three quarters of its capacity for long: losses are near.",
            ),
            ring_capacity: of.bytes(
                KERNEL,
                "ring_capacity",
                "Size of a ring of the kernel",
                "`kernel.process_ring_bytes` and `kernel.activity_ring_bytes` set it.",
            ),
            hook_attached: of.plain(
                KERNEL,
                "hook_attached",
                "1 if the hook works, by hook and hook set",
                "0: `sensor check` says what is not seen without it. A set other than the machine's like have is worth \
                    a look.",
            ),
            program_runs: of.plain(
                KERNEL,
                "program_runs",
                "Runs of a kernel program, while kernel.bpf_stats_enabled is set",
                "Stands at 0 unless that sysctl is set.",
            ),
            program_seconds: of.seconds(
                KERNEL,
                "program_run",
                "Time that a kernel program took, while kernel.bpf_stats_enabled is set",
                "Divided by the runs: more than some microseconds.",
            ),
            processes: of.plain(
                KNOWN,
                "processes",
                "Processes in the tree, lately ended ones included",
                "Far above the machine's own count.",
            ),
            evictions: of.plain(
                KNOWN,
                "process_evictions",
                "Processes pushed out of the tree, or not taken in, because it was full",
                "Any rise: ancestry of some processes is not known any more.",
            ),
            servers: of.plain(
                KNOWN,
                "servers",
                "Running servers, by role; one with several roles counts for each",
                "0 where there is a server: it is not recognised, and `sensor servers` says what listens.",
            ),
            watched: of.plain(
                KNOWN,
                "watched_directories",
                "Directories that are watched",
                "0 while servers run: their component directories were not found; see `sensor servers`.",
            ),
            ledger: of.plain(
                KNOWN,
                "ledger_files",
                "Written files that are followed to whoever loads them",
                "Bounded; near its maximum older files are forgotten.",
            ),
            alerts: of.plain(
                FOUND,
                "alerts",
                "Alerts, by rule and severity",
                "`critical` is to be acted on now, `high` to be looked at now: docs/alerts.md.",
            ),
            incidents: of.plain(
                FOUND,
                "incidents_open",
                "Incidents that had a finding in the last hour",
                "Which ones: `sensor status`.",
            ),
            exceptions: of.plain(
                FOUND,
                "exceptions",
                "Findings that an exception covered",
                "A jump: an exception may be too wide, or somebody hides behind it.",
            ),
            latency: of.with(
                FOUND,
                "detection_latency",
                Some(Unit::Seconds),
                "From the kernel's time stamp to the alert handed to the outputs",
                "Most above 0.1 s: the agent lacks processor time.",
                Histogram::new(LATENCY_BOUNDS),
            ),
            outputs: Outputs::register(of, OUTPUTS),
            ready: of.plain(
                ITSELF,
                "ready",
                "1 if hooks are attached, procfs was merged and the agent's loop goes round, as /readyz says",
                "0 for longer than a start takes.",
            ),
            reloads: of.plain(
                ITSELF,
                "config_reloads",
                "Reloads asked for by SIGHUP, by result",
                "`failure`: the old configuration stays in force; the log says why.",
            ),
            reload_successful: of.plain(
                ITSELF,
                "config_last_reload_successful",
                "1 if the configuration in force is the one that was last asked for",
                "0: what was changed is not in force.",
            ),
            reload_time: of.seconds(
                ITSELF,
                "config_last_reload_success_timestamp",
                "Unix time at which the configuration in force was read",
                "Older than the last change that was rolled out.",
            ),
            refused_calls: of.plain(
                ITSELF,
                "refused_system_calls",
                "System calls of the sensor that its own filter refused",
                "Any: a library uses a call that the filter does not know; the log names it. Please report it.",
            ),
        }
    }

    /// Series that are zero are there, so that a rate has a beginning.
    fn begin_at_zero(&self) {
        for kind in Kind::ALL {
            drop(self.events.get_or_create(&OfKind { kind: kind.name() }));
        }
        for (ring, reason, kind) in possible_losses() {
            drop(self.lost.get_or_create(&OfLoss::new(ring, reason, kind)));
        }
        // fanotify's queue is the kernel's own: nobody says how full it is.
        for ring in [Ring::Process, Ring::Activity] {
            drop(self.ring_bytes.get_or_create(&OfRing { ring: ring.name() }));
            drop(self.ring_capacity.get_or_create(&OfRing { ring: ring.name() }));
        }
        for role in Role::ALL {
            drop(self.servers.get_or_create(&OfRole { role: role.name() }));
        }
        for detector in Detector::ALL {
            drop(self.exceptions.get_or_create(&OfDetector { detector: detector.id() }));
            for severity in Severity::ALL {
                let labels = OfAlert { rule: detector.id(), severity: severity.name() };
                drop(self.alerts.get_or_create(&labels));
            }
        }
        for result in ["success", "failure"] {
            drop(self.reloads.get_or_create(&OfResult { result }));
        }
        drop(self.reconciliations.get_or_create(&OfReason { reason: "loss" }));
    }

    /// The same for a kernel program of the hook set in force.
    pub fn begin_program(&self, program: &'static str) {
        drop(self.program_runs.get_or_create(&OfProgram { program }));
        drop(self.program_seconds.get_or_create(&OfProgram { program }));
    }
}
