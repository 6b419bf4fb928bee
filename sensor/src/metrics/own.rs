//! The agent's own CPU time and memory, under the usual `process_*` names, read when they are asked for.

use super::registrar::{Note, Registrar};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use std::fmt::Error;

/// `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// A metric of the process: its name without unit, the unit, what it is, when to worry, and its value.
struct Own {
    name: &'static str,
    unit: Option<Unit>,
    counts: bool,
    help: &'static str,
    worry: &'static str,
    value: fn(&Facts) -> f64,
}

const ALL: [Own; 7] = [
    Own {
        name: "process_cpu",
        unit: Some(Unit::Seconds),
        counts: true,
        help: "CPU time of the agent.",
        worry: "Its rate is processors used: a few hundredths on an ordinary server.",
        value: |facts| (facts.stat(14) + facts.stat(15)) / TICKS_PER_SECOND,
    },
    Own {
        name: "process_resident_memory",
        unit: Some(Unit::Bytes),
        counts: false,
        help: "Memory of the agent.",
        worry: "Grows for days on end.",
        value: |facts| facts.stat(24) * page(),
    },
    Own {
        name: "process_virtual_memory",
        unit: Some(Unit::Bytes),
        counts: false,
        help: "Virtual memory of the agent.",
        worry: "Hardly ever: address space costs nothing.",
        value: |facts| facts.stat(23),
    },
    Own {
        name: "process_threads",
        unit: None,
        counts: false,
        help: "Threads of the agent.",
        worry: "Grows.",
        value: |facts| facts.stat(20),
    },
    Own {
        name: "process_open_fds",
        unit: None,
        counts: false,
        help: "Open descriptors of the agent.",
        worry: "Grows, or comes near `process_max_fds`.",
        value: |_| std::fs::read_dir("/proc/self/fd").map_or(0.0, |open| f64::from(open.count() as u32)),
    },
    Own {
        name: "process_max_fds",
        unit: None,
        counts: false,
        help: "Most descriptors that the agent may have open.",
        worry: "See `process_open_fds`.",
        value: |_| max_fds(),
    },
    Own {
        name: "process_start_time",
        unit: Some(Unit::Seconds),
        counts: false,
        help: "Unix time at which the agent started.",
        worry: "Keeps changing: it is restarted again and again.",
        value: |facts| boot_time() + facts.stat(22) / TICKS_PER_SECOND,
    },
];

/// Registers all of them.
pub fn register(of: &mut Registrar) {
    of.notes.extend(ALL.iter().map(|own| Note { section: "Its process", name: own.name, worry: own.worry }));
    of.registry.register_collector(Box::new(OwnProcess));
}

/// Reads `/proc/self`.
#[derive(Debug)]
struct OwnProcess;

impl Collector for OwnProcess {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let facts = Facts::read();
        for own in &ALL {
            let kind = if own.counts { MetricType::Counter } else { MetricType::Gauge };
            let described = encoder.encode_descriptor(own.name, own.help, own.unit.as_ref(), kind)?;
            let value = (own.value)(&facts);
            if own.counts {
                ConstCounter::new(value).encode(described)?;
            } else {
                ConstGauge::new(value).encode(described)?;
            }
        }
        Ok(())
    }
}

/// The fields of `/proc/self/stat` from the third.
struct Facts(Vec<f64>);

impl Facts {
    fn read() -> Self {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
        Self(after_name.split_whitespace().map(|field| field.parse().unwrap_or(0.0)).collect())
    }

    /// A field, as proc(5) counts them.
    fn stat(&self, number: usize) -> f64 {
        self.0.get(number - 3).copied().unwrap_or(0.0)
    }
}

#[allow(clippy::cast_precision_loss, reason = "a page has few bytes")]
fn page() -> f64 {
    rustix::param::page_size() as f64
}

fn max_fds() -> f64 {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let limit = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    limit.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0.0)
}

fn boot_time() -> f64 {
    let stat = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    stat.lines().find_map(|line| line.strip_prefix("btime ")?.trim().parse().ok()).unwrap_or(0.0)
}
