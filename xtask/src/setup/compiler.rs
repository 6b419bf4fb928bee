//! A Rust compiler for `bpfel-unknown-none`.
//!
//! That target has no prebuilt `core`, so the compiler must accept `-Z build-std` and have its library sources beside
//! it. And bpf-linker reads LLVM bitcode with the compiler's own LLVM, whose major version it must know: [`LLVM`].
//! Candidates are tried in this order: rustup nightlies with rust-src, the distribution's `rustc-web` (a current
//! compiler with its sources, which Debian keeps for its browsers), and last a nightly installed with rustup.

use super::packages::{self, Need};
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Major version of LLVM that the bpf-linker we install was written for.
const LLVM: &str = "22";
/// A nightly of that LLVM, installed when nothing on the machine fits. The newest nightly moves to newer LLVMs.
const NIGHTLY: &str = "nightly-2026-05-20";
/// Where Debian's compiler is, whatever rustup put before it in `PATH`.
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// Debian's packages for it.
const DEBIAN: &[Need] = &[Need::file("rustc-web", DEBIAN_RUSTC), Need::package("rust-web-src")];

/// A compiler that was tried and fits.
pub struct Compiler {
    /// For people.
    pub name: String,
    source: Source,
    /// A directory that holds the compiler's LLVM and nothing else.
    pub llvm: PathBuf,
}

enum Source {
    Rustup(String),
    Debian,
}

impl Source {
    fn rustc(&self) -> Command {
        match self {
            Self::Rustup(toolchain) => rustup_run(toolchain, "rustc"),
            Self::Debian => command::command(DEBIAN_RUSTC),
        }
    }
}

impl Compiler {
    /// A cargo that builds with this compiler, unstable flags allowed, and with bpf-linker able to find its LLVM.
    pub fn cargo(&self) -> Command {
        let mut cargo = match &self.source {
            Source::Rustup(toolchain) => rustup_run(toolchain, "cargo"),
            Source::Debian => {
                let mut cargo = super::cargo();
                cargo.env("RUSTC", DEBIAN_RUSTC).env("RUSTC_BOOTSTRAP", "1");
                cargo
            }
        };
        // What an outer cargo or the user set for the host's compiler does not concern this one.
        cargo.env_remove("RUSTFLAGS").env_remove("RUSTC_WRAPPER").env("LD_LIBRARY_PATH", &self.llvm);
        cargo
    }
}

/// A fitting compiler; installed, after saying so, if there is none.
pub fn find_or_install() -> Result<Compiler> {
    let mut refused = Vec::new();
    if let Some(compiler) = find(&mut refused) {
        return Ok(compiler);
    }
    println!("No compiler here can build the kernel programs:");
    for reason in &refused {
        println!("  {reason}");
    }
    install(&mut refused)?;
    let mut refused = Vec::new();
    find(&mut refused).with_context(|| format!("what was installed does not fit either: {}", refused.join("; ")))
}

/// The first candidate that fits; the reasons against the others are added to `refused`.
fn find(refused: &mut Vec<String>) -> Option<Compiler> {
    let nightlies = nightlies().into_iter().map(Source::Rustup);
    nightlies.chain([Source::Debian]).find_map(|source| match try_source(source) {
        Ok(compiler) => Some(compiler),
        Err(reason) => {
            refused.push(format!("{reason:#}"));
            None
        }
    })
}

fn try_source(source: Source) -> Result<Compiler> {
    let name = match &source {
        Source::Rustup(toolchain) => format!("rustup {toolchain}"),
        Source::Debian => format!("Debian's {DEBIAN_RUSTC}"),
    };
    let version = command::output(source.rustc().arg("-vV")).with_context(|| format!("{name}: not there"))?;
    let llvm = version
        .lines()
        .find_map(|line| line.strip_prefix("LLVM version: "))
        .with_context(|| format!("{name}: does not say its LLVM version"))?;
    if llvm.split('.').next() != Some(LLVM) {
        bail!("{name}: has LLVM {llvm}, bpf-linker needs {LLVM}");
    }
    let sysroot = command::output(source.rustc().args(["--print", "sysroot"]))?;
    let sysroot = Path::new(sysroot.trim());
    if !sysroot.join("lib/rustlib/src/rust/library/core/src/lib.rs").exists() {
        bail!("{name}: its library sources (rust-src) are not installed");
    }
    let llvm = llvm_directory(sysroot).with_context(|| name.clone())?;
    let release = version.lines().next().unwrap_or_default();
    Ok(Compiler { name: format!("{name} ({release})"), source, llvm })
}

