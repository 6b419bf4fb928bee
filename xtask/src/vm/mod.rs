//! Kernels in virtual machines: the same object and the same scenarios on each, with each hook set.
//!
//! QEMU without hardware support boots a Debian kernel in a few seconds with an initramfs that holds the sensor, this
//! program and a shell. Results come over the serial console ([`crate::report::Message`]); the whole console is kept in
//! `target/vm/KERNEL.log`.

pub mod initramfs;
pub mod kernels;
pub mod machine;
pub mod matrix;

use crate::report::{Check, Tally};
use crate::setup::packages;
use crate::{build, workspace};
use anyhow::{Result, bail};
use kernels::Kernel;

/// `cargo xtask vm`.
#[derive(clap::Args)]
pub struct Options {
    /// Only this kernel: 5.10, 6.1, 6.12 or newest. May be given several times.
    #[arg(long = "kernel", value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Only this hook set.
    #[arg(long, value_enum)]
    hooks: Option<Hooks>,
    /// Only these scenarios.
    #[arg(long, value_name = "ID")]
    only: Vec<String>,
    /// Open a shell in the machine instead (Ctrl-A X ends it).
    #[arg(long)]
    shell: bool,
    /// Do not build the sensor first.
    #[arg(long)]
    no_build: bool,
}

/// A hook set of the sensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Hooks {
    /// fentry programs.
    Trampoline,
    /// Tracepoints.
    Tracepoint,
}

impl Hooks {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Trampoline, Self::Tracepoint];

    /// As it is written in the config.
    pub fn name(self) -> &'static str {
        match self {
            Self::Trampoline => "trampoline",
            Self::Tracepoint => "tracepoint",
        }
    }
}

/// Runs what was asked for and fails if a check failed.
pub fn run(options: &Options) -> Result<()> {
    if options.shell {
        return shell(options);
    }
    let checks = matrix(options)?;
    Tally::of(&checks).close()
}

/// The whole matrix, as `cargo xtask test` runs it after the build.
pub fn everything() -> Result<Vec<Check>> {
    matrix(&Options { kernels: Vec::new(), hooks: None, only: Vec::new(), shell: false, no_build: true })
}

fn matrix(options: &Options) -> Result<Vec<Check>> {
    let kernels = prepare(options)?;
    if !options.no_build {
        build::run()?;
    }
    let script = script(options);
    let extra = initramfs::Extra::default();
    let job = matrix::Job { name: "", script: &script, extra: &extra, again: "cargo xtask vm" };
    Ok(matrix::run(&kernels, &job))
}

/// The command that each machine runs.
fn script(options: &Options) -> String {
    let mut script = String::from("xtask guest matrix");
    if let Some(hooks) = options.hooks {
        script.push_str(" --hooks ");
        script.push_str(hooks.name());
    }
    for id in &options.only {
        script.push_str(" --only '");
        script.push_str(&id.replace('\'', ""));
        script.push('\'');
    }
    script
}

/// Packages and kernels.
fn prepare(options: &Options) -> Result<Vec<Kernel>> {
    if std::env::consts::ARCH != "x86_64" {
        bail!("the virtual machines are x86_64 only so far");
    }
    packages::ensure("virtual machines", packages::VM)?;
    kernels::fetch(&options.kernels)
}

fn shell(options: &Options) -> Result<()> {
    let kernels = prepare(options)?;
    let [kernel] = kernels.as_slice() else {
        bail!("--shell takes one kernel, such as --kernel 6.12");
    };
    if !options.no_build {
        build::run()?;
    }
    let image = workspace::vm().join("shell.cpio");
    initramfs::write(&image, kernel, initramfs::SHELL, &initramfs::Extra::default())?;
    machine::interactive(kernel, machine::Root::Memory(&image))
}
