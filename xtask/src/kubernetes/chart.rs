//! The Helm chart: rendered, and taken apart into objects.

use crate::command;
use crate::setup::kubernetes::Tools;
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// The namespace that everything is rendered for.
pub const NAMESPACE: &str = "sensor";
/// The version of Kubernetes that everything is rendered for and validated against.
pub const KUBERNETES: &str = "1.34.0";

/// Where the chart is.
pub fn directory() -> PathBuf {
    workspace::root().join("deploy/helm/sensor")
}

/// `helm template` of the release `sensor`, with these files of values and these single ones.
pub fn template(tools: &Tools, files: &[&Path], values: &[&str]) -> Command {
    let mut helm = tools.helm();
    helm.args(["template", "sensor"]).arg(directory());
    helm.args(["--namespace", NAMESPACE, "--kube-version", KUBERNETES]);
    for file in files {
        helm.arg("--values").arg(file);
    }
    for value in values {
        helm.args(["--set-json", value]);
    }
    helm
}

/// The objects in a text of YAML documents. A key that stands twice is an error.
pub fn objects(tools: &Tools, yaml: &str) -> Result<Vec<Value>> {
    let mut python = tools.python();
    python.arg(workspace::root().join("xtask/kubernetes/to_json.py"));
    let mut child = python.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    let mut input = child.stdin.take().context("its input")?;
    input.write_all(yaml.as_bytes())?;
    drop(input);
    let output = child.wait_with_output()?;
    if !output.status.success() {
        bail!("reading YAML: {}", String::from_utf8_lossy(&output.stderr).trim());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// What was rendered.
pub struct Rendered {
    /// All of it.
    pub objects: Vec<Value>,
}

impl Rendered {
    /// What `helm template` made.
    pub fn of(tools: &Tools, template: &mut Command) -> Result<Self> {
        Ok(Self { objects: objects(tools, &command::output(template)?)? })
    }

    /// The objects of a kind.
    pub fn of_kind<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Value> {
        self.objects.iter().filter(move |object| object["kind"] == kind)
    }

    /// The DaemonSet; there is exactly one.
    pub fn daemon_set(&self) -> Result<&Value> {
        let mut all = self.of_kind("DaemonSet");
        match (all.next(), all.next()) {
            (Some(one), None) => Ok(one),
            _ => bail!("there is not exactly one DaemonSet"),
        }
    }

    /// Its pods.
    pub fn pod(&self) -> Result<&Value> {
        Ok(&self.daemon_set()?["spec"]["template"])
    }

    /// Their container; there is exactly one.
    pub fn container(&self) -> Result<&Value> {
        match list(&self.pod()?["spec"]["containers"]) {
            [one] => Ok(one),
            _ => bail!("there is not exactly one container"),
        }
    }

    /// The text of a file in a ConfigMap, with the ConfigMap's name.
    pub fn files(&self) -> impl Iterator<Item = (&str, &str)> {
        let maps = self.of_kind("ConfigMap").filter_map(|map| map["data"].as_object());
        maps.flatten().filter_map(|(name, text)| Some((name.as_str(), text.as_str()?)))
    }
}

/// A list, or nothing.
pub fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[], Vec::as_slice)
}
