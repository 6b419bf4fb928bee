//! `[[exception]]`: from the table as written to an [`Exception`], or everything that is wrong with it.

use super::raw::nearest;
use crate::catalogue::Pattern;
use crate::detect::Detector;
use crate::exception::Exception;
use toml::{Table, Value};

/// A key of an exception.
#[derive(Clone, Copy, Debug)]
pub struct ExceptionKey {
    /// Its name.
    pub name: &'static str,
    /// What it may hold.
    pub allowed: &'static str,
    /// What it does.
    pub about: &'static str,
}

const fn key(name: &'static str, allowed: &'static str, about: &'static str) -> ExceptionKey {
    ExceptionKey { name, allowed, about }
}

/// The keys of an exception.
pub const EXCEPTION_KEYS: [ExceptionKey; 7] = [
    key("detector", "a detector's id, as docs/detectors.md lists them; must be given", "whose findings are silenced"),
    key("server", "a server's id, as `sensor catalogue list` prints it", "only in the lineage of this server"),
    key("exe", "a path with * and ?", "the executable, as the kernel names it"),
    key(
        "args",
        "a command line with * and ?",
        "the whole command line; * matches nothing that a shell treats specially",
    ),
    key("path", "a path with * and ?", "the file that the finding is about"),
    key("reason", "a sentence; must be given", "why this is normal; `sensor status` shows it"),
    key("expires", "a date such as 2027-01-01", "the exception ends when this day begins, in UTC; without it, never"),
];

fn names() -> [&'static str; 7] {
    EXCEPTION_KEYS.map(|key| key.name)
}

/// What is wrong with one key.
pub struct Wrong {
    pub key: String,
    pub value: Option<String>,
    pub wrong: String,
    pub allowed: Option<String>,
}

/// Resolves one table.
pub fn resolve(table: &Table) -> Result<Exception, Vec<Wrong>> {
    let mut reader = Reader { table, wrongs: Vec::new() };
    reader.unknown_keys();
    let detector = reader.detector();
    let reason = reader.text("reason");
    if reason.as_ref().is_none_or(|reason| reason.trim().is_empty()) {
        reader.wrong("reason", "missing", "a sentence that says why this is normal");
    }
    let exe = reader.pattern("exe", Pattern::path);
    let args = reader.pattern("args", Pattern::command);
    let path = reader.pattern("path", Pattern::path);
    if exe.is_none() && args.is_none() && path.is_none() && reader.wrongs.is_empty() {
        reader.wrong("exe", "missing: an exception must be narrow", "at least one of exe, args, path");
    }
    let server = reader.text("server");
    let expires_unix_ns = reader.expires();
    match (detector, reason) {
        (Some(detector), Some(reason)) if reader.wrongs.is_empty() => {
            Ok(Exception { detector, server, exe, args, path, reason, expires_unix_ns })
        }
        _ => Err(reader.wrongs),
    }
}

struct Reader<'a> {
    table: &'a Table,
    wrongs: Vec<Wrong>,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, wrong: &str, allowed: &str) {
        let value = self.table.get(key).map(ToString::to_string);
        self.wrongs.push(Wrong { key: key.into(), value, wrong: wrong.into(), allowed: Some(allowed.into()) });
    }

    fn unknown_keys(&mut self) {
        for key in self.table.keys().filter(|key| !names().contains(&key.as_str())) {
            let wrong = match nearest(key, names().into_iter()) {
                Some(near) => format!("no such key; did you mean {near}?"),
                None => "no such key".to_owned(),
            };
            self.wrong(key, &wrong, &names().join(", "));
        }
    }

    fn text(&mut self, key: &str) -> Option<String> {
        if let Value::String(text) = self.table.get(key)? {
            Some(text.clone())
        } else {
            self.wrong(key, "cannot be used", "a text");
            None
        }
    }

    fn detector(&mut self) -> Option<Detector> {
        let name = self.text("detector");
        let found = Detector::ALL.into_iter().find(|detector| Some(detector.id()) == name.as_deref());
        if found.is_none() && (name.is_some() || !self.table.contains_key("detector")) {
            let wrong = if name.is_some() { "cannot be used" } else { "missing" };
            self.wrong("detector", wrong, &Detector::ALL.map(Detector::id).join(", "));
        }
        found
    }

    fn pattern(&mut self, key: &str, make: fn(&str) -> Result<Pattern, globset::Error>) -> Option<Pattern> {
        let text = self.text(key)?;
        match make(&text) {
            Ok(pattern) => Some(pattern),
            Err(error) => {
                self.wrong(key, &error.to_string(), "a pattern with * and ?");
                None
            }
        }
    }

    /// The end of the day before which it holds: `2027-01-01` means until that day begins, in UTC.
    fn expires(&mut self) -> Option<u64> {
        let text = match self.table.get("expires")? {
            Value::Datetime(time) => time.to_string(),
            Value::String(text) => text.clone(),
            _ => String::new(),
        };
        let day = text.parse::<jiff::civil::Date>().ok();
        let instant = day.and_then(|day| day.to_zoned(jiff::tz::TimeZone::UTC).ok());
        let unix_ns = instant.and_then(|zoned| u64::try_from(zoned.timestamp().as_nanosecond()).ok());
        if unix_ns.is_none() {
            self.wrong("expires", "cannot be used", "a date such as 2027-01-01");
        }
        unix_ns
    }
}
