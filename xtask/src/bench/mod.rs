//! `cargo xtask bench`: what the sensor costs those who do not know that it is there.
//!
//! `kernel` counts instructions in a virtual machine (exact, repeatable), and compares with and without the sensor on
//! this machine's own kernel (real, noisy).

mod counted;
mod live;
pub mod loops;
mod table;

use crate::{build, command};
use anyhow::Result;

/// `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Options {
    /// What to measure.
    #[arg(value_enum, default_value = "kernel")]
    what: What,
    /// Only in the virtual machine.
    #[arg(long, conflicts_with = "live")]
    vm: bool,
    /// Only on this machine's kernel.
    #[arg(long)]
    live: bool,
    /// Do not build first.
    #[arg(long)]
    no_build: bool,
}

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum What {
    /// Cost per operation: fork, exec, open, connect.
    Kernel,
}

/// Measures and prints.
pub fn run(options: &Options) -> Result<()> {
    let What::Kernel = options.what;
    if !options.no_build {
        build::run()?;
    }
    if !options.live {
        counted::run()?;
    }
    if !options.vm {
        if !command::is_root() {
            return command::run(&mut command::myself_as_root(&["bench", "kernel", "--live", "--no-build"])?);
        }
        live::run()?;
    }
    Ok(())
}

/// The measurement inside the virtual machine.
pub fn guest() -> Result<()> {
    counted::guest()
}
