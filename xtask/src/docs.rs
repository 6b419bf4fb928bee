//! `cargo xtask docs`: writes the documents that are made from the code.
//!
//! What they say, and where they are, is in `sensor/src/reference`; the test that compares them writes them when it is told to.

use crate::{command, setup, workspace};
use anyhow::Result;

/// Writes them all.
pub fn run() -> Result<()> {
    let mut cargo = setup::cargo();
    cargo.current_dir(workspace::root()).env("UPDATE_EXPECT", "1");
    command::run(cargo.args([
        "test",
        "--locked",
        "--quiet",
        "--package",
        "sensor",
        "--test",
        "reference",
        "--",
        "--nocapture",
    ]))
}
