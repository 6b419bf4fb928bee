//! Counted instructions of single operations.
//!
//! Each hook set has a boot of its own: what the first run of one leaves behind for good (a file system that was once
//! marked) must not be in what the other is compared with.

use super::guest::{self, Reading};
use super::programs;
use crate::bench::counting;
use crate::bench::loops::Operation;
use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::Spread;
use crate::vm::Hooks;
use crate::vm::initramfs::Extra;
use anyhow::Result;

/// How much an operation may become dearer, in percent of what it costs without, before the regression check fails.
const TOLERANCE: f64 = 0.5;

/// Both ends of a connection are in these, with the kernel's own queues between them: rounds differ too much.
const UNSTEADY: [Operation; 2] = [Operation::Connect, Operation::Accept];

const ABOUT: &str = "Kernel RELEASE, counted. *Added* compares the mean of the middle half of many short parts, with and without in \
    turns; of an operation that makes no processes, the loop's own processor time, which the agent, on the same single \
    processor, is not part of. A tick, or work \
    that the kernel had put off, falls into a few parts. *Over all* is by the processor time of the loop and its children over all parts: with every \
    wake-up of the agent, every tick and whatever else interrupted them, and less steady therefore. The agent's own \
    processor time stands apart.";

/// Boots a machine for each hook set.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    Hooks::ALL.into_iter().try_for_each(|hooks| of_set(outcome, hooks))
}

/// The steady figures: those of the trampoline set, which the bars are about.
pub fn steady(outcome: &mut Outcome) -> Result<()> {
    of_set(outcome, Hooks::Trampoline)
}

fn of_set(outcome: &mut Outcome, hooks: Hooks) -> Result<()> {
    println!("{} set:", hooks.name());
    let script = format!("xtask guest bench --hooks {}", hooks.name());
    let (release, readings): (_, Vec<Reading>) = counting::run("bench", &script, &Extra::default())?;
    let title = format!("Instructions per operation, {} set", hooks.name());
    let columns = ["operation", "without", "added", "added in %", "over all, in %", "agent"];
    let mut table = Table::new(title, ABOUT.replace("RELEASE", &release), &columns);
    for operation in Operation::ALL {
        row(&mut table, outcome, &readings, hooks, operation);
    }
    outcome.tables.push(table);
    let title = format!("Instructions per run of a kernel program, {} set", hooks.name());
    let all = readings.iter().map(|reading| (reading.operation, reading.programs.as_slice()));
    outcome.tables.push(programs::table(title, "instructions", all));
    Ok(())
}

fn row(table: &mut Table, outcome: &mut Outcome, readings: &[Reading], hooks: Hooks, operation: Operation) {
    // Each round's ratio, as the rounds were measured: without, then with.
    let rounds = |of: fn(&Reading) -> f64| -> (Spread, Spread) {
        let of_state = |state| {
            let chosen =
                readings.iter().filter(move |reading| reading.state == state && reading.operation == operation);
            chosen.map(of).collect::<Vec<f64>>()
        };
        let (without, with) = (of_state(guest::State::Without), of_state(guest::State::With));
        let ratios = without.iter().zip(&with).map(|(without, with)| (with / without - 1.0) * 100.0);
        (Spread::of(without.clone()), Spread::of(ratios))
    };
    let (without, added) = rounds(|reading| reading.clean);
    let (_, over_all) = rounds(|reading| reading.spent);
    let agent = readings.iter().filter(|reading| reading.operation == operation && reading.state == guest::State::With);
    table.row([
        operation.title().to_owned(),
        format!("{:.0}", without.median),
        format!("{:.0}", without.median * added.median / 100.0),
        format!("{added:.2}"),
        format!("{over_all:.2}"),
        format!("{:.0}", Spread::of(agent.map(|reading| reading.agent)).median),
    ]);
    let id = format!("kernel.counted.{}.added", operation.name());
    match hooks {
        Hooks::Trampoline if !UNSTEADY.contains(&operation) => outcome.steady(id, added, TOLERANCE),
        Hooks::Trampoline => outcome.figure(id, added),
        Hooks::Tracepoint => outcome.figure(id.replace("counted", "counted-tracepoint"), added),
    }
}
