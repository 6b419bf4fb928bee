//! `cargo xtask outputs`: real receivers, stopped and started while a real sensor alerts, as root.
//!
//! Everything runs in the foreground below a temporary directory, on loopback and on free ports, and is ended by pid. What
//! arrives is compared with what the sensor wrote to standard output.

mod certificates;
mod nats;
mod receiver;
mod rsyslog;
mod scene;
mod scenes;
mod trial;

use crate::report::{Check, Tally};
use crate::setup::packages;
use crate::{build, command};
use anyhow::Result;
use std::time::Instant;

/// One check: its name, and what is done.
type Part = (&'static str, fn() -> Result<String>);

const PARTS: &[Part] = &[
    ("webhook/down-and-killed", scenes::webhook_down_and_sensor_killed),
    ("webhook/stalls", scenes::webhook_stalls),
    ("file/logrotate", scenes::file_and_logrotate),
    ("file/by-size", scenes::file_by_size),
    ("file/full-disk", scenes::file_on_a_full_disk),
    ("file/size-limit", scenes::file_with_a_limit),
    ("syslog/datagrams", rsyslog::datagrams),
    ("syslog/stream", rsyslog::stream),
    ("syslog/tcp", rsyslog::tcp),
    ("syslog/tls", rsyslog::tls),
    ("nats/restart", nats::restart),
    ("nats/no-stream", nats::no_stream),
    ("nats/tls", nats::tls),
];

/// `cargo xtask outputs`.
#[derive(Default, clap::Args)]
pub struct Options {
    /// Only checks whose names contain this.
    #[arg(long, value_name = "PART OF A NAME")]
    only: Option<String>,
    /// Do not build first.
    #[arg(long)]
    no_build: bool,
}

/// Runs them.
pub fn run(options: &Options) -> Result<()> {
    if !options.no_build {
        build::run()?;
    }
    if !command::is_root() {
        let mut arguments = vec!["outputs", "--no-build"];
        arguments.extend(options.only.iter().flat_map(|only| ["--only", only.as_str()]));
        return command::run(&mut command::myself_as_root(&arguments)?);
    }
    packages::ensure("the receivers of outputs", packages::RECEIVERS)?;
    let wanted = |name: &str| options.only.as_ref().is_none_or(|only| name.contains(only.as_str()));
    let mut checks = Vec::new();
    for (name, part) in PARTS.iter().filter(|(name, _)| wanted(name)) {
        let begin = Instant::now();
        let again = || format!("again: cargo xtask outputs --only {name}");
        let check = Check::of(*name, part().map_err(|error| error.context(again())), begin.elapsed().as_secs_f64());
        check.announce();
        checks.push(check);
    }
    Tally::of(&checks).close()
}
