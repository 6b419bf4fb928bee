//! Real containers in virtual machines: crun makes them as engines do, from layers in an overlay, with namespaces and
//! control groups of their own; inside run Debian's nginx and PHP-FPM, outside a sensor.
//!
//! What an engine would write about a container is written by the test, because none runs there ([`form`]). [`crun`] and
//! [`stage`] serve whoever needs containers in a machine.

mod checks;
pub mod crun;
pub mod form;
pub mod hierarchy;
pub mod image;
pub mod stage;

use crate::build;
use crate::report::{Check, Tally};
use crate::setup::packages;
use crate::vm::matrix::{self, Job};
use crate::vm::{Hooks, kernels};
use anyhow::Result;
use hierarchy::Hierarchy;

/// Kernels on which containers are tried, unless others are asked for.
const KERNELS: &[&str] = &["6.1", "6.12"];
/// The kernel on which both versions of control groups are tried, and what is tried there: where ids of control groups tell
/// nothing apart.
const HYBRID_KERNEL: &str = "6.1";
const HYBRID_CHECKS: &[&str] = &["identity/docker/cgroupfs", "start-again", "one-image", "short-lived"];

/// The kernel of the stage: it has handles for directories of overlays, which the tracepoint set needs.
const STAGE_KERNEL: &str = "6.12";

/// `cargo xtask containers`.
#[derive(Default, clap::Args)]
pub struct Options {
    /// Only this kernel: 5.10, 6.1, 6.12 or newest. May be given several times.
    #[arg(long = "kernel", value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Only this hook set.
    #[arg(long, value_enum)]
    hooks: Option<Hooks>,
    /// Only with control groups so mounted.
    #[arg(long, value_enum)]
    hierarchy: Option<Hierarchy>,
    /// Only checks whose names begin so.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Do not build the sensor first.
    #[arg(long)]
    no_build: bool,
}

/// `xtask guest containers`.
#[derive(clap::Args)]
pub struct Guest {
    /// Only this hook set.
    #[arg(long, value_enum)]
    hooks: Option<Hooks>,
    /// How control groups are mounted.
    #[arg(long, value_enum)]
    hierarchy: Hierarchy,
    /// Only checks whose names begin so.
    #[arg(long)]
    only: Vec<String>,
}

/// Runs what was asked for and fails if a check failed.
pub fn run(options: &Options) -> Result<()> {
    if !options.no_build {
        build::run()?;
    }
    Tally::of(&boot(options)?).close()
}

/// The stage of `cargo xtask test`; the sensor is built. Both hook sets on the newer kernel, and the older hierarchies.
pub fn everything() -> Result<Tally> {
    let unified =
        Options { kernels: vec![STAGE_KERNEL.to_owned()], hierarchy: Some(Hierarchy::Unified), ..Options::default() };
    let hybrid = Options { hierarchy: Some(Hierarchy::Hybrid), ..Options::default() };
    let mut checks = boot(&unified)?;
    checks.extend(boot(&hybrid)?);
    Ok(Tally::of(&checks))
}

fn boot(options: &Options) -> Result<Vec<Check>> {
    packages::ensure("virtual machines", packages::VM)?;
    packages::ensure("containers in them", packages::CONTAINERS)?;
    let named = |labels: &[&str]| labels.iter().map(|&label| label.to_owned()).collect::<Vec<_>>();
    let labels = |usual: &[&str]| if options.kernels.is_empty() { named(usual) } else { options.kernels.clone() };
    let only = |usual: &[&str]| if options.only.is_empty() { named(usual) } else { options.only.clone() };
    let parts = [
        (Hierarchy::Unified, "containers", options.hooks, labels(KERNELS), only(&[])),
        (
            Hierarchy::Hybrid,
            "containers-hybrid",
            Some(Hooks::Trampoline),
            labels(&[HYBRID_KERNEL]),
            only(HYBRID_CHECKS),
        ),
    ];
    let extra = image::carried()?;
    let mut checks = Vec::new();
    for (hierarchy, name, hooks, labels, only) in parts {
        if options.hierarchy.is_some_and(|wanted| wanted != hierarchy) {
            continue;
        }
        let script = script(hierarchy, options.hooks.or(hooks), &only);
        let again = format!("cargo xtask containers --hierarchy {}", hierarchy.name());
        let job = Job { name, script: &script, extra: &extra, again: &again };
        checks.extend(matrix::run(&kernels::fetch(&labels)?, &job));
    }
    Ok(checks)
}

/// The command that each machine runs.
fn script(hierarchy: Hierarchy, hooks: Option<Hooks>, only: &[String]) -> String {
    let mut script = format!("xtask guest containers --hierarchy {}", hierarchy.name());
    script.extend(hooks.map(|hooks| format!(" --hooks {}", hooks.name())));
    script.extend(only.iter().map(|only| format!(" --only '{}'", only.replace('\'', ""))));
    script
}

/// Inside the machine.
pub fn guest(options: &Guest) -> Result<()> {
    options.hierarchy.prepare()?;
    image::make()?;
    for hooks in Hooks::ALL {
        if options.hooks.is_none_or(|wanted| wanted == hooks) {
            checks::run(hooks, &options.only);
        }
    }
    Ok(())
}
