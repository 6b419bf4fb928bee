//! `cargo-deb`, which makes a Debian package of a cargo package (`[package.metadata.deb]` in sensor/Cargo.toml): it knows
//! debhelper's fragments for systemd units, and works out dependencies.

use crate::{command, workspace};
use anyhow::{Context, Result};
use std::path::PathBuf;

/// What is installed.
const VERSION: &str = "3.8.0";

/// Ours, or one that is now built.
pub fn find_or_install() -> Result<PathBuf> {
    let ours = workspace::tools().join("bin/cargo-deb");
    let version = command::output(command::command(&ours).arg("--version")).unwrap_or_default();
    if version.split_whitespace().any(|word| word == VERSION) {
        return Ok(ours);
    }
    println!(
        "Building cargo-deb {VERSION} with cargo into {} (for the Debian package; about a minute).",
        workspace::tools().display()
    );
    // Without optimization it is built in half the time; what takes time later is xz, which is the system's.
    command::run(
        super::cargo()
            .args(["install", "cargo-deb", "--locked", "--quiet", "--debug", "--no-default-features", "--version"])
            .arg(VERSION)
            .arg("--root")
            .arg(workspace::tools())
            .env_remove("RUSTC"),
    )?;
    ours.exists().then_some(ours).context("the cargo-deb that was just built is not there")
}
