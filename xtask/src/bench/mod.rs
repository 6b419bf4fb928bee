//! `cargo xtask bench`: what the sensor costs those who do not know that it is there, and itself.
//!
//! Each part measures by itself and keeps what it came to ([`outcome`]); the document is written from all of them
//! ([`bars`]). Everything is compared with and without in turns, since this machine, like any, drifts.

pub mod agent;
mod bars;
mod counting;
mod growth;
mod kernel;
pub mod load;
pub mod loops;
mod outcome;
mod peers;
pub mod pipeline;
mod plot;
mod processors;
pub mod regression;
mod spread;
mod watchers;
pub mod workloads;

use crate::vm::Hooks;
use crate::{build, command};
use anyhow::{Context, Result, bail};
use outcome::Outcome;

/// `cargo xtask bench`.
#[derive(clap::Args)]
pub struct Options {
    /// What to measure; everything if nothing is named. `document` measures nothing and writes docs/performance.md.
    #[arg(value_name = "PART", value_parser = names())]
    parts: Vec<String>,
    /// Do not build first.
    #[arg(long)]
    no_build: bool,
    /// Print only: do not keep the figures, do not write the document.
    #[arg(long)]
    dry: bool,
}

/// A part that can be measured by itself.
struct Part {
    name: &'static str,
    /// Of its section in the document.
    title: &'static str,
    measure: fn(&mut Outcome) -> Result<()>,
    /// Measures its steady figures only, as the test does.
    steady: Option<fn(&mut Outcome) -> Result<()>>,
}

/// In the order of the document.
const PARTS: &[Part] = &[
    Part {
        name: "kernel",
        title: "Per operation, in the kernel",
        measure: kernel::measure,
        steady: Some(kernel::steady),
    },
    Part { name: "workloads", title: "Whole workloads", measure: workloads::measure, steady: None },
    Part { name: "agent", title: "The agent itself", measure: agent::measure, steady: None },
    Part { name: "pipeline", title: "The core by itself", measure: pipeline::measure, steady: Some(pipeline::count) },
    Part { name: "growth", title: "What grows with what", measure: growth::measure, steady: None },
    Part { name: "peers", title: "Beside others that watch", measure: peers::measure, steady: None },
];

const DOCUMENT: &str = "document";

fn names() -> Vec<&'static str> {
    PARTS.iter().map(|part| part.name).chain([DOCUMENT]).collect()
}

/// Measures, prints, keeps.
pub fn run(options: &Options) -> Result<()> {
    if options.parts.iter().any(|name| name == DOCUMENT) {
        return bars::write_document();
    }
    if !options.no_build {
        build::run()?;
    }
    if !command::is_root() {
        let mut arguments = vec!["bench", "--no-build"];
        arguments.extend(options.dry.then_some("--dry"));
        arguments.extend(options.parts.iter().map(String::as_str));
        return command::run(&mut command::myself_as_root(&arguments)?);
    }
    let mut failed = Vec::new();
    for part in PARTS.iter().filter(|part| options.parts.is_empty() || options.parts.iter().any(|p| p == part.name)) {
        println!("\n=== bench {} ===", part.name);
        let measured = measure(part).and_then(|outcome| if options.dry { Ok(()) } else { outcome.save() });
        if let Err(error) = measured {
            println!("{}: {error:#}", part.name);
            failed.push(part.name);
        }
    }
    if !options.dry {
        bars::write_document()?;
    }
    if !failed.is_empty() {
        bail!("not measured: {}", failed.join(", "));
    }
    Ok(())
}

fn measure(part: &Part) -> Result<Outcome> {
    let mut outcome = Outcome::new(part.name, &format!("cargo xtask bench {}", part.name))?;
    (part.measure)(&mut outcome).with_context(|| format!("measuring {}", part.name))?;
    outcome.print();
    Ok(outcome)
}

/// The measurements inside a virtual machine.
pub fn guest(hooks: Hooks) -> Result<()> {
    kernel::guest(hooks)
}
