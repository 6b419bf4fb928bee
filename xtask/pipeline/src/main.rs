//! Measures the sensor's core by itself: `write` makes a capture of a busy machine, `run` puts one through the core.
//!
//! A program of its own, because what is measured must be built as the product is, and xtask is not. `cargo xtask bench`
//! calls it.

mod deeds;
mod machine;
mod programs;
mod run;
mod servers;
mod strangers;

use anyhow::Result;
use clap::{Parser, Subcommand};
use std::path::PathBuf;

#[derive(Parser)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a capture; the same arguments make the same one
    Write {
        /// The capture
        capture: PathBuf,
        /// So many events, or a few more
        #[arg(long)]
        events: u64,
        /// So many servers run
        #[arg(long, default_value_t = 12)]
        servers: u32,
        /// Another seed, another mix
        #[arg(long, default_value_t = 1)]
        seed: u64,
    },
    /// Put a capture through the core, as far as a stage, and say in JSON what that took
    Run {
        /// The capture
        capture: PathBuf,
        /// How far
        #[arg(long, value_enum, default_value_t = run::Stage::Whole)]
        stage: run::Stage,
        /// Configuration file: catalogue and exceptions
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
}

fn main() -> Result<()> {
    match Cli::parse().command {
        Command::Write { capture, events, servers, seed } => deeds::write(&capture, events, servers, seed),
        Command::Run { capture, stage, config } => {
            println!("{}", run::run(&capture, stage, config.as_deref())?);
            Ok(())
        }
    }
}
