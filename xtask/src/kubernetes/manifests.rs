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

/// What the chart carries of other directories, since Helm reads nothing outside of it.
const COPIES: &[(&str, &str)] = &[
    ("deploy/prometheus/sensor.rules.yml", "files/sensor.rules.yml"),
    ("deploy/grafana/sensor.json", "files/sensor.json"),
];

/// Copies it.
pub fn copy() -> Result<()> {
    for (from, to) in COPIES {
        std::fs::copy(workspace::root().join(from), chart::directory().join(to)).context(*from)?;
    }
    Ok(())
}

/// The copies are what they were copied from.
pub fn copies(_: &Tools) -> Result<String> {
    for (from, to) in COPIES {
        let read = |path: PathBuf| std::fs::read(&path).with_context(|| path.display().to_string());
        let same = read(workspace::root().join(from))? == read(chart::directory().join(to))?;
        ensure!(same, "{to} of the chart is not {from}: cargo xtask kubernetes --write");
    }
    Ok(format!("{} files", COPIES.len()))
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
