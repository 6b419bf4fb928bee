//! `cargo xtask dist`: what is handed out, in `target/dist`: the finished binary, a Debian package, `SHA256SUMS`.

use crate::setup::{packager, packages};
use crate::{build, command, setup, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// The version of everything here.
const VERSION: &str = env!("CARGO_PKG_VERSION");

/// Builds all of it.
pub fn run() -> Result<()> {
    let built = build::run()?;
    let directory = workspace::dist();
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let binary = directory.join(format!("sensor-{VERSION}-linux-{}", std::env::consts::ARCH));
    std::fs::copy(&built, &binary).with_context(|| binary.display().to_string())?;
    let package = package(&directory)?;
    let mut names = Vec::new();
    for path in [&binary, &package] {
        names.push(path.file_name().context("a file's name")?.to_owned());
    }
    let sums = command::output(command::command("sha256sum").args(&names).current_dir(&directory))?;
    std::fs::write(directory.join("SHA256SUMS"), &sums)?;
    print!("In {}:\n{sums}", directory.display());
    Ok(())
}

/// Makes the Debian package from the binary that was built, and returns its path.
pub fn package(directory: &Path) -> Result<PathBuf> {
    packages::ensure("building the Debian package", packages::DIST)?;
    let cargo_deb = packager::find_or_install()?;
    let version = version()?;
    let package = directory.join(format!("sensor_{version}_amd64.deb"));
    std::fs::create_dir_all(directory)?;
    generate()?;
    command::run(
        command::command(cargo_deb)
            .args(["--package", "sensor", "--no-build", "--strip", "--compress-system", "--locked"])
            .args(["--deb-version", &version])
            .arg("--output")
            .arg(&package)
            .env("CARGO", setup::cargo().get_program())
            .current_dir(workspace::root()),
    )?;
    Ok(package)
}

/// What the binary says of itself, where the package takes it from: its manual, and completions for shells.
fn generate() -> Result<()> {
    let directory = workspace::target().join("release/package");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    let sensor = workspace::sensor();
    let manual = directory.join("man");
    command::output(command::command(&sensor).arg("man").arg(&manual))?;
    // Debian wants them compressed; without time and name, so that the same pages are the same file.
    command::output(command::command("gzip").args(["-9", "-n", "-r"]).arg(&manual))?;
    for shell in ["bash", "zsh", "fish"] {
        let text = command::output(command::command(&sensor).args(["completions", shell]))?;
        std::fs::write(directory.join(format!("sensor.{shell}")), text)?;
    }
    Ok(())
}

/// The package's version, as its changelog has it; fails if that is not about this version.
fn version() -> Result<String> {
    let path = workspace::root().join("deploy/debian/changelog");
    let text = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let version = newest(&text).with_context(|| format!("{}: its first line names no version", path.display()))?;
    if version.rsplit_once('-').map_or(version, |(upstream, _)| upstream) != VERSION {
        bail!("{} begins with {version}, but this is version {VERSION}: add an entry", path.display());
    }
    Ok(version.to_owned())
}

/// The version in the first line, `sensor (0.1.0-1) unstable; urgency=medium`.
fn newest(changelog: &str) -> Option<&str> {
    let (_, rest) = changelog.lines().next()?.split_once('(')?;
    rest.split_once(')').map(|(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_changelog_is_about_this_version() {
        assert_eq!(newest("sensor (1.2.3-4) unstable; urgency=medium\n"), Some("1.2.3-4"));
        assert_eq!(newest("sensor"), None);
        assert!(version().unwrap().starts_with(VERSION));
    }
}
