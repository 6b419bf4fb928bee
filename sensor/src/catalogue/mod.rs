//! Which programs are servers, what they load, and what they normally start: data, typed and validated.
//!
//! Comes in: TOML texts (the shipped ones are embedded). Goes out: answers about programs. No IO. A text that is wrong
//! is refused with every mistake it has; a server defined twice is the later one.

mod raw;
mod rules;
mod suspicion;

pub use rules::{Component, ComponentKind, ExecPolicy, NormalChild, Pattern, Role, ServerKind, command_line};

pub use suspicion::{Suspicion, suspicion};

use crate::event::Exec;
use bstr::ByteSlice;
use std::collections::BTreeMap;

/// The shipped texts, by file name.
const EMBEDDED: &[(&str, &str)] = &[
    ("web.toml", include_str!("../../catalogue/web.toml")),
    ("app.toml", include_str!("../../catalogue/app.toml")),
    ("database.toml", include_str!("../../catalogue/database.toml")),
    ("mail.toml", include_str!("../../catalogue/mail.toml")),
];

/// What is wrong with a catalogue text.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {message}")]
pub struct Problem {
    /// Which file.
    pub file: String,
    /// What, with key, value, and what is allowed.
    pub message: String,
}

/// All servers that are known.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    servers: BTreeMap<String, ServerKind>,
}

impl Catalogue {
    /// The shipped catalogue, and what is wrong with it: nothing, as a test makes sure.
    pub fn embedded() -> (Self, Vec<Problem>) {
        let mut catalogue = Self::default();
        let problems = EMBEDDED.iter().flat_map(|(file, text)| catalogue.add(file, text)).collect();
        (catalogue, problems)
    }

    /// The shipped catalogue with other texts added, later ones over earlier ones.
    pub fn with<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<Problem>> {
        let (mut catalogue, mut problems) = Self::embedded();
        for (file, text) in texts {
            problems.extend(catalogue.add(file, text));
        }
        if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
    }

    /// Adds the servers of one text; gives its mistakes.
    pub fn add(&mut self, file: &str, text: &str) -> Vec<Problem> {
        match raw::parse(file, text) {
            Ok(servers) => {
                self.servers.extend(servers.into_iter().map(|server| (server.id.clone(), server)));
                Vec::new()
            }
            Err(problems) => problems,
        }
    }

    /// Which server a program is, if it is one. Generic runtimes are servers only when the process `listens`.
    pub fn identify(&self, image: &Exec, listens: bool) -> Option<&ServerKind> {
        // Kernel threads and unknown programs have no path.
        if image.executable.is_empty() {
            return None;
        }
        let known = self.servers.values().filter(|server| listens || !server.generic);
        // A program that is known by more than its executable is known better.
        known.filter(|server| server.is(image)).max_by_key(|server| (!server.generic, server.needs_more_than_exe()))
    }

    /// The server of that id.
    pub fn server(&self, id: &str) -> Option<&ServerKind> {
        self.servers.get(id)
    }

    /// All servers, by id.
    pub fn servers(&self) -> impl Iterator<Item = &ServerKind> {
        self.servers.values()
    }
}

/// The last part of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rfind_byte(b'/').map_or(path, |slash| &path[slash + 1..])
}

#[cfg(test)]
mod tests;
