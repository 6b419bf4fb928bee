//! Whether alerts and events are as docs/alert.schema.json and docs/event.schema.json say.

use crate::alert::Alert;
use crate::event::Event;
use crate::pipeline::Core;
use jsonschema::Validator;
use serde_json::Value;
use std::sync::LazyLock;

/// The schema of alerts.
pub static ALERT_SCHEMA: LazyLock<Validator> = LazyLock::new(|| compiled(&crate::reference::alert_schema()));
static EVENT: LazyLock<Validator> = LazyLock::new(|| compiled(&crate::reference::event_schema()));

fn compiled(schema: &str) -> Validator {
    let schema: Value = serde_json::from_str(schema).unwrap();
    jsonschema::options().should_validate_formats(true).build(&schema).unwrap()
}

/// The alert as it goes out; fails with the reasons if it is not valid, or longer than it may be.
pub fn valid(alert: &Alert) -> Value {
    let line = alert.to_json();
    assert!(line.len() <= 4096, "{} bytes: {line}", line.len());
    kept_to(&ALERT_SCHEMA, &line)
}

/// The same of an event that the core has taken in.
pub fn valid_event(event: &Event, core: &Core) {
    if let Some(line) = crate::output::event_json(event, core) {
        kept_to(&EVENT, &line);
    }
}

fn kept_to(schema: &Validator, line: &str) -> Value {
    let value: Value = serde_json::from_str(line).unwrap();
    let wrong: Vec<String> =
        schema.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
    assert!(wrong.is_empty(), "{}\n{value:#}", wrong.join("\n"));
    value
}
