//! The configuration as written: each value, and where it stands.
//!
//! Everything that is wrong is collected, nothing is fatal: a wrong value is reported and its default used, so that the
//! rest can be looked at too.

use super::exceptions;
use super::keys::{KEYS, in_same_section, is_section};
use crate::exception::Exception;
use std::collections::BTreeMap;
use std::fmt;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// Something in the configuration that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Problem {
    /// The file, or `--set`.
    pub file: String,
    /// The line in it, from 1.
    pub line: Option<usize>,
    /// The dotted key; empty if the problem is the file's.
    pub key: String,
    /// What was written.
    pub value: Option<String>,
    /// What is wrong with it.
    pub wrong: String,
    /// What is allowed.
    pub allowed: Option<String>,
}

impl Problem {
    /// A problem with a whole file.
    pub fn of_file(file: &str, wrong: &str) -> Self {
        Self { file: file.into(), line: None, key: String::new(), value: None, wrong: wrong.into(), allowed: None }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ":{line}")?;
        }
        if !self.key.is_empty() {
            write!(f, ": {}", self.key)?;
        }
        if let Some(value) = &self.value {
            write!(f, " = {value}")?;
        }
        write!(f, ": {}", self.wrong)?;
        self.allowed.iter().try_for_each(|allowed| write!(f, "; allowed: {allowed}"))
    }
}

/// A value, and where it was written.
#[derive(Clone, Debug)]
struct Written {
    value: toml::Value,
    file: String,
    line: Option<usize>,
}

/// The configuration as written, and what is wrong with it.
pub struct Raw {
    values: BTreeMap<String, Written>,
    exceptions: Vec<Written>,
    problems: Vec<Problem>,
}

impl Raw {
    /// Takes a TOML text apart. Syntax errors and unknown keys become problems.
    pub fn read(file: &str, text: &str) -> Self {
        let mut raw = Self { values: BTreeMap::new(), exceptions: Vec::new(), problems: Vec::new() };
        let (table, errors) = DeTable::parse_recoverable(text);
        for error in errors {
            let line = error.span().map(|span| line_of(text, span.start));
            raw.problems.push(Problem { line, ..Problem::of_file(file, &format!("not TOML: {}", error.message())) });
        }
        raw.take_table(file, text, "", table.get_ref());
        raw
    }

    fn take_table(&mut self, file: &str, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (name, value) in table {
            let key =
                if prefix.is_empty() { name.get_ref().to_string() } else { format!("{prefix}.{}", name.get_ref()) };
            let line = Some(line_of(text, name.span().start));
            match value.get_ref() {
                DeValue::Table(inner) if is_section(&key) => self.take_table(file, text, &key, inner),
                DeValue::Array(list) if key == "exception" && list.iter().all(|each| each.get_ref().is_table()) => {
                    for each in list {
                        let line = Some(line_of(text, each.span().start));
                        self.exceptions.push(Written { value: plain(each), file: file.into(), line });
                    }
                }
                _ => self.take(Written { value: plain(value), file: file.into(), line }, key),
            }
        }
    }

    fn take(&mut self, written: Written, key: String) {
        if KEYS.iter().any(|known| known.name == key) {
            self.values.insert(key, written);
            return;
        }
        let wrong = match nearest(&key, KEYS.iter().map(|known| known.name)) {
            Some(near) => format!("no such key; did you mean {near}?"),
            None => "no such key".into(),
        };
        let allowed = Some(in_same_section(&key));
        let value = Some(shown(&written.value));
        self.problems.push(Problem { file: written.file, line: written.line, key, value, wrong, allowed });
    }

    /// Takes a `--set key=value`: the value is TOML, or else a text as it stands.
    pub fn set(&mut self, pair: &str) {
        let Some((key, value)) = pair.split_once('=') else {
            let problem = Problem::of_file("--set", &format!("{pair:?} is not key=value"));
            self.problems.push(problem);
            return;
        };
        let (key, value) = (key.trim(), value.trim());
        let value = toml::from_str::<toml::Table>(&format!("value = {value}"))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or_else(|| toml::Value::String(value.into()));
        self.take(Written { value, file: "--set".into(), line: None }, key.into());
    }

    /// All that is wrong, in the order of the text.
    pub fn into_problems(mut self) -> Vec<Problem> {
        self.problems.sort_by_key(|problem| (problem.file == "--set", problem.line));
        self.problems
    }

    /// A text, or one of the allowed words.
    pub fn word(&mut self, name: &'static str) -> String {
        match self.value(name) {
            toml::Value::String(word) => word,
            _ => String::new(),
        }
    }

    /// A list of texts.
    pub fn words(&mut self, name: &'static str) -> Vec<String> {
        match self.value(name) {
            toml::Value::Array(list) => list.iter().filter_map(|each| each.as_str().map(str::to_owned)).collect(),
            _ => Vec::new(),
        }
    }

