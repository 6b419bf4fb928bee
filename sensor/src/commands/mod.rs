//! The commands, one file each. Each gives its exit code: 0 done, 1 failed while running, 2 wrong command line or
//! config, 3 kernel feature or privilege missing.

mod ask;
mod baseline;
mod catalogue;
mod check;
mod manual;
mod replay;
mod run;
mod text;

use crate::catalogue::{Catalogue, Problem as CatalogueProblem};
use crate::cli::{Cli, Command, ConfigArgs, ConfigCommand};
use crate::config::Config;
use crate::kernel::StartError;
use std::fmt::Display;
use std::process::ExitCode;

/// Done.
pub const DONE: u8 = 0;
/// Failed while running.
pub const FAILED: u8 = 1;
/// Wrong command line or config.
pub const WRONG: u8 = 2;
/// Kernel feature or privilege missing.
pub const MISSING: u8 = 3;

/// Why a command ended badly, and with which exit code.
pub struct Failure {
    code: u8,
    lines: Vec<String>,
}

impl Failure {
    fn new(code: u8, lines: impl IntoIterator<Item = impl Display>) -> Self {
        Self { code, lines: lines.into_iter().map(|line| line.to_string()).collect() }
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::new(FAILED, [format!("{error:#}")])
    }
}

impl From<StartError> for Failure {
    fn from(error: StartError) -> Self {
        let code = if matches!(error, StartError::Other(_)) { FAILED } else { MISSING };
        let hint = match &error {
            StartError::Privilege { .. } => Some("start it as root, or give the binary these capabilities"),
            StartError::Kernel { .. } => Some("`sensor check` says what this kernel has and has not"),
            _ => None,
        };
        let error = match &error {
            StartError::Other(error) => format!("{error:#}"),
            error => error.to_string(),
        };
        Self::new(code, [error].into_iter().chain(hint.map(str::to_owned)))
    }
}

/// Runs the command that was asked for.
pub fn run(cli: Cli) -> ExitCode {
    let result = match cli.command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Record(arguments) => run::record(&arguments),
        Command::Replay(arguments) => replay::replay(&arguments),
        Command::Check(arguments) => check::check(&arguments),
        Command::Tree(arguments) => ask::tree(&arguments),
        Command::Status(arguments) => ask::status(&arguments),
        Command::Servers(arguments) => ask::servers(&arguments),
        Command::Explain(arguments) => ask::explain(&arguments),
        Command::Catalogue(command) => catalogue::catalogue(&command),
        Command::Baseline(command) => baseline::baseline(&command),
        Command::Config(ConfigCommand::Default) => print(&crate::reference::default_config()).map(|()| DONE),
        Command::Completions { shell } => manual::completions(shell),
        Command::Man { directory } => manual::man(&directory),
        Command::Listener => crate::privileges::listener::run().map(|()| DONE).map_err(Failure::from),
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(failure) => {
            for line in &failure.lines {
                eprintln!("sensor: {line}");
            }
            ExitCode::from(failure.code)
        }
    }
}

/// The configuration, or all that is wrong with it.
fn config(arguments: &ConfigArgs) -> Result<Config, Failure> {
    Config::load(arguments.config.as_deref(), &arguments.set).map_err(|problems| Failure::new(WRONG, problems))
}

/// The shipped catalogue with that of the configuration, or all that is wrong with it.
pub fn catalogue_of(config: &Config) -> Result<Catalogue, Vec<String>> {
    let texts = config.catalogue_texts().map_err(|problems| strings(&problems))?;
    let texts = texts.iter().map(|(file, text)| (file.as_str(), text.as_str()));
    Catalogue::with(texts).map_err(|problems: Vec<CatalogueProblem>| strings(&problems))
}

fn strings(problems: &[impl Display]) -> Vec<String> {
    problems.iter().map(ToString::to_string).collect()
}

/// The same, as a failure of a command.
fn catalogue_in_force(config: &Config) -> Result<Catalogue, Failure> {
    catalogue_of(config).map_err(|problems| Failure::new(WRONG, problems))
}

/// Prints to standard output; a reader that has gone is no failure.
fn print(text: &str) -> Result<(), Failure> {
    use std::io::Write;
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => {
            Err(anyhow::Error::from(error).context("writing to standard output").into())
        }
        _ => Ok(()),
    }
}
