//! What the other commands need and a fresh machine lacks: found, else installed, said before it is done, never twice.
//!
//! Compilers come through rustup or the distribution's packages, cargo tools through cargo into `target/tools`, the
//! rest from the distribution's packages. Nothing here starts a service.

pub mod apt;
pub mod compiler;
pub mod kubernetes;
mod linker;
pub mod packager;
pub mod packages;

use crate::command;
use anyhow::Result;
use compiler::Compiler;
use std::path::PathBuf;
use std::process::Command;

/// `cargo xtask setup`.
#[derive(Default, clap::Args)]
pub struct Options {
    /// Only this part; all of them if none is named.
    #[arg(value_enum)]
    parts: Vec<Part>,
}

/// A group of needs.
#[derive(Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Part {
    /// What building the kernel programs takes.
    Build,
    /// What the virtual machines take.
    Vm,
    /// The servers that the tests attack.
    Servers,
    /// Helm, kubectl and schemas.
    Kubernetes,
    /// What building a package takes, and trying it out in a virtual machine with systemd.
    Package,
}

/// Both tools that make the eBPF object.
pub struct Toolchain {
    /// Compiles for the kernel's virtual machine.
    pub compiler: Compiler,
    /// `bpf-linker`.
    pub linker: PathBuf,
}

/// Does the parts that were asked for.
pub fn run(options: &Options) -> Result<()> {
    let wanted = |part| options.parts.is_empty() || options.parts.contains(&part);
    if wanted(Part::Build) {
        let toolchain = toolchain()?;
        println!("eBPF compiler: {}", toolchain.compiler.name);
        println!("eBPF linker:   {}", toolchain.linker.display());
    }
    if wanted(Part::Vm) {
        packages::ensure("virtual machines", packages::VM)?;
        println!("virtual machines: ready");
    }
    if wanted(Part::Servers) {
        packages::ensure("the servers that tests attack", packages::SERVERS)?;
        println!("servers: ready");
    }
    if wanted(Part::Kubernetes) {
        kubernetes::find_or_install()?;
        println!("Kubernetes: ready");
    }
    if wanted(Part::Package) {
        println!("cargo-deb:     {}", packager::find_or_install()?.display());
        packages::ensure("trying out the package", packages::PACKAGE)?;
        println!("packages: ready");
    }
    Ok(())
}

/// The eBPF toolchain, installed if need be.
pub fn toolchain() -> Result<Toolchain> {
    let compiler = compiler::find_or_install()?;
    let linker = linker::find_or_install(&compiler)?;
    Ok(Toolchain { compiler, linker })
}

/// The cargo that runs us.
pub fn cargo() -> Command {
    command::command(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()))
}
