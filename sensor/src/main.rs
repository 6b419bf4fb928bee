//! The binary: parses the command line and runs the command.

use clap::Parser;
use sensor::cli::Cli;
use std::process::ExitCode;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    sensor::kernel::memory::prepare();
    // Logs go to standard error, so that standard output holds alerts only. `RUST_LOG` changes how much. What the NATS client
    // says of a connection comes from the output, which knows what it means.
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info,async_nats=off"));
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_env_filter(filter)
        .with_ansi(sensor::terminal::error_colour())
        .with_target(false)
        .init();
    sensor::commands::run(Cli::parse())
}
