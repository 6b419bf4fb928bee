//! `cargo xtask everyday`: an hour's worth of ordinary work compressed into minutes, on real servers, with the sensor
//! running. Any alert above `info` about it is a failure.
//!
//! The list of what is run is the code's: `docs/everyday.md` is made from it, and a test says when it is not.

mod applications;
mod databases;
mod developers;
mod operators;
mod web;

use crate::report::{Check, Tally};
use crate::setup::packages;
use crate::stories::real::Hall;
use crate::{command, schema, workspace};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// `cargo xtask everyday`.
#[derive(Default, clap::Args)]
pub struct Options {
    /// Only the work whose name contains this.
    #[arg(long, value_name = "PART OF A NAME")]
    only: Option<String>,
    /// Do nothing but write docs/everyday.md anew.
    #[arg(long)]
    list: bool,
}

/// A piece of work.
#[derive(Clone, Copy)]
pub struct Work {
    /// A name for `--only`.
    name: &'static str,
    /// What is done, for people.
    does: &'static str,
    /// Does it, and fails if it was not done.
    run: fn(&mut Hall) -> Result<()>,
}

/// Kinds of work, in the order in which they are done.
const KINDS: &[(&str, &[Work])] = &[
    ("Web servers and PHP applications", web::WORK),
    ("Databases", databases::WORK),
    ("Application, mail and other servers", applications::WORK),
    ("Operators", operators::WORK),
    ("Developers", developers::WORK),
];

/// Where the list is.
fn list_file() -> PathBuf {
    workspace::root().join("docs/everyday.md")
}

/// The list, for people.
fn list() -> String {
    let mut text = String::from(
        "# Ordinary work that must not make an alert\n\n`cargo xtask everyday` does all of this on real servers of the \
         distribution, on loopback, while the sensor runs. An alert\nabove `info` about any of it is a failure. This list \
         is made from the code by `cargo xtask everyday --list`.\n",
    );
    for (kind, works) in KINDS {
        let _ = write!(text, "\n## {kind}\n\n| work | what is done |\n| --- | --- |\n");
        for work in *works {
            let _ = writeln!(text, "| {} | {} |", work.name, work.does);
        }
    }
    text
}

/// Does the work.
pub fn run(options: &Options) -> Result<()> {
    if options.list {
        return std::fs::write(list_file(), list()).context("docs/everyday.md");
    }
    packages::ensure("ordinary work on real servers", packages::SERVERS)?;
    let part = options.only.as_deref().unwrap_or_default();
    let chosen: Vec<Work> =
        KINDS.iter().flat_map(|(_, works)| *works).filter(|work| work.name.contains(part)).copied().collect();
    if chosen.is_empty() {
        bail!("no work has such a name; docs/everyday.md lists them");
    }
    let mut hall = Hall::new()?;
    let mut checks = Vec::new();
    for work in chosen {
        let begin = Instant::now();
        let check = Check::of(work.name, once(&mut hall, work), begin.elapsed().as_secs_f64());
        check.announce();
        checks.push(check);
    }
    drop(hall);
    checks.push(schema::announced());
    Tally::of(&checks).close()
}

/// Does a piece of work and fails on any alert above `info`; says how many programs it ran.
fn once(hall: &mut Hall, work: Work) -> Result<String> {
    let story = hall.begin();
    let before = hall.programs_run();
    (work.run)(hall)?;
    let seen = hall.heard(story)?;
    let programs = hall.programs_run().saturating_sub(before);
    let mut loud: BTreeMap<String, (usize, &Value)> = BTreeMap::new();
    for alert in seen.alerts.iter().filter(|alert| alert["sensor"]["severity"] != "info") {
        let key = format!("{} {}", alert["rule"]["id"], alert["sensor"]["severity"]).replace('"', "");
        loud.entry(key).or_insert((0, &alert["sensor"]["why"])).0 += 1;
    }
    if !loud.is_empty() {
        let parts: Vec<String> =
            loud.iter().map(|(key, (count, why))| format!("{count} of {key}, first {why}")).collect();
        bail!("{}", parts.join("; "));
    }
    Ok(format!("{programs} programs"))
}

/// Runs a script with `sh`, in a directory; `$1` and so on are the arguments.
fn shell(at: &Path, script: &str, arguments: &[&str]) -> Result<String> {
    let mut shell = Command::new("sh");
    command::output(shell.args(["-ec", script, "sh"]).args(arguments).current_dir(at))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_is_what_is_run() {
        let written = std::fs::read_to_string(list_file()).unwrap();
        assert!(written == list(), "docs/everyday.md is not what is run: cargo xtask everyday --list");
    }

    #[test]
    fn no_name_is_there_twice() {
        let mut names: Vec<&str> = KINDS.iter().flat_map(|(_, works)| *works).map(|work| work.name).collect();
        names.sort_unstable();
        assert!(names.windows(2).all(|pair| pair[0] != pair[1]), "{names:?}");
    }
}
