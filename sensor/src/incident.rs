//! Incidents: findings of one story, told as one.
//!
//! Comes in: findings. Goes out: for each, the incident it belongs to, and whether it is told now. Findings belong together
//! that were made in one server's lineage within [`QUIET_NS`] of each other, by one process's story, or about one file.
//! Always holds: at most [`MAX_INCIDENTS`], the one that has been quiet for longest goes; severity never falls. News is
//! told at once: a detector that has not spoken yet, a subject that was not named yet (at most [`AT_ONCE`] a detector), a
//! severity that rose. What repeats is counted and told once in [`UPDATE_NS`]. No clock: time comes with events.

use crate::detect::{Detector, Finding, Severity};
use crate::ledger::FileId;
use bstr::BString;
use sensor_common::key::ProcessKey;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Most incidents that are open at once.
pub const MAX_INCIDENTS: usize = 4096;
/// How long an incident stays open after its last finding.
pub const QUIET_NS: u64 = 3_600_000_000_000;
/// How often repetition is told.
pub const UPDATE_NS: u64 = 60_000_000_000;
/// Most subjects of a detector that are told at once.
const AT_ONCE: usize = 8;
/// Most lines of a timeline; the middle is left out.
const MAX_LINES: usize = 16;
/// Most names by which one incident is found.
const MAX_KEYS: usize = 256;

/// What findings have in common.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Key {
    Lineage(u32),
    Story(ProcessKey),
    File(FileId),
}

/// One incident.
#[derive(Debug)]
struct Incident {
    id: String,
    keys: Vec<Key>,
    severity: Severity,
    /// The worst of its findings by itself.
    worst: Severity,
    findings: u64,
    first_ns: u64,
    last_ns: u64,
    detectors: BTreeMap<Detector, BTreeSet<BString>>,
    placed: bool,
    timeline: Vec<(u64, String)>,
    told_ns: u64,
    told_severity: Option<Severity>,
    untold: u64,
    waiting: Option<Finding>,
}

/// What an alert says of its incident.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// `sensor.incident.id`.
    pub id: String,
    /// How bad the incident is, which may be worse than each of its findings.
    pub severity: Severity,
    /// 0 to 100.
    pub score: u8,
    /// How many findings so far.
    pub findings: u64,
    /// Of which were not told by an alert of their own since the last alert.
    pub untold: u64,
    /// When it began and was last seen, `CLOCK_BOOTTIME` nanoseconds.
    pub first_seen_boottime_ns: u64,
    /// The latest finding.
    pub last_seen_boottime_ns: u64,
    /// Which detectors have spoken.
    pub detectors: Vec<Detector>,
    /// What happened, in order: time and a line.
    pub timeline: Vec<(u64, String)>,
}

/// All incidents that are open.
#[derive(Default)]
pub struct Incidents {
    open: BTreeMap<u64, Incident>,
    by_key: HashMap<Key, u64>,
    last: u64,
}

impl Incidents {
    /// Takes a finding in. `subject` is what it is about, for telling news from repetition; `line` is the line of the
    /// timeline; `id` is that of the incident if it is a new one. Gives the incident, and the finding if it is told now.
    pub fn take(&mut self, finding: Finding, subject: BString, line: String, id: String) -> (Told, Option<Finding>) {
        let keys = keys(&finding);
        let now = finding.time_boottime_ns;
        let number = self.number(&keys, now, id);
        let Some(incident) = self.open.get_mut(&number) else {
            // Just made or found.
            return (blank(&finding), Some(finding));
        };
        for key in keys {
            if incident.keys.len() < MAX_KEYS && !incident.keys.contains(&key) {
                incident.keys.push(key);
                self.by_key.insert(key, number);
            }
        }
        let news = incident.add(&finding, subject, line);
        if news {
            incident.told(now);
            let told = incident.facts();
            incident.untold = 0;
            (told, Some(finding))
        } else {
            incident.untold += 1;
            incident.waiting = Some(finding);
            (incident.facts(), None)
        }
    }

    /// Repetition that has waited long enough, and the incidents it belongs to.
    pub fn due(&mut self, now: u64) -> Vec<(Told, Finding)> {
        let mut due = Vec::new();
        for incident in self.open.values_mut() {
            if now.saturating_sub(incident.told_ns) < UPDATE_NS {
                continue;
            }
            if let Some(mut finding) = incident.waiting.take() {
                // It tells of the incident as it is now.
                finding.time_boottime_ns = now;
                incident.told(now);
                due.push((incident.facts(), finding));
                incident.untold = 0;
            }
        }
        self.close(now);
        due
    }

