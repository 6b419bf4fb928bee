//! Builds the finished product: one file with the kernel programs inside.

use crate::{command, ebpf, setup, workspace};
use anyhow::Result;
use std::path::PathBuf;

/// Builds everything and returns the binary's path.
pub fn run() -> Result<PathBuf> {
    let object = ebpf::build()?;
    command::run(
        setup::cargo()
            .args(["build", "--release", "--locked", "--package", "sensor"])
            .env("SENSOR_EBPF_OBJECT", object)
            .current_dir(workspace::root()),
    )?;
    let sensor = workspace::sensor();
    println!("Built {}", sensor.display());
    Ok(sensor)
}
