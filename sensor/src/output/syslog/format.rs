//! A line of JSON as an RFC 5424 message.
//!
//! What a receiver can rely on: PRI from the configured facility and the alert's severity, TIMESTAMP with microseconds in
//! UTC, HOSTNAME, APP-NAME `sensor`, PROCID the sensor's pid, MSGID the detector, one structured data element with the
//! event's id and severity, and MSG the JSON object without a newline.
//!
//! There is no byte order mark before MSG, though it is UTF-8: RFC 5424 (6.4) takes such a MSG as MSG-ANY, and with a mark
//! receivers would hand something to their JSON parsers that is no JSON.

use crate::detect::Severity;
use crate::output::Message;
use std::io;
use syslog_fmt::v5424::{Config, Formatter, Msg, write_data, write_msg, write_nil_value};
use syslog_fmt::{Facility, Severity as Level};

/// Our element of the structured data. The number is the one that IANA keeps for examples (RFC 5612): the sensor's project
/// has none of its own.
const ELEMENT: &str = "sensor@32473";
/// Longest HOSTNAME, by the RFC.
const MAX_HOST: usize = 255;

/// Turns messages into syslog's.
pub struct Format {
    formatter: Formatter,
}

impl Format {
    /// For this facility, as this host.
    pub fn new(facility: Facility, host: &str) -> Self {
        let host = printable(host);
        let pid = std::process::id().to_string();
        let config = Config { facility, hostname: host.as_deref(), app_name: Some("sensor"), proc_id: Some(&pid) };
        Self { formatter: config.into_formatter() }
    }

    /// One message, without framing. `now_unix_ns` is the TIMESTAMP of what is no alert.
    pub fn message(&self, message: &Message, now_unix_ns: u64) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(message.text.len() + 256);
        // Writing to a Vec does not fail.
        let _ = self.write(&mut bytes, message, now_unix_ns);
        bytes
    }

    fn write(&self, out: &mut Vec<u8>, message: &Message, now_unix_ns: u64) -> io::Result<()> {
        if let Some(alert) = &message.alert {
            let time = timestamp(alert.time_unix_ns);
            self.formatter.write_header(out, level(alert.severity), time.as_str(), Some(&alert.detector))?;
            write_data(out, [(ELEMENT, [("id", &*alert.id), ("severity", alert.severity.name())])])?;
        } else {
            self.formatter.write_header(out, Level::Debug, timestamp(now_unix_ns).as_str(), Some("event"))?;
            write_nil_value(out)?;
        }
        let json = message.text.strip_suffix('\n').unwrap_or(&message.text);
        write_msg(out, Msg::NonUnicodeBytes(json.as_bytes()))
    }
}

/// The words for facilities that a program other than the kernel and the mail system may use.
pub fn facility(word: &str) -> Facility {
    match word {
        "user" => Facility::User,
        "daemon" => Facility::Daemon,
        "auth" => Facility::Auth,
        "local0" => Facility::Local0,
        "local1" => Facility::Local1,
        "local2" => Facility::Local2,
        "local3" => Facility::Local3,
        "local4" => Facility::Local4,
        "local5" => Facility::Local5,
        "local6" => Facility::Local6,
        "local7" => Facility::Local7,
        _ => Facility::Authpriv,
    }
}

/// Not higher than crit: syslog daemons write `emerg` on every terminal, and some do so with `alert`.
const fn level(severity: Severity) -> Level {
    match severity {
        Severity::Critical => Level::Crit,
        Severity::High => Level::Err,
        Severity::Medium => Level::Warning,
        Severity::Low => Level::Notice,
        Severity::Info => Level::Info,
    }
}

/// RFC 5424 has six digits at most.
fn timestamp(unix_ns: u64) -> String {
    jiff::Timestamp::from_nanosecond(i128::from(unix_ns)).map_or_else(|_| "-".to_owned(), |time| format!("{time:.6}"))
}

/// HOSTNAME is printable ASCII without spaces; a name that has nothing of it is unknown.
fn printable(host: &str) -> Option<String> {
    let host: String = host.chars().filter(char::is_ascii_graphic).take(MAX_HOST).collect();
    (!host.is_empty()).then_some(host)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::Meta;

    fn shown(severity: Severity, text: &str) -> String {
        let alert = Meta {
            id: "0123abcd".into(),
            severity,
            time_unix_ns: 1_795_000_000_123_456_789,
            detector: "server-shell".into(),
        };
        let message = Message { text: text.into(), alert: Some(alert) };
        String::from_utf8(Format::new(Facility::Authpriv, "web 1.example").message(&message, 0)).unwrap()
    }

    #[test]
    fn an_alert_is_laid_out_as_the_rfc_says() {
        let pid = std::process::id();
        assert_eq!(
            shown(Severity::Critical, "{\"a\":\"ü\\\"\"}\n"),
            format!(
                "<82>1 2026-11-18T11:06:40.123456Z web1.example sensor {pid} server-shell \
                 [sensor@32473 id=\"0123abcd\" severity=\"critical\"] {{\"a\":\"ü\\\"\"}}"
            )
        );
    }

    #[test]
    fn severities_are_syslogs_from_crit_to_info() {
        let levels = Severity::ALL.map(|severity| shown(severity, "{}\n").split_once('>').unwrap().0.to_owned());
        assert_eq!(levels, ["<86", "<85", "<84", "<83", "<82"]);
    }

    #[test]
    fn an_event_says_so_and_an_unknown_host_is_nil() {
        let message = Message { text: "{}\n".into(), alert: None };
        let text = String::from_utf8(Format::new(facility("local3"), "").message(&message, 1_000)).unwrap();
        let pid = std::process::id();
        assert_eq!(text, format!("<159>1 1970-01-01T00:00:00.000001Z - sensor {pid} event - {{}}"));
    }
}
