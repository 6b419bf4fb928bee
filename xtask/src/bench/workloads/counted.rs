//! Instructions per request: the servers in a virtual machine under `-icount`, each with one client that waits for every
//! answer, so that guest time is all that is executed for a request, by client, server and kernel.
//!
//! What the agent takes is shown apart, as its processor time.

use super::contents;
use super::place::{Clients, Place};
use super::rounds::{self, Measured, Plan};
use super::watcher::{Nobody, Sensor, Watcher};
use super::workload::Workload;
use crate::bench::counting;
use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::Spread;
use crate::report::Message;
use crate::vm::Hooks;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

const WORKLOADS: [Workload; 3] = [Workload::Web, Workload::Redis, Workload::Pgbench];
/// In guest time, of which a rest takes none of the host's. Without one, what the kernel's workers do after each start
/// takes up to a tenth of a load.
const PLAN: Plan = Plan { rounds: 3, seconds: 1.0, rest: Duration::from_secs(5) };
/// How many percentage points the added part may grow before the regression check fails.
const TOLERANCE: f64 = 0.5;

/// What the machine says about one load.
#[derive(Serialize, Deserialize)]
struct Sample {
    round: usize,
    workload: Workload,
    watcher: String,
    /// Guest time per request, in ns.
    elapsed: f64,
    /// Of that, processor time of the agent.
    agent: f64,
    /// Switches between threads per request.
    switches: f64,
    /// Kernel programs that ran per request, while it warmed up.
    programs: Vec<Program>,
}

/// What one kernel program took.
#[derive(Serialize, Deserialize)]
struct Program {
    name: String,
    /// Runs per request.
    runs: f64,
    /// Instructions per run.
    instructions: f64,
}

/// Boots the machine and measures the trampoline set.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let place = Place::new(Clients::One)?;
    let (release, samples): (_, Vec<Sample>) =
        counting::run("workloads", "xtask guest workloads", &contents::of(place.cluster())?)?;
    drop(place);
    let about = format!(
        "Kernel {release}, trampoline set, counted; one client, which waits for each answer. Client, server and kernel \
         are all counted; the agent's part is its processor time, on top. Switches are those between threads, without and with."
    );
    let columns = ["request", "without", "added", "added in %", "agent", "agent in %", "switches"];
    let mut table = Table::new("Instructions per request", about, &columns);
    for workload in WORKLOADS {
        row(&mut table, outcome, &samples, workload);
    }
    outcome.tables.push(table);
    outcome.tables.push(programs(&samples));
    Ok(())
}

fn row(table: &mut Table, outcome: &mut Outcome, samples: &[Sample], workload: Workload) {
    let values = |watcher: &str, of: fn(&Sample) -> f64| {
        let mine = samples.iter().filter(|one| one.workload == workload && one.watcher == watcher);
        Spread::of(mine.map(of))
    };
    let without = values("nobody", |one| one.elapsed).median;
    let with = values("sensor", |one| one.elapsed - one.agent);
    let agent = values("sensor", |one| one.agent);
    let added = with.map(|with| (with / without - 1.0) * 100.0);
    table.row([
        workload.title().to_owned(),
        format!("{:.0}", values("nobody", |one| one.elapsed)),
        format!("{:.0}", with.median - without),
        format!("{added:.2}"),
        format!("{:.0}", agent.median),
        format!("{:.2}", agent.median / without * 100.0),
        format!(
            "{:.2} / {:.2}",
            values("nobody", |one| one.switches).median,
            values("sensor", |one| one.switches).median
        ),
    ]);
    outcome.steady(format!("workloads.counted.{}.added", workload.name()), added, TOLERANCE);
}

/// Which kernel program takes how much of it.
fn programs(samples: &[Sample]) -> Table {
    let about =
        "While they warm up, with `kernel.bpf_stats_enabled`: the rest of what is added is how programs are called.";
    let columns = ["request", "program", "runs", "instructions each", "instructions per request"];
    let mut table = Table::new("Kernel programs per request", about, &columns);
    for sample in samples.iter().filter(|sample| sample.round == 0) {
        for program in sample.programs.iter().filter(|program| program.runs > 0.01) {
            table.row([
                sample.workload.name().to_owned(),
                program.name.clone(),
                format!("{:.2}", program.runs),
                format!("{:.0}", program.instructions),
                format!("{:.0}", program.runs * program.instructions),
            ]);
        }
    }
    table
}

/// Inside the machine.
pub fn guest() {
    // What a kernel puts off until after its boot is over by then.
    std::thread::sleep(Duration::from_secs(5));
    if let Err(error) = rounds_in_guest() {
        Message::Note(format!("{error:#}")).send();
    }
}

fn rounds_in_guest() -> Result<()> {
    let place = Place::with_cluster(Clients::One, Path::new(contents::CLUSTER))?;
    let sensor = Sensor { hooks: Some(Hooks::Trampoline), statistics: true };
    let watchers: [&dyn Watcher; 2] = [&Nobody, &sensor];
    rounds::measure(&place, &watchers, &WORKLOADS, PLAN, &mut send).map(drop)
}

fn send(one: &Measured) {
    let elapsed = 1e9 / one.sample.per_second;
    let sample = Sample {
        round: one.round,
        workload: one.workload,
        watcher: one.watcher.to_owned(),
        elapsed,
        agent: one.watcher_ns,
        switches: one.switches,
        programs: counted(&one.metrics, one.warm_requests),
    };
    if let Ok(value) = serde_json::to_value(sample) {
        Message::Sample(value).send();
    }
}

/// The programs that ran between two readings of the sensor's metrics.
fn counted([before, after]: &[String; 2], requests: f64) -> Vec<Program> {
    let grown = |name: &str| {
        let (before, after) = (values(before, name), values(after, name));
        move |program: &str| after.get(program).unwrap_or(&0.0) - before.get(program).unwrap_or(&0.0)
    };
    let (runs, seconds) = (grown("sensor_program_runs_total"), grown("sensor_program_run_seconds_total"));
    let names = values(after, "sensor_program_runs_total").into_keys();
    let ran = names.filter(|name| runs(name) > 0.0);
    ran.map(|name| Program { runs: runs(&name) / requests, instructions: seconds(&name) * 1e9 / runs(&name), name })
        .collect()
}

/// Values of a metric by its label: `NAME{program="on_exec"} 12`.
fn values(metrics: &str, name: &str) -> BTreeMap<String, f64> {
    let lines = metrics.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix('{'));
    lines
        .filter_map(|line| {
            let (labels, value) = line.split_once("} ")?;
            Some((labels.split('"').nth(1)?.to_owned(), value.trim().parse().ok()?))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn programs_are_what_the_metrics_grew_by() {
        let metrics = |runs: u32, seconds: f64| {
            format!(
                "# HELP x\nsensor_program_runs_total{{program=\"open\"}} {runs}\n\
                 sensor_program_run_seconds_total{{program=\"open\"}} {seconds}\n\
                 sensor_program_runs_total{{program=\"idle\"}} 5\n"
            )
        };
        let programs = counted(&[metrics(10, 1e-6), metrics(30, 5e-6)], 10.0);
        assert_eq!(programs.len(), 1);
        assert_eq!((programs[0].name.as_str(), programs[0].runs), ("open", 2.0));
        assert!((programs[0].instructions - 200.0).abs() < 1e-6);
    }
}
