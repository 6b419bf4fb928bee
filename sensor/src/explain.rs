//! Says of an alert why it was told, and which exception would silence it and nothing else.
//!
//! Comes in: an alert. Goes out: text and TOML. No IO.

use crate::alert::{Alert, printable, timestamp};
use crate::catalogue::plain_command_line;
use serde_json::{Value, json};
use std::fmt::Write;

/// Days after which a suggested exception expires.
const DAYS: i64 = 180;

/// Everything there is to say.
pub fn explain(alert: &Alert) -> Value {
    json!({
        "id": alert.id,
        "detector": alert.detector.id(),
        "severity": alert.severity.name(),
        "time": timestamp(alert.time_unix_ns),
        "why": alert.why,
        "incident": {
            "id": alert.incident.id,
            "severity": alert.incident.severity.name(),
            "score": alert.incident.score,
            "findings": alert.incident.findings,
            "detectors": alert.incident.detectors.iter().map(|detector| detector.id()).collect::<Vec<_>>(),
            "timeline": alert.incident.timeline.iter().map(|(_, line)| line).collect::<Vec<_>>(),
        },
        "exception": exception(alert),
    })
}

/// The narrowest exception that covers this alert's finding, as TOML; only a comment where there is none that is narrow.
pub fn exception(alert: &Alert) -> String {
    let program = alert.story.as_ref().unwrap_or(&alert.process);
    if alert.file.is_none() && program.image.argv_cut {
        return "# None: the command line was longer than what is kept, and an exception would cover whatever followed.\n"
            .to_owned();
    }
    let mut toml = String::from("[[exception]]\n");
    let mut line = |key: &str, value: &str| {
        // Writing to a String cannot fail.
        let _ = writeln!(toml, "{key} = {}", toml::Value::String(value.to_owned()));
    };
    line("detector", alert.detector.id());
    if let Some(server) = &alert.server {
        line("server", &server.id);
    }
    line("exe", &literal(&program.image.executable));
    match &alert.file {
        Some(file) => line("path", &literal(&file.path)),
        None => line("args", &literal(&plain_command_line(&program.image))),
    }
    line("reason", "say here why this is normal");
    let expires = jiff::Timestamp::from_nanosecond(i128::from(alert.time_unix_ns))
        .ok()
        .and_then(|now| now.to_zoned(jiff::tz::TimeZone::UTC).date().checked_add(jiff::Span::new().days(DAYS)).ok());
    if let Some(expires) = expires {
        line("expires", &expires.to_string());
    }
    toml
}

/// A text as a pattern that means just that text. TOML is UTF-8: for bytes that are not, `*` stands.
fn literal(text: &[u8]) -> String {
    let mut pattern = String::with_capacity(text.len());
    for chunk in text.utf8_chunks() {
        for letter in chunk.valid().chars() {
            if "*?[]{}\\!".contains(letter) {
                pattern.push('\\');
            }
            pattern.push(letter);
        }
        if !chunk.invalid().is_empty() {
            pattern.push('*');
        }
    }
    pattern
}

/// The explanation for people, at 80 columns.
pub fn text(explained: &Value) -> String {
    let mut out = String::new();
    let field = |value: &Value| printable(value.as_str().unwrap_or_default());
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let incident = &explained["incident"];
    let _ = writeln!(
        out,
        "{} ({}) at {}",
        field(&explained["detector"]),
        field(&explained["severity"]),
        field(&explained["time"])
    );
    out.push_str("\nWhy:\n");
    for why in list(&explained["why"]) {
        let _ = writeln!(out, "  - {}", field(&why));
    }
    let _ = writeln!(
        out,
        "\nIncident {}: {}, score {}, {} findings\n",
        field(&incident["id"]),
        field(&incident["severity"]),
        incident["score"],
        incident["findings"]
    );
    for line in list(&incident["timeline"]) {
        let _ = writeln!(out, "  {}", field(&line));
    }
    out.push_str("\nIf this is normal, this in sensor.toml silences it and nothing else:\n\n");
    out.push_str(explained["exception"].as_str().unwrap_or_default());
    out
}

#[cfg(test)]
mod tests;
