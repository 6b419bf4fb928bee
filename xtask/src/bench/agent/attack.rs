//! Deeds that a server of ours does, each an alert.

use crate::bench::loops::c_path;
use crate::bench::loops::processes::{reap, start};
use anyhow::{Context, Result, bail};
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

/// How long a server runs before it is abused: the agent knows by then whose lineage it is.
const SETTLED: Duration = Duration::from_millis(250);

/// `xtask guest bench-attack`.
#[derive(clap::Args)]
pub struct Options {
    /// What to do.
    #[arg(value_enum)]
    deed: Deed,
    /// A program that the server normally starts.
    #[arg(long)]
    normal: PathBuf,
    /// From where it loads pages.
    #[arg(long)]
    www: PathBuf,
}

/// What an alert is about; they differ in what the agent waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Deed {
    /// `sh -c 'COMMAND; exit 0'`: told with its first command.
    ShellCommand,
    /// `sh -c 'exit 0'`: told at its end.
    ShellAlone,
    /// A shell that reads from a pipe on which nothing comes: told when the agent has waited long enough.
    ShellWaits,
    /// A program that is no shell: told at once.
    Program,
    /// A page that is written: told when it was looked at.
    Page,
}

impl Deed {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::ShellCommand, Self::ShellAlone, Self::ShellWaits, Self::Program, Self::Page];

    /// As the command line names it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ShellCommand => "shell-command",
            Self::ShellAlone => "shell-alone",
            Self::ShellWaits => "shell-waits",
            Self::Program => "program",
            Self::Page => "page",
        }
    }

    /// For the table.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ShellCommand => "a shell that runs a command",
            Self::ShellAlone => "a shell that runs nothing",
            Self::ShellWaits => "a shell that waits for commands",
            Self::Program => "another program",
            Self::Page => "a page that is written",
        }
    }
}

/// Does it.
pub fn run(options: &Options) -> Result<()> {
    std::thread::sleep(SETTLED);
    let shell = |command: &str| wait(Command::new("sh").args(["-c", command]).stdin(Stdio::null()));
    match options.deed {
        Deed::ShellCommand => shell(&format!("{}; exit 0", options.normal.display())),
        Deed::ShellAlone => shell("exit 0"),
        Deed::ShellWaits => {
            let mut child = Command::new("sh").stdin(Stdio::piped()).spawn().context("starting sh")?;
            std::thread::sleep(Duration::from_millis(60));
            drop(child.stdin.take());
            child.wait().map(drop).context("waiting for sh")
        }
        Deed::Program => reap(start(&c_path("/usr/bin/id".as_ref())?, &[c"--version"])?),
        Deed::Page => {
            let page = options.www.join(format!("page{}.php", std::process::id()));
            std::fs::write(page, "<?php system($_GET['c']);").context("writing a page")
        }
    }
}

fn wait(command: &mut Command) -> Result<()> {
    let status = command.status().context("starting sh")?;
    if !status.success() {
        bail!("sh ended with {status}");
    }
    Ok(())
}
