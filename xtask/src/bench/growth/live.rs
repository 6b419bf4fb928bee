//! What grows with a machine's processes, and with the directories that are watched, in a running agent.

use crate::bench::agent::{Memory, Stage};
use crate::bench::load::{Living, Paced, Room};
use crate::bench::loops::{Ground, Operation};
use crate::bench::outcome::{Outcome, Plot, Table};
use crate::bench::spread::Spread;
use crate::command;
use anyhow::{Context, Result};
use std::process::Stdio;
use std::time::{Duration, Instant};

const PROCESSES: [u32; 3] = [1000, 8000, 32_000];
const DIRECTORIES: [u32; 3] = [10, 1000, 20_000];
/// Rounds of each size; with directories, each with and without.
const ROUNDS: usize = 3;
/// How many programs begin in a second while processor time is measured, and for how many seconds.
const RATE: u32 = 1600;
const SECONDS: u32 = 4;
/// How long an agent is given to take a crowd in.
const REST: Duration = Duration::from_secs(3);

/// Measures both.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    processes(outcome)?;
    directories(outcome)
}

/// What a size came to, in each round.
#[derive(Default)]
struct Samples {
    size: u32,
    memory: Vec<f64>,
    /// Of the agent for each exec, in microseconds.
    exec: Vec<f64>,
    /// Until the agent is ready, in seconds.
    start: Vec<f64>,
    /// A stranger's open and close, with/without.
    open: Vec<f64>,
    refused: f64,
}

fn of_sizes(sizes: &[u32]) -> Vec<Samples> {
    sizes.iter().map(|&size| Samples { size, ..Samples::default() }).collect()
}

fn spread(values: &[f64]) -> Spread {
    Spread::of(values.iter().copied())
}

fn curve(name: &str, samples: &[Samples], of: fn(&Samples) -> &Vec<f64>) -> (String, Vec<(f64, f64)>) {
    let points = samples.iter().map(|samples| (f64::from(samples.size), spread(of(samples)).median));
    (name.to_owned(), points.collect())
}

fn processes(outcome: &mut Outcome) -> Result<()> {
    let room = Room::make(32_000)?;
    let mut all = of_sizes(&PROCESSES);
    for round in 1..=ROUNDS {
        for samples in &mut all {
            println!("{} live processes, round {round} of {ROUNDS}", samples.size);
            beside_a_crowd(samples)?;
        }
    }
    let about = format!(
        "{ROUNDS} rounds. Resident memory; the agent's processor time for each exec while {RATE} programs begin and end a \
         second.{}",
        room.told()
    );
    let columns = ["live processes", "resident (MiB)", "µs per exec"];
    let mut table = Table::new("With more processes", about, &columns);
    for samples in &all {
        let (memory, exec) = (spread(&samples.memory), spread(&samples.exec));
        table.row([samples.size.to_string(), format!("{memory:.1}"), format!("{exec:.1}")]);
        outcome.figure(format!("growth.processes-{}.memory", samples.size), memory);
        outcome.figure(format!("growth.processes-{}.exec", samples.size), exec);
    }
    outcome.tables.push(table);
    outcome.plots.push(Plot {
        name: "growth-processes".to_owned(),
        title: "The agent, with more processes".to_owned(),
        x: "live processes".to_owned(),
        y: "MiB; µs".to_owned(),
        curves: vec![
            curve("resident memory (MiB)", &all, |samples| &samples.memory),
            curve("processor time for an exec (µs)", &all, |samples| &samples.exec),
        ],
    });
    Ok(())
}

fn beside_a_crowd(samples: &mut Samples) -> Result<()> {
    let stage = Stage::new()?;
    let agent = stage.agent(Stdio::null())?;
    let living = Living::new(&command::myself()?, samples.size as usize, stage.programs.waits.as_deref())?;
    std::thread::sleep(REST);
    samples.memory.push(Memory::of(&agent)?.resident);
    let (spent, count) = agent
        .processor_time_for(|| Paced::begin(&command::myself()?, &stage.programs.tiny, RATE, SECONDS, 1)?.finish());
    samples.exec.push(spent.as_secs_f64() * 1e6 / f64::from(count?));
    drop(living);
    agent.stop().map(drop)
}

fn directories(outcome: &mut Outcome) -> Result<()> {
    let mut all = of_sizes(&DIRECTORIES);
    for samples in &mut all {
        let stage = Stage::new()?;
        for number in 0..samples.size {
            let directory = stage.www().join(format!("directory{number}"));
            std::fs::create_dir(&directory).with_context(|| directory.display().to_string())?;
        }
        // The server is there before the agent, which so has all of it to do before it is ready.
        let _server = Living::new(&stage.server(), 0, None)?;
        for round in 1..=ROUNDS {
            println!("{} watched directories, round {round} of {ROUNDS}", samples.size);
            below_a_server(&stage, samples)?;
        }
    }
    let about = format!(
        "A server's directory with so many below it; {ROUNDS} rounds, each without and with the sensor. Time until the \
         sensor is ready, to a twentieth of a second; a read-only open and close by a stranger elsewhere, with/without. In \
         the tracepoint set each directory has a mark of its own, 16,384 at most; what is beyond is said and counted."
    );
    let columns = ["directories", "not watched", "resident (MiB)", "start (s)", "open+close, with/without"];
    let mut table = Table::new("With more watched directories", about, &columns);
    for samples in &all {
        let (memory, start, open) = (spread(&samples.memory), spread(&samples.start), spread(&samples.open));
        table.row([
            samples.size.to_string(),
            format!("{:.0}", samples.refused),
            format!("{memory:.1}"),
            format!("{start:.2}"),
            format!("{open:.3}"),
        ]);
        outcome.figure(format!("growth.directories-{}.memory", samples.size), memory);
        outcome.figure(format!("growth.directories-{}.start", samples.size), start);
        outcome.figure(format!("growth.directories-{}.open", samples.size), open);
    }
    outcome.tables.push(table);
    outcome.plots.push(Plot {
        name: "growth-directories".to_owned(),
        title: "The agent, with more watched directories".to_owned(),
        x: "watched directories".to_owned(),
        y: "MiB; s; ratio".to_owned(),
        curves: vec![
            curve("resident memory (MiB)", &all, |samples| &samples.memory),
            curve("start (s)", &all, |samples| &samples.start),
            curve("a stranger's open, with/without", &all, |samples| &samples.open),
        ],
    });
    Ok(())
}

fn below_a_server(stage: &Stage, samples: &mut Samples) -> Result<()> {
    let ground = Ground::new()?;
    let open = || ground.measure(Operation::OpenRead, Operation::OpenRead.count());
    let without = open()?;
    let begin = Instant::now();
    let agent = stage.agent(Stdio::null())?;
    samples.start.push(begin.elapsed().as_secs_f64());
    std::thread::sleep(REST);
    samples.memory.push(Memory::of(&agent)?.resident);
    samples.open.push(open()? / without);
    let metrics = agent.metrics()?;
    let refused = metrics.lines().filter(|line| line.starts_with("sensor_lost_events_total{ring=\"fanotify\""));
    samples.refused = refused.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum();
    agent.stop().map(drop)
}
