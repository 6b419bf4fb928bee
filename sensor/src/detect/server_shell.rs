//! server-shell: a program runs in a server's lineage that this server does not normally start.
//!
//! Sees: every exec below a recognised server, whatever the shell is called, by the executable that the kernel has.
//! Cannot see: code that runs inside the server without an exec, and applets inside a busybox shell.
//! Normal: the server's own programs, and the catalogue's normal children, whose command lines must match whole; where
//! starting programs is a server's trade, only the baseline judges.
//!
//! One finding a story: the story is the topmost process below the server that is not normal. A shell waits for what it
//! does first (dash runs `sh -c id` as two processes, bash in place), so that the alert names that; at most
//! [`WAIT_NS`]. What the same story does later is counted, not reported again.

use super::bounded::Bounded;
use super::commands::{downloads_and_runs, hidden_or_temporary, reads_commands, runs_script};
use super::story::{Standing, described};
use super::{Context, Detector, Finding, Severity};
use crate::catalogue::{ExecPolicy, Suspicion, suspicion};
use crate::event::{Body, Event, Exec};
use crate::tree::NodeId;
use sensor_common::key::ProcessKey;
use std::collections::VecDeque;

/// How long a shell waits for its first command.
pub const WAIT_NS: u64 = 8_000_000;
/// Most stories that are remembered, so that they are told once; the oldest give way.
const MAX_STORIES: usize = 16_384;
/// Most shells that wait; more are reported at once.
const MAX_WAITING: usize = 1024;

/// The detector's memory.
#[derive(Default)]
pub struct ServerShell {
    waiting: VecDeque<Waiting>,
    told: Bounded<ProcessKey, Severity, MAX_STORIES>,
}

struct Waiting {
    deadline_ns: u64,
    finding: Finding,
}

impl ServerShell {
    /// When the first of those that wait has waited long enough; `CLOCK_BOOTTIME`.
    pub fn deadline(&self) -> Option<u64> {
        self.waiting.front().map(|waiting| waiting.deadline_ns)
    }

    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Vec<Finding> {
        let mut findings = self.overdue(event.time_boottime_ns);
        match (&event.body, context.applied.node) {
            (Body::Exec(exec), Some(id)) => findings.extend(self.executed(event, id, exec, context)),
            (Body::Exit(_), Some(id)) => findings.extend(self.ended(id)),
            _ => {}
        }
        findings
    }

    fn overdue(&mut self, now: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        while self.waiting.front().is_some_and(|waiting| waiting.deadline_ns <= now) {
            findings.extend(self.waiting.pop_front().map(|waiting| waiting.finding));
        }
        findings
    }

    fn ended(&mut self, id: NodeId) -> Option<Finding> {
        let at = self.waiting.iter().position(|waiting| waiting.finding.process == id)?;
        self.waiting.remove(at).map(|waiting| waiting.finding)
    }

    fn executed(&mut self, event: &Event, id: NodeId, exec: &Exec, context: &Context<'_>) -> Vec<Finding> {
        let Some(standing) = context.standing else {
            return Vec::new();
        };
        let Some((severity, reason)) = judge(&standing) else {
            return Vec::new();
        };
        if self.told.get(&standing.story()).is_some_and(|told| severity <= *told) {
            return self.first_command(event, id, &standing);
        }
        self.told.set(standing.story(), severity);
        let finding = finding(event, id, &standing, severity, reason);
        let waits = suspicion(exec.executable.as_ref()) == Some(Suspicion::Shell);
        if waits && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(Waiting { deadline_ns: event.time_boottime_ns + WAIT_NS, finding });
            return Vec::new();
        }
        // What is worse than what waits takes its place.
        self.waiting.retain(|waiting| waiting.finding.story != finding.story);
        vec![finding]
    }

    /// What a waiting shell does first: its story is told with that.
    fn first_command(&mut self, event: &Event, id: NodeId, standing: &Standing<'_>) -> Vec<Finding> {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.finding.story == standing.story()) else {
            return Vec::new();
        };
        let Some(waiting) = self.waiting.remove(at) else {
            return Vec::new();
        };
        let mut finding = waiting.finding;
        finding.process = id;
        finding.time_boottime_ns = event.time_boottime_ns;
        finding.why.push(format!("The shell then ran {}.", described(standing.image)));
        vec![finding]
    }
}

