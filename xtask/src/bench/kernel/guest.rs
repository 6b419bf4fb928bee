//! Inside the machine that counts instructions.

use super::programs::{self, Run, Statistics};
use crate::bench::loops::{Ground, Operation, Sample};
use crate::bench::spread::middle;
use crate::report::Message;
use crate::vm::Hooks;
use crate::workspace;
use anyhow::Result;
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::time::Duration;

/// Rounds of without and with.
const ROUNDS: usize = 5;
/// Under emulation everything is slower: fewer repetitions, whose count is exact anyway.
const FEWER: u32 = 5;
/// Parts: short enough for most of them to have no tick (4,000,000 instructions apart) in them.
const PARTS: u32 = 50;
/// The same where each operation is long: one part each.
const PARTS_OF_PROCESSES: u32 = 400;

/// What the machine says about one operation; numbers are instructions per operation.
#[derive(Serialize, Deserialize)]
pub struct Reading {
    /// How it was measured.
    pub state: State,
    /// What was done.
    pub operation: Operation,
    /// The mean of the middle half of the parts, without what the agent did meanwhile.
    pub clean: f64,
    /// Processor time of the loop and its children.
    pub spent: f64,
    /// Processor time of the agent.
    pub agent: f64,
    /// What the kernel programs took, where that was measured.
    pub programs: Vec<Run>,
}

/// How something was measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// No sensor runs.
    Without,
    /// One does.
    With,
    /// One does, and the kernel measures its programs, which costs by itself.
    Programs,
}

/// Without, with, and so on; then the programs.
pub fn run(hooks: Hooks) -> Result<()> {
    // What a kernel puts off until after its boot is over by then.
    std::thread::sleep(Duration::from_secs(5));
    let ground = Ground::new()?;
    for _ in 0..ROUNDS {
        for operation in Operation::ALL {
            let sample = ground.sample(operation, count(operation), parts(operation))?;
            send(State::Without, operation, sample, 0.0, Vec::new())?;
        }
        with(&ground, hooks, State::With)?;
    }
    let _statistics = Statistics::enable()?;
    with(&ground, hooks, State::Programs)
}

fn with(ground: &Ground, hooks: Hooks, state: State) -> Result<()> {
    let settings = [format!("kernel.hooks=\"{}\"", hooks.name())];
    let agent = ground.agent(&workspace::installed_sensor(), &settings, Stdio::null())?;
    for operation in Operation::ALL {
        let before = programs::read(&agent)?;
        let (sample, spent) = ground.sample_under(&agent, operation, count(operation), parts(operation))?;
        let runs =
            if state == State::Programs { programs::since(&before, &programs::read(&agent)?) } else { Vec::new() };
        send(state, operation, sample, spent, runs)?;
    }
    agent.stop()?;
    Ok(())
}

fn count(operation: Operation) -> u32 {
    if operation.makes_processes() { PARTS_OF_PROCESSES } else { operation.count() / FEWER }
}

fn parts(operation: Operation) -> u32 {
    if operation.makes_processes() { PARTS_OF_PROCESSES } else { PARTS }
}

fn send(state: State, operation: Operation, mut sample: Sample, agent: f64, programs: Vec<Run>) -> Result<()> {
    // The time of a process's children is known in whole microseconds only: no part's own.
    let clean = middle(if operation.makes_processes() { &mut sample.elapsed } else { &mut sample.own });
    let reading = Reading { state, operation, clean, spent: sample.spent, agent, programs };
    Message::Sample(serde_json::to_value(reading)?).send();
    Ok(())
}
