//! Values of single fields: ids, times, texts that may not be UTF-8.

use crate::detect::Finding;
use crate::host::Host;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sensor_common::key::ProcessKey;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::fmt::Write;

/// A stable id of a process: of the machine, its boot, the pid and its start.
pub fn entity_id(host: &Host, key: ProcessKey) -> String {
    digest(host, &[u64::from(key.tgid), key.start_boottime_ns], "")
}

/// A stable id of an alert: the same in a replay.
pub fn event_id(host: &Host, finding: &Finding) -> String {
    let numbers = [u64::from(finding.story.tgid), finding.story.start_boottime_ns, finding.time_boottime_ns];
    let path = finding.file.as_ref().map_or_else(String::new, |file| file.path.to_string());
    digest(host, &numbers, &format!("{}{path}", finding.detector.id()))
}

/// The id of the incident that a finding begins.
pub fn incident_id(host: &Host, finding: &Finding) -> String {
    digest(
        host,
        &[finding.server.into(), finding.story.tgid.into(), finding.story.start_boottime_ns, finding.time_boottime_ns],
        "incident",
    )
}

fn digest(host: &Host, numbers: &[u64], text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(host.id.as_bytes());
    hash.update((host.boot_time_unix_ns / 1_000_000_000).to_le_bytes());
    for number in numbers {
        hash.update(number.to_le_bytes());
    }
    hash.update(text.as_bytes());
    let mut id = String::with_capacity(32);
    for byte in hash.finalize().iter().take(16) {
        // Writing to a String cannot fail.
        let _ = write!(id, "{byte:02x}");
    }
    id
}

/// RFC 3339, UTC, to the nanosecond as far as it is not zero.
pub fn timestamp(unix_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).map_or_else(|_| String::new(), |time| time.to_string())
}

/// Turns bytes into JSON strings and remembers the true bytes of those that are not UTF-8.
#[derive(Default)]
pub struct Text {
    raw: Map<String, Value>,
    /// Longest text that is kept whole, in characters.
    pub most: usize,
}

impl Text {
    /// With a longest text.
    pub fn with_most(most: usize) -> Self {
        Self { raw: Map::new(), most }
    }

    /// The string for `field`.
    pub fn of(&mut self, field: &str, bytes: &[u8]) -> Value {
        let text = String::from_utf8_lossy(bytes);
        if matches!(text, std::borrow::Cow::Owned(_)) {
            let kept = &bytes[..bytes.len().min(self.most)];
            self.raw.insert(field.to_owned(), Value::String(STANDARD.encode(kept)));
        }
        Value::String(cut(&text, self.most))
    }

    /// `sensor.raw`, if there is anything in it.
    pub fn raw(self) -> Option<Value> {
        (!self.raw.is_empty()).then_some(Value::Object(self.raw))
    }
}

/// A text of at most `most` characters; a cut one ends in an ellipsis.
pub fn cut(text: &str, most: usize) -> String {
    match text.char_indices().nth(most) {
        None => text.to_owned(),
        Some((end, _)) => format!("{}\u{2026}", &text[..end]),
    }
}
