//! With and without the sensor on this machine's own kernel: rounds of A B A B, so that what drifts hits both alike.

use super::programs::{self, Run, Statistics};
use crate::bench::loops::{Ground, Operation};
use crate::bench::outcome::{Outcome, Table};
use crate::bench::processors;
use crate::bench::spread::Spread;
use crate::workspace;
use anyhow::{Context, Result};
use std::process::Stdio;

/// Rounds; the middle one of their ratios counts.
const ROUNDS: usize = 9;
/// How often the time of an exec record is measured.
const RECORDS: usize = 5;

/// What one round came to for one operation.
struct Round {
    without: f64,
    with: f64,
    agent: f64,
}

/// Measures with the hook set that loads here.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let ground = Ground::new()?;
    let mut rounds: Vec<Vec<Round>> = Operation::ALL.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        // A machine that gets slower from second to second must not always hit the same one.
        let (without, with) = if round % 2 == 0 {
            let without = without(&ground)?;
            (without, with(&ground)?)
        } else {
            let with = with(&ground)?;
            (without(&ground)?, with)
        };
        for (index, (without, (with, agent))) in without.into_iter().zip(with).enumerate() {
            rounds[index].push(Round { without, with, agent });
        }
    }
    let about = format!(
        "{ROUNDS} rounds; of each loop's parts the lower quartile counts, which other guests of the same host hardly reach. Loops \
         stay on one processor, since a child that begins on another one costs a third more or less. \
         The agent's part is its processor time, on top."
    );
    let columns = ["operation", "without (ns)", "with/without", "added (ns)", "agent (ns)"];
    let mut table = Table::new("With and without on this machine's kernel", about, &columns);
    for (operation, rounds) in Operation::ALL.into_iter().zip(&rounds) {
        row(&mut table, outcome, operation, rounds);
    }
    outcome.tables.push(table);
    kernel_time(outcome, &ground)
}

fn without(ground: &Ground) -> Result<Vec<f64>> {
    Operation::ALL
        .into_iter()
        .map(|operation| processors::on(processors::LOAD, || ground.measure(operation, operation.count())))
        .collect()
}

/// With the sensor; and the agent's processor time.
fn with(ground: &Ground) -> Result<Vec<(f64, f64)>> {
    let agent = ground.agent(&workspace::sensor(), &[], Stdio::null())?;
    let each = Operation::ALL.into_iter();
    let all = each.map(|operation| {
        processors::on(processors::LOAD, || ground.measure_under(&agent, operation, operation.count()))
    });
    let all = all.collect();
    agent.stop()?;
    all
}

fn row(table: &mut Table, outcome: &mut Outcome, operation: Operation, rounds: &[Round]) {
    let spread = |of: fn(&Round) -> f64| Spread::of(rounds.iter().map(of));
    let ratio = spread(|round| round.with / round.without);
    let added = spread(|round| round.with - round.without);
    table.row([
        operation.title().to_owned(),
        format!("{:.0}", spread(|round| round.without).median),
        ratio.to_string(),
        format!("{:.0}", added.median),
        format!("{:.0}", spread(|round| round.agent).median),
    ]);
    outcome.figure(format!("kernel.live.{}.ratio", operation.name()), ratio);
    outcome.figure(format!("kernel.live.{}.added", operation.name()), added);
}

/// What the programs take, by the kernel's own measure.
fn kernel_time(outcome: &mut Outcome, ground: &Ground) -> Result<()> {
    println!("kernel time of each program");
    let _statistics = Statistics::enable()?;
    let agent = ground.agent(&workspace::sensor(), &[], Stdio::null())?;
    let mut before = programs::read(&agent)?;
    let mut runs_of = |operation: Operation| -> Result<Vec<Run>> {
        ground.measure_under(&agent, operation, operation.count())?;
        let after = programs::read(&agent)?;
        let runs = programs::since(&before, &after);
        before = after;
        Ok(runs)
    };
    let mut all = Vec::new();
    for operation in Operation::ALL {
        all.push((operation, runs_of(operation)?));
    }
    let mut records = Vec::new();
    for _ in 0..RECORDS {
        let runs = runs_of(Operation::VforkExec)?;
        let exec = runs.iter().find(|run| run.program == EXEC).context("the program that sees execs")?;
        records.push(exec.each() / 1000.0);
    }
    agent.stop()?;
    let all = all.iter().map(|(operation, runs)| (*operation, runs.as_slice()));
    outcome.tables.push(programs::table("Kernel time of each program on this machine".to_owned(), "ns per run", all));
    outcome.figure("kernel.live.exec-record", Spread::of(records));
    Ok(())
}

/// The program that makes exec records.
const EXEC: &str = "sched_process_exec";
