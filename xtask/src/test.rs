//! `cargo xtask test`: everything, stage by stage, cheapest first, each timed.
//!
//! A stage that fails does not keep the others from running, except where they need what it makes.

use crate::report::Tally;
use crate::{
    bench, build, ci, command, containers, demo, image, kubernetes, manual, package, setup, stories, syscalls, vm,
};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::time::Instant;

/// `cargo xtask test`.
#[derive(Default, clap::Args)]
pub struct Options {
    /// Only the stages whose names contain this.
    #[arg(long, value_name = "PART OF A NAME")]
    only: Option<String>,
}

/// A part of the test.
#[derive(Clone, Copy)]
pub struct Stage {
    /// For people.
    pub name: &'static str,
    /// Does it; an error counts as one failure.
    pub run: fn() -> Result<Tally>,
}

/// After the stages of [`ci`].
const STAGES: &[Stage] = &[
    Stage { name: "setup", run: install },
    Stage { name: "build", run: build_all },
    Stage { name: "manual", run: manual::run },
    Stage { name: "kubernetes", run: kubernetes::everything },
    Stage { name: "image", run: image::everything },
    Stage { name: "demo", run: demo },
    Stage { name: "outputs", run: outputs },
    Stage { name: "prometheus", run: prometheus },
    Stage { name: "live scenarios", run: live },
    Stage { name: "real servers", run: servers },
    Stage { name: "system calls", run: system_calls },
    Stage { name: "soak", run: soak },
    Stage { name: "stories", run: stories },
    Stage { name: "everyday work", run: everyday },
    Stage { name: "steady figures", run: steady },
    Stage { name: "kubernetes node", run: kubernetes::on_a_node },
    Stage { name: "containers", run: containers::everything },
    Stage { name: "package", run: package::everything },
    Stage { name: "kernel matrix", run: kernels },
];

/// Runs all stages, or those that were asked for.
pub fn run(options: &Options) -> Result<()> {
    let wanted = |stage: &&Stage| {
        let part = options.only.as_deref().unwrap_or_default();
        stage.name.contains(part)
    };
    let stages: Vec<Stage> = ci::STAGES.iter().chain(STAGES).filter(wanted).copied().collect();
    if stages.is_empty() {
        bail!("no stage has such a name");
    }
    run_stages(&stages)
}

/// Runs these stages, prints a summary and the closing line.
pub fn run_stages(stages: &[Stage]) -> Result<()> {
    let mut total = Tally::default();
    let mut summary = Vec::new();
    let mut failures = Vec::new();
    for stage in stages {
        println!("\n=== {} ===", stage.name);
        let started = Instant::now();
        let tally = (stage.run)().unwrap_or_else(|error| {
            println!("{}: {error:#}", stage.name);
            Tally { failed: 1, failures: vec![format!("{error:#}")], ..Tally::default() }
        });
        let seconds = started.elapsed().as_secs_f64();
        summary.push(format!(
            "  {:<16} {:>7.1} s  {} passed, {} failed, {} skipped",
            stage.name, seconds, tally.passed, tally.failed, tally.skipped
        ));
        println!("=== {}: {seconds:.1} s ===", stage.name);
        failures.extend(tally.failures.iter().map(|line| format!("  {}: {}", stage.name, line.trim_start())));
        total.add(tally);
    }
    if !failures.is_empty() {
        println!("\nFailed:\n{}", failures.join("\n"));
    }
    println!("\nStages:");
    for line in summary {
        println!("{line}");
    }
    total.close()
}

fn install() -> Result<Tally> {
    setup::run(&setup::Options::default())?;
    Ok(Tally::ONE)
}

fn build_all() -> Result<Tally> {
    build::run()?;
    stories::build_actor()?;
    Ok(Tally::ONE)
}

fn demo() -> Result<Tally> {
    demo::without_build()?;
    Ok(Tally::ONE)
}

fn outputs() -> Result<Tally> {
    syscalls::forget()?;
    followed(&["outputs", "--no-build"])
}

fn prometheus() -> Result<Tally> {
    as_root(&["prometheus"])
}

fn live() -> Result<Tally> {
    as_root(&["scenarios", "--live-only"])
}

fn system_calls() -> Result<Tally> {
    let mut tally = followed(syscalls::SCENARIOS)?;
    tally.add(syscalls::compare()?);
    Ok(tally)
}

fn stories() -> Result<Tally> {
    as_root(&["scenarios", "--stories-only"])
}

fn everyday() -> Result<Tally> {
    as_root(&["everyday"])
}

fn soak() -> Result<Tally> {
    as_root(&["soak"])
}

fn servers() -> Result<Tally> {
    followed(&["servers"])
}

#[expect(clippy::unnecessary_wraps, reason = "a stage, as the others")]
fn steady() -> Result<Tally> {
    Ok(Tally::of(&bench::regression::run()))
}

fn kernels() -> Result<Tally> {
    Ok(Tally::of(&vm::everything()?))
}

/// Runs one of our own commands as root, and reads its closing line.
fn as_root(arguments: &[&str]) -> Result<Tally> {
    closed(command::myself_as_root(arguments)?, arguments)
}

/// The same, with the sensors' system calls written down.
fn followed(arguments: &[&str]) -> Result<Tally> {
    closed(syscalls::as_root(arguments)?, arguments)
}

fn closed(mut command: Command, arguments: &[&str]) -> Result<Tally> {
    let mut child = command.stdout(Stdio::piped()).spawn()?;
    let out = child.stdout.take().context("its output")?;
    let mut closing = None;
    let mut tally = Tally::default();
    for line in BufReader::new(out).lines() {
        let line = line?;
        tally.note(&line);
        match closing_line(&line) {
            Some(closed) => closing = Some(closed),
            None => println!("{line}"),
        }
    }
    let status = child.wait()?;
    match closing {
        Some(closed) if status.success() || closed.failed > 0 => {
            tally.add(closed);
            Ok(tally)
        }
        _ => bail!("`{}` did not finish: {status}", arguments.join(" ")),
    }
}

/// Reads `3 passed, 1 failed` and `3 passed, 1 failed, 2 skipped`.
fn closing_line(line: &str) -> Option<Tally> {
    let mut tally = Tally::default();
    for (index, part) in line.split(", ").enumerate() {
        let (count, word) = part.split_once(' ')?;
        let count = count.parse().ok()?;
        match (index, word) {
            (0, "passed") => tally.passed = count,
            (1, "failed") => tally.failed = count,
            (2, "skipped") => tally.skipped = count,
            _ => return None,
        }
    }
    Some(tally)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn closing_lines_are_read() {
        let tally = closing_line("3 passed, 1 failed, 2 skipped").unwrap();
        assert_eq!((tally.passed, tally.failed, tally.skipped), (3, 1, 2));
        assert!(closing_line("3 passed, 0 failed").is_some());
        assert!(closing_line("nothing of the kind").is_none());
    }
}
