//! The plain manifests, for people without Helm: rendered from the chart's own values, and kept in step with it.

use super::chart;
use crate::setup::kubernetes::Tools;
use crate::{command, workspace};
use anyhow::{Context, Result, ensure};
use std::path::PathBuf;

const HEAD: &str =
    "# Written by `cargo xtask kubernetes --write` from the Helm chart and its own values: change those.\n";

fn directory() -> PathBuf {
    workspace::root().join("deploy/kubernetes")
}

/// What the file must hold.
fn expected(tools: &Tools) -> Result<String> {
    let rendered = command::output(&mut chart::template(tools, &[], &[]))?;
    // Nobody manages them with Helm.
    let plain = rendered.lines().filter(|line| !line.contains("app.kubernetes.io/managed-by: Helm"));
    let plain = plain.filter(|line| !line.contains("helm.sh/chart:"));
    Ok(HEAD.to_owned() + &plain.flat_map(|line| [line.trim_end(), "\n"]).collect::<String>())
}

/// Writes it.
pub fn write(tools: &Tools) -> Result<()> {
    let path = directory().join("sensor.yaml");
    std::fs::write(&path, expected(tools)?).with_context(|| path.display().to_string())
}

/// It says what the chart says.
pub fn up_to_date(tools: &Tools) -> Result<String> {
    let path = directory().join("sensor.yaml");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    ensure!(text == expected(tools)?, "{} is old: cargo xtask kubernetes --write", path.display());
    Ok(format!("{} lines", text.lines().count()))
}

/// `kubectl kustomize` makes valid objects of the directory.
pub fn kustomize(tools: &Tools) -> Result<String> {
    let yaml = command::output(tools.kubectl().arg("kustomize").arg(directory()))?;
    let objects = chart::objects(tools, &yaml)?;
    ensure!(objects.iter().any(|object| object["kind"] == "Namespace"), "no Namespace came of it");
    ensure!(objects.iter().any(|object| object["kind"] == "DaemonSet"), "no DaemonSet came of it");
    super::schemas::validate(tools, &objects)
}
