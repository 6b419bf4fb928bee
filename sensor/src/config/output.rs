//! `[output.*]` and `[spool]`: where alerts go.

mod nats;
mod syslog;
mod tls;

pub use nats::{Credentials, Nats, Urls};
pub use syslog::{Address, Syslog};
pub use tls::Identity;

use super::raw::Raw;
use std::path::PathBuf;

/// All outputs.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// `[output.stdout]`.
    pub stdout: Stdout,
    /// `[output.file]`.
    pub file: File,
    /// `[output.syslog]`.
    pub syslog: Syslog,
    /// `[output.nats]`.
    pub nats: Nats,
    /// `[spool]`.
    pub spool: Spool,
}

/// `[spool]`: what waits for an output that is down.
#[derive(Clone, Debug)]
pub struct Spool {
    /// The directory, absolute; `None` when it is `"off"`.
    pub path: Option<PathBuf>,
    /// Most bytes of alerts, for each output.
    pub max_bytes: u64,
}

/// What an output gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Alerts.
    Alerts,
    /// Every event, and alerts.
    Events,
}

/// How standard output shows alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// A JSON object a line.
    Json,
}

/// `[output.stdout]`.
#[derive(Clone, Copy, Debug)]
pub struct Stdout {
    /// Whether to write there at all.
    pub enabled: bool,
    /// For people or for programs.
    pub format: Format,
    /// Alerts, or events too.
    pub include: Include,
}

/// `[output.file]`: always JSON lines.
#[derive(Clone, Debug)]
pub struct File {
    /// Whether to write there at all.
    pub enabled: bool,
    /// The file; older ones are beside it with `.1`, `.2` and so on.
    pub path: PathBuf,
    /// Bytes after which a new file is begun.
    pub max_bytes: u64,
    /// How many older files are kept.
    pub keep: u32,
    /// Alerts, or events too.
    pub include: Include,
}

impl Outputs {
    pub(super) fn resolve(raw: &mut Raw) -> Self {
        let format = match raw.word("output.stdout.format").as_str() {
            "json" => Format::Json,
            _ => Format::Pretty,
        };
        Self {
            stdout: Stdout {
                enabled: raw.truth("output.stdout.enabled"),
                format,
                include: include(raw, "output.stdout.include"),
            },
            file: File {
                enabled: raw.truth("output.file.enabled"),
                path: PathBuf::from(raw.word("output.file.path")),
                max_bytes: raw.number("output.file.max_bytes"),
                keep: raw.number("output.file.keep") as u32,
                include: include(raw, "output.file.include"),
            },
            syslog: Syslog::resolve(raw),
            nats: Nats::resolve(raw),
            spool: Spool { path: directory(raw, "spool.path"), max_bytes: raw.number("spool.max_bytes") },
        }
    }
}

fn include(raw: &mut Raw, key: &'static str) -> Include {
    if raw.word(key) == "events" { Include::Events } else { Include::Alerts }
}

fn directory(raw: &mut Raw, key: &'static str) -> Option<PathBuf> {
    let word = raw.word(key);
    if word == "off" {
        return None;
    }
    let path = PathBuf::from(word);
    if !path.is_absolute() {
        raw.refuse(key, "an absolute path, or \"off\"");
    }
    Some(path)
}
