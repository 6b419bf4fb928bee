//! What the operator wrote, turned once into what the program uses.
//!
//! Comes in: the file's text and `--set key=value` pairs. Goes out: a [`Config`], or every problem at once, each with
//! file, line, key, value and what is allowed. [`KEYS`] is the one place where the keys are named; reading, the checks
//! and the documentation come from it.

mod changes;
mod exceptions;
mod keys;
mod output;
mod raw;

pub use changes::Change;
pub use exceptions::{EXCEPTION_KEYS, ExceptionKey};
pub use keys::{KEYS, Key, Kind};
pub use output::{
    Address, Credentials, File, Format, Identity, Include, Nats, Outputs, Spool, Stdout, Syslog, Urls, Webhook,
};
pub use raw::Problem;

use crate::exception::Exception;
use crate::kernel::{HookSet, Options};
use raw::Raw;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

/// Where the configuration is looked for when none is named.
pub const DEFAULT_FILE: &str = "/etc/sensor/sensor.toml";

/// The configuration in force.
#[derive(Clone, Debug)]
pub struct Config {
    /// `[kernel]`.
    pub kernel: Options,
    /// `catalogue.extra`: files, and directories whose `*.toml` are read.
    pub catalogue_extra: Vec<PathBuf>,
    /// `[[exception]]`.
    pub exceptions: Vec<Exception>,
    /// `[output.*]` and `[spool]`.
    pub output: Outputs,
    /// `metrics.listen`; `None` when it is `"off"`.
    pub metrics: Option<SocketAddr>,
    /// `state.path`; `None` when it is `"off"`.
    pub state: Option<PathBuf>,
    /// `baseline.learning_hours`, 1 to 8760.
    pub learning_hours: u32,
    /// `agent.socket`.
    pub socket: PathBuf,
    /// `agent.seccomp`.
    pub seccomp: Seccomp,
    /// Every key's value, written or default, to compare with.
    values: BTreeMap<&'static str, toml::Value>,
    /// Every exception as written, to compare with.
    exception_texts: Vec<String>,
}

/// What becomes of system calls that the agent has no use for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seccomp {
    /// They are refused and counted.
    On,
    /// They are let through, and the kernel logs them.
    Log,
    /// There is no filter.
    Off,
}

impl Seccomp {
    /// As it is written.
    pub const fn name(self) -> &'static str {
        match self {
            Self::On => "on",
            Self::Log => "log",
            Self::Off => "off",
        }
    }
}

impl Config {
    /// Reads the configuration file and the `--set` pairs.
    ///
    /// A file that was not named may be missing: the defaults work. All problems come together.
    pub fn load(named: Option<&Path>, set: &[String]) -> Result<Self, Vec<Problem>> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if named.is_none() && error.kind() == std::io::ErrorKind::NotFound => String::new(),
            Err(error) => {
                return Err(vec![Problem::of_file(&path.display().to_string(), &error.to_string())]);
            }
        };
        Self::parse(&path.display().to_string(), &text, set)
    }

    /// The same from a text; `file` is its name in problems.
    pub fn parse(file: &str, text: &str, set: &[String]) -> Result<Self, Vec<Problem>> {
        let mut raw = Raw::read(file, text);
        for pair in set {
            raw.set(pair);
        }
        let config = Self::resolve(&mut raw);
        match raw.into_problems() {
            problems if problems.is_empty() => Ok(config),
            problems => Err(problems),
        }
    }

    fn resolve(raw: &mut Raw) -> Self {
        let hooks = match raw.word("kernel.hooks").as_str() {
            "trampoline" => HookSet::Trampoline,
            "tracepoint" => HookSet::Tracepoint,
            _ => HookSet::Auto,
        };
        Self {
            kernel: Options {
                hooks,
                process_ring_bytes: ring(raw, "kernel.process_ring_bytes"),
                activity_ring_bytes: ring(raw, "kernel.activity_ring_bytes"),
            },
            catalogue_extra: raw.words("catalogue.extra").into_iter().map(PathBuf::from).collect(),
            output: Outputs::resolve(raw),
            metrics: listen(raw, "metrics.listen"),
            state: state(raw, "state.path"),
            learning_hours: raw.number("baseline.learning_hours") as u32,
            socket: PathBuf::from(raw.word("agent.socket")),
            seccomp: match raw.word("agent.seccomp").as_str() {
                "log" => Seccomp::Log,
                "off" => Seccomp::Off,
                _ => Seccomp::On,
            },
            values: raw.values(),
            exception_texts: raw.exception_texts(),
            exceptions: raw.exceptions(),
        }
    }

    /// The texts of `catalogue.extra`, by file name. A directory that does not exist holds nothing.
    pub fn catalogue_texts(&self) -> Result<Vec<(String, String)>, Vec<Problem>> {
        let mut texts = Vec::new();
        let mut problems = Vec::new();
        for file in self.catalogue_extra.iter().flat_map(|extra| toml_files(extra)) {
            let name = file.display().to_string();
            match std::fs::read_to_string(&file) {
                Ok(text) => texts.push((name, text)),
                Err(error) => problems.push(Problem::of_file(&name, &error.to_string())),
            }
        }
        if problems.is_empty() { Ok(texts) } else { Err(problems) }
    }
}

/// The file itself, or the `*.toml` in the directory, by name.
fn toml_files(extra: &Path) -> Vec<PathBuf> {
    if !extra.is_dir() {
        let default = KEYS.iter().any(|key| key.default.contains(&format!("\"{}\"", extra.display())));
        return if default { Vec::new() } else { vec![extra.to_owned()] };
    }
    let mut files: Vec<PathBuf> = std::fs::read_dir(extra)
        .into_iter()
        .flatten()
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    files.sort();
    files
}

fn ring(raw: &mut Raw, key: &'static str) -> u32 {
    let bytes = raw.number(key);
    if !bytes.is_power_of_two() {
        raw.refuse(key, "a power of two");
    }
    bytes as u32
}

fn listen(raw: &mut Raw, key: &'static str) -> Option<SocketAddr> {
    let word = raw.word(key);
    if word == "off" {
        return None;
    }
    let parsed = word.parse();
    if parsed.is_err() {
        raw.refuse(key, "ADDRESS:PORT (127.0.0.1:9842, [::1]:9842) or \"off\"");
    }
    parsed.ok()
}

/// The ending keeps a slip of the pen from moving another file aside: what is no database of ours is taken for a damaged
/// one.
fn state(raw: &mut Raw, key: &'static str) -> Option<PathBuf> {
    let word = raw.word(key);
    if word == "off" {
        return None;
    }
    let path = PathBuf::from(word);
    if !path.is_absolute() || path.extension().is_none_or(|extension| extension != "db") {
        raw.refuse(key, "an absolute path that ends in .db, or \"off\"");
    }
    Some(path)
}

#[cfg(test)]
mod tests;
