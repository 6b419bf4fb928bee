//! The Debian package, tried out where systemd is the first process: installed, attacked, upgraded, reloaded, configured
//! wrongly, killed, stopped, removed, purged.
//!
//! One after the other, each on what the one before left; what fails does not keep the next from being tried. The machine's
//! disk is a snapshot: nothing is tidied up.

mod attacks;
mod files;
mod life;
mod started;

use crate::command;
use crate::report::{Check, Message};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::time::{Duration, Instant};

/// What the package is called, and its unit.
const UNIT: &str = "sensor.service";
/// Its configuration.
const CONFIG: &str = "/etc/sensor/sensor.toml";
/// How long something may take that takes a moment; the machine is emulated, and its host may be busy.
const SOON: Duration = Duration::from_secs(120);

/// A step, and what it is called.
type Step = (&'static str, fn() -> Result<String>);

const STEPS: &[Step] = &[
    ("installs", life::installs),
    ("unit verifies", life::verifies),
    ("exposure", life::exposure),
    ("web shell in the journal", attacks::in_the_journal),
    ("upgrade keeps what was edited", life::upgrades),
    ("sees through the sandbox", attacks::sees_through_the_sandbox),
    ("logrotate keeps every line", life::rotates),
    ("reload says what it did", life::reloads),
    ("bad config stops nothing, starts nothing", life::refuses),
    ("killed, it is started again", life::restarts),
    ("stops in time", life::stops),
    ("remove keeps the state", files::removes),
    ("purge leaves nothing", files::purges),
    ("docs/getting-started.md", started::as_written),
];

/// Does them all, or those whose names contain `only`, and says how each came out.
pub fn run(only: Option<&str>) -> Result<()> {
    attacks::prepare().context("preparing nginx and PHP-FPM")?;
    files::remember()?;
    for (name, step) in STEPS.iter().filter(|(name, _)| only.is_none_or(|only| name.contains(only))) {
        let started = Instant::now();
        let mut result = step();
        if result.is_err() {
            result = result.with_context(|| format!("journal: {}", journal(20).replace('\n', " | ")));
        }
        Message::Check(Check::of(*name, result, started.elapsed().as_secs_f64())).send();
    }
    Ok(())
}

/// Runs a program and returns what it says.
fn said(program: &str, arguments: &[&str]) -> Result<String> {
    command::output(command::command(program).args(arguments).env("LC_ALL", "C")).map(|text| text.trim().to_owned())
}

/// Runs a program that must fail, and returns what it says on standard error.
fn refused(program: &str, arguments: &[&str]) -> Result<String> {
    match said(program, arguments) {
        Ok(text) => bail!("`{program} {}` should have failed: {text}", arguments.join(" ")),
        Err(error) => Ok(format!("{error:#}")),
    }
}

/// A property of the unit, as systemd has it.
fn property(name: &str) -> Result<String> {
    said("systemctl", &["show", "--property", name, "--value", UNIT])
}

/// The unit's first process; fails if it has none.
fn pid() -> Result<u32> {
    match property("MainPID")?.parse().context("the unit's MainPID")? {
        0 => bail!("it does not run"),
        pid => Ok(pid),
    }
}

/// The last lines that the unit wrote.
fn journal(lines: u32) -> String {
    let lines = lines.to_string();
    said("journalctl", &["--unit", UNIT, "--output", "cat", "--no-pager", "--lines", &lines]).unwrap_or_default()
}

/// Waits until it is so.
fn until(what: &str, mut so: impl FnMut() -> bool) -> Result<Duration> {
    let started = Instant::now();
    while started.elapsed() < SOON {
        if so() {
            return Ok(started.elapsed());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    bail!("after {} s still not: {what}", SOON.as_secs())
}

/// It runs, as systemd sees it, or fails.
fn is_active() -> Result<()> {
    match property("ActiveState")?.as_str() {
        "active" => Ok(()),
        other => bail!("it is {other} ({})", property("Result").unwrap_or_default()),
    }
}

/// Writes the configuration.
fn configure(text: &str) -> Result<()> {
    std::fs::write(Path::new(CONFIG), text).with_context(|| CONFIG.to_owned())
}
