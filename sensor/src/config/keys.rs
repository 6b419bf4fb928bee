//! The keys of the configuration: their names, what each may hold, its default, what it does.
//!
//! Always holds: this is the one place where keys are named. Reading, checks and the reference come from it.

use std::fmt;

/// A key that may be written.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// Its dotted name.
    pub name: &'static str,
    /// What it may hold.
    pub kind: Kind,
    /// Its default, as TOML.
    pub default: &'static str,
    /// What it does.
    pub about: &'static str,
}

/// What a key may hold.
#[derive(Clone, Copy, Debug)]
pub enum Kind {
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// Any text that is not empty.
    Text,
    /// A text, or none.
    Optional,
    /// A list of texts.
    Texts,
    /// true or false.
    Truth,
    /// A whole number between these.
    Number(u64, u64),
}

const fn key(name: &'static str, kind: Kind, default: &'static str, about: &'static str) -> Key {
    Key { name, kind, default, about }
}

/// Sections that are taken over while the sensor runs. So is `[[exception]]`.
const LIVE: [&str; 2] = ["catalogue.", "output."];

impl Key {
    /// Whether a new value takes effect only when the sensor is started again; else a reload (SIGHUP) takes it over.
    pub fn needs_restart(&self) -> bool {
        !LIVE.iter().any(|live| self.name.starts_with(live))
    }
}

const INCLUDE: Kind = Kind::OneOf(&["alerts", "events"]);
const FACILITIES: Kind = Kind::OneOf(&[
    "user", "daemon", "auth", "authpriv", "local0", "local1", "local2", "local3", "local4", "local5", "local6",
    "local7",
]);
const RING: Kind = Kind::Number(4096, 1 << 30);

const CA: &str = "PEM file with the authorities that are trusted over TLS; \"\": those that the system trusts";
const CERT: &str = "PEM file with our own certificate for TLS, if the server wants one";

/// Every key outside `[[exception]]`.
pub const KEYS: &[Key] = &[
    key("kernel.hooks", Kind::OneOf(&["auto", "trampoline", "tracepoint"]), "\"auto\"", "which hook set to use"),
    key("kernel.process_ring_bytes", RING, "4194304", "ring of fork, exec and exit; a power of two"),
    key("kernel.activity_ring_bytes", RING, "2097152", "ring of everything else; a power of two"),
    key(
        "catalogue.extra",
        Kind::Texts,
        "[\"/etc/sensor/catalogue.d\"]",
        "catalogue files, or directories of *.toml, that extend or override the embedded ones",
    ),
    key("output.stdout.enabled", Kind::Truth, "true", "write to standard output"),
    key("output.stdout.format", Kind::OneOf(&["pretty", "json"]), "\"pretty\"", "for people, or a JSON object a line"),
    key("output.stdout.include", INCLUDE, "\"alerts\"", "alerts only, or every event too"),
    key("output.file.enabled", Kind::Truth, "false", "write JSON lines to a file"),
    key("output.file.path", Kind::Text, "\"/var/log/sensor/alerts.ndjson\"", "the file"),
    key("output.file.max_bytes", Kind::Number(4096, 1 << 40), "104857600", "size at which a new file is begun"),
    key("output.file.keep", Kind::Number(0, 1000), "5", "how many older files are kept"),
    key("output.file.include", INCLUDE, "\"alerts\"", "alerts only, or every event too"),
    key("output.syslog.enabled", Kind::Truth, "false", "send RFC 5424 messages to a syslog daemon"),
    key(
        "output.syslog.address",
        Kind::Text,
        "\"unix:/dev/log\"",
        "where it listens: unix:/PATH, tcp://HOST:PORT or tls://HOST:PORT",
    ),
    key("output.syslog.facility", FACILITIES, "\"authpriv\"", "the facility of every message"),
    key("output.syslog.ca_file", Kind::Optional, "\"\"", CA),
    key("output.syslog.cert_file", Kind::Optional, "\"\"", CERT),
    key("output.syslog.key_file", Kind::Optional, "\"\"", "the key of cert_file"),
    key("output.syslog.include", INCLUDE, "\"alerts\"", "alerts only, or every event too"),
    key("output.nats.enabled", Kind::Truth, "false", "publish to NATS JetStream"),
    key(
        "output.nats.url",
        Kind::Text,
        "\"nats://127.0.0.1:4222\"",
        "the server: nats://HOST:PORT or tls://HOST:PORT; several of a cluster with commas between",
    ),
    key("output.nats.subject", Kind::Text, "\"sensor.alerts\"", "the subject of every message"),
    key("output.nats.stream", Kind::Text, "\"SENSOR\"", "the stream that must take the subject"),
    key("output.nats.create_stream", Kind::Truth, "false", "make the stream where it does not exist"),
    key(
        "output.nats.stream_max_bytes",
        Kind::Number(1 << 20, 1 << 50),
        "1073741824",
        "what a stream that is made keeps; the oldest messages make room",
    ),
    key("output.nats.stream_max_hours", Kind::Number(1, 87600), "168", "how long it keeps a message"),
    key("output.nats.credentials_file", Kind::Optional, "\"\"", "a .creds file"),
    key("output.nats.token_file", Kind::Optional, "\"\"", "a file that holds a token"),
    key("output.nats.user", Kind::Optional, "\"\"", "a user, whose password is in password_file"),
    key("output.nats.password_file", Kind::Optional, "\"\"", "a file that holds the user's password"),
    key("output.nats.ca_file", Kind::Optional, "\"\"", CA),
    key("output.nats.cert_file", Kind::Optional, "\"\"", CERT),
    key("output.nats.key_file", Kind::Optional, "\"\"", "the key of cert_file"),
    key("output.nats.include", INCLUDE, "\"alerts\"", "alerts only, or every event too"),
    key("output.webhook.enabled", Kind::Truth, "false", "send JSON lines to an HTTP server, by POST"),
    key(
        "output.webhook.url",
        Kind::Optional,
        "\"\"",
        "where to: http:// or https://, without user and password; must be set if it is enabled",
    ),
    key(
        "output.webhook.token_file",
        Kind::Optional,
        "\"\"",
        "file with a bearer token, read anew for each request; \"\" for none",
    ),
    key("output.webhook.ca_file", Kind::Optional, "\"\"", CA),
    key("output.webhook.batch_max", Kind::Number(1, 10_000), "256", "most lines of a request"),
    key(
        "output.webhook.timeout_seconds",
        Kind::Number(1, 60),
        "10",
        "how long a request may take, connecting included",
    ),
    key("output.webhook.include", INCLUDE, "\"alerts\"", "alerts only, or every event too"),
    key(
        "spool.path",
        Kind::Text,
        "\"/var/lib/sensor/spool\"",
        "directory where alerts wait for an output that is down, through restarts too; \"off\" for none",
    ),
    key("spool.max_bytes", Kind::Number(65_536, 1 << 40), "268435456", "most bytes of such alerts, for each output"),
    key("metrics.listen", Kind::Text, "\"127.0.0.1:9842\"", "/metrics, /healthz and /readyz; \"off\" for none"),
    key(
        "state.path",
        Kind::Text,
        "\"/var/lib/sensor/state.db\"",
        "what is learned is kept here; an absolute path that ends in .db, or \"off\" for none",
    ),
    key(
        "baseline.learning_hours",
        Kind::Number(1, 8760),
        "24",
        "how long a server is watched, at least, before a new child of it is a finding",
    ),
    key(
        "agent.socket",
        Kind::Text,
        "\"/run/sensor/sensor.sock\"",
        "where sensor tree, status, servers and baseline ask",
    ),
    key(
        "agent.seccomp",
        Kind::OneOf(&["on", "log", "off"]),
        "\"on\"",
        "system calls that the agent has no use for once its hooks are attached: refused and counted, or let through and \
         logged by the kernel, or not filtered; docs/privileges.md lists those that it uses",
    ),
];

