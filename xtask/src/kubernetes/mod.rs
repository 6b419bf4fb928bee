//! The Helm chart and the plain manifests: rendered by the real Helm in the combinations that matter, validated against the
//! schemas of Kubernetes and the types of the Prometheus operator, and the configuration asked of the sensor itself.
//!
//! There is no API server and no kubelet: what admission, scheduling or a kubelet would say is not seen here.

mod cases;
mod chart;
mod consistent;
mod manifests;
pub mod node;
mod privileges;
mod reference;
mod refusals;
mod schemas;
mod settings;

use crate::report::{Check, Tally};
use crate::setup::kubernetes::{self as setup, Tools};
use crate::vm::Hooks;
use crate::{build, command};
use anyhow::{Result, ensure};
use std::time::Instant;

/// `cargo xtask kubernetes`.
#[derive(clap::Args)]
pub struct Options {
    /// Write the plain manifests and the table of values instead of checking anything.
    #[arg(long)]
    write: bool,
    /// Only the pod on a node, in a virtual machine, with this kernel: 5.10, 6.1, 6.12 or newest. May be given several times.
    #[arg(long = "kernel", value_name = "KERNEL")]
    kernels: Vec<String>,
    /// Only the pod on a node with this hook set.
    #[arg(long, value_enum)]
    hooks: Option<Hooks>,
    /// Only these checks of the pod on a node.
    #[arg(long, value_name = "NAME")]
    only: Vec<String>,
    /// Do not build the sensor first.
    #[arg(long)]
    no_build: bool,
}

/// Checks everything, or writes what is written.
pub fn run(options: &Options) -> Result<()> {
    let tools = setup::find_or_install()?;
    if options.write {
        manifests::copy()?;
        manifests::write(&tools)?;
        return reference::write(&tools);
    }
    if !options.no_build {
        build::run()?;
    }
    let on_a_node = !options.kernels.is_empty() || options.hooks.is_some() || !options.only.is_empty();
    let mut all = if on_a_node { Vec::new() } else { checks(&tools) };
    all.extend(node::run(&tools, &options.kernels, options.hooks, &options.only)?);
    Tally::of(&all).close()
}

/// The stage of `cargo xtask test`; the sensor is built.
pub fn everything() -> Result<Tally> {
    Ok(Tally::of(&checks(&setup::find_or_install()?)))
}

/// Its stage with a virtual machine.
pub fn on_a_node() -> Result<Tally> {
    Ok(Tally::of(&node::run(&setup::find_or_install()?, &[], None, &[])?))
}

/// A check that is one function.
type Step = (&'static str, fn(&Tools) -> Result<String>);

fn checks(tools: &Tools) -> Vec<Check> {
    const STEPS: &[Step] = &[
        ("lint", lint),
        ("values/refused-by-helm", refusals::run),
        ("values/refused-by-the-sensor", settings::refused),
        ("copies", manifests::copies),
        ("manifests", manifests::up_to_date),
        ("manifests/kustomize", manifests::kustomize),
        ("readme", reference::up_to_date),
    ];
    let steps = STEPS.iter().map(|(name, step)| {
        let started = Instant::now();
        let result = step(tools);
        Check::of(*name, result, started.elapsed().as_secs_f64())
    });
    let mut checks: Vec<Check> = steps.collect();
    checks.extend(cases::run(tools));
    checks.iter().for_each(Check::announce);
    checks
}

fn lint(tools: &Tools) -> Result<String> {
    let mut helm = tools.helm();
    let said = command::output(helm.args(["lint", "--strict"]).arg(chart::directory()))?;
    ensure!(said.contains("0 chart(s) failed"), "{said}");
    Ok(command::output(tools.helm().args(["version", "--short"]))?.trim().to_owned())
}