    /// true or false.
    pub fn truth(&mut self, name: &'static str) -> bool {
        self.value(name).as_bool().unwrap_or_default()
    }

    /// A whole number.
    pub fn number(&mut self, name: &'static str) -> u64 {
        self.value(name).as_integer().and_then(|number| u64::try_from(number).ok()).unwrap_or_default()
    }

    /// Reports that the value of a key, though of the right type, cannot be used.
    pub fn refuse(&mut self, name: &str, allowed: &str) {
        let Some(written) = self.values.remove(name) else {
            return;
        };
        self.problems.push(Problem {
            value: Some(shown(&written.value)),
            file: written.file,
            line: written.line,
            key: name.into(),
            wrong: "cannot be used".into(),
            allowed: Some(allowed.into()),
        });
    }

    /// The same for a key that may hold a secret, or that must be written and is not: the value is not shown.
    pub fn refuse_unsaid(&mut self, name: &str, allowed: &str) {
        let written = self.values.remove(name);
        let (wrong, file, line) = match written {
            Some(written) => ("cannot be used", written.file, written.line),
            None => ("must be set", "configuration".to_owned(), None),
        };
        let (key, wrong, allowed) = (name.into(), wrong.into(), Some(allowed.into()));
        self.problems.push(Problem { file, line, key, value: None, wrong, allowed });
    }

    /// The value, if it is of the key's kind; else the default, and a problem.
    fn value(&mut self, name: &'static str) -> toml::Value {
        let Some(key) = KEYS.iter().find(|key| key.name == name) else {
            return toml::Value::Boolean(false);
        };
        match self.values.get(name) {
            Some(written) if key.kind.takes(&written.value) => return written.value.clone(),
            Some(_) => self.refuse(name, &key.kind.to_string()),
            None => {}
        }
        toml::from_str::<toml::Table>(&format!("value = {}", key.default))
            .ok()
            .and_then(|mut table| table.remove("value"))
            .unwrap_or(toml::Value::Boolean(false))
    }

    /// The value of every key.
    pub fn values(&mut self) -> BTreeMap<&'static str, toml::Value> {
        KEYS.iter().map(|key| (key.name, self.value(key.name))).collect()
    }

    /// The exceptions as they are written.
    pub fn exception_texts(&self) -> Vec<String> {
        self.exceptions.iter().map(|written| written.value.to_string()).collect()
    }

    /// The exceptions that can be used.
    pub fn exceptions(&mut self) -> Vec<Exception> {
        let mut good = Vec::new();
        for (index, written) in std::mem::take(&mut self.exceptions).into_iter().enumerate() {
            let toml::Value::Table(table) = written.value else {
                continue;
            };
            match exceptions::resolve(&table) {
                Ok(exception) => good.push(exception),
                Err(wrongs) => self.problems.extend(wrongs.into_iter().map(|wrong| Problem {
                    file: written.file.clone(),
                    line: written.line,
                    key: format!("exception[{index}].{}", wrong.key),
                    value: wrong.value,
                    wrong: wrong.wrong,
                    allowed: wrong.allowed,
                })),
            }
        }
        good
    }
}

/// The most similar of the names, if it is similar at all.
pub(super) fn nearest<'a>(written: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    names
        .map(|name| (strsim::normalized_damerau_levenshtein(written, name), name))
        .filter(|(similar, _)| *similar >= 0.5)
        .max_by(|one, other| one.0.total_cmp(&other.0))
        .map(|(_, name)| name)
}

fn line_of(text: &str, offset: usize) -> usize {
    text.as_bytes().iter().take(offset).filter(|byte| **byte == b'\n').count() + 1
}

fn shown(value: &toml::Value) -> String {
    let mut text = value.to_string();
    if text.len() > 80 {
        text = text.chars().take(77).chain("...".chars()).collect();
    }
    text
}

/// The value without its places.
fn plain(value: &Spanned<DeValue<'_>>) -> toml::Value {
    match value.get_ref() {
        DeValue::String(text) => toml::Value::String(text.to_string()),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| toml::Value::String(number.to_string()), toml::Value::Integer),
        DeValue::Float(number) => {
            number.as_str().parse().map_or_else(|_| toml::Value::String(number.to_string()), toml::Value::Float)
        }
        DeValue::Boolean(truth) => toml::Value::Boolean(*truth),
        DeValue::Datetime(time) => toml::Value::Datetime(*time),
        DeValue::Array(list) => toml::Value::Array(list.iter().map(plain).collect()),
        DeValue::Table(table) => {
            toml::Value::Table(table.iter().map(|(name, value)| (name.get_ref().to_string(), plain(value))).collect())
        }
    }
}
