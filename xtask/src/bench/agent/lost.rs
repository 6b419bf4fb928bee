//! Whether anything is lost while programs begin as fast as a busy machine starts them.

use super::Stage;
use crate::agent::Agent;
use crate::bench::load::Paced;
use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::Spread;
use crate::command;
use anyhow::Result;
use std::process::Stdio;
use std::time::{Duration, Instant};

const RATE: u32 = 5000;
const SECONDS: u32 = 60;
const KINDS: [&str; 3] = ["fork", "exec", "exit"];

/// What the agent counted so far.
#[derive(Clone, Copy, Default)]
struct Counted {
    seen: [f64; 3],
    /// Of these kinds, and of no known kind, in the process ring.
    lost: f64,
    /// Anywhere.
    lost_anywhere: f64,
}

/// Measures.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    println!("{RATE} exec/s for {SECONDS} s");
    let stage = Stage::new()?;
    let agent = stage.agent(Stdio::null())?;
    let before = counted(&agent)?;
    let begin = Instant::now();
    let made = Paced::begin(&command::myself()?, &stage.programs.tiny, RATE, SECONDS, 2)?.finish()?;
    let rate = f64::from(made) / begin.elapsed().as_secs_f64();
    std::thread::sleep(Duration::from_secs(2));
    let after = counted(&agent)?;
    agent.stop()?;
    let about = format!(
        "{made} programs by two processes, {rate:.0} a second; each is a fork, an exec and an exit. Other programs of the \
         machine are seen as well, so more are seen than made."
    );
    let mut table = Table::new(format!("{RATE} exec/s for {SECONDS} s"), about, &["", "made", "seen"]);
    let mut missing = 0.0;
    for (at, kind) in KINDS.into_iter().enumerate() {
        let seen = after.seen[at] - before.seen[at];
        missing += (f64::from(made) - seen).max(0.0);
        table.row([kind.to_owned(), made.to_string(), format!("{seen:.0}")]);
    }
    let lost = after.lost - before.lost;
    table.row(["counted as lost".to_owned(), String::new(), format!("{lost:.0}")]);
    let others = after.lost_anywhere - before.lost_anywhere - lost;
    table.row(["lost of other kinds".to_owned(), String::new(), format!("{others:.0}")]);
    outcome.tables.push(table);
    outcome.figure("agent.lost-5000", Spread::of([lost.max(missing)]));
    outcome.figure("agent.rate-5000", Spread::of([rate]));
    Ok(())
}

fn counted(agent: &Agent) -> Result<Counted> {
    let metrics = agent.metrics()?;
    let sum = |begin: &str, has: &str| -> f64 {
        let series = metrics.lines().filter(|line| line.starts_with(begin) && line.contains(has));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok()).sum()
    };
    Ok(Counted {
        seen: KINDS.map(|kind| sum("sensor_events_total{", &format!("kind=\"{kind}\""))),
        lost: sum("sensor_lost_events_total{", "ring=\"process\""),
        lost_anywhere: sum("sensor_lost_events_total{", ""),
    })
}
