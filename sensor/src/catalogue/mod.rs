//! Which programs are servers, what they load, and what they normally start: data, typed and validated.
//!
//! Comes in: TOML texts (the shipped ones are embedded). Goes out: answers about programs. No IO. A text that is wrong
//! is refused with every mistake it has; a server defined twice is the later one.

mod pattern;
mod places;
mod raw;
mod resolve;
mod rules;
mod suspicion;
mod words;

pub use pattern::{Pattern, command_line, plain_command_line};
pub use places::{Application, Installer, Part, Place, Runner, overrides};
pub use rules::{Component, NormalChild, Program, ServerKind};
pub use suspicion::{Suspicion, suspicion};
pub use words::{ChildUser, ComponentKind, Egress, ExecPolicy, OwnWrites, Role};

use crate::event::Exec;
use bstr::ByteSlice;
use places::InstallerProgram;
use std::collections::BTreeMap;

/// The shipped texts, by file name.
const EMBEDDED: &[(&str, &str)] = &[
    ("web.toml", include_str!("../../catalogue/web.toml")),
    ("app-php.toml", include_str!("../../catalogue/app-php.toml")),
    ("app-java.toml", include_str!("../../catalogue/app-java.toml")),
    ("app-runtimes.toml", include_str!("../../catalogue/app-runtimes.toml")),
    ("ci.toml", include_str!("../../catalogue/ci.toml")),
    ("database.toml", include_str!("../../catalogue/database.toml")),
    ("queue.toml", include_str!("../../catalogue/queue.toml")),
    ("mail.toml", include_str!("../../catalogue/mail.toml")),
    ("infrastructure.toml", include_str!("../../catalogue/infrastructure.toml")),
    ("applications.toml", include_str!("../../catalogue/applications.toml")),
    ("installers.toml", include_str!("../../catalogue/installers.toml")),
    ("places.toml", include_str!("../../catalogue/places.toml")),
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

/// All servers that are known, and what holds whatever the server.
#[derive(Clone, Debug, Default)]
pub struct Catalogue {
    servers: BTreeMap<String, ServerKind>,
    applications: BTreeMap<String, Application>,
    installers: Vec<InstallerProgram>,
    sessions: Vec<Program>,
    runners: Vec<Runner>,
    persistence: Vec<Place>,
    secrets: Vec<Place>,
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

    /// Adds what one text declares; gives its mistakes. Servers and applications replace those of the same id, the rest
    /// is added.
    pub fn add(&mut self, file: &str, text: &str) -> Vec<Problem> {
        match resolve::parse(file, text) {
            Ok(facts) => {
                self.servers.extend(facts.servers.into_iter().map(|server| (server.id.clone(), server)));
                self.applications.extend(facts.applications.into_iter().map(|known| (known.id.clone(), known)));
                self.installers.extend(facts.installers);
                self.sessions.extend(facts.sessions);
                self.runners.extend(facts.runners);
                self.persistence.extend(facts.persistence);
                self.secrets.extend(facts.secrets);
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
        let known = known.filter(|server| server.is(image));
        known.max_by_key(|server| (!server.generic, !server.platform, server.program.needs_more_than_exe()))
    }

    /// Whether a program of that path can be some server, whatever it was started with.
    pub fn may_be_server(&self, executable: &[u8]) -> bool {
        self.servers.values().any(|server| pattern::any(&server.program.exe, executable))
    }

    /// The server of that id.
    pub fn server(&self, id: &str) -> Option<&ServerKind> {
        self.servers.get(id)
    }

    /// All servers, by id.
    pub fn servers(&self) -> impl Iterator<Item = &ServerKind> {
        self.servers.values()
    }

    /// All applications that live in document roots, by id.
    pub fn applications(&self) -> impl Iterator<Item = &Application> {
        self.applications.values()
    }

    /// What a program installs, if it is one that installs software. Who started it is for the caller to judge.
    pub fn installer(&self, image: &Exec) -> Option<Installer> {
        self.installers.iter().find(|known| known.program.is(image)).map(|known| known.installer)
    }

    /// Whether a program begins or carries a person's session.
    pub fn session(&self, image: &Exec) -> bool {
        self.sessions.iter().any(|known| known.is(image))
    }

    /// The word for a program that runs what persistence places hold: `cron`, `at`, `systemd`.
    pub fn runner(&self, image: &Exec) -> Option<&str> {
        self.runners.iter().find(|known| known.program.is(image)).map(|known| known.name.as_str())
    }

    /// What a file is that has something run later, or lets somebody in.
    pub fn persistence(&self, path: &[u8]) -> Option<&Place> {
        self.persistence.iter().find(|place| place.pattern.is_match(path))
    }

    /// What a file is that holds credentials.
    pub fn secret(&self, path: &[u8]) -> Option<&Place> {
        self.secrets.iter().find(|place| place.pattern.is_match(path))
    }

    /// All places with credentials. `pattern.text` is an absolute glob that can be expanded below a root.
    pub fn secrets(&self) -> impl Iterator<Item = &Place> {
        self.secrets.iter()
    }

    /// All places that have something run later, or let somebody in.
    pub fn persistences(&self) -> impl Iterator<Item = &Place> {
        self.persistence.iter()
    }

    /// Which part of which application a path below a document root is: the part described most closely, by the length
    /// of its pattern.
    pub fn application_part(&self, below_docroot: &[u8]) -> Option<&Part> {
        let path = below_docroot.trim_start_with(|letter| letter == '/');
        let parts = self.applications.values().flat_map(|application| &application.parts);
        parts.filter(|part| part.path.is_match(path)).max_by_key(|part| part.path.text.len())
    }

    /// Whether a path lies where some server of the catalogue runs scripts or applications.
    pub fn in_docroot(&self, path: &[u8]) -> bool {
        let components = self.servers.values().flat_map(|server| &server.components);
        components
            .filter(|component| matches!(component.kind, ComponentKind::ScriptDocroot | ComponentKind::Webapp))
            .any(|component| component.holds(path))
    }
}

/// The last part of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rfind_byte(b'/').map_or(path, |slash| &path[slash + 1..])
}

#[cfg(test)]
mod tests;
