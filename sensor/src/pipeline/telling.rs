//! From findings to alerts: exceptions, what is to be found out about a file first, the incident, the alert.

use super::{Core, Outcome, Request};
use crate::alert;
use crate::detect::{Context, Detector, Finding};
use crate::event::{Body, Event, Exec, File};
use crate::exception::Exception;
use crate::incident::Told;
use crate::tree::{Applied, NodeId};
use bstr::{BString, ByteSlice};
use std::collections::BTreeMap;

/// How long a finding waits for what is to be found out about its file.
pub const HOLD_NS: u64 = 8_000_000;
/// Most findings that wait; more are told without.
const MAX_HELD: usize = 1024;

/// Findings that wait.
#[derive(Default)]
pub struct Held {
    findings: BTreeMap<u64, (u64, Finding)>,
    last: u64,
}

impl Held {
    /// When the first of them has waited long enough; `CLOCK_BOOTTIME`.
    pub fn deadline(&self) -> Option<u64> {
        self.findings.values().map(|(deadline, _)| *deadline).min()
    }

    /// The next question's number: even ones are not the detectors'.
    pub const fn number(&mut self) -> u64 {
        self.last += 2;
        self.last
    }
}

impl Core {
    /// Tells findings, and those whose wait is over.
    pub(super) fn tell(&mut self, event: &Event, findings: Vec<Finding>, outcome: &mut Outcome) {
        let now = event.time_boottime_ns;
        self.look_at_handoffs(event, outcome);
        for finding in findings {
            if !self.excepted(&finding) {
                self.hold_or_conclude(finding, outcome);
            }
        }
        match &event.body {
            Body::Inspected(inspected) => {
                if let Some((_, mut finding)) = self.held.findings.remove(&inspected.question) {
                    finding.provenance = Some(inspected.provenance.clone());
                    self.conclude(finding, outcome);
                }
            }
            Body::Tick => {
                for (told, finding) in self.incidents.due(now) {
                    self.send(&finding, &told, outcome);
                }
            }
            _ => {}
        }
        while let Some(entry) = self.held.findings.first_entry().filter(|entry| entry.get().0 <= now) {
            let (_, finding) = entry.remove();
            self.conclude(finding, outcome);
        }
    }

    fn hold_or_conclude(&mut self, finding: Finding, outcome: &mut Outcome) {
        let asks = finding.provenance.is_none() && finding.detector != Detector::CredentialAccess;
        let Some(file) = finding.file.clone().filter(|_| asks && self.held.findings.len() < MAX_HELD) else {
            self.conclude(finding, outcome);
            return;
        };
        let number = self.held.number();
        self.ask(number, finding.process, &file, outcome);
        self.held.findings.insert(number, (finding.time_boottime_ns + HOLD_NS, finding));
    }

    /// Asks for facts about a file.
    pub(super) fn ask(&self, question: u64, id: NodeId, file: &File, outcome: &mut Outcome) {
        if let Some(node) = self.tree.node(id) {
            let (path, inode, device) = (file.path.clone(), file.inode, file.device);
            outcome.requests.push(Request::Inspect { question, process: node.key, path, inode, device });
        }
    }

    fn conclude(&mut self, finding: Finding, outcome: &mut Outcome) {
        if finding.detector == Detector::PersistenceHandoff {
            self.hand_off(&finding);
        }
        let known = finding.entry.as_ref().and_then(|entry| entry.incident.clone());
        let id = known.unwrap_or_else(|| alert::incident_id(&self.settings.host, &finding));
        let (subject, line) = (self.subject(&finding), self.line(&finding));
        let file = finding.file_id();
        let (told, news) = self.incidents.take(finding, subject, line, id);
        let kept = file.and_then(|file| self.ledger.belongs_to(file, &told.id));
        outcome.requests.extend(kept.map(Request::Remember));
        if let Some(finding) = news {
            self.send(&finding, &told, outcome);
        }
    }

    fn send(&mut self, finding: &Finding, told: &Told, outcome: &mut Outcome) {
        self.sequence += 1;
        let context = self.context(Applied::default());
        let blind = self.blind_since_ns.is_some();
        if let Some(alert) = alert::build(finding, told, &context, &self.settings.host, self.sequence, blind) {
            self.recent.keep(&alert);
            outcome.alerts.push(alert);
        }
    }

    /// What a finding is about: the file, the connection, or the program.
    fn subject(&self, finding: &Finding) -> BString {
        if let Some(file) = &finding.file {
            return file.path.clone();
        }
        if let Some((address, port)) = finding.net.as_ref().and_then(|net| net.remote) {
            return BString::from(format!("{address} {port}"));
        }
        self.tree.node(finding.process).map_or_else(BString::default, |node| node.executable().to_owned())
    }

    fn line(&self, finding: &Finding) -> String {
        const MOST: usize = 100;
        let subject = self.subject(finding);
        let name = match self.tree.node(finding.process).and_then(|node| node.image.clone()) {
            Some(image) if finding.file.is_none() => crate::catalogue::command_line(&image).to_string(),
            _ => subject.to_str_lossy().into_owned(),
        };
        let line = format!("{}: {name}", finding.detector.id());
        alert::cut(&line, MOST)
    }

    fn excepted(&mut self, finding: &Finding) -> bool {
        let now = self.settings.host.boot_time_unix_ns + finding.time_boottime_ns;
        let context = self.context(Applied::default());
        let Some(at) = covering(finding, &context, &self.settings.exceptions, now) else {
            return false;
        };
        self.exception_hits[at] += 1;
        true
    }
}

fn covering(finding: &Finding, context: &Context<'_>, exceptions: &[Exception], now: u64) -> Option<usize> {
    let server = context.servers.by_lineage(finding.server).map(|server| server.id.as_str());
    // The story's programs: an exception for `sh -c COMMAND` covers what that shell then runs.
    let story = context.tree.find(finding.story).and_then(|id| context.tree.node(id));
    let nodes = story.into_iter().chain(context.tree.node(finding.process));
    let programs: Vec<&Exec> =
        nodes.flat_map(|node| node.image.iter().chain(&node.previous)).map(AsRef::as_ref).collect();
    exceptions.iter().position(|exception| exception.covers(finding, server, &programs, now))
}
