//! Holds what sensors say against the schemas in docs/: each alert, and of events the first of each kind.
//!
//! Comes in: the lines that all ears of this process take in. Goes out: one [`Check`] at the end of a command, which fails with
//! the first reasons. Always holds: a schema is compiled once, and nothing is fetched.

use crate::report::Check;
use anyhow::{Result, bail};
use jsonschema::Validator;
use serde_json::Value;
use std::collections::HashMap;
use std::sync::{LazyLock, Mutex};

/// Most events of one kind that are looked at: in an emulated machine each takes long.
const EVENTS_OF_A_KIND: u64 = 100;
/// Most reasons that are told.
const MAX_REASONS: usize = 5;

static ALERT: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| compile(include_str!("../../docs/alert.schema.json")));
static EVENT: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| compile(include_str!("../../docs/event.schema.json")));
static HEARD: LazyLock<Mutex<Heard>> = LazyLock::new(Mutex::default);

/// What was looked at so far.
#[derive(Default)]
struct Heard {
    alerts: u64,
    events: HashMap<String, u64>,
    wrong: u64,
    reasons: Vec<String>,
}

fn compile(text: &str) -> Result<Validator, String> {
    let schema: Value = serde_json::from_str(text).map_err(|error| error.to_string())?;
    jsonschema::options().should_validate_formats(true).build(&schema).map_err(|error| error.to_string())
}

/// Looks at a line.
pub fn look(line: &Value) {
    if let Ok(mut heard) = HEARD.lock() {
        heard.take(line);
    }
}

/// How everything that was looked at came out, announced already.
pub fn announced() -> Check {
    let result = HEARD.lock().map_err(|_| anyhow::anyhow!("a look failed")).and_then(|heard| heard.result());
    let check = Check::of("schema", result, 0.0);
    check.announce();
    check
}

impl Heard {
    fn take(&mut self, line: &Value) {
        let schema = if line["event"]["kind"] == "alert" {
            self.alerts += 1;
            &*ALERT
        } else {
            let action = line["event"]["action"].as_str().unwrap_or_default();
            let count = self.events.entry(action.to_owned()).or_default();
            *count += 1;
            if *count > EVENTS_OF_A_KIND {
                return;
            }
            &*EVENT
        };
        let wrong: Vec<String> = match schema {
            Ok(schema) => schema.iter_errors(line).map(|error| format!("{}: {error}", error.instance_path())).collect(),
            Err(error) => vec![error.clone()],
        };
        if wrong.is_empty() {
            return;
        }
        self.wrong += 1;
        if self.reasons.len() < MAX_REASONS {
            self.reasons.push(format!("{} in {line}", wrong.join("; ")));
        }
    }

    fn result(&self) -> Result<String> {
        if self.wrong > 0 {
            let reasons = self.reasons.join("\n");
            bail!("{} lines are not as docs/alert.schema.json or docs/event.schema.json says:\n{reasons}", self.wrong);
        }
        let events: u64 = self.events.values().map(|count| (*count).min(EVENTS_OF_A_KIND)).sum();
        Ok(format!("{} alerts and {events} events of {} kinds are valid", self.alerts, self.events.len()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn both_schemas_can_be_used() {
        assert_eq!(ALERT.as_ref().err(), None);
        assert_eq!(EVENT.as_ref().err(), None);
    }

    #[test]
    fn what_is_no_alert_is_told_with_the_reason() {
        let mut heard = Heard::default();
        heard.take(&json!({"event": {"kind": "alert"}}));
        let error = heard.result().unwrap_err().to_string();
        assert!(error.contains("@timestamp") && error.contains("1 lines"), "{error}");
        let mut heard = Heard::default();
        heard.take(&json!({"event": {"kind": "event", "action": "fork"}}));
        assert!(heard.result().is_err());
        assert!(Heard::default().result().is_ok());
    }
}
