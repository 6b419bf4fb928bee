//! Detectors: from events and the tree to findings.
//!
//! Comes in: an event that the tree has taken in, and the tree. Goes out: findings. What is waited for is decided with
//! the time that events bring. Each detector is a file of its own and says what it cannot see.

mod component_write;
mod server_shell;

use crate::catalogue::{Catalogue, Role, ServerKind};
use crate::event::{Event, File};
use crate::tree::lineage::{Server, Servers};
use crate::tree::{Applied, NodeId, Tree};
use sensor_common::key::ProcessKey;
use sensor_common::record::Hook;

/// Longest time that a detector waits for.
pub const LONGEST_WAIT_NS: u64 = server_shell::WAIT_NS;

/// The detectors there are; `rule.id` in alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Detector {
    /// A program runs in a server's lineage that is not a normal child.
    ServerShell,
    /// A file is written where a server loads components from.
    ComponentWrite,
}

/// An ATT&CK technique.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Technique {
    /// Its id.
    pub id: &'static str,
    /// Its name.
    pub name: &'static str,
}

const SERVER_SOFTWARE: Technique = Technique { id: "T1505", name: "Server Software Component" };
const SQL_PROCEDURES: Technique = Technique { id: "T1505.001", name: "SQL Stored Procedures" };
const TRANSPORT_AGENT: Technique = Technique { id: "T1505.002", name: "Transport Agent" };
const WEB_SHELL: Technique = Technique { id: "T1505.003", name: "Web Shell" };
const UNIX_SHELL: Technique = Technique { id: "T1059.004", name: "Unix Shell" };

impl Detector {
    /// All detectors.
    pub const ALL: [Self; 2] = [Self::ServerShell, Self::ComponentWrite];

    /// `rule.id`.
    pub const fn id(self) -> &'static str {
        match self {
            Self::ServerShell => "server-shell",
            Self::ComponentWrite => "component-write",
        }
    }

    /// `rule.name`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ServerShell => "Server started a program it never starts",
            Self::ComponentWrite => "File written where a server loads components from",
        }
    }

    /// `rule.description`.
    pub const fn description(self) -> &'static str {
        match self {
            Self::ServerShell => {
                "A shell, interpreter or discovery/transfer tool that is not a normal child runs in a server's lineage"
            }
            Self::ComponentWrite => {
                "A file was created, written, renamed, linked or made executable where a server loads components \
                 from, by another than its package manager or deployer"
            }
        }
    }

    /// The techniques that a finding at a server of these roles stands for.
    pub fn techniques(self, roles: &[Role]) -> Vec<Technique> {
        let first = match roles.first() {
            Some(Role::Web | Role::App | Role::Proxy) => WEB_SHELL,
            Some(Role::Database | Role::Cache) => SQL_PROCEDURES,
            Some(Role::Mail) => TRANSPORT_AGENT,
            None => SERVER_SOFTWARE,
        };
        match self {
            Self::ServerShell => vec![first, UNIX_SHELL],
            Self::ComponentWrite => vec![if first == WEB_SHELL { WEB_SHELL } else { SERVER_SOFTWARE }],
        }
    }
}

/// How bad it is; `event.severity` is the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Severity {
    /// To know.
    Info,
    /// To look at some time.
    Low,
    /// To look at today.
    Medium,
    /// To look at now.
    High,
    /// To act on now.
    Critical,
}

impl Severity {
    /// The word in `sensor.severity`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// The number in `event.severity`.
    pub const fn number(self) -> u8 {
        match self {
            Self::Info => 0,
            Self::Low => 25,
            Self::Medium => 50,
            Self::High => 75,
            Self::Critical => 95,
        }
    }
}

/// What a detector found.
#[derive(Clone, Debug)]
pub struct Finding {
    /// Which detector.
    pub detector: Detector,
    /// How bad.
    pub severity: Severity,
    /// Who did it.
    pub process: NodeId,
    /// The topmost process of the story: the first below the server that is not normal.
    pub story: ProcessKey,
    /// The server concerned: whose lineage it is, or whose components were written.
    pub server: u32,
    /// The file, for detectors of files.
    pub file: Option<File>,
    /// Why, in sentences.
    pub why: Vec<String>,
    /// Who saw what decided.
    pub hook: Hook,
    /// When that was.
    pub time_boottime_ns: u64,
}

/// What detectors look at.
#[derive(Clone, Copy)]
pub struct Context<'a> {
    /// The tree, with the event taken in.
    pub tree: &'a Tree,
    /// The servers that run.
    pub servers: &'a Servers,
    /// What is known about servers.
    pub catalogue: &'a Catalogue,
    /// Which nodes the event is about.
    pub applied: Applied,
}

impl<'a> Context<'a> {
    /// The server of a lineage, and its kind.
    pub fn server(&self, lineage: u32) -> Option<(&'a Server, &'a ServerKind)> {
        let server = self.servers.by_lineage(lineage)?;
        Some((server, self.catalogue.server(&server.id)?))
    }
}

/// All detectors and what they remember.
#[derive(Default)]
pub struct Detectors {
    server_shell: server_shell::ServerShell,
    component_write: component_write::ComponentWrite,
}

impl Detectors {
    /// Looks at an event.
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Vec<Finding> {
        let mut findings = self.server_shell.observe(event, context);
        findings.extend(self.component_write.observe(event, context));
        findings
    }

    /// Whether something waits for time to pass.
    pub fn waiting(&self) -> bool {
        self.server_shell.waiting()
    }
}

#[cfg(test)]
mod tests;
