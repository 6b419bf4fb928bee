//! Objects against the schemas of Kubernetes, and those of the Prometheus operator against its types. Both refuse what they do
//! not know.

use super::chart::KUBERNETES;
use crate::setup::kubernetes::Tools;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::fmt::Write as _;

/// Where custom resources of the Prometheus operator come from.
const OPERATOR: &str = "monitoring.coreos.com/v1";
/// Those that the chart makes.
const OPERATORS_KINDS: &[&str] = &["ServiceMonitor", "PrometheusRule"];

/// Validates all of them; says how many there were.
pub fn validate(tools: &Tools, objects: &[Value]) -> Result<String> {
    let (theirs, ours): (Vec<&Value>, Vec<&Value>) =
        objects.iter().partition(|object| object["apiVersion"] == OPERATOR);
    kubernetes(tools, &ours)?;
    operator(tools, &theirs)?;
    Ok(format!("{} objects of Kubernetes {KUBERNETES}, {} of the Prometheus operator", ours.len(), theirs.len()))
}

fn kubernetes(tools: &Tools, objects: &[&Value]) -> Result<()> {
    let directory = tempfile::tempdir()?;
    let mut validate = tools.validate();
    validate.args(["--strict", "--quiet", "--kubernetes-version", KUBERNETES]);
    for (index, object) in objects.iter().enumerate() {
        let file = directory.path().join(format!("{index}-{}.json", object["kind"].as_str().unwrap_or("unknown")));
        std::fs::write(&file, object.to_string())?;
        validate.arg(file);
    }
    // What is wrong it writes to standard output.
    let output = validate.output().context("starting kubernetes-validate")?;
    if !output.status.success() {
        let said = [output.stdout, output.stderr].concat();
        bail!("not valid in Kubernetes {KUBERNETES}: {}", String::from_utf8_lossy(&said).trim());
    }
    Ok(())
}

/// Written as literals of the operator's types, in which TypeScript refuses what is missing, of another type, or unknown.
fn operator(tools: &Tools, objects: &[&Value]) -> Result<()> {
    if objects.is_empty() {
        return Ok(());
    }
    let mut source = String::new();
    for kind in OPERATORS_KINDS {
        let from = format!("@kubernetes-models/prometheus-operator/{OPERATOR}/{kind}");
        writeln!(source, "import type {{ I{kind} }} from \"{from}\";")?;
    }
    for (index, object) in objects.iter().enumerate() {
        let kind = object["kind"].as_str().filter(|kind| OPERATORS_KINDS.contains(kind));
        let kind = kind.with_context(|| format!("{} has no type to compare with", object["kind"]))?;
        writeln!(source, "export const object{index}: I{kind} = {object};")?;
    }
    // Beside the types, where the compiler looks for them; a name of its own, since tests run side by side.
    let file = tools.operator().join(format!("objects-{}.ts", std::process::id()));
    std::fs::write(&file, source)?;
    let mut compiler = tools.compare_types();
    compiler.args(["--noEmit", "--strict", "--skipLibCheck", "--module", "nodenext", "--target", "es2022"]).arg(&file);
    let output = compiler.output().context("starting node");
    std::fs::remove_file(&file)?;
    let output = output?;
    if !output.status.success() {
        bail!("not as the Prometheus operator has it: {}", String::from_utf8_lossy(&output.stdout).trim());
    }
    Ok(())
}
