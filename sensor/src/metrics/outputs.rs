//! What outputs did and did not deliver.

use super::labels::{OfDrop, OfOutput};
use super::registrar::Registrar;
use super::set;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;

/// Why an output did not get something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropReason {
    /// No more fits into memory.
    QueueFull,
    /// No more fits into the spool: the oldest alerts made room.
    SpoolFull,
    /// The receiver will never take it.
    Refused,
    /// Nobody reads it any more.
    Closed,
    /// The sensor ended before.
    Ended,
}

impl DropReason {
    const ALL: [Self; 5] = [Self::QueueFull, Self::SpoolFull, Self::Refused, Self::Closed, Self::Ended];

    const fn name(self) -> &'static str {
        match self {
            Self::QueueFull => "queue_full",
            Self::SpoolFull => "spool_full",
            Self::Refused => "refused",
            Self::Closed => "closed",
            Self::Ended => "ended",
        }
    }
}

/// What an output did so far, and what waits on disk for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
pub struct OutputCounts {
    /// Alerts and events that it got.
    pub delivered: u64,
    /// Those that it will never get.
    pub dropped: u64,
    /// Alerts that wait on disk.
    pub spooled: u64,
    /// Their size, bytes.
    pub spool_bytes: u64,
}

/// The metrics of all outputs.
pub struct Outputs {
    dropped: Family<OfDrop, Counter>,
    delivered: Family<OfOutput, Counter>,
    failures: Family<OfOutput, Counter>,
    up: Family<OfOutput, Gauge>,
    queue: Family<OfOutput, Gauge>,
    spooled: Family<OfOutput, Gauge>,
    spool_bytes: Family<OfOutput, Gauge>,
    spool_capacity: Family<OfOutput, Gauge>,
    spool_failures: Family<OfOutput, Counter>,
}

impl Outputs {
    pub(super) fn register(of: &mut Registrar, section: &'static str) -> Self {
        Self {
            up: of.plain(
                section,
                "output_up",
                "1 if the last attempt to deliver worked, or there was none",
                "0 for minutes: the log says why; alerts wait in the spool meanwhile.",
            ),
            queue: of.plain(
                section,
                "output_queue_length",
                "Alerts and events that wait in memory for an output",
                "Grows and does not fall: the output is slower than what it is given.",
            ),
            delivered: of.plain(
                section,
                "output_delivered",
                "Alerts and events that an output got",
                "Read together with what was dropped; what was delivered twice counts twice.",
            ),
            failures: of.plain(
                section,
                "output_failures",
                "Attempts to deliver that failed",
                "Rises: the receiver is down or refuses something.",
            ),
            dropped: of.plain(
                section,
                "output_dropped",
                "Alerts and events that an output will never get, by reason",
                "Any rise: something was not delivered there.",
            ),
            spooled: of.plain(
                section,
                "output_spooled_alerts",
                "Alerts that wait on disk for an output",
                "Grows: the output is down, or slower than what it is given.",
            ),
            spool_bytes: of.bytes(
                section,
                "output_spool",
                "Size of the alerts that wait on disk for an output",
                "Near `spool.max_bytes`: the oldest alerts are dropped soon.",
            ),
            spool_capacity: of.bytes(
                section,
                "output_spool_capacity",
                "Most bytes of alerts that may wait on disk for an output",
                "`spool.max_bytes` sets it.",
            ),
            spool_failures: of.plain(
                section,
                "output_spool_failures",
                "Failed writes and reads of a spool, and spools that were found damaged",
                "Any rise: alerts may not survive a restart of the sensor.",
            ),
        }
    }

    /// An output exists: its series begin at zero.
    pub fn begin(&self, output: &'static str, spools: bool) {
        let of = OfOutput { output };
        for reason in DropReason::ALL {
            drop(self.dropped.get_or_create(&OfDrop { output, reason: reason.name() }));
        }
        drop(self.delivered.get_or_create(&of));
        drop(self.failures.get_or_create(&of));
        self.up(output, true);
        self.queue_length(output, 0);
        if spools {
            drop(self.spool_failures.get_or_create(&of));
            self.spool(output, 0, 0);
        }
    }

    /// What an output did so far, and what waits on disk for it.
    pub fn counts(&self, output: &'static str) -> OutputCounts {
        let of = OfOutput { output };
        let gauge = |gauge: &Family<OfOutput, Gauge>| gauge.get(&of).map_or(0, |gauge| gauge.get().unsigned_abs());
        let dropped = DropReason::ALL.map(|reason| OfDrop { output, reason: reason.name() });
        OutputCounts {
            delivered: self.delivered.get(&of).map_or(0, |count| count.get()),
            dropped: dropped.iter().filter_map(|of| self.dropped.get(of).map(|count| count.get())).sum(),
            spooled: gauge(&self.spooled),
            spool_bytes: gauge(&self.spool_bytes),
        }
    }

    /// An output is no more: what it is now is not said any more, what it did is.
    pub fn end(&self, output: &'static str) {
        let of = OfOutput { output };
        for gauge in [&self.up, &self.queue, &self.spooled, &self.spool_bytes, &self.spool_capacity] {
            gauge.remove(&of);
        }
    }

    /// An output did not get so many, for good.
    pub fn dropped(&self, output: &'static str, reason: DropReason, count: u64) {
        if count > 0 {
            self.dropped.get_or_create(&OfDrop { output, reason: reason.name() }).inc_by(count);
        }
    }

    /// An output got so many.
    pub fn delivered(&self, output: &'static str, count: u64) {
        self.delivered.get_or_create(&OfOutput { output }).inc_by(count);
    }

    /// An attempt to deliver failed.
    pub fn failed(&self, output: &'static str) {
        self.failures.get_or_create(&OfOutput { output }).inc();
    }

    /// Whether the last attempt to deliver worked.
    pub fn up(&self, output: &'static str, up: bool) {
        set(&self.up, &OfOutput { output }, usize::from(up));
    }

    /// How much waits in memory for an output.
    pub fn queue_length(&self, output: &'static str, length: usize) {
        set(&self.queue, &OfOutput { output }, length);
    }

    /// What waits on disk for an output.
    pub fn spool(&self, output: &'static str, alerts: u64, bytes: u64) {
        set(&self.spooled, &OfOutput { output }, usize::try_from(alerts).unwrap_or(usize::MAX));
        set(&self.spool_bytes, &OfOutput { output }, usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// How much may wait there.
    pub fn spool_capacity(&self, output: &'static str, bytes: u64) {
        set(&self.spool_capacity, &OfOutput { output }, usize::try_from(bytes).unwrap_or(usize::MAX));
    }

    /// A spool could not be written or read, or was damaged.
    pub fn spool_failed(&self, output: &'static str) {
        self.spool_failures.get_or_create(&OfOutput { output }).inc();
    }
}
