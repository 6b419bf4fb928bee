//! Counted instructions: kernel 6.12 under `-icount`, where a nanosecond of guest time is one executed instruction.
//!
//! What the agent takes is shown apart, as its processor time.

use super::loops::{self, Operation};
use super::table::{self, Row};
use crate::agent::Agent;
use crate::report::Message;
use crate::setup::packages;
use crate::vm::machine::{self, Mode};
use crate::vm::{Hooks, initramfs, kernels};
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::process::Stdio;
use std::time::Duration;

/// The kernel that is measured.
const KERNEL: &str = "6.12";
/// Under emulation everything is slower: fewer repetitions, whose count is exact anyway.
const FEWER: u32 = 5;

/// What the machine says about one operation.
#[derive(Serialize, Deserialize)]
struct Sample {
    /// `none`, or the hook set.
    hooks: String,
    operation: Operation,
    /// Guest time per operation, for who does it.
    elapsed: f64,
    /// Processor time of the agent per operation.
    agent: f64,
}

/// Boots the machine, measures both hook sets, prints a table for each.
pub fn run() -> Result<()> {
    packages::ensure("virtual machines", packages::VM)?;
    let kernels = kernels::fetch(&[KERNEL.to_owned()])?;
    let kernel = kernels.first().context("the kernel to measure")?;
    let image = workspace::vm().join("bench.cpio");
    initramfs::write(&image, kernel, "xtask guest bench")?;
    let mode = Mode { processors: 1, count_instructions: true, limit: Duration::from_secs(900) };
    println!("Counting instructions on {} ...", kernel.release);
    let mut samples = Vec::new();
    let mut problems = Vec::new();
    machine::run(kernel, &image, "bench", mode, &mut |message| match message {
        Message::Sample(value) => samples.extend(serde_json::from_value::<Sample>(value).ok()),
        Message::Note(note) => problems.push(note),
        Message::Check(_) | Message::Done => {}
    })?;
    for hooks in Hooks::ALL {
        let rows = rows(&samples, hooks.name());
        if rows.is_empty() {
            println!("\n{}: not measured: {}", hooks.name(), problems.join("; "));
            continue;
        }
        let title = format!("Kernel {}, {} set", kernel.release, hooks.name());
        table::print(&title, "instructions", &rows);
    }
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    Ok(())
}

fn rows(samples: &[Sample], hooks: &str) -> Vec<Row> {
    let middle = |hooks: &str, operation, of: fn(&Sample) -> f64| {
        let mut values: Vec<f64> =
            samples.iter().filter(|sample| sample.hooks == hooks && sample.operation == operation).map(of).collect();
        (!values.is_empty()).then(|| table::median(&mut values))
    };
    Operation::ALL
        .into_iter()
        .filter_map(|operation| {
            Some(Row {
                operation,
                without: middle("none", operation, |sample| sample.elapsed)?,
                with: middle(hooks, operation, |sample| sample.elapsed)?,
                agent: middle(hooks, operation, |sample| sample.agent)?,
            })
        })
        .collect()
}

/// Inside the machine: without, with each set, and the same once more.
pub fn guest() -> Result<()> {
    // What a kernel puts off until after its boot is over by then.
    std::thread::sleep(Duration::from_secs(5));
    for _ in 0..3 {
        without()?;
        for hooks in Hooks::ALL {
            if let Err(error) = with(hooks) {
                Message::Note(format!("{}: {error:#}", hooks.name())).send();
            }
        }
    }
    Ok(())
}

fn without() -> Result<()> {
    for operation in Operation::ALL {
        let elapsed = loops::measure(operation, operation.count() / FEWER)?;
        send("none", operation, elapsed, 0.0)?;
    }
    Ok(())
}

fn with(hooks: Hooks) -> Result<()> {
    let settings = [format!("kernel.hooks=\"{}\"", hooks.name()), "output.stdout.format=\"json\"".to_owned()];
    let directory = std::env::temp_dir();
    let agent = Agent::start(&workspace::installed_sensor(), &directory, &settings, Stdio::null())?;
    for operation in Operation::ALL {
        let count = operation.count() / FEWER;
        let (spent, elapsed) = agent.processor_time_for(|| loops::measure(operation, count));
        // The loop's warm-up, a tenth, is in the agent's time as well.
        let all = f64::from(count + count / 10);
        send(hooks.name(), operation, elapsed?, spent.as_secs_f64() * 1e9 / all)?;
    }
    agent.stop()?;
    Ok(())
}

fn send(hooks: &str, operation: Operation, elapsed: f64, agent: f64) -> Result<()> {
    let hooks = hooks.to_owned();
    let sample = Sample { hooks, operation, elapsed, agent };
    Message::Sample(serde_json::to_value(sample)?).send();
    Ok(())
}
