//! `[output.*]` and `[spool]`: where alerts go.

mod nats;
mod syslog;
mod tls;

pub use nats::{Credentials, Nats, Urls};
pub use syslog::{Address, Syslog};
pub use tls::Identity;

use super::raw::Raw;
use std::path::PathBuf;
use std::time::Duration;

/// All outputs.
#[derive(Clone, Debug)]
pub struct Outputs {
    /// `[output.stdout]`.
    pub stdout: Stdout,
    /// `[output.file]`.
    pub file: File,
    /// `[output.syslog]`.
    pub syslog: Syslog,
    /// `[output.nats]`.
    pub nats: Nats,
    /// `[output.webhook]`.
    pub webhook: Webhook,
    /// `[spool]`.
    pub spool: Spool,
}

/// `[spool]`: what waits for an output that is down.
#[derive(Clone, Debug)]
pub struct Spool {
    /// The directory, absolute; `None` when it is `"off"`.
    pub path: Option<PathBuf>,
    /// Most bytes of alerts, for each output.
    pub max_bytes: u64,
}

/// What an output gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Include {
    /// Alerts.
    Alerts,
    /// Every event, and alerts.
    Events,
}

/// How standard output shows alerts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// For people.
    Pretty,
    /// A JSON object a line.
    Json,
}

/// `[output.stdout]`.
#[derive(Clone, Copy, Debug)]
pub struct Stdout {
    /// Whether to write there at all.
    pub enabled: bool,
    /// For people or for programs.
    pub format: Format,
    /// Alerts, or events too.
    pub include: Include,
}

/// `[output.file]`: always JSON lines.
#[derive(Clone, Debug)]
pub struct File {
    /// Whether to write there at all.
    pub enabled: bool,
    /// The file; older ones are beside it with `.1`, `.2` and so on.
    pub path: PathBuf,
    /// Bytes after which a new file is begun.
    pub max_bytes: u64,
    /// How many older files are kept.
    pub keep: u32,
    /// Alerts, or events too.
    pub include: Include,
}

/// `[output.webhook]`: always JSON lines.
#[derive(Clone, Debug)]
pub struct Webhook {
    /// Whether to send there at all.
    pub enabled: bool,
    /// Where to; it may hold a secret in its path, so it is not logged.
    pub url: String,
    /// File with a bearer token.
    pub token_file: Option<PathBuf>,
    /// File with certificates to trust instead of the system's.
    pub ca_file: Option<PathBuf>,
    /// Most lines of a request.
    pub batch_max: usize,
    /// How long a request may take.
    pub timeout: Duration,
    /// Alerts, or events too.
    pub include: Include,
}

impl Webhook {
    /// Whether the server is on this machine.
    pub fn is_local(&self) -> bool {
        matches!(host(&self.url), Some("localhost" | "127.0.0.1" | "[::1]"))
    }

    fn resolve(raw: &mut Raw) -> Self {
        let webhook = Self {
            enabled: enabled(raw, "output.webhook.enabled", cfg!(feature = "webhook"), "webhook"),
            url: raw.word("output.webhook.url"),
            token_file: tls::file(raw, "output.webhook.token_file"),
            ca_file: tls::file(raw, "output.webhook.ca_file"),
            batch_max: raw.number("output.webhook.batch_max") as usize,
            timeout: Duration::from_secs(raw.number("output.webhook.timeout_seconds")),
            include: include(raw, "output.webhook.include"),
        };
        if (webhook.enabled || !webhook.url.is_empty()) && host(&webhook.url).is_none() {
            raw.refuse_unsaid(
                "output.webhook.url",
                "http://HOST or https://HOST with a port and path, and no user or password",
            );
        }
        webhook
    }
}

/// The host of an HTTP address without user and password, in brackets if it is one of IPv6.
fn host(url: &str) -> Option<&str> {
    let rest = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let authority = rest.split(['/', '?', '#']).next()?;
    let odd = |c: char| c.is_whitespace() || c.is_control();
    if authority.contains('@') || url.contains(odd) {
        return None;
    }
    let (host, port) = match authority.rsplit_once(':') {
        Some((host, port)) if !port.ends_with(']') => (host, Some(port)),
        _ => (authority, None),
    };
    let port_fits = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port > 0));
    (!host.is_empty() && port_fits).then_some(host)
}

/// Whether an output is enabled; one that was not built in is a problem.
fn enabled(raw: &mut Raw, key: &'static str, built: bool, feature: &str) -> bool {
    let enabled = raw.truth(key);
    if enabled && !built {
        raw.refuse(key, &format!("false: this sensor was built without the cargo feature {feature}"));
    }
    enabled
}

impl Outputs {
    pub(super) fn resolve(raw: &mut Raw) -> Self {
        let format = match raw.word("output.stdout.format").as_str() {
            "json" => Format::Json,
            _ => Format::Pretty,
        };
        Self {
            stdout: Stdout {
                enabled: raw.truth("output.stdout.enabled"),
                format,
                include: include(raw, "output.stdout.include"),
            },
            file: File {
                enabled: raw.truth("output.file.enabled"),
                path: PathBuf::from(raw.word("output.file.path")),
                max_bytes: raw.number("output.file.max_bytes"),
                keep: raw.number("output.file.keep") as u32,
                include: include(raw, "output.file.include"),
            },
            syslog: Syslog::resolve(raw),
            nats: Nats::resolve(raw),
            webhook: Webhook::resolve(raw),
            spool: Spool { path: directory(raw, "spool.path"), max_bytes: raw.number("spool.max_bytes") },
        }
    }
}

fn include(raw: &mut Raw, key: &'static str) -> Include {
    if raw.word(key) == "events" { Include::Events } else { Include::Alerts }
}

fn directory(raw: &mut Raw, key: &'static str) -> Option<PathBuf> {
    let word = raw.word(key);
    if word == "off" {
        return None;
    }
    let path = PathBuf::from(word);
    if !path.is_absolute() {
        raw.refuse(key, "an absolute path, or \"off\"");
    }
    Some(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_taken_apart() {
        for (url, wanted) in [
            ("https://alerts.example.org/in?key=1", Some("alerts.example.org")),
            ("http://127.0.0.1:8080", Some("127.0.0.1")),
            ("http://[::1]:8080/x", Some("[::1]")),
            ("https://[::1]", Some("[::1]")),
            ("https://user:secret@example.org/", None),
            ("https://example.org:0/", None),
            ("https://example.org:99999/", None),
            ("https:///path", None),
            ("https://a b/", None),
            ("ftp://example.org", None),
            ("", None),
        ] {
            assert_eq!(host(url), wanted, "{url}");
        }
    }
}