/// Makes a directory with the compiler's LLVM alone: bpf-linker takes the first `libLLVM*` of `LD_LIBRARY_PATH`, and
/// a distribution's library directory may hold several.
fn llvm_directory(sysroot: &Path) -> Result<PathBuf> {
    let multiarch = format!("lib/{}-linux-gnu", std::env::consts::ARCH);
    let library = ["lib", multiarch.as_str()]
        .iter()
        .filter_map(|directory| std::fs::read_dir(sysroot.join(directory)).ok())
        .flat_map(|entries| entries.flatten().map(|entry| entry.path()))
        .find(|path| is_llvm(path))
        .with_context(|| format!("no libLLVM {LLVM} below {}", sysroot.display()))?;
    let directory = workspace::tools().join("llvm");
    let link = directory.join("libLLVM.so");
    if std::fs::read_link(&link).ok().as_deref() != Some(library.as_path()) {
        std::fs::create_dir_all(&directory)?;
        if link.symlink_metadata().is_ok() {
            std::fs::remove_file(&link)?;
        }
        std::os::unix::fs::symlink(&library, &link)?;
    }
    Ok(directory)
}

fn is_llvm(path: &Path) -> bool {
    let name = path.file_name().and_then(|name| name.to_str());
    name.is_some_and(|name| {
        name.strip_prefix("libLLVM")
            .is_some_and(|rest| rest.contains(".so") && rest.trim_start_matches(['-', '.', 's', 'o']).starts_with(LLVM))
    })
}

/// rustup's nightlies, as they are named there.
fn nightlies() -> Vec<String> {
    let Ok(list) = command::output(command::command("rustup").args(["toolchain", "list"])) else {
        return Vec::new();
    };
    list.lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| name.starts_with("nightly"))
        .map(str::to_owned)
        .collect()
}

fn rustup_run(toolchain: &str, program: &str) -> Command {
    let mut rustup = command::command("rustup");
    rustup.args(["run", toolchain, program]);
    rustup
}

/// Installs one: the distribution's if it is recent enough, else a nightly. If one way fails the other is tried.
fn install(refused: &mut Vec<String>) -> Result<()> {
    // An old Debian release has the package too, with a compiler that is too old.
    if packages::newest_candidate("rustc-web").is_some_and(|version| is_recent(&version)) {
        match packages::ensure("building the kernel programs", DEBIAN) {
            Ok(()) => return Ok(()),
            Err(error) => refused.push(format!("rustc-web could not be installed: {error:#}")),
        }
    }
    if command::find("rustup").is_some() {
        println!("Installing {NIGHTLY} with rust-src (for building the kernel programs), by rustup.");
        return command::run(command::command("rustup").args([
            "toolchain",
            "install",
            NIGHTLY,
            "--profile",
            "minimal",
            "--component",
            "rust-src",
        ]));
    }
    refused.push("neither rustup nor a recent rustc-web package is here".to_owned());
    bail!(
        "cannot build the kernel programs: install rustup, or a nightly Rust with rust-src and LLVM {LLVM} ({})",
        refused.join("; ")
    )
}

/// Is this package version of rustc 1.95 or later?
fn is_recent(version: &str) -> bool {
    let mut numbers = version.split(['.', '+', '~', '-']);
    let mut next = || numbers.next().and_then(|n| n.parse::<u32>().ok());
    matches!((next(), next()), (Some(1), Some(minor)) if minor >= 95)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_llvm_library_is_recognised() {
        for name in ["libLLVM-22.so", "libLLVM.so.22.1", "libLLVM.so.22.1-rust-1.97.0-nightly"] {
            assert!(is_llvm(Path::new(name)), "{name}");
        }
        for name in ["libLLVM-14.so", "libLLVM.so", "libLLVMCore.a", "libc.so.6"] {
            assert!(!is_llvm(Path::new(name)), "{name}");
        }
    }

    #[test]
    fn old_packages_are_not_enough() {
        assert!(is_recent("1.96.0+dfsg1-1~deb12u2"));
        assert!(!is_recent("1.85.0+dfsg3-1~deb12u3"));
        assert!(!is_recent("(none)"));
    }
}