/// How bad it is that this runs here, and why; `None` if it is normal.
pub fn judge(standing: &Standing<'_>) -> Option<(Severity, String)> {
    let Standing { image, kind, child, .. } = *standing;
    if kind.supervisor || standing.own {
        return None;
    }
    let fetched = suspicion(image.executable.as_ref()) == Some(Suspicion::Shell) && downloads_and_runs(image);
    if standing.is_normal() {
        let learned = child.is_some_and(|child| child.learned);
        return (fetched && learned)
            .then(|| (Severity::Critical, "It fetches something and has a shell run it.".to_owned()));
    }
    if kind.exec_policy == ExecPolicy::Any && child.is_none() {
        return fetched.then(|| (Severity::High, "It fetches something and has a shell run it.".to_owned()));
    }
    let (mut severity, mut reason) = match child {
        Some(child) => (
            Severity::Critical,
            format!("That is started for: {}; but what runs below it now is not part of that.", child.reason),
        ),
        None => by_policy(standing)?,
    };
    if suspicion(image.executable.as_ref()) == Some(Suspicion::Shell) && reads_commands(image) {
        severity = Severity::Critical;
        reason.push_str(" It has neither a script nor a command: somebody feeds it.");
    }
    if fetched {
        severity = Severity::Critical;
        reason.push_str(" It fetches something and has a shell run it.");
    }
    if image.euid == 0 && suspicion(image.executable.as_ref()).is_some() {
        severity = severity.raised();
        reason.push_str(" It runs as root.");
    }
    Some((severity, reason))
}

fn by_policy(standing: &Standing<'_>) -> Option<(Severity, String)> {
    let Standing { image, kind, .. } = *standing;
    let unusual = suspicion(image.executable.as_ref());
    let listed = match kind.normal_children.len() {
        0 => format!("{} is known to start no commands at all.", kind.name),
        1 => format!("It is not the one command that {} is known to start.", kind.name),
        count => format!("It is none of the {count} commands that {} is known to start.", kind.name),
    };
    match (unusual, kind.exec_policy) {
        (Some(_), ExecPolicy::Never) => {
            Some((Severity::Critical, format!("{} starts no such program in normal service.", kind.name)))
        }
        (None, ExecPolicy::Never) => {
            Some((Severity::High, format!("{} starts no such program in normal service.", kind.name)))
        }
        // A script is run by its interpreter; which is which, the directory it lies in says.
        (Some(_), ExecPolicy::Common) if is_component(standing) => None,
        // An application runs its own scripts; one that was dropped is told as such.
        (Some(Suspicion::Interpreter), ExecPolicy::Common) if runs_script(image) => None,
        (Some(_), ExecPolicy::Common) => Some((Severity::High, listed)),
        (None, _) if hidden_or_temporary(&image.executable) => {
            Some((Severity::High, format!("It lies where nothing is installed. {listed}")))
        }
        // Applications in this server start programs; which are new is for the baseline to say.
        _ => None,
    }
}

/// Whether the first program of the story is a script from where the server starts programs (CGI), and this is that
/// script's interpreter.
fn is_component(standing: &Standing<'_>) -> bool {
    let Some(script) = standing.image.script.as_ref().filter(|_| standing.is_first()) else {
        return false;
    };
    let starts = |watch: &crate::event::Watch| {
        watch.component == crate::catalogue::ComponentKind::ExecScript.name()
            && script.strip_prefix(watch.path.as_slice()).is_some_and(|below| below.starts_with(b"/"))
    };
    let listed =
        standing.kind.components.iter().filter(|known| known.kind == crate::catalogue::ComponentKind::ExecScript);
    standing.server.directories.iter().any(starts) || listed.into_iter().any(|known| known.holds(script))
}

fn finding(event: &Event, id: NodeId, standing: &Standing<'_>, severity: Severity, reason: String) -> Finding {
    let Standing { node, image, kind, first, .. } = *standing;
    let what = suspicion(image.executable.as_ref()).map_or("a program", Suspicion::name);
    let mut finding = Finding::new(Detector::ServerShell, severity, event, id, node).because(format!(
        "{} (pid {}) runs in the lineage of {}: {}.",
        described(image),
        node.key.tgid,
        kind.name,
        what
    ));
    finding.story = standing.story();
    if !standing.is_first() {
        finding = finding.because(format!("It began with {}.", described(first)));
    }
    if let Some(title) = standing.title {
        finding = finding.because(format!("The process above calls itself \u{201c}{title}\u{201d}."));
    }
    finding.because(reason)
}
