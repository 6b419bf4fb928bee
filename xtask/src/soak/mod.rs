//! `cargo xtask soak`: a million events through a running sensor, and what it then has more than before: nothing.
//!
//! Strangers start programs and fork, one server after the other comes, does all that servers do, is alerted about and ends,
//! while the sensor is scraped, asked, and told to reload. After each of [`ROUNDS`] rounds it is looked at. What it has is judged
//! from the second half on: tables have reached their bounds by then.

mod sample;

use crate::agent::Agent;
use crate::bench::loops::{Ground, Operation};
use crate::report::{Check, Tally};
use crate::scenarios::lab::{finish, signal};
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use sample::Sample;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// `cargo xtask soak`.
#[derive(clap::Args)]
pub struct Options {
    /// So many events, about.
    #[arg(long, default_value_t = 1_000_000)]
    events: u32,
}

/// The sensor is looked at so often.
const ROUNDS: u32 = 20;
/// Bytes that the agent may have more in the middle of the last rounds than in the middle of those at half time.
const MAY_GROW: u64 = 2 << 20;
/// What a server does in a round.
const BUSY: &str = "100";
/// Longest time for a server's part.
const PATIENCE: Duration = Duration::from_secs(60);

/// What was made, as those say who made it.
#[derive(Default)]
struct Made {
    forks: u32,
    execs: u32,
}

/// Runs it, prints each check and the closing line.
pub fn run(options: &Options) -> Result<()> {
    let begin = Instant::now();
    // Its directory has the sensor's log.
    let ground = Ground::new()?;
    let (samples, made, agent) = measure(&ground, options.events)?;
    let seconds = begin.elapsed().as_secs_f64();
    let lost = accounted(&agent, &made, options.events);
    let log = agent.log()?;
    let checks = [
        Check::of("memory", memory(&samples, |sample| sample.agent), seconds),
        Check::of("memory of the listener", memory(&samples, |sample| sample.listener), seconds),
        Check::of("tasks", same(&samples, |sample| sample.tasks), seconds),
        Check::of("descriptors", same(&samples, |sample| sample.descriptors), seconds),
        Check::of("fanotify marks", same(&samples, |sample| sample.marks), seconds),
        Check::of("events", lost, seconds),
        Check::of("log", complaints(&log), seconds),
        Check::of("end", ended(agent), seconds),
    ];
    checks.iter().for_each(Check::announce);
    Tally::of(&checks).close()
}

fn measure(ground: &Ground, events: u32) -> Result<(Vec<Sample>, Made, Agent)> {
    let other = Ground::new()?;
    let settings = ["kernel.hooks=\"auto\"".to_owned()];
    let agent = ground.agent(&workspace::sensor(), &settings, Stdio::null())?;
    let mut made = Made::default();
    let mut samples = Vec::new();
    // Half of the events are of started programs (three each), half of forks (two each); the loops do a tenth more to warm up.
    let of_round = |share: u32| events / 2 / ROUNDS / share * 10 / 11;
    let (programs, forks) = (of_round(3), of_round(2));
    for round in 1..=ROUNDS {
        std::thread::scope(|scope| {
            let starting = scope.spawn(|| ground.sample(Operation::VforkExec, programs, 10));
            let forking = scope.spawn(|| other.sample(Operation::ForkExit, forks, 10));
            let served = serve(ground, &agent);
            let joined = |thread: std::thread::ScopedJoinHandle<'_, Result<_>>| {
                thread.join().unwrap_or_else(|_| bail!("a loop panicked")).map(drop)
            };
            joined(starting).and(joined(forking)).and(served)
        })?;
        made.execs += programs;
        made.forks += programs + forks;
        std::thread::sleep(Duration::from_millis(600));
        let sample = Sample::of(&agent)?;
        println!("round {round} of {ROUNDS}: {sample}");
        samples.push(sample);
    }
    Ok((samples, made, agent))
}

