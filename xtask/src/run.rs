//! `cargo xtask run`: builds, then starts the sensor as root with its embedded defaults.

use crate::{build, command};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt;

/// Becomes `sensor run ARGUMENTS`, so that signals and the exit code are the sensor's own.
pub fn run(arguments: &[String]) -> Result<()> {
    let sensor = build::run()?;
    let mut command = command::as_root(&sensor)?;
    command.arg("run").args(arguments);
    println!("Starting it; end it with Ctrl-C.");
    Err(command.exec()).with_context(|| format!("starting {}", sensor.display()))
}
