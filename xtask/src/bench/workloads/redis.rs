//! Redis under redis-benchmark.

use super::place::Clients;
use super::workload::{Load, Sample};
use crate::bench::processors;
use crate::command;
use crate::daemons::{self, Daemon, host};
use anyhow::{Context, Result};
use std::path::Path;
use std::process::Command;

/// Requests of the first load, from which the number for the next ones is reckoned.
const FIRST: f64 = 2000.0;
/// It keeps nothing on disk: a snapshot in one round only would be that round's.
const ARGUMENTS: &[&str] = &["--save", "", "--appendonly", "no"];

/// Starts it, and loads it with as many SET as GET.
pub fn start(at: &Path, clients: Clients) -> Result<(Vec<Daemon>, Load)> {
    let port = host::free_port()?;
    let daemon = processors::on(processors::SERVER, || daemons::redis(at, port, ARGUMENTS))?;
    daemon.await_port(port)?;
    let connections = clients.count(16);
    let mut rate = 0.0;
    let load = move |seconds: f64| {
        // Of each of the two.
        let count = (rate * seconds / 2.0_f64).max(FIRST);
        let mut benchmark = Command::new("redis-benchmark");
        benchmark.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-c", &connections, "-t", "set,get", "--csv"]);
        benchmark.args(["-n", &format!("{count:.0}")]);
        let said = processors::on(processors::LOAD, || command::output(&mut benchmark))?;
        let mut sample = read(&said).with_context(|| format!("redis-benchmark said {said}"))?;
        sample.requests = 2.0 * count.round();
        rate = sample.per_second;
        Ok(sample)
    };
    Ok((vec![daemon], Box::new(load)))
}

/// Lines of `"SET","requests per second","average","least","50 %","95 %","99 %","most"`: as many of each kind took
/// their time one after the other; the worse latency counts. It does not say how many.
fn read(said: &str) -> Result<Sample> {
    let (mut seconds, mut kinds, mut p99_ms) = (0.0, 0.0, 0.0_f64);
    for line in said.lines().filter(|line| line.starts_with("\"SET\"") || line.starts_with("\"GET\"")) {
        let fields: Vec<&str> = line.split(',').map(|field| field.trim_matches('"')).collect();
        let number = |index: usize| -> Result<f64> { Ok(fields.get(index).context("too few fields")?.parse()?) };
        seconds += 1.0 / number(1)?;
        p99_ms = p99_ms.max(number(6)?);
        kinds += 1.0;
    }
    anyhow::ensure!(kinds > 1.5, "not both kinds");
    Ok(Sample { requests: 0.0, per_second: kinds / seconds, p99_ms: Some(p99_ms) })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_kinds_count_alike() {
        let head = "\"test\",\"rps\",\"avg_latency_ms\"\n";
        let said = format!(
            "{head}\"SET\",\"100.00\",\"1\",\"1\",\"1\",\"1\",\"3.5\",\"9\"\n\"GET\",\"300.00\",\"1\",\"1\",\"1\",\"1\",\"2.5\",\"9\"\n"
        );
        let sample = read(&said).unwrap();
        assert!((sample.per_second - 150.0).abs() < 1e-9, "{sample:?}");
        assert_eq!(sample.p99_ms, Some(3.5));
        assert!(read(head).is_err());
    }
}
