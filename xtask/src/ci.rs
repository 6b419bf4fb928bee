//! What needs no root, no server and no virtual machine: format, lints, tidy, unit tests.

use crate::report::Tally;
use crate::{command, setup, test, tidy, workspace};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

/// `cargo xtask ci`.
#[derive(clap::Args)]
pub struct Options {
    /// Only what takes a minute or two; without it the same as `test`.
    #[arg(long)]
    fast: bool,
}

/// Runs the stages.
pub fn run(options: &Options) -> Result<()> {
    if options.fast {
        return test::run_stages(STAGES);
    }
    test::run(&test::Options::default())
}

/// Cheapest first.
pub const STAGES: &[test::Stage] = &[
    test::Stage { name: "format", run: format },
    test::Stage { name: "lints", run: lints },
    test::Stage { name: "tidy", run: rules },
    test::Stage { name: "unit tests", run: unit_tests },
];

fn cargo() -> Command {
    let mut cargo = setup::cargo();
    cargo.current_dir(workspace::root());
    cargo
}

fn format() -> Result<Tally> {
    command::run(cargo().args(["fmt", "--all", "--check"]))?;
    // Not a member of the workspace.
    let ebpf = workspace::root().join("sensor-ebpf");
    command::run(cargo().args(["fmt", "--check"]).current_dir(ebpf))?;
    Ok(Tally::ONE)
}

fn lints() -> Result<Tally> {
    command::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--locked",
        "--quiet",
        "--",
        "-D",
        "warnings",
    ]))?;
    // Without its heavy outputs it has to be whole, too.
    let lean =
        ["clippy", "--package", "sensor", "--no-default-features", "--locked", "--quiet", "--", "-D", "warnings"];
    command::run(cargo().args(lean))?;
    Ok(Tally::ONE)
}

fn rules() -> Result<Tally> {
    tidy::run()?;
    Ok(Tally::ONE)
}

fn unit_tests() -> Result<Tally> {
    counted(cargo().args(["test", "--workspace", "--locked", "--no-fail-fast"]))
}

/// Runs something that says `test result: ok. 3 passed; 0 failed; ...`, and adds that up.
fn counted(command: &mut Command) -> Result<Tally> {
    let mut child = command.stdout(Stdio::piped()).spawn().context("starting the tests")?;
    let mut tally = Tally::default();
    let out = child.stdout.take().context("the tests' output")?;
    for line in BufReader::new(out).lines() {
        let line = line?;
        println!("{line}");
        if let Some((passed, failed)) = test_result(&line) {
            tally.passed += passed;
            tally.failed += failed;
        }
        if line.starts_with("test ") && line.ends_with(" ... FAILED") {
            tally.failures.push(line);
        }
    }
    let status = child.wait()?;
    if !status.success() && tally.failed == 0 {
        bail!("the tests did not run: {status}");
    }
    Ok(tally)
}

fn test_result(line: &str) -> Option<(u64, u64)> {
    let counts = line.strip_prefix("test result: ")?;
    let number = |word: &str| {
        let (before, _) = counts.split_once(word)?;
        before.trim_end().rsplit([' ', '.']).next()?.parse().ok()
    };
    Some((number("passed")?, number("failed")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out";
        assert_eq!(test_result(line), Some((12, 3)));
        assert_eq!(test_result("running 3 tests"), None);
    }
}
