//! What promtool says of the shipped rules and configuration.

use crate::{command, workspace};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// One check: its name, and what has to be so.
type Part = (&'static str, fn() -> Result<String>);

pub const PARTS: &[Part] = &[("promtool check", check), ("promtool test rules", test)];

fn deployed() -> PathBuf {
    workspace::root().join("deploy/prometheus")
}

fn check() -> Result<String> {
    let configuration = deployed().join("prometheus.yml");
    let said = command::output(command::command("promtool").args(["check", "config"]).arg(configuration))?;
    let found = said.lines().find_map(|line| line.trim().strip_prefix("SUCCESS: ")?.strip_suffix(" rules found"));
    match found {
        Some(count) => Ok(format!("{count} rules")),
        None => bail!("no rules were found: {said}"),
    }
}

fn test() -> Result<String> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(deployed().join("tests"))?.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    files.sort();
    if files.is_empty() {
        bail!("there are no tests of the rules");
    }
    command::output(command::command("promtool").args(["test", "rules"]).args(&files))?;
    Ok(format!("{} files", files.len()))
}
