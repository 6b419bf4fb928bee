//! `cargo xtask scenarios`: attacks, evasions and ordinary work on a real kernel, and what the sensor says of them.
//!
//! The same scenarios run live as root and in the virtual machines. Each plays its part as a server of its own (a copy of
//! this program, which an extra catalogue file names), so nothing else on the machine is touched or looked at: what the
//! sensor says of processes that are not below that server is dropped unread.

mod actor;
mod alone;
mod busy;
mod counts;
mod ends;
mod execs;
pub mod lab;
mod lineage;
mod losses;
mod paths;
mod pids;
mod privileges;
mod writes;

pub use actor::act;
pub use lab::Start;
pub use privileges::become_with;

use crate::report::{Check, Tally};
use crate::{schema, stories};
use anyhow::{Result, bail};
use lab::Lab;
use std::path::PathBuf;
use std::time::Instant;

/// `cargo xtask scenarios`.
#[derive(Default, clap::Args)]
pub struct Options {
    /// Only these.
    names: Vec<String>,
    /// The hook set: auto, trampoline or tracepoint.
    #[arg(long, default_value = "auto")]
    hooks: String,
    /// The sensor; target/release/sensor, or the installed one in a virtual machine.
    #[arg(long)]
    sensor: Option<PathBuf>,
    /// Only what runs with a server of our own, not the catalogue's stories.
    #[arg(long, conflicts_with = "stories_only")]
    live_only: bool,
    /// Only the catalogue's stories.
    #[arg(long)]
    stories_only: bool,
    /// How the stories are run.
    #[command(flatten)]
    stories: stories::Options,
}

/// The hook set with which [`Run::Once`] is run in a virtual machine.
const ONCE_WITH: &str = "trampoline";

/// One scenario: its name, and what has to happen.
#[derive(Clone, Copy)]
pub struct Scenario {
    name: &'static str,
    run: Run,
}

/// How a scenario runs.
#[derive(Clone, Copy)]
enum Run {
    /// In the lab that all share.
    Shared(fn(&mut Lab) -> Result<String>),
    /// With a sensor of its own.
    Alone(fn(&Start) -> Result<String>),
    /// The same, only in a virtual machine: it changes what other programs would feel.
    Machine(fn(&Start) -> Result<String>),
    /// The same, and not in a virtual machine: no kernel makes it another.
    Live(fn(&Start) -> Result<String>),
    /// The same, in a virtual machine with one hook set only: it is the same with either.
    Once(fn(&Start) -> Result<String>),
}

/// All that can run here.
fn all() -> Vec<Scenario> {
    let mut all = [
        lineage::SCENARIOS,
        execs::SCENARIOS,
        paths::SCENARIOS,
        counts::SCENARIOS,
        alone::SCENARIOS,
        ends::SCENARIOS,
        losses::SCENARIOS,
        pids::SCENARIOS,
        privileges::SCENARIOS,
    ]
    .concat();
    let emulated = lab::emulated();
    all.retain(|scenario| match scenario.run {
        Run::Machine(_) => emulated,
        Run::Live(_) => !emulated,
        Run::Shared(_) | Run::Alone(_) | Run::Once(_) => true,
    });
    all
}

/// Runs those that were asked for; prints each and the closing line.
pub fn run(options: &Options) -> Result<()> {
    // A virtual machine has neither the stories nor their servers.
    let ids = if lab::emulated() { Vec::new() } else { stories::ids()? };
    let (told, named): (Vec<String>, Vec<String>) = options.names.iter().cloned().partition(|name| ids.contains(name));
    let live = chosen(options, &named, !told.is_empty());
    let with_stories = !ids.is_empty() && !options.live_only && (named.is_empty() || !told.is_empty());
    if live.is_empty() && !with_stories {
        bail!("no such scenario; there are: {}", all().iter().map(|one| one.name).collect::<Vec<_>>().join(", "));
    }
    let start = Start::new(options.sensor.clone(), &options.hooks)?;
    let mut checks = run_live(&live, &start);
    if with_stories {
        checks.extend(stories::run(&options.stories, &start, &told)?);
    }
    checks.push(schema::announced());
    Tally::of(&checks).close()
}

/// The live ones that were asked for: those that were named; all, if nothing was named at all.
fn chosen(options: &Options, named: &[String], stories_named: bool) -> Vec<Scenario> {
    let everything = named.is_empty() && !stories_named;
    let other_set = lab::emulated() && options.hooks != ONCE_WITH;
    let usual = |one: &Scenario| everything && !(other_set && matches!(one.run, Run::Once(_)));
    let wanted = |one: &Scenario| !options.stories_only && (usual(one) || named.iter().any(|name| name == one.name));
    all().into_iter().filter(wanted).collect()
}

fn run_live(chosen: &[Scenario], start: &Start) -> Vec<Check> {
    let mut shared = None;
    let mut checks = Vec::new();
    for &scenario in chosen {
        let begin = Instant::now();
        let mut result = once(scenario, start, &mut shared);
        if let Err(error) = &result {
            // Emulation is slow and uneven, and so is a shared machine: what fails twice has failed, the second time among
            // no files of the first. The first failure is told.
            let first = format!("at the second try; at first: {error:#}");
            shared = None;
            result = once(scenario, start, &mut shared).map(|_| first.clone()).map_err(|error| error.context(first));
        }
        let result = result.map_err(|error| {
            error.context(format!("again: cargo xtask scenarios --hooks {} {}", start.hooks, scenario.name))
        });
        let check = Check::of(scenario.name, result, begin.elapsed().as_secs_f64());
        check.announce();
        checks.push(check);
    }
    checks
}

fn once(scenario: Scenario, start: &Start, shared: &mut Option<Lab>) -> Result<String> {
    match scenario.run {
        Run::Alone(run) | Run::Machine(run) | Run::Live(run) | Run::Once(run) => {
            // The other sensor would take part of the processor, and the address.
            *shared = None;
            run(start)
        }
        Run::Shared(run) => in_shared(shared, start, run),
    }
}

fn in_shared(shared: &mut Option<Lab>, start: &Start, run: fn(&mut Lab) -> Result<String>) -> Result<String> {
    if shared.is_none() {
        *shared = Some(Lab::new(start, &[])?);
    }
    match shared {
        Some(lab) => run(lab),
        None => bail!("the lab was not made"),
    }
}
