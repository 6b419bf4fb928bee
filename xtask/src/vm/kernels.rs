//! The kernels of the matrix, as Debian packages them for clouds; unpacked, never installed.

use crate::setup::apt::Apt;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// A kernel that is here.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// What it is called here: `6.12`.
    pub label: &'static str,
    /// What it calls itself: `6.12.117+deb12-cloud-amd64`.
    pub release: String,
    /// Where its files are: `vmlinuz`, and `overlay.ko` where overlayfs is a module.
    directory: PathBuf,
}

impl Kernel {
    /// The bootable image.
    pub fn image(&self) -> PathBuf {
        self.directory.join("vmlinuz")
    }

    /// The overlayfs module, where it is one.
    pub fn overlay_module(&self) -> Option<PathBuf> {
        Some(self.directory.join("overlay.ko")).filter(|path| path.exists())
    }
}

/// Releases that kernels are taken from.
const SUITES: &[&str] = &["bullseye", "bookworm", "sid"];

/// How a kernel's package is called.
struct Series {
    label: &'static str,
    prefix: &'static str,
    suffix: &'static str,
    /// What stands for `prefix` in the name of the modules' package, where that is another one.
    modules: Option<&'static str>,
}

const fn series(label: &'static str, prefix: &'static str) -> Series {
    Series { label, prefix, suffix: "-cloud-amd64-unsigned", modules: None }
}

const SERIES: &[Series] = &[
    series("5.10", "linux-image-5.10."),
    series("6.1", "linux-image-6.1."),
    series("6.12", "linux-image-6.12."),
    // Since 7.0 image and modules are in packages of their own.
    Series { label: "newest", prefix: "linux-binary-", suffix: "-cloud-amd64", modules: Some("linux-modules-") },
];

/// The kernels with these labels (all, if none is given), downloaded if they are not here yet.
pub fn fetch(labels: &[String]) -> Result<Vec<Kernel>> {
    for label in labels {
        if !SERIES.iter().any(|series| series.label == label) {
            let known: Vec<_> = SERIES.iter().map(|series| series.label).collect();
            bail!("no kernel is called {label}; there are {}", known.join(", "));
        }
    }
    let mut apt = None;
    let wanted = |series: &&Series| labels.is_empty() || labels.iter().any(|l| l == series.label);
    SERIES
        .iter()
        .filter(wanted)
        .map(|series| {
            if let Some(kernel) = cached(series) {
                return Ok(kernel);
            }
            if apt.is_none() {
                let directory = workspace::vm();
                println!(
                    "Fetching kernels with apt into {} (about 150 MB with the package lists, once).",
                    directory.display()
                );
                apt = Some(Apt::open(directory.join("apt"), SUITES)?);
            }
            let apt = apt.as_ref().context("apt was opened")?;
            download(series, apt).with_context(|| format!("getting kernel {}", series.label))
        })
        .collect()
}

fn directory(series: &Series) -> PathBuf {
    workspace::vm().join("kernels").join(series.label)
}

/// A kernel that was unpacked before; its release is written last, so half an unpacking does not count.
fn cached(series: &Series) -> Option<Kernel> {
    let directory = directory(series);
    let release = std::fs::read_to_string(directory.join("release")).ok()?;
    Some(Kernel { label: series.label, release, directory })
}

/// The newest of the series that the mirror really has: an index may list packages that were removed since.
fn download(series: &Series, apt: &Apt) -> Result<Kernel> {
    let names = apt.names(series.prefix, series.suffix)?;
    let unpacked = directory(series).join("unpacked");
    let mut problems = Vec::new();
    for package in &names {
        let modules = series.modules.map(|prefix| package.replacen(series.prefix, prefix, 1));
        let mut all = [Some(package.clone()), modules].into_iter().flatten();
        match all.try_for_each(|package| apt.unpack(&package, &unpacked)) {
            Ok(()) => {
                println!("  {:<7} {package}", series.label);
                return keep(series, &unpacked);
            }
            Err(error) => problems.push(format!("{error:#}")),
        }
    }
    bail!(
        "no package {}*{} could be had{}{}",
        series.prefix,
        series.suffix,
        if problems.is_empty() { "" } else { ": " },
        problems.join("; ")
    )
}

/// Keeps the image and the module that is used, and removes the rest of the package.
fn keep(series: &Series, unpacked: &Path) -> Result<Kernel> {
    let kept = directory(series);
    let image = find_file(unpacked, &|name| name.starts_with("vmlinuz")).context("the package has no vmlinuz")?;
    std::fs::rename(image, kept.join("vmlinuz"))?;
    if let Some(module) = find_file(unpacked, &|name| name.starts_with("overlay.ko")) {
        let file = std::fs::File::create(kept.join("overlay.ko"))?;
        // xz copies what is not compressed as it is.
        let status =
            command::command("xz").args(["--decompress", "--stdout", "--force"]).arg(module).stdout(file).status()?;
        if !status.success() {
            bail!("xz: {status}");
        }
    }
    let release = release(unpacked).context("the package has no directory of modules")?;
    std::fs::remove_dir_all(unpacked)?;
    std::fs::write(kept.join("release"), &release)?;
    cached(series).context("the kernel that was just unpacked")
}

/// The one directory of `lib/modules` or `usr/lib/modules`.
fn release(unpacked: &Path) -> Option<String> {
    let entries = ["lib/modules", "usr/lib/modules"]
        .iter()
        .find_map(|directory| std::fs::read_dir(unpacked.join(directory)).ok())?;
    let first = entries.flatten().next()?;
    Some(first.file_name().to_string_lossy().into_owned())
}

/// The first file below `directory` whose name fits.
fn find_file(directory: &Path, fits: &dyn Fn(&str) -> bool) -> Option<PathBuf> {
    let entries = std::fs::read_dir(directory).ok()?;
    entries.flatten().find_map(|entry| {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            return find_file(&path, fits);
        }
        fits(&entry.file_name().to_string_lossy()).then_some(path)
    })
}
