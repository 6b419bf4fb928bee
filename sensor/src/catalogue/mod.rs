//! Which programs are servers, what they load, and what they normally start: data, typed and validated.
//!
//! Comes in: TOML texts (the shipped ones are embedded). Goes out: answers about programs. No IO. A text that is wrong
//! is refused with every mistake it has; a server defined twice is the later one.

mod command_line;
mod glob;
mod index;
mod pattern;
mod places;
mod raw;
mod resolve;
mod rules;
mod suspicion;
mod words;

pub use command_line::{command_line, plain_command_line};
pub use pattern::Pattern;
pub use places::{Application, Installer, Part, Place, Runner, overrides};
pub use rules::{Component, NormalChild, Program, ServerKind};
pub use suspicion::{Suspicion, suspicion};
pub use words::{ChildUser, ComponentKind, Egress, ExecPolicy, OwnWrites, Role};

use crate::event::Exec;
use bstr::ByteSlice;
use foldhash::fast::RandomState;
use index::Indexed;
use places::InstallerProgram;
use resolve::Facts;
use std::collections::{BTreeMap, HashMap};
use std::slice;
use std::sync::Arc;

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
    /// In the order of their ids.
    servers: Indexed<ServerKind>,
    by_id: HashMap<String, usize, RandomState>,
    applications: BTreeMap<String, Application>,
    /// Of all applications.
    parts: Indexed<Arc<Part>>,
    /// Where servers run scripts or applications.
    docroots: Indexed<Pattern>,
    installers: Indexed<InstallerProgram>,
    sessions: Indexed<Program>,
    runners: Indexed<Runner>,
    persistence: Indexed<Place>,
    secrets: Indexed<Place>,
}

impl Catalogue {
    /// The shipped catalogue, and what is wrong with it: nothing, as a test makes sure.
    pub fn embedded() -> (Self, Vec<Problem>) {
        Self::of(EMBEDDED.iter().copied())
    }

    /// The shipped catalogue with other texts added, later ones over earlier ones.
    pub fn with<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, Vec<Problem>> {
        let (catalogue, problems) = Self::of(EMBEDDED.iter().copied().chain(texts));
        if problems.is_empty() { Ok(catalogue) } else { Err(problems) }
    }

    /// What texts declare, and their mistakes; a text that has some is left out. Servers and applications replace those of
    /// the same id, the rest is added.
    pub fn of<'a>(texts: impl IntoIterator<Item = (&'a str, &'a str)>) -> (Self, Vec<Problem>) {
        let (mut all, mut problems) = (Facts::default(), Vec::new());
        for (file, text) in texts {
            match resolve::parse(file, text) {
                Ok(facts) => all.add(facts),
                Err(mistakes) => problems.extend(mistakes),
            }
        }
        (Self::indexed(all), problems)
    }

    fn indexed(facts: Facts) -> Self {
        let servers: BTreeMap<String, ServerKind> =
            facts.servers.into_iter().map(|server| (server.id.clone(), server)).collect();
        let applications: BTreeMap<String, Application> =
            facts.applications.into_iter().map(|known| (known.id.clone(), known)).collect();
        let components = servers.values().flat_map(|server| &server.components);
        let scripts = |kind| matches!(kind, ComponentKind::ScriptDocroot | ComponentKind::Webapp);
        let docroots = components.filter(|component| scripts(component.kind)).map(|component| component.below.clone());
        Self {
            docroots: Indexed::of(docroots.collect(), slice::from_ref),
            by_id: servers.keys().cloned().zip(0..).collect(),
            servers: Indexed::of(servers.into_values().collect(), |server| &server.program.exe),
            parts: Indexed::of(
                applications.values().flat_map(|application| application.parts.iter().cloned()).collect(),
                |part| slice::from_ref(&part.path),
            ),
            applications,
            installers: Indexed::of(facts.installers, |installer| &installer.program.exe),
            sessions: Indexed::of(facts.sessions, |session| &session.exe),
            runners: Indexed::of(facts.runners, |runner| &runner.program.exe),
            persistence: Indexed::of(facts.persistence, |place| slice::from_ref(&place.pattern)),
            secrets: Indexed::of(facts.secrets, |place| slice::from_ref(&place.pattern)),
        }
    }

    /// Which server a program is, if it is one. Generic runtimes are servers only when the process `listens`.
    pub fn identify(&self, image: &Exec, listens: bool) -> Option<&ServerKind> {
        // Kernel threads and unknown programs have no path.
        if image.executable.is_empty() {
            return None;
        }
        let known = self.servers.matching(&image.executable).filter(|server| listens || !server.generic);
        // A program that is known by more than its executable is known better.
        let known = known.filter(|server| server.program.was_started_so(image));
        known.max_by_key(|server| (!server.generic, !server.platform, server.program.needs_more_than_exe()))
    }

    /// The server of that id.
    pub fn server(&self, id: &str) -> Option<&ServerKind> {
        self.by_id.get(id).and_then(|place| self.servers.get(*place))
    }

    /// All servers, by id.
    pub fn servers(&self) -> impl Iterator<Item = &ServerKind> {
        self.servers.iter()
    }

    /// Ids of servers that are another in `new`, or in one of the two only, each with what happened to it.
    pub fn changes<'a>(&'a self, new: &'a Self) -> impl Iterator<Item = (&'a str, &'static str)> {
        let there = new.servers().filter_map(|kind| match self.server(&kind.id) {
            None => Some((kind.id.as_str(), "added")),
            Some(old) if old != kind => Some((kind.id.as_str(), "changed")),
            Some(_) => None,
        });
        let gone = self.servers().filter(|kind| new.server(&kind.id).is_none());
        there.chain(gone.map(|kind| (kind.id.as_str(), "removed")))
    }

    /// All applications that live in document roots, by id.
    pub fn applications(&self) -> impl Iterator<Item = &Application> {
        self.applications.values()
    }

    /// What a program installs, if it is one that installs software. Who started it is for the caller to judge.
    pub fn installer(&self, image: &Exec) -> Option<Installer> {
        let mut installers = self.installers.matching(&image.executable);
        installers.find(|known| known.program.was_started_so(image)).map(|known| known.installer)
    }

    /// Whether a program begins or carries a person's session.
    pub fn session(&self, image: &Exec) -> bool {
        self.sessions.matching(&image.executable).any(|known| known.was_started_so(image))
    }

    /// The word for a program that runs what persistence places hold: `cron`, `at`, `systemd`.
    pub fn runner(&self, image: &Exec) -> Option<&str> {
        let mut runners = self.runners.matching(&image.executable);
        runners.find(|known| known.program.was_started_so(image)).map(|known| known.name.as_str())
    }

    /// What a file is that has something run later, or lets somebody in.
    pub fn persistence(&self, path: &[u8]) -> Option<&Place> {
        self.persistence.matching(path).next()
    }

    /// What a file is that holds credentials.
    pub fn secret(&self, path: &[u8]) -> Option<&Place> {
        self.secrets.matching(path).next()
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
        self.parts.matching(path).max_by_key(|part| part.path.text.len()).map(AsRef::as_ref)
    }

    /// Whether a path lies where some server of the catalogue runs scripts or applications.
    pub fn in_docroot(&self, path: &[u8]) -> bool {
        self.docroots.matching(path).next().is_some()
    }
}

/// The last part of a path.
pub fn base_name(path: &[u8]) -> &[u8] {
    path.rfind_byte(b'/').map_or(path, |slash| &path[slash + 1..])
}

#[cfg(test)]
mod tests;
