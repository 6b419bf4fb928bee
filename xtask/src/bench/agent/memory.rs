//! The agent's memory: idle, with many processes, and after many have come and gone.

use super::Stage;
use crate::agent::Agent;
use crate::bench::load::{Living, Room};
use crate::bench::loops::{Ground, Operation};
use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::Spread;
use crate::command;
use anyhow::{Context, Result};
use std::process::Stdio;
use std::time::Duration;

/// Agents that are started for the idle figure.
const STARTS: usize = 3;
/// How long an agent is given to come to rest, in seconds.
const REST: u64 = 3;
/// The crowds.
const SOME: usize = 1000;
const MANY: usize = 32_000;
/// Forks of one step, by two loops that each do a tenth more to warm up; and steps.
const STEP: u32 = 200_000;
const STEPS: usize = 5;

/// What an agent has in memory, in MiB.
#[derive(Clone, Copy)]
pub struct Memory {
    /// `VmRSS`: everything below but `maps`.
    pub resident: f64,
    /// What it allocated.
    pub own: f64,
    /// Pages of the kernel's rings that are mapped.
    pub rings: f64,
    /// Its program and libraries.
    pub program: f64,
    /// The kernel's memory for its maps, as their descriptors state it, without the rings.
    pub maps: f64,
    /// The most it ever had resident.
    pub peak: f64,
}

impl Memory {
    /// Of a running agent, now.
    pub fn of(agent: &Agent) -> Result<Self> {
        let at = |name: &str| format!("/proc/{}/{name}", agent.pid());
        let status = std::fs::read_to_string(at("status")).context("the agent's status")?;
        let status = |name: &str| mib(status.lines().find_map(|line| line.strip_prefix(name)));
        let smaps = std::fs::read_to_string(at("smaps")).context("the agent's mappings")?;
        let (mut rings, mut in_ring) = (0.0, false);
        for line in smaps.lines() {
            if let Some(size) = line.strip_prefix("Rss:") {
                rings += if in_ring { mib(Some(size)) } else { 0.0 };
            } else if line.split(' ').next().is_some_and(|word| word.contains('-')) {
                in_ring = line.ends_with("anon_inode:bpf-map");
            }
        }
        let (resident, own) = (status("VmRSS:"), status("RssAnon:"));
        let program = resident - own - rings;
        Ok(Self { resident, own, rings, program, maps: maps(&at("fdinfo"))?, peak: status("VmHWM:") })
    }
}

/// A size in kB, in MiB.
fn mib(size: Option<&str>) -> f64 {
    size.and_then(|size| size.trim().strip_suffix("kB")?.trim().parse::<f64>().ok()).unwrap_or(0.0) / 1024.0
}

/// `BPF_MAP_TYPE_RINGBUF`.
const RING: &str = "27";

fn maps(fdinfo: &str) -> Result<f64> {
    let mut bytes = 0.0;
    for entry in std::fs::read_dir(fdinfo).context("the agent's descriptors")?.flatten() {
        let text = std::fs::read_to_string(entry.path()).unwrap_or_default();
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        if value("map_type:").is_some_and(|kind| kind != RING) {
            bytes += value("memlock:").and_then(|size| size.parse::<f64>().ok()).unwrap_or(0.0);
        }
    }
    Ok(bytes / 1024.0 / 1024.0)
}

/// Measures.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let stage = Stage::new()?;
    let mut table = Table::new(
        "The agent's memory",
        String::new(),
        &["", "resident (MiB)", "allocated", "rings", "program", "kernel maps", "peak"],
    );
    let mut idle = Vec::new();
    for start in 1..=STARTS {
        println!("memory, start {start} of {STARTS}");
        let agent = rested(&stage)?;
        idle.push(Memory::of(&agent)?);
        agent.stop()?;
    }
    row(&mut table, "idle", &idle);
    outcome.figure("agent.memory-idle", Spread::of(idle.iter().map(|memory| memory.resident)));
    let room = Room::make(MANY)?;
    let waits = stage.programs.waits.as_deref();
    let some = with_crowd(&stage, SOME, waits)?;
    row(&mut table, "1,000 live processes, each with a program", &[some]);
    outcome.figure("agent.memory-1000", Spread::of([some.resident]));
    let forked = with_crowd(&stage, MANY, None)?;
    row(&mut table, "32,000 live processes, forked", &[forked]);
    outcome.figure("agent.memory-32000", Spread::of([forked.resident]));
    let many = with_crowd(&stage, MANY, waits)?;
    row(&mut table, "32,000 live processes, each with a program", &[many]);
    outcome.figure("agent.memory-32000-programs", Spread::of([many.resident]));
    come_and_gone(&stage, outcome, &mut table)?;
    table.about = format!(
        "`VmRSS` of the agent, and its parts. The rings count as often as their pages are mapped. The kernel's maps are \
         in nobody's `VmRSS`. Each process of the crowds with a program has its own vfork, exec and arguments.{}",
        room.told()
    );
    outcome.tables.push(table);
    Ok(())
}

fn row(table: &mut Table, title: &str, memory: &[Memory]) {
    let of = |value: fn(&Memory) -> f64| format!("{:.1}", Spread::of(memory.iter().map(value)).median);
    table.row([
        title.to_owned(),
        of(|memory| memory.resident),
        of(|memory| memory.own),
        of(|memory| memory.rings),
        of(|memory| memory.program),
        of(|memory| memory.maps),
        of(|memory| memory.peak),
    ]);
}

fn rested(stage: &Stage) -> Result<Agent> {
    let agent = stage.agent(Stdio::null())?;
    std::thread::sleep(Duration::from_secs(REST));
    Ok(agent)
}

/// With so many processes that came while it ran.
fn with_crowd(stage: &Stage, count: usize, program: Option<&std::path::Path>) -> Result<Memory> {
    println!("memory, {count} live processes");
    let agent = rested(stage)?;
    let living = Living::new(&command::myself()?, count, program)?;
    std::thread::sleep(Duration::from_secs(REST));
    let memory = Memory::of(&agent)?;
    drop(living);
    agent.stop()?;
    Ok(memory)
}

/// After a million forks and exits: must be what it was after the first few.
fn come_and_gone(stage: &Stage, outcome: &mut Outcome, table: &mut Table) -> Result<()> {
    let grounds = [Ground::new()?, Ground::new()?];
    let agent = rested(stage)?;
    let mut after = Vec::new();
    for step in 1..=STEPS {
        println!("memory, step {step} of {STEPS} to a million forks and exits");
        let half = |ground: &Ground| ground.measure(Operation::ForkExit, STEP / 2 * 10 / 11);
        std::thread::scope(|scope| {
            let other = scope.spawn(|| half(&grounds[1]));
            half(&grounds[0]).and(other.join().unwrap_or_else(|_| anyhow::bail!("a loop panicked")))
        })?;
        std::thread::sleep(Duration::from_secs(REST));
        after.push(Memory::of(&agent)?);
    }
    agent.stop()?;
    if let (Some(first), Some(last)) = (after.first(), after.last()) {
        row(table, "after 200,000 forks and exits", &[*first]);
        row(table, "after a million forks and exits", &[*last]);
        outcome.figure("agent.memory-grown", Spread::of([last.resident - first.resident]));
    }
    Ok(())
}
