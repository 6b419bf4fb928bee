//! PostgreSQL under pgbench's own transaction, in a cluster that is new in each round.

use super::place::{Clients, directories};
use super::workload::{Load, Sample};
use crate::bench::spread::quantile;
use crate::command;
use crate::daemons::{self, Cluster, Daemon, host};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Nothing waits for a disk, which would hide what the processor does, and nothing happens in one round only.
const SETTINGS: &str = "fsync = off\nautovacuum = off\ncheckpoint_timeout = 1h\nshared_buffers = 32MB\n\
                        max_connections = 20\ntimezone = 'GMT'\nlog_timezone = 'GMT'\n";

/// Makes a cluster with pgbench's tables in `pg/data`, and stops its server again.
pub fn make_cluster(at: &Path, clients: Clients) -> Result<()> {
    directories(at, &["pg"], "postgres")?;
    let (cluster, data, port) = (Cluster::newest()?, at.join("pg/data"), host::free_port()?);
    cluster.create(&data, &["--locale=C", "--encoding=UTF8"])?;
    let configuration = data.join("postgresql.conf");
    let before = std::fs::read_to_string(&configuration)?;
    std::fs::write(&configuration, format!("{before}\n{SETTINGS}"))?;
    let server = daemons::postgres(at, port, &[])?;
    server.await_port(port)?;
    // More branches than clients: else they wait for each other's rows.
    let scale = clients.count(4);
    command::output(pgbench(port)?.args(["--initialize", "--quiet", "--scale", &scale])).map(drop)
}

/// Starts a copy of a cluster, and loads it.
pub fn start(at: &Path, cluster: &Path, clients: Clients) -> Result<(Vec<Daemon>, Load)> {
    directories(at, &["pg"], "postgres")?;
    host::copy_tree(cluster, &at.join("pg/data"))?;
    let port = host::free_port()?;
    let daemon = daemons::postgres(at, port, &[])?;
    daemon.await_port(port)?;
    let (connections, at) = (clients.count(2), at.to_owned());
    let load = move |seconds: f64| {
        let seconds = format!("{:.0}", seconds.max(1.0));
        let mut pgbench = pgbench(port)?;
        pgbench.args(["--no-vacuum", "--client", &connections, "--time", &seconds, "--log", "--log-prefix"]);
        let said = command::output(pgbench.arg(at.join("log")))?;
        let per_second = rate(&said).with_context(|| format!("pgbench said {said}"))?;
        let mut times = logged(&at)?;
        let requests = f64::from(u32::try_from(times.len())?);
        Ok(Sample { requests, per_second, p99_ms: Some(quantile(&mut times, 0.99)) })
    };
    Ok((vec![daemon], Box::new(load)))
}

fn pgbench(port: u16) -> Result<Command> {
    // Not the one in PATH, which is a Perl script around this.
    let mut command = Command::new(Cluster::newest()?.programs.join("pgbench"));
    command.args(["-h", "127.0.0.1", "-p", &port.to_string(), "-U", "postgres", "postgres"]);
    Ok(command)
}

/// `tps = 1234.5 (without initial connection time)`.
fn rate(said: &str) -> Result<f64> {
    if !said.contains("number of failed transactions: 0 ") {
        bail!("transactions failed");
    }
    let rate = said.lines().find_map(|line| line.strip_prefix("tps = "));
    Ok(rate.and_then(|rest| rest.split(' ').next()).context("no tps")?.parse()?)
}

/// Milliseconds of each transaction, from the log, whose third column is microseconds; it is removed.
fn logged(at: &Path) -> Result<Vec<f64>> {
    let mut times: Vec<f64> = Vec::new();
    for entry in
        std::fs::read_dir(at)?.flatten().filter(|entry| entry.file_name().as_encoded_bytes().starts_with(b"log."))
    {
        let text = std::fs::read_to_string(entry.path())?;
        times.extend(text.lines().filter_map(|line| Some(line.split(' ').nth(2)?.parse::<f64>().ok()? / 1000.0)));
        std::fs::remove_file(entry.path())?;
    }
    if times.is_empty() {
        bail!("pgbench logged no transaction");
    }
    Ok(times)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failed_transactions_are_no_result() {
        let said = "number of failed transactions: 0 (0.000%)\ntps = 1234.500000 (without initial connection time)\n";
        assert!((rate(said).unwrap() - 1234.5).abs() < 1e-9);
        assert!(rate(&said.replace(": 0 ", ": 3 ")).is_err());
    }
}
