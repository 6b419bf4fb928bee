//! With and without the sensor on this machine's own kernel: rounds of A B A B, so that what drifts hits both alike.

use super::loops::{self, Operation};
use super::table::{self, Row};
use crate::agent::Agent;
use crate::workspace;
use anyhow::Result;
use std::process::Stdio;

/// Rounds; the middle one of their ratios counts.
const ROUNDS: usize = 7;

/// What one round came to.
struct Round {
    without: f64,
    with: f64,
    agent: f64,
}

/// Measures and prints one table, with the hook set that loads here.
pub fn run() -> Result<()> {
    let directory = workspace::target().join("bench");
    std::fs::create_dir_all(&directory)?;
    let mut rounds: Vec<Vec<Round>> = Operation::ALL.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        let mut without = Vec::new();
        for operation in Operation::ALL {
            without.push(loops::measure(operation, operation.count())?);
        }
        let settings = ["output.stdout.format=\"json\"".to_owned()];
        let agent = Agent::start(&workspace::sensor(), &directory, &settings, Stdio::null())?;
        for (index, operation) in Operation::ALL.into_iter().enumerate() {
            let (spent, with) = agent.processor_time_for(|| loops::measure(operation, operation.count()));
            rounds[index].push(Round {
                without: without[index],
                with: with?,
                // The loop's warm-up is a tenth of what counts, and in the agent's time as well.
                agent: spent.as_secs_f64() * 1e9 / f64::from(operation.count()) / 1.1,
            });
        }
        agent.stop()?;
    }
    let rows: Vec<Row> =
        Operation::ALL.into_iter().zip(&rounds).map(|(operation, rounds)| row(operation, rounds)).collect();
    let release = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let title = format!("This machine, kernel {}, {ROUNDS} rounds", release.trim());
    table::print(&title, "ns", &rows);
    Ok(())
}

/// The middle of the ratios, on the middle of what it takes without.
fn row(operation: Operation, rounds: &[Round]) -> Row {
    let middle = |of: fn(&Round) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        table::median(&mut values)
    };
    let without = middle(|round| round.without);
    Row {
        operation,
        without,
        with: without * middle(|round| round.with / round.without),
        agent: middle(|round| round.agent),
    }
}
