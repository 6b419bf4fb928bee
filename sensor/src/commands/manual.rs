//! `sensor completions` and `sensor man`: what the command line says of itself, for shells and for `man`.
//!
//! Both are made from [`Cli`], so that they have the commands and options that there are.

use super::{DONE, Failure, print};
use crate::cli::Cli;
use anyhow::Context;
use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;
use std::io;
use std::path::Path;

/// What stands at the foot of each page; a date would change with every build.
const FOOT: &str = concat!("sensor ", env!("CARGO_PKG_VERSION"));

/// `sensor completions`.
pub fn completions(shell: Shell) -> Result<u8, Failure> {
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "sensor", &mut text);
    print(&String::from_utf8_lossy(&text))?;
    Ok(DONE)
}

/// `sensor man`: `sensor.1`, `sensor-run.1`, `sensor-baseline-show.1` and so on.
pub fn man(directory: &Path) -> Result<u8, Failure> {
    let doing = || format!("writing the manual to {}", directory.display());
    std::fs::create_dir_all(directory).with_context(doing)?;
    let mut cli = Cli::command().disable_help_subcommand(true);
    // Names the inner commands in full.
    cli.build();
    pages(&cli, directory).with_context(doing)?;
    Ok(DONE)
}

/// The page of a command, and those of its inner commands.
fn pages(command: &Command, directory: &Path) -> io::Result<()> {
    for inner in command.get_subcommands().filter(|inner| !inner.is_hide_set()) {
        pages(inner, directory)?;
    }
    Man::new(command.clone()).date(FOOT).source(FOOT).manual("sensor").generate_to(directory).map(drop)
}