/// A server comes, works and ends, while the agent is asked and told things.
fn serve(ground: &Ground, agent: &Agent) -> Result<()> {
    let mut server = ground.server_with("busy", &[BUSY]).spawn().context("starting the server")?;
    signal(agent.pid(), libc::SIGHUP)?;
    let socket = format!("agent.socket={:?}", ground.directory().join("sensor.sock").display().to_string());
    for question in [&["status", "--json"][..], &["tree"], &["servers"]] {
        let mut ask = command::command(workspace::sensor());
        command::output(ask.args(question).args(["--set", &socket]))?;
        agent.metrics()?;
    }
    finish(&mut server, PATIENCE)
}

/// Bytes in the middle of the last quarter against those of the quarter before the second half.
fn memory(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> Result<String> {
    let quarter = samples.len() / 4;
    let middle = |samples: &[Sample]| {
        let mut bytes: Vec<u64> = samples.iter().map(&of).collect();
        bytes.sort_unstable();
        bytes[bytes.len() / 2]
    };
    let before = middle(&samples[quarter * 2..quarter * 3]);
    let after = middle(&samples[quarter * 3..]);
    let mib = |bytes: u64| format!("{}.{}", bytes >> 20, (bytes >> 10) % 1024 * 10 / 1024);
    let told = format!("{} MiB in the third quarter, {} in the last", mib(before), mib(after));
    if after > before + MAY_GROW {
        bail!("{told}");
    }
    Ok(told)
}

/// A number that is the same at the end as at half time.
fn same(samples: &[Sample], of: impl Fn(&Sample) -> u64) -> Result<String> {
    let (half, end) = (of(&samples[samples.len() / 2]), samples.last().map_or(0, &of));
    if half != end {
        let all: Vec<String> = samples.iter().map(|sample| of(sample).to_string()).collect();
        bail!("{half} at half time, {end} at the end; after each round {}", all.join(", "));
    }
    Ok(format!("{end}"))
}

/// Whether what was made was taken in, or is counted as lost.
fn accounted(agent: &Agent, made: &Made, events: u32) -> Result<String> {
    let mut told = Vec::new();
    for (kind, made) in [("fork", made.forks), ("exec", made.execs)] {
        let taken = agent.metric("events_total", "kind", kind)?;
        let lost = agent.metric("lost_events_total", "kind", kind)?;
        if taken + lost < f64::from(made) {
            bail!("{kind}: {made} were made, {taken} taken in, {lost} counted as lost");
        }
        told.push(format!("{kind}: {taken} taken in, {lost} counted as lost"));
    }
    let alerts =
        agent.metric("alerts_total", "severity", "high")? + agent.metric("alerts_total", "severity", "critical")?;
    let reloads = agent.metric("config_reloads_total", "result", "success")?;
    let refused = agent.metrics()?.lines().any(|line| line == "sensor_refused_system_calls_total 0");
    if alerts < f64::from(ROUNDS) || reloads < f64::from(ROUNDS) / 2.0 || !refused {
        bail!("{alerts} alerts, {reloads} reloads; no system call refused: {refused}");
    }
    told.push(format!("{alerts} alerts, {reloads} reloads"));
    Ok(format!("{events} asked for; {}", told.join("; ")))
}

/// Nothing that a log of such a run should have: errors, and directories that could not be watched.
fn complaints(log: &str) -> Result<String> {
    let bad: Vec<&str> = log.lines().filter(|line| line.contains("ERROR") || line.contains("panicked")).collect();
    match bad.first() {
        Some(first) => bail!("{} errors, such as: {first}", bad.len()),
        None => Ok(format!("{} lines, no error", log.lines().count())),
    }
}

fn ended(agent: Agent) -> Result<String> {
    let begin = Instant::now();
    let status = agent.stop()?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    Ok(format!("{:.1} s after SIGTERM", begin.elapsed().as_secs_f64()))
}
