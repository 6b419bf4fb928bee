//! A node without a kubelet: the pod of the rendered DaemonSet, in the image that was made, started by crun in a virtual machine
//! with what a kubelet and a runtime would hand down: capabilities, mounts, namespaces, hidden paths, seccomp.
//!
//! Not seen: the runtime's own API, admission, probes' timing, AppArmor and SELinux.

mod checks;
mod oci;
mod pod;
mod seccomp;

use super::chart::{self, Rendered};
use crate::containers::image as servers;
use crate::image;
use crate::report::Check;
use crate::setup::kubernetes::Tools;
use crate::setup::packages::{self, Need};
use crate::vm::matrix::{self, Job};
use crate::vm::{Hooks, kernels};
use anyhow::Result;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Kernels that are tried.
const KERNELS: &[&str] = &["6.12"];

/// The profile that CRI-O and podman use unless told otherwise.
const SECCOMP: &str = "/usr/share/containers/seccomp.json";

const NEEDS: &[Need] = &[Need::file("golang-github-containers-common", SECCOMP)];

/// Where the machine has what it carries.
const CARRIED: &str = "/node";

/// Boots the kernels with these labels, or the usual one; what the machines carry: the image, the profile, and the manifests for
/// each hook set.
pub fn run(tools: &Tools, labels: &[String], hooks: Option<Hooks>, only: &[String]) -> Result<Vec<Check>> {
    packages::ensure("virtual machines", packages::VM)?;
    packages::ensure("containers in them", packages::CONTAINERS)?;
    packages::ensure("the profile for system calls", NEEDS)?;
    image::prepare()?;
    let directory = tempfile::tempdir()?;
    let mut extra = servers::carried()?;
    let mut carry = |name: &str, path: &Path| extra.put(path, &format!("{CARRIED}/{name}"));
    let made = directory.path().join("image");
    image::write(&made)?;
    carry("image", &made);
    carry("seccomp", Path::new(SECCOMP));
    for set in Hooks::ALL {
        let file = directory.path().join(set.name());
        std::fs::write(&file, Value::from(manifests(tools, set)?).to_string())?;
        carry(set.name(), &file);
    }
    let mut script = "xtask guest node".to_owned();
    script.extend(hooks.map(|hooks| format!(" --hooks {}", hooks.name())));
    script.extend(only.iter().map(|only| format!(" --only '{}'", only.replace('\'', ""))));
    let usual: Vec<String> = KERNELS.iter().map(|&label| label.to_owned()).collect();
    let kernels = kernels::fetch(if labels.is_empty() { &usual } else { labels })?;
    let job = Job { name: "node", script: &script, extra: &extra, again: "cargo xtask kubernetes" };
    Ok(matrix::run(&kernels, &job))
}

/// What the chart makes of its own values, and a hook set.
fn manifests(tools: &Tools, hooks: Hooks) -> Result<Vec<Value>> {
    let value = format!("config.kernel={{\"hooks\":\"{}\"}}", hooks.name());
    Ok(Rendered::of(tools, &mut chart::template(tools, &[], &[&value]))?.objects)
}

/// Inside the machine.
pub fn guest(hooks: Option<Hooks>, only: &[String]) -> Result<()> {
    let carried = |name: &str| PathBuf::from(CARRIED).join(name);
    crate::containers::hierarchy::Hierarchy::Unified.prepare()?;
    servers::make()?;
    let image = oci::unpack(&carried("image"), Path::new("/images/sensor"))?;
    let seccomp: Value = serde_json::from_slice(&std::fs::read(carried("seccomp"))?)?;
    for set in Hooks::ALL.into_iter().filter(|set| hooks.is_none_or(|wanted| wanted == *set)) {
        let objects: Vec<Value> = serde_json::from_slice(&std::fs::read(carried(set.name()))?)?;
        checks::run(set, only, &Rendered { objects }, &image, &seccomp);
    }
    Ok(())
}
