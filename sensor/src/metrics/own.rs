//! The agent's own CPU time and memory, under the usual `process_*` names, read when they are asked for.

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use std::fmt::Error;

/// `USER_HZ`.
const TICKS_PER_SECOND: f64 = 100.0;

/// Reads `/proc/self`.
#[derive(Debug)]
pub struct OwnProcess;

impl Collector for OwnProcess {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), Error> {
        let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
        let fields: Vec<f64> = stat
            .rsplit_once(')')
            .map_or("", |(_, rest)| rest)
            .split_whitespace()
            .map(|field| field.parse().unwrap_or(0.0))
            .collect();
        // Fields of proc(5), counted from the third.
        let field = |number: usize| fields.get(number - 3).copied().unwrap_or(0.0);
        #[allow(clippy::cast_precision_loss, reason = "a page has few bytes")]
        let page = rustix::param::page_size() as f64;
        let cpu = (field(14) + field(15)) / TICKS_PER_SECOND;
        counter(&mut encoder, "process_cpu_seconds", "CPU time of the agent", cpu)?;
        gauge(&mut encoder, "process_virtual_memory_bytes", "Virtual memory of the agent", field(23))?;
        gauge(&mut encoder, "process_resident_memory_bytes", "Memory of the agent", field(24) * page)?;
        gauge(&mut encoder, "process_threads", "Threads of the agent", field(20))?;
        gauge(&mut encoder, "process_start_time_seconds", "Unix time at which the agent started", start(field(22)))?;
        let open = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
        gauge(&mut encoder, "process_open_fds", "Open descriptors of the agent", f64::from(open as u32))
    }
}

fn start(ticks: f64) -> f64 {
    let boot = std::fs::read_to_string("/proc/stat").unwrap_or_default();
    let boot =
        boot.lines().find_map(|line| line.strip_prefix("btime ")).and_then(|time| time.trim().parse::<f64>().ok());
    boot.unwrap_or(0.0) + ticks / TICKS_PER_SECOND
}

fn counter(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: f64) -> Result<(), Error> {
    ConstCounter::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Counter)?)
}

fn gauge(encoder: &mut DescriptorEncoder, name: &str, help: &str, value: f64) -> Result<(), Error> {
    ConstGauge::new(value).encode(encoder.encode_descriptor(name, help, None, MetricType::Gauge)?)
}
