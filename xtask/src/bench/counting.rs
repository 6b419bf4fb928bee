//! The machine in which instructions are counted: one processor under `-icount`, where a nanosecond of guest time is one
//! executed instruction of anybody.

use crate::report::Message;
use crate::setup::packages;
use crate::vm::initramfs::{self, Extra};
use crate::vm::kernels;
use crate::vm::machine::{self, Mode, Root};
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde::de::DeserializeOwned;
use std::time::Duration;

/// The kernel that is measured.
const KERNEL: &str = "6.12";

/// Boots it, runs `script` in it, and returns the kernel's release and the samples that it sent.
///
/// Fails if it noted a problem.
pub fn run<T: DeserializeOwned>(name: &str, script: &str, extra: &Extra) -> Result<(String, Vec<T>)> {
    packages::ensure("virtual machines", packages::VM)?;
    let kernels = kernels::fetch(&[KERNEL.to_owned()])?;
    let kernel = kernels.first().context("the kernel to measure")?;
    let image = workspace::vm().join(format!("{name}.cpio"));
    initramfs::write(&image, kernel, script, extra)?;
    let mode = Mode { processors: 1, count_instructions: true, limit: Duration::from_secs(900) };
    println!("Counting instructions on {} ...", kernel.release);
    let mut samples = Vec::new();
    let mut problems = Vec::new();
    machine::run(kernel, Root::Memory(&image), name, mode, &mut |message| match message {
        Message::Sample(value) => match serde_json::from_value(value) {
            Ok(sample) => samples.push(sample),
            Err(error) => problems.push(error.to_string()),
        },
        Message::Note(note) => problems.push(note),
        Message::Check(_) | Message::Done => {}
    })?;
    if !problems.is_empty() {
        bail!("{}", problems.join("; "));
    }
    Ok((kernel.release.clone(), samples))
}
