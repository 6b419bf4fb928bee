//! `cargo xtask package`: the Debian package, and what becomes of it on a machine whose first process is systemd.
//!
//! Here it is built and looked at by lintian. Then a virtual machine (Debian 12's own kernel series, its systemd, nginx and
//! PHP-FPM) installs it, is attacked, upgrades, reloads, removes and purges it: `guest/package`. It says over its console
//! what came out ([`crate::report::Message`]); the whole console is kept in `target/vm/package.log`.

mod image;

use crate::report::{Check, Message, Tally};
use crate::setup::packages;
use crate::vm::kernels;
use crate::vm::machine::{self, Mode, Root};
use crate::{build, command, dist, workspace};
use anyhow::{Context, Result, ensure};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// `cargo xtask package`.
#[derive(clap::Args)]
pub struct Options {
    /// Do not build the sensor first.
    #[arg(long)]
    no_build: bool,
    /// Only build the package and let lintian look at it.
    #[arg(long)]
    no_vm: bool,
    /// Only what is installed, and steps in the machine whose names contain this.
    #[arg(long, value_name = "PART OF A NAME")]
    only: Option<String>,
}

/// The kernel series of Debian 12.
const KERNEL: &str = "6.1";
/// Several times what it takes on two idle cores.
const LIMIT: Duration = Duration::from_secs(900);
/// The first line of the configuration that the second version brings, so that it differs.
const OTHER: &str = "# A later version says something else here.\n";

/// Runs what was asked for and fails if a check failed.
pub fn run(options: &Options) -> Result<()> {
    if !options.no_build {
        build::run()?;
    }
    Tally::of(&checks(!options.no_vm, options.only.as_deref())?).close()
}

/// The stage of `cargo xtask test`; the sensor is built.
pub fn everything() -> Result<Tally> {
    Ok(Tally::of(&checks(true, None)?))
}

fn checks(machine: bool, only: Option<&str>) -> Result<Vec<Check>> {
    packages::ensure("trying out the package", packages::PACKAGE)?;
    let stage = workspace::vm().join("package");
    if stage.exists() {
        std::fs::remove_dir_all(&stage)?;
    }
    std::fs::create_dir_all(&stage)?;
    let package = dist::package(&stage)?;
    let mut checks = vec![timed("lintian", || lintian(&package))];
    checks[0].print();
    if machine {
        checks.extend(tried_out(&stage, package, only)?);
    }
    Ok(checks)
}

fn timed(name: &str, check: impl FnOnce() -> Result<String>) -> Check {
    let started = Instant::now();
    let result = check();
    Check::of(name, result, started.elapsed().as_secs_f64())
}

/// What Debian's own checker says; warnings count. What is known is said, with its reason, in deploy/debian.
fn lintian(package: &Path) -> Result<String> {
    let mut lintian = command::command("lintian");
    lintian.args(["--fail-on", "error,warning", "--no-cfg", "--allow-root"]).arg(package);
    let output = lintian.output().context("starting lintian")?;
    let said = String::from_utf8_lossy(&output.stdout).trim().replace('\n', "; ");
    ensure!(output.status.success(), "{said} {}", String::from_utf8_lossy(&output.stderr).trim());
    Ok(String::from("no errors, no warnings"))
}

/// Boots the machine and collects what it says.
fn tried_out(stage: &Path, package: PathBuf, only: Option<&str>) -> Result<Vec<Check>> {
    packages::ensure("virtual machines", packages::VM)?;
    let kernels = kernels::fetch(&[KERNEL.to_owned()])?;
    let kernel = kernels.first().context("the kernel")?;
    let root = image::root()?;
    let payload = payload(stage, package, only)?;
    let started = Instant::now();
    let mut checks = Vec::new();
    let mode = Mode { processors: 2, count_instructions: false, limit: LIMIT };
    let disks = Root::Disk { root: &root, more: &payload };
    let result = machine::run(kernel, disks, "package", mode, &mut |message| match message {
        Message::Check(check) => {
            check.print();
            checks.push(check);
        }
        Message::Note(note) => println!("  {note}"),
        Message::Sample(_) | Message::Done => {}
    });
    let machine = Check::of("machine", result.map(|()| kernel.release.clone()), started.elapsed().as_secs_f64());
    machine.print();
    checks.push(machine);
    Ok(checks)
}

/// The other disk: both versions, and this program, which tries them out.
fn payload(stage: &Path, package: PathBuf, only: Option<&str>) -> Result<PathBuf> {
    let directory = stage.join("disk");
    std::fs::create_dir_all(&directory)?;
    next_version(&package, stage, &directory.join("next.deb"))?;
    std::fs::rename(package, directory.join("first.deb"))?;
    std::fs::copy(command::myself()?, directory.join("xtask"))?;
    let start = directory.join("start");
    let only = only.map_or_else(String::new, |only| format!(" --only '{}'", only.replace('\'', "")));
    std::fs::write(&start, format!("#!/bin/sh\nexec /mnt/xtask guest package{only}\n"))?;
    command::output(command::command("chmod").arg("755").arg(&start))?;
    let image = stage.join("disk.ext4");
    image::payload(&directory, &image)?;
    Ok(image)
}

/// The same package as if it were a later version, with another configuration file.
fn next_version(package: &Path, stage: &Path, next: &Path) -> Result<()> {
    let tree = stage.join("next");
    command::output(command::command("dpkg-deb").arg("--raw-extract").arg(package).arg(&tree))?;
    let control = tree.join("DEBIAN/control");
    let text = std::fs::read_to_string(&control)?;
    let version = text.lines().find(|line| line.starts_with("Version: ")).context("the package's version")?;
    std::fs::write(&control, text.replace(version, &format!("{version}+next")))?;
    let configuration = tree.join("etc/sensor/sensor.toml");
    let text = std::fs::read_to_string(&configuration)?;
    std::fs::write(&configuration, format!("{OTHER}{text}"))?;
    let mut build = command::command("dpkg-deb");
    build.args(["--root-owner-group", "-Znone", "--build"]).arg(&tree).arg(next);
    command::output(&mut build)?;
    std::fs::remove_dir_all(tree)?;
    Ok(())
}