    /// How many are open.
    pub fn len(&self) -> usize {
        self.open.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.open.is_empty()
    }

    /// Whether some repetition waits to be told.
    pub fn waiting(&self) -> bool {
        self.open.values().any(|incident| incident.waiting.is_some())
    }

    fn number(&mut self, keys: &[Key], now: u64, id: String) -> u64 {
        let of = |key: &Key| self.by_key.get(key).copied();
        let open = |number: &u64| {
            self.open.get(number).is_some_and(|incident| now.saturating_sub(incident.last_ns) < QUIET_NS)
        };
        if let Some(number) = keys.iter().filter_map(of).find(open) {
            return number;
        }
        if self.open.len() >= MAX_INCIDENTS {
            self.forget_quietest();
        }
        self.last += 1;
        self.open.insert(self.last, Incident::new(id, now));
        self.last
    }

    fn close(&mut self, now: u64) {
        let quiet = |incident: &Incident| now.saturating_sub(incident.last_ns) >= QUIET_NS;
        let over: Vec<u64> =
            self.open.iter().filter(|(_, incident)| quiet(incident)).map(|(number, _)| *number).collect();
        for number in over {
            self.forget(number);
        }
    }

    fn forget_quietest(&mut self) {
        if let Some(number) = self.open.iter().min_by_key(|(_, incident)| incident.last_ns).map(|(number, _)| *number) {
            self.forget(number);
        }
    }

    fn forget(&mut self, number: u64) {
        if let Some(incident) = self.open.remove(&number) {
            for key in incident.keys {
                if self.by_key.get(&key) == Some(&number) {
                    self.by_key.remove(&key);
                }
            }
        }
    }
}

fn keys(finding: &Finding) -> Vec<Key> {
    let mut keys = Vec::with_capacity(3);
    keys.extend(finding.file_id().map(Key::File));
    keys.push(Key::Story(finding.story));
    // What a person edited in a server's files is not what the server did; what a stranger put there may be what it then
    // runs.
    if (finding.in_lineage || finding.severity >= Severity::Medium) && finding.server != 0 {
        keys.push(Key::Lineage(finding.server));
    }
    keys
}

fn blank(finding: &Finding) -> Told {
    let mut incident = Incident::new(String::new(), finding.time_boottime_ns);
    incident.add(finding, BString::default(), String::new());
    incident.facts()
}

impl Incident {
    fn new(id: String, now: u64) -> Self {
        Self {
            id,
            keys: Vec::new(),
            severity: Severity::Info,
            worst: Severity::Info,
            findings: 0,
            first_ns: now,
            last_ns: now,
            detectors: BTreeMap::new(),
            placed: false,
            timeline: Vec::new(),
            told_ns: 0,
            told_severity: None,
            untold: 0,
            waiting: None,
        }
    }

    /// Adds a finding; says whether it is news.
    fn add(&mut self, finding: &Finding, subject: BString, line: String) -> bool {
        self.findings += 1;
        self.last_ns = self.last_ns.max(finding.time_boottime_ns);
        self.worst = self.worst.max(finding.severity);
        let weighs = finding.in_lineage || finding.severity >= Severity::Medium;
        self.placed |= finding.detector.places() && weighs;
        let ran = finding.detector.runs() || self.detectors.keys().any(|detector| detector.runs());
        // Something was put there, and something ran: each alone may be a mistake, both are a story.
        let together = if self.placed && ran { self.worst.raised() } else { self.worst };
        self.severity = self.severity.max(together);
        if self.timeline.len() == MAX_LINES {
            self.timeline.remove(MAX_LINES / 2);
        }
        self.timeline.push((finding.time_boottime_ns, line));
        let subjects = self.detectors.entry(finding.detector).or_default();
        let new_subject = subjects.len() < AT_ONCE && subjects.insert(subject);
        new_subject || self.told_severity.is_none_or(|told| self.severity > told)
    }

    fn told(&mut self, now: u64) {
        self.told_ns = now;
        self.told_severity = Some(self.severity);
        self.waiting = None;
    }

    fn facts(&self) -> Told {
        let others = self.detectors.len().saturating_sub(1).min(5) as u8;
        Told {
            id: self.id.clone(),
            severity: self.severity,
            score: (self.severity.number() + others * 3).min(100),
            findings: self.findings,
            untold: self.untold,
            first_seen_boottime_ns: self.first_ns,
            last_seen_boottime_ns: self.last_ns,
            detectors: self.detectors.keys().copied().collect(),
            timeline: self.timeline.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
