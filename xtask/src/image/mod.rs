//! The container image: put together from the sensor that was built and the libraries that it was built with, and written
//! as an OCI image, without an engine or a registry.
//!
//! `deploy/container/Containerfile` runs the same command in a builder, and copies what it made into an empty image.

mod layout;
pub mod rootfs;

use crate::report::{Check, Tally};
use crate::setup::packages::{self, Need};
use crate::{build, command, workspace};
use anyhow::{Context, Result, ensure};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// What is put in, and what reads it again.
const NEEDS: &[Need] = &[
    Need::file("ca-certificates", "/etc/ssl/certs/ca-certificates.crt"),
    Need::program("binutils", "strip"),
    Need::program("libc-bin", "ldd"),
];
const READER: &[Need] = &[Need::program("skopeo", "skopeo")];

/// Most that the image may hold, unpacked: a node pulls it, and it holds one program.
const MAX_BYTES: usize = 40 << 20;

/// `cargo xtask image`.
#[derive(clap::Args)]
pub struct Options {
    /// Write the file system into this empty directory instead of making an image of it.
    #[arg(long, value_name = "DIRECTORY")]
    rootfs: Option<PathBuf>,
    /// Do not build the sensor first.
    #[arg(long)]
    no_build: bool,
}

/// Where the image is written.
fn path() -> PathBuf {
    workspace::target().join(format!("dist/sensor-{}-amd64.oci.tar", env!("CARGO_PKG_VERSION")))
}

/// Packages that making it takes.
pub fn prepare() -> Result<()> {
    packages::ensure("the container image", NEEDS)
}

/// Makes it of the sensor that was built.
pub fn write(file: &Path) -> Result<()> {
    layout::write(&rootfs::assemble()?, file).map(drop)
}

/// Makes what was asked for.
pub fn run(options: &Options) -> Result<()> {
    prepare()?;
    if !options.no_build {
        build::run()?;
    }
    let rootfs = rootfs::assemble()?;
    if let Some(directory) = &options.rootfs {
        return rootfs::write(&rootfs, directory);
    }
    let digest = layout::write(&rootfs, &path())?;
    println!("{}: {} ({digest})", path().display(), layout::REFERENCE);
    println!("Load it with `podman load -i FILE`, `ctr image import FILE` or `skopeo copy oci-archive:FILE ...`.");
    Ok(())
}

/// The stage of `cargo xtask test`; the sensor is built.
pub fn everything() -> Result<Tally> {
    prepare()?;
    packages::ensure("reading the container image", READER)?;
    let rootfs = rootfs::assemble()?;
    let check = |name: &str, body: &dyn Fn() -> Result<String>| {
        let started = Instant::now();
        let result = body();
        let check = Check::of(name, result, started.elapsed().as_secs_f64());
        check.announce();
        check
    };
    Ok(Tally::of(&[check("files", &|| files(&rootfs)), check("layout", &|| read_by_skopeo(&rootfs))]))
}

/// One program and the loader are all that can be run, nothing is set-uid or writable by others, and it is small.
fn files(rootfs: &rootfs::Rootfs) -> Result<String> {
    let mut size = 0;
    for (name, entry) in rootfs {
        let rootfs::Entry::File(mode, data) = entry else { continue };
        size += data.len();
        ensure!(mode & 0o7022 == 0, "{name} has mode {mode:o}");
        let runs = mode & 0o111 != 0 && !name.contains(".so");
        ensure!(!runs || name == "usr/bin/sensor", "{name} can be run");
    }
    ensure!(size <= MAX_BYTES, "{size} bytes, at most {MAX_BYTES} are wanted");
    Ok(format!("{} entries, {} KiB", rootfs.len(), size >> 10))
}

/// skopeo copies the image, which verifies its digests, and shows what it says of itself.
fn read_by_skopeo(rootfs: &rootfs::Rootfs) -> Result<String> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("image.oci.tar");
    layout::write(rootfs, &file)?;
    let source = format!("oci-archive:{}", file.display());
    let mut skopeo = command::command("skopeo");
    skopeo.args(["copy", "--insecure-policy", &source]);
    command::output(skopeo.arg(format!("dir:{}", directory.path().join("copy").display())))?;
    let said = command::output(command::command("skopeo").args(["inspect", "--config", &source]))?;
    let said: Value = serde_json::from_str(&said).context("what skopeo says")?;
    ensure!(said["config"]["Entrypoint"] == serde_json::json!(["/usr/bin/sensor"]), "its entry point is {said}");
    ensure!(said["architecture"] == "amd64", "its architecture is {}", said["architecture"]);
    Ok(format!("{} KiB compressed", std::fs::metadata(&file)?.len() >> 10))
}
