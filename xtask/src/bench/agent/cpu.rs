//! The agent's processor time, by how many programs begin in a second.

use super::Stage;
use crate::agent::Agent;
use crate::bench::load::Paced;
use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::Spread;
use crate::command;
use anyhow::Result;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// Rounds; each measures every load once, so that what drifts hits all alike.
const ROUNDS: u32 = 5;
/// How long a load lasts, in seconds.
const SECONDS: u32 = 4;
/// More than one process can start in a second is shared by two.
const MOST_OF_ONE: u32 = 2000;

/// A load.
#[derive(Clone, Copy)]
struct Load {
    figure: &'static str,
    title: &'static str,
    /// Programs a second.
    rate: u32,
    /// They are a server's children.
    in_lineage: bool,
}

const LOADS: [Load; 7] = [
    Load { figure: "agent.cpu-rest", title: "at rest", rate: 0, in_lineage: false },
    Load { figure: "agent.cpu-100", title: "100 exec/s", rate: 100, in_lineage: false },
    Load { figure: "agent.cpu-400", title: "400 exec/s", rate: 400, in_lineage: false },
    Load { figure: "agent.cpu-1600", title: "1,600 exec/s", rate: 1600, in_lineage: false },
    Load { figure: "agent.cpu-5000", title: "5,000 exec/s", rate: 5000, in_lineage: false },
    Load {
        figure: "agent.cpu-lineage-100",
        title: "100 exec/s of a server's normal children",
        rate: 100,
        in_lineage: true,
    },
    Load {
        figure: "agent.cpu-lineage-1600",
        title: "1,600 exec/s of a server's normal children",
        rate: 1600,
        in_lineage: true,
    },
];

/// What a load came to.
struct Sample {
    /// Percent of one processor.
    percent: f64,
    /// Programs a second, in fact.
    rate: f64,
}

/// Measures all loads.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let stage = Stage::new()?;
    let agent = stage.agent(Stdio::null())?;
    let mut samples: Vec<Vec<Sample>> = LOADS.iter().map(|_| Vec::new()).collect();
    for round in 1..=ROUNDS {
        println!("processor time, round {round} of {ROUNDS}");
        for (load, samples) in LOADS.iter().zip(&mut samples) {
            samples.push(sample(&stage, &agent, *load)?);
        }
    }
    agent.stop()?;
    let about = format!(
        "{ROUNDS} rounds of {SECONDS} s for each load; each program is a vfork, an exec of a program of a few bytes, its \
         exit and a wait. Processor time of all threads of the agent. Where a server's children begin, each exec wakes \
         the agent, which judges it."
    );
    let columns = ["load", "reached (exec/s)", "% of one core", "µs per exec"];
    let mut table = Table::new("The agent's processor time", about, &columns);
    for (load, samples) in LOADS.iter().zip(&samples) {
        let of = |value: fn(&Sample) -> f64| Spread::of(samples.iter().map(value));
        let each = of(|sample| sample.percent * 1e4 / sample.rate);
        let (reached, each) = match load.rate {
            0 => ("-".to_owned(), "-".to_owned()),
            _ => (format!("{:.0}", of(|sample| sample.rate)), format!("{each:.1}")),
        };
        let percent = of(|sample| sample.percent);
        table.row([load.title.to_owned(), reached, format!("{percent:.2}"), each]);
        outcome.figure(load.figure, percent);
    }
    outcome.tables.push(table);
    Ok(())
}

fn sample(stage: &Stage, agent: &Agent, load: Load) -> Result<Sample> {
    let (spent, done) = agent.processor_time_for(|| {
        let begin = Instant::now();
        (work(stage, load), begin.elapsed().as_secs_f64())
    });
    // What it does in the half second after is counted too, and little if it keeps up.
    let (count, seconds) = (done.0?, done.1);
    Ok(Sample { percent: spent.as_secs_f64() / seconds * 100.0, rate: f64::from(count) / seconds })
}

fn work(stage: &Stage, load: Load) -> Result<u32> {
    if load.rate == 0 {
        std::thread::sleep(Duration::from_secs(SECONDS.into()));
        return Ok(0);
    }
    let by = if load.in_lineage { stage.server() } else { command::myself()? };
    let workers = load.rate.div_ceil(MOST_OF_ONE).min(2);
    Paced::begin(&by, &stage.programs.tiny, load.rate, SECONDS, workers)?.finish()
}
