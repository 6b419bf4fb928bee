//! What the kernel says that each of the sensor's programs took (`kernel.bpf_stats_enabled`).

use crate::agent::Agent;
use crate::bench::loops::Operation;
use crate::bench::outcome::Table;
use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::time::Duration;

const SWITCH: &str = "/proc/sys/kernel/bpf_stats_enabled";

/// The kernel measures programs as long as this lives; then the switch is as it was.
pub struct Statistics(String);

impl Statistics {
    /// Turns it on.
    pub fn enable() -> Result<Self> {
        let before = std::fs::read_to_string(SWITCH).context(SWITCH)?;
        std::fs::write(SWITCH, "1").context(SWITCH)?;
        Ok(Self(before))
    }
}

impl Drop for Statistics {
    fn drop(&mut self) {
        if let Err(error) = std::fs::write(SWITCH, self.0.trim()) {
            eprintln!("{SWITCH}: {error}");
        }
    }
}

/// Runs of one program.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its name.
    pub program: String,
    /// How often it ran.
    pub count: f64,
    /// How long together, in nanoseconds.
    pub nanoseconds: f64,
}

impl Run {
    /// Of one run, in nanoseconds.
    pub fn each(&self) -> f64 {
        self.nanoseconds / self.count
    }
}

/// What each program took so far. The agent asks the kernel once a second: waits for that.
pub fn read(agent: &Agent) -> Result<Vec<Run>> {
    std::thread::sleep(Duration::from_millis(1500));
    Ok(parse(&agent.metrics()?))
}

fn parse(metrics: &str) -> Vec<Run> {
    let values = |name: &str| {
        let start = format!("sensor_{name}{{program=\"");
        let lines = metrics.lines().filter_map(move |line| line.strip_prefix(&start)?.split_once("\"} "));
        lines.map(|(program, value)| (program.to_owned(), value.parse().unwrap_or(0.0))).collect::<Vec<(String, f64)>>()
    };
    let seconds = values("program_run_seconds_total");
    let of = |name: &str| seconds.iter().find(|(program, _)| program == name).map_or(0.0, |(_, value)| value * 1e9);
    values("program_runs_total")
        .into_iter()
        .map(|(program, count)| Run { nanoseconds: of(&program), program, count })
        .collect()
}

/// What was taken in between; programs that did not run are left out.
pub fn since(before: &[Run], after: &[Run]) -> Vec<Run> {
    let earlier =
        |name: &str| before.iter().find(|run| run.program == name).map_or((0.0, 0.0), |r| (r.count, r.nanoseconds));
    let mut runs = Vec::new();
    for run in after {
        let (count, nanoseconds) = earlier(&run.program);
        if run.count > count {
            let program = run.program.clone();
            runs.push(Run { program, count: run.count - count, nanoseconds: run.nanoseconds - nanoseconds });
        }
    }
    runs
}

/// A row for each program that an operation makes run.
pub fn table<'a>(title: String, unit: &str, all: impl Iterator<Item = (Operation, &'a [Run])>) -> Table {
    let about = "From `kernel.bpf_stats_enabled`, in a run of its own. What the measuring itself takes is in it: an empty \
        program reads about 50 ns on a usual machine.";
    let mut table = Table::new(title, about, &["operation", "program", "runs", unit]);
    for (operation, runs) in all {
        // What others on the machine did meanwhile is none of the operation's.
        let most = runs.iter().map(|run| run.count).fold(0.0, f64::max);
        for run in runs.iter().filter(|run| run.count > most / 10.0) {
            let cells = [operation.name().to_owned(), run.program.clone(), format!("{:.0}", run.count)];
            table.row(cells.into_iter().chain([format!("{:.0}", run.each())]));
        }
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_are_read_and_compared() {
        let text = |runs: u32, seconds: f64| {
            format!(
                "sensor_program_runs_total{{program=\"a\"}} {runs}\nsensor_program_runs_total{{program=\"b\"}} 3\n\
                 sensor_program_run_seconds_total{{program=\"a\"}} {seconds}\n"
            )
        };
        let runs = since(&parse(&text(10, 1e-6)), &parse(&text(30, 5e-6)));
        assert_eq!(runs.len(), 1);
        assert_eq!((runs[0].program.as_str(), runs[0].each().round()), ("a", 200.0));
    }
}
