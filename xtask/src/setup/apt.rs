//! Packages of other Debian releases, without touching the system's package lists.
//!
//! apt is given its own sources, lists and cache. The mirror is the one the system uses, and
//! signatures are checked with the system's archive keyring: a suite that it cannot verify is not used.

use crate::command;
use anyhow::{Context, Result, bail};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// An apt with its own state.
pub struct Apt {
    directory: PathBuf,
}

impl Apt {
    /// Sets it up in a directory, with these suites of the system's mirrors, and reads the package lists. The security
    /// suite of each release is taken along where there is one.
    pub fn open(directory: PathBuf, suites: &[&str]) -> Result<Self> {
        let apt = Self { directory };
        for part in ["lists/partial", "cache/archives/partial", "download"] {
            std::fs::create_dir_all(apt.directory.join(part))?;
        }
        std::fs::write(apt.directory.join("sources.list"), sources(suites)?)?;
        std::fs::write(apt.configuration_file(), apt.configuration())?;
        // One suite that fails does not spoil the others; what is then missing is named when it is looked for.
        if let Err(error) = command::output(apt.command("apt-get").args(["update", "-qq"])) {
            println!("Some package lists could not be read: {error:#}");
        }
        Ok(apt)
    }

    /// Where its configuration is, for `APT_CONFIG`.
    pub fn configuration_file(&self) -> PathBuf {
        self.directory.join("apt.conf")
    }

    /// Its sources.
    pub fn sources_file(&self) -> PathBuf {
        self.directory.join("sources.list")
    }

    fn configuration(&self) -> String {
        let directory = self.directory.display();
        format!(
            "Dir::State::Lists \"{directory}/lists\";\n\
             Dir::Cache \"{directory}/cache\";\n\
             Dir::Etc::SourceList \"{directory}/sources.list\";\n\
             Dir::Etc::SourceParts \"/dev/null\";\n\
             APT::Sandbox::User \"root\";\n\
             #clear APT::Update::Post-Invoke-Success;\n\
             Acquire::AllowInsecureRepositories \"false\";\n\
             Acquire::Languages \"none\";\n\
             Acquire::IndexTargets::deb::DEP-11::DefaultEnabled \"false\";\n\
             Acquire::Retries \"3\";\n"
        )
    }

    fn command(&self, program: &str) -> Command {
        let mut command = command::command(program);
        command
            .env("APT_CONFIG", self.configuration_file())
            .env("LC_ALL", "C")
            .current_dir(self.directory.join("download"));
        command
    }

    /// Package names that begin with `prefix` and end with `suffix`, newest version number first.
    pub fn names(&self, prefix: &str, suffix: &str) -> Result<Vec<String>> {
        let list = command::output(self.command("apt-cache").args(["pkgnames", prefix]))?;
        let mut names: Vec<String> = list
            .lines()
            .filter(|name| name.ends_with(suffix))
            .filter(|name| {
                let rest = name.strip_prefix(prefix).unwrap_or_default();
                rest.starts_with(|c: char| c.is_ascii_digit())
            })
            .map(str::to_owned)
            .collect();
        names.sort_by_key(|name| std::cmp::Reverse(numbers(name)));
        Ok(names)
    }

    /// Downloads `package` and unpacks it into `into`.
    pub fn unpack(&self, package: &str, into: &Path) -> Result<()> {
        command::output(self.command("apt-get").args(["download", "-qq", package]))?;
        let prefix = format!("{package}_");
        let file = std::fs::read_dir(self.directory.join("download"))?
            .flatten()
            .map(|entry| entry.path())
            .find(|path| {
                let name = path.file_name().unwrap_or_default().to_string_lossy();
                name.starts_with(&prefix)
            })
            .with_context(|| format!("apt downloaded no {package}"))?;
        std::fs::create_dir_all(into)?;
        command::output(command::command("dpkg-deb").arg("--extract").arg(&file).arg(into))?;
        std::fs::remove_file(file)?;
        Ok(())
    }
}

/// The numbers in a name, for comparing: 6.1.0-56 is after 6.1.0-9.
fn numbers(name: &str) -> Vec<u64> {
    name.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

/// A sources.list with the suites, on the mirrors that the system uses for Debian.
fn sources(suites: &[&str]) -> Result<String> {
    let mut mirrors = system_mirrors()?;
    if mirrors.is_empty() {
        // Lists are read only after a first update.
        println!("Reading the system's package lists (for the address of its Debian mirror).");
        command::run(command::as_root("apt-get")?.args(["update", "-qq"]))?;
        mirrors = system_mirrors()?;
    }
    let mirror = |label: &str| {
        let found = mirrors.iter().find(|(its_label, _)| its_label == label);
        found.map(|(_, address)| address.as_str())
    };
    let Some(main) = mirror("Debian") else {
        bail!("this system's apt sources have no Debian mirror, which other releases' packages come from");
    };
    let mut text = String::new();
    let mut add = |address: &str, suite: &str| {
        let _ = writeln!(text, "deb [arch=amd64 signed-by={KEYRING}] {address} {suite} main");
    };
    for suite in suites {
        add(main, suite);
        // The newest has none, nor has a part of a release.
        let has_security = *suite != "sid" && !suite.contains('-');
        if let Some(security) = mirror("Debian-Security").filter(|_| has_security) {
            add(security, &format!("{suite}-security"));
        }
    }
    Ok(text)
}

/// Label and address of each Debian repository that the system's apt knows.
fn system_mirrors() -> Result<Vec<(String, String)>> {
    let targets = command::output(command::command("apt-get").args([
        "indextargets",
        "--format",
        "$(LABEL) $(REPO_URI)",
        "Created-By: Packages",
        "Origin: Debian",
    ]))
    .context("asking apt for its sources")?;
    Ok(targets
        .lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(label, address)| (label.to_owned(), address.trim().to_owned()))
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn version_numbers_are_compared_as_numbers() {
        assert!(numbers("linux-image-6.1.0-56-cloud-amd64") > numbers("linux-image-6.1.0-9-cloud-amd64"));
        assert!(numbers("linux-image-6.1.0-56-cloud-amd64") > numbers("linux-image-6.1.0-0.deb11.52-cloud-amd64"));
    }
}
