//! What a story expects, and whether what was seen is that.
//!
//! Comes in: the alerts of one story, whoever played it. Goes out: a verdict with what decided. It knows nothing of how
//! the story was played.

use super::Seen;
use serde::Deserialize;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};

/// The key under which the time stands at which a line was heard.
pub const ARRIVED: &str = crate::ear::ARRIVED;

/// How bad something is, in the sensor's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Odd.
    Low,
    /// To be looked at.
    Medium,
    /// To be looked at now.
    High,
    /// Somebody is in.
    Critical,
}

impl Severity {
    /// The sensor's word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }

    /// What an alert says; what it does not say counts as the worst, so that a benign story does not pass by it.
    fn of(alert: &Value) -> Self {
        serde_json::from_value(alert["sensor"]["severity"].clone()).unwrap_or(Self::Critical)
    }
}

/// What the sensor has to say.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
pub enum Expectation {
    /// All these detectors in one incident, which is at least so bad.
    Attack {
        /// Detectors' ids.
        detectors: Vec<String>,
        /// The least.
        min_severity: Severity,
    },
    /// Nothing worse than this.
    Benign {
        /// The most.
        max_severity: Severity,
    },
}

impl std::fmt::Display for Expectation {
    fn fmt(&self, out: &mut std::fmt::Formatter) -> std::fmt::Result {
        match self {
            Self::Attack { detectors, min_severity } => {
                write!(out, "{} {}", detectors.join("+"), min_severity.name())
            }
            Self::Benign { max_severity } => write!(out, "at most {}", max_severity.name()),
        }
    }
}

/// How a story came out.
#[derive(Clone, Debug)]
pub struct Verdict {
    /// As expected.
    pub passed: bool,
    /// What was seen: detectors and the highest severity, by incident.
    pub seen: String,
    /// When the alert came that made it complete, or that was too much; boot time.
    pub decided_boottime_ns: Option<u64>,
}

/// What is known of one incident.
#[derive(Default)]
struct Incident {
    detectors: BTreeSet<String>,
    severity: Option<Severity>,
}

/// Compares.
pub fn judge(expectation: &Expectation, seen: &Seen) -> Verdict {
    let mut incidents: BTreeMap<String, Incident> = BTreeMap::new();
    let mut decided = None;
    for alert in &seen.alerts {
        let incident = incidents.entry(alert["sensor"]["incident"]["id"].to_string()).or_default();
        incident.detectors.extend(alert["rule"]["id"].as_str().map(str::to_owned));
        let severity = Severity::of(alert);
        incident.severity = incident.severity.max(Some(severity));
        let enough = match expectation {
            Expectation::Attack { detectors, min_severity } => {
                incident.severity >= Some(*min_severity)
                    && detectors.iter().all(|wanted| incident.detectors.contains(wanted))
            }
            Expectation::Benign { max_severity } => severity > *max_severity,
        };
        if enough && decided.is_none() {
            decided = Some(alert[ARRIVED].as_u64());
        }
    }
    let shown = incidents.values().map(|incident| {
        let detectors: Vec<&str> = incident.detectors.iter().map(String::as_str).collect();
        format!("{} {}", detectors.join("+"), incident.severity.map_or("?", Severity::name))
    });
    let shown: Vec<String> = shown.collect();
    Verdict {
        passed: decided.is_some() == matches!(expectation, Expectation::Attack { .. }),
        seen: if shown.is_empty() { "nothing".to_owned() } else { shown.join(" | ") },
        decided_boottime_ns: decided.flatten(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn alert(incident: &str, rule: &str, severity: &str, arrived: u64) -> Value {
        json!({"rule": {"id": rule}, "sensor": {"severity": severity, "incident": {"id": incident}}, ARRIVED: arrived})
    }

    fn verdict(expectation: &Expectation, alerts: Vec<Value>) -> Verdict {
        judge(expectation, &Seen { alerts, acted_boottime_ns: 0 })
    }

    fn attack(detectors: &[&str]) -> Expectation {
        let detectors = detectors.iter().map(|&detector| detector.to_owned()).collect();
        Expectation::Attack { detectors, min_severity: Severity::High }
    }

    #[test]
    fn all_detectors_have_to_be_in_one_incident() {
        let expected = attack(&["component-write", "server-shell"]);
        let write = alert("1", "component-write", "high", 5);
        let apart = verdict(&expected, vec![write.clone(), alert("2", "server-shell", "high", 6)]);
        assert!(!apart.passed);
        let together = verdict(&expected, vec![write, alert("1", "server-shell", "low", 7)]);
        assert!(together.passed);
        assert_eq!(together.decided_boottime_ns, Some(7));
    }

    #[test]
    fn the_severity_has_to_be_reached() {
        let expected = attack(&["server-shell"]);
        assert!(!verdict(&expected, vec![alert("1", "server-shell", "medium", 1)]).passed);
        assert!(verdict(&expected, vec![alert("1", "server-shell", "critical", 1)]).passed);
        assert!(!verdict(&expected, vec![]).passed);
    }

    #[test]
    fn what_is_benign_may_be_said_quietly() {
        let expected = Expectation::Benign { max_severity: Severity::Info };
        assert!(verdict(&expected, vec![]).passed);
        assert!(verdict(&expected, vec![alert("1", "component-write", "info", 1)]).passed);
        assert!(!verdict(&expected, vec![alert("1", "component-write", "low", 1)]).passed);
        assert!(!verdict(&expected, vec![alert("1", "component-write", "unheard of", 1)]).passed);
    }
}
