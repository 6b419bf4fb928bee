//! Everything a developer runs: `cargo xtask COMMAND`.
//!
//! This file is the table of commands and nothing else; each command is a module. What a command needs (compilers,
//! packages, kernels) it finds or installs itself, says so first, and does not do it twice.

mod agent;
mod bench;
mod build;
mod ci;
mod command;
mod containers;
mod daemons;
mod demo;
mod dist;
mod docs;
mod ear;
mod ebpf;
mod everyday;
mod guest;
mod image;
mod kubernetes;
mod manual;
mod outputs;
mod package;
mod prometheus;
mod report;
mod run;
mod scenarios;
mod schema;
mod servers;
mod setup;
mod soak;
mod stories;
mod syscalls;
mod test;
mod tidy;
mod vm;
mod workspace;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::process::ExitCode;

/// Developer commands of sensor.
#[derive(Parser)]
#[command(name = "cargo xtask", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Find or install what the other commands need.
    Setup(setup::Options),
    /// Build the finished binary, kernel programs inside: target/release/sensor.
    Build,
    /// Build, then start the sensor as root.
    Run {
        /// Arguments for `sensor run`.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
    /// Let a harmless web shell happen in a temporary directory and show the alert.
    Demo {
        /// Do not build first.
        #[arg(long)]
        no_build: bool,
    },
    /// Everything: lints, unit tests, live scenarios, real servers, virtual machines.
    Test(test::Options),
    /// What needs no root and no server: format, lints, tidy, unit tests.
    Ci(ci::Options),
    /// Check the rules of ARCHITECTURE.md that a program can check.
    Tidy,
    /// Write the documents that are made from the code.
    Docs,
    /// Boot kernels in virtual machines and run the scenarios there.
    Vm(vm::Options),
    /// Make the container image: target/dist/sensor-VERSION-amd64.oci.tar.
    Image(image::Options),
    /// Check the Helm chart and the plain manifests.
    Kubernetes(kubernetes::Options),
    /// Boot kernels and run real containers there.
    Containers(containers::Options),
    /// Measure what the sensor costs.
    Bench(bench::Options),
    /// Run attack and evasion scenarios against the sensor, as root.
    Scenarios(scenarios::Options),
    /// Attack real servers on loopback, and use them, as root.
    Servers,
    /// Stop and start real receivers of alerts while a real sensor alerts, as root.
    Outputs(outputs::Options),
    /// Have a real Prometheus scrape the sensor for a minute, as root; check rules and dashboard.
    Prometheus,
    /// Let the sensor see a million events, as root: memory, tasks and descriptors stay what they are.
    Soak(soak::Options),
    /// Compare the system calls that sensors make with those that are let through, as root
    Syscalls(syscalls::Options),
    /// Do an hour's worth of ordinary work on real servers, as root: no alert above info may come of it.
    Everyday(everyday::Options),
    /// What is handed out: the finished binary, a Debian package, and their digests, in target/dist.
    Dist,
    /// Install, use, upgrade and remove the Debian package in a virtual machine with systemd.
    Package(package::Options),
    /// What plays a server in the scenarios.
    #[command(hide = true)]
    Actor {
        /// Which part.
        part: String,
        /// Its arguments.
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<std::ffi::OsString>,
    },
    /// What runs inside a virtual machine.
    #[command(hide = true)]
    Guest(guest::Options),
    /// The server that `demo` attacks.
    #[command(hide = true)]
    DemoServer,
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cargo xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<()> {
    match command {
        Command::Setup(options) => setup::run(&options),
        Command::Build => build::run().map(drop),
        Command::Run { arguments } => run::run(&arguments),
        Command::Demo { no_build: true } => demo::without_build(),
        Command::Demo { no_build: false } => demo::run(),
        Command::Test(options) => test::run(&options),
        Command::Ci(options) => ci::run(&options),
        Command::Tidy => tidy::run(),
        Command::Docs => docs::run(),
        Command::Servers => servers::run(),
        Command::Outputs(options) => outputs::run(&options),
        Command::Prometheus => prometheus::run(),
        Command::Soak(options) => soak::run(&options),
        Command::Syscalls(options) => syscalls::run(&options),
        Command::Everyday(options) => everyday::run(&options),
        Command::Scenarios(options) => scenarios::run(&options),
        Command::Actor { part, arguments } => scenarios::act(&part, &arguments),
        Command::Vm(options) => vm::run(&options),
        Command::Image(options) => image::run(&options),
        Command::Kubernetes(options) => kubernetes::run(&options),
        Command::Containers(options) => containers::run(&options),
        Command::Bench(options) => bench::run(&options),
        Command::Dist => dist::run(),
        Command::Package(options) => package::run(&options),
        Command::Guest(options) => guest::run(&options),
        Command::DemoServer => demo::serve(),
    }
}