impl Kind {
    /// Whether a value is of this kind, and within its bounds.
    pub fn takes(self, value: &toml::Value) -> bool {
        match (self, value) {
            (Self::OneOf(words), toml::Value::String(word)) => words.contains(&word.as_str()),
            (Self::Text, toml::Value::String(text)) => !text.is_empty(),
            (Self::Texts, toml::Value::Array(list)) => list.iter().all(toml::Value::is_str),
            (Self::Truth, toml::Value::Boolean(_)) | (Self::Optional, toml::Value::String(_)) => true,
            (Self::Number(least, most), toml::Value::Integer(number)) => {
                u64::try_from(*number).is_ok_and(|number| (least..=most).contains(&number))
            }
            _ => false,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneOf(words) => f.write_str(&words.join(", ")),
            Self::Text => f.write_str("a text"),
            Self::Optional => f.write_str("a text, or \"\" for none"),
            Self::Texts => f.write_str("a list of texts"),
            Self::Truth => f.write_str("true, false"),
            Self::Number(least, most) => write!(f, "a whole number from {least} to {most}"),
        }
    }
}

/// Whether keys begin with this and a dot.
pub(super) fn is_section(key: &str) -> bool {
    KEYS.iter().any(|known| known.name.strip_prefix(key).is_some_and(|rest| rest.starts_with('.')))
}

/// The keys of the same section, or all sections.
pub(super) fn in_same_section(key: &str) -> String {
    let section = key.rsplit_once('.').map_or("", |(section, _)| section);
    let sections = KEYS.iter().filter_map(|known| known.name.rsplit_once('.'));
    let same: Vec<&str> = KEYS
        .iter()
        .map(|known| known.name)
        .filter(|name| name.rsplit_once('.').is_some_and(|(of, _)| of == section))
        .collect();
    if !same.is_empty() {
        return same.join(", ");
    }
    let mut all: Vec<&str> = sections.map(|(section, _)| section).chain(["exception"]).collect();
    all.dedup();
    all.join(", ")
}
