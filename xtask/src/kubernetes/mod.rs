//! The Helm chart and the plain manifests: rendered by the real Helm in the combinations that matter, validated against the
//! schemas of Kubernetes and the types of the Prometheus operator, and the configuration asked of the sensor itself.
//!
//! There is no API server and no kubelet: what admission, scheduling or a kubelet would say is not seen here.

mod cases;
mod chart;
mod consistent;
mod manifests;
mod reference;
mod refusals;
mod schemas;
mod settings;
mod unit;

use crate::report::{Check, Tally};
use crate::setup::kubernetes::{self as setup, Tools};
use crate::{build, command};
use anyhow::{Result, ensure};
use std::time::Instant;

/// `cargo xtask kubernetes`.
#[derive(clap::Args)]
pub struct Options {
    /// Write the plain manifests and the table of values instead of checking anything.
    #[arg(long)]
    write: bool,
    /// Do not build the sensor first.
    #[arg(long)]
    no_build: bool,
}

/// Checks everything, or writes what is written.
pub fn run(options: &Options) -> Result<()> {
    let tools = setup::find_or_install()?;
    if options.write {
        manifests::write(&tools)?;
        return reference::write(&tools);
    }
    if !options.no_build {
        build::run()?;
    }
    Tally::of(&checks(&tools)).close()
}

/// The stage of `cargo xtask test`; the sensor is built.
pub fn everything() -> Result<Tally> {
    Ok(Tally::of(&checks(&setup::find_or_install()?)))
}

/// A check that is one function.
type Step = (&'static str, fn(&Tools) -> Result<String>);

fn checks(tools: &Tools) -> Vec<Check> {
    const STEPS: &[Step] = &[
        ("lint", lint),
        ("values/refused-by-helm", refusals::run),
        ("values/refused-by-the-sensor", settings::refused),
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
