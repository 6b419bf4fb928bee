//! `[output.syslog]`.

use super::tls::{Identity, Names, identity};
use super::{Include, include};
use crate::config::raw::Raw;
use std::fmt;
use std::path::PathBuf;

/// What an address may be, for errors.
const ALLOWED: &str = "unix:/PATH, tcp://HOST:PORT or tls://HOST:PORT (an IPv6 address in brackets)";
/// RFC 5425's port; RFC 6587 names none for plain TCP, so there it must be written.
const TLS_PORT: u16 = 6514;

/// `[output.syslog]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Syslog {
    /// Whether to send there at all.
    pub enabled: bool,
    /// Where the daemon listens.
    pub address: Address,
    /// The facility's word.
    pub facility: String,
    /// For TLS.
    pub identity: Identity,
    /// Alerts, or events too.
    pub include: Include,
}

impl Syslog {
    pub(in crate::config) fn resolve(raw: &mut Raw) -> Self {
        let enabled = raw.truth("output.syslog.enabled");
        if enabled && !cfg!(feature = "syslog") {
            raw.refuse("output.syslog.enabled", "false, because this sensor was built without the feature syslog");
        }
        let address = Address::parse(&raw.word("output.syslog.address")).unwrap_or_else(|| {
            raw.refuse("output.syslog.address", ALLOWED);
            Address::Unix("/dev/log".into())
        });
        let names =
            Names { ca: "output.syslog.ca_file", cert: "output.syslog.cert_file", key: "output.syslog.key_file" };
        let tls = matches!(address, Address::Tls { .. });
        Self {
            enabled,
            facility: raw.word("output.syslog.facility"),
            identity: identity(raw, names, tls),
            include: include(raw, "output.syslog.include"),
            address,
        }
    }
}

/// Where a syslog daemon listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// A socket in the file system, of datagrams or a stream.
    Unix(PathBuf),
    /// RFC 6587.
    Tcp {
        /// Name or IP address.
        host: String,
        /// Port.
        port: u16,
    },
    /// RFC 5425. The certificate must be for the host as written.
    Tls {
        /// Name or IP address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl Address {
    /// Reads one; nothing if it is not [`ALLOWED`].
    pub fn parse(text: &str) -> Option<Self> {
        if let Some(path) = text.strip_prefix("unix:") {
            return path.starts_with('/').then(|| Self::Unix(path.into()));
        }
        if let Some(end) = text.strip_prefix("tcp://") {
            let (host, port) = host_and_port(end)?;
            return Some(Self::Tcp { host, port: port? });
        }
        let (host, port) = host_and_port(text.strip_prefix("tls://")?)?;
        Some(Self::Tls { host, port: port.unwrap_or(TLS_PORT) })
    }
}

/// `HOST`, `HOST:PORT`, `[ADDRESS]:PORT`.
fn host_and_port(text: &str) -> Option<(String, Option<u16>)> {
    let (host, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (host, port) = rest.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if port.is_empty() { None } else { Some(port.strip_prefix(':')?) })
        }
        None => text.split_once(':').map_or((text, None), |(host, port)| (host, Some(port))),
    };
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port != 0)?),
        None => None,
    };
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._:".contains(character);
    (!host.is_empty() && host.chars().all(plain)).then(|| (host.to_owned(), port))
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (scheme, host, port) = match self {
            Self::Unix(path) => return write!(f, "unix:{}", path.display()),
            Self::Tcp { host, port } => ("tcp", host, port),
            Self::Tls { host, port } => ("tls", host, port),
        };
        if host.contains(':') { write!(f, "{scheme}://[{host}]:{port}") } else { write!(f, "{scheme}://{host}:{port}") }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_shown_as_they_are_written() {
        for text in ["unix:/dev/log", "tcp://log.example.org:601", "tls://log.example.org:7514", "tls://[::1]:6514"] {
            assert_eq!(Address::parse(text).unwrap().to_string(), text);
        }
        assert_eq!(Address::parse("tls://log").unwrap().to_string(), "tls://log:6514");
    }

    #[test]
    fn what_is_none_is_refused() {
        for text in [
            "",
            "/dev/log",
            "unix:dev/log",
            "udp://log:514",
            "tcp://log",
            "tcp://:1",
            "tcp://log:0",
            "tcp://log:65536",
            "tls://a b:1",
            "tls://[::1",
            "tls://[log]:1",
            "tls://user@log:1",
            "tls://log:1/x",
            "tcp://::1:5",
        ] {
            assert_eq!(Address::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_is_wrong_in_the_section_is_named() {
        let text =
            "[output.syslog]\nenabled = true\naddress = \"/dev/log\"\nfacility = \"kern\"\nca_file = \"/ca.pem\"\n";
        let problems = crate::config::Config::parse("sensor.toml", text, &[]).unwrap_err();
        let problems: Vec<String> = problems.iter().map(ToString::to_string).collect();
        assert_eq!(problems.len(), 3, "{problems:#?}");
        assert!(problems[0].contains("output.syslog.address = \"/dev/log\": cannot be used; allowed: unix:/PATH"));
        assert!(problems[1].contains("authpriv, local0"), "{problems:#?}");
        assert!(problems[2].contains("does not begin with tls://"), "{problems:#?}");
    }
}
