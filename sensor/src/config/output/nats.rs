//! `[output.nats]`.

use super::tls::{Identity, Names, file, identity};
use super::{Include, include};
use crate::config::raw::Raw;
use std::fmt;
use std::path::PathBuf;

/// What `url` may be, for errors.
const URLS: &str = "nats://HOST:PORT or tls://HOST:PORT, several with commas between; not both kinds together; \
                        no user or password in them (credentials_file, token_file, user and password_file are for that)";
/// The same of a subject.
const SUBJECT: &str = "words with dots between, without blanks, wildcards, and a $ at the beginning";

/// Most servers that can be named.
const MAX_URLS: usize = 16;

/// `[output.nats]`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Nats {
    /// Whether to publish at all.
    pub enabled: bool,
    /// Servers of one cluster; whichever answers.
    pub urls: Urls,
    /// Under which subject.
    pub subject: String,
    /// The stream that must take it.
    pub stream: String,
    /// Whether to make the stream where it does not exist.
    pub create_stream: bool,
    /// Bytes that a stream which is made keeps.
    pub stream_max_bytes: u64,
    /// Hours that it keeps a message.
    pub stream_max_hours: u64,
    /// How we show who we are.
    pub credentials: Credentials,
    /// For TLS.
    pub identity: Identity,
    /// Alerts, or events too.
    pub include: Include,
}

/// How we show who we are to a NATS server. Files are read at each connection.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Credentials {
    /// Not at all, or by the certificate.
    #[default]
    None,
    /// A `.creds` file: a token of the operator's, and the seed that signs for it.
    File(PathBuf),
    /// A token, in a file.
    Token(PathBuf),
    /// A name, and a file with its password.
    Password(String, PathBuf),
}

impl Nats {
    pub(in crate::config) fn resolve(raw: &mut Raw) -> Self {
        let enabled = raw.truth("output.nats.enabled");
        if enabled && !cfg!(feature = "nats") {
            raw.refuse("output.nats.enabled", "false, because this sensor was built without the feature nats");
        }
        let urls = Urls::parse(&raw.word("output.nats.url")).unwrap_or_else(|| {
            raw.refuse("output.nats.url", URLS);
            Urls { urls: Vec::new(), tls: true }
        });
        let names = Names { ca: "output.nats.ca_file", cert: "output.nats.cert_file", key: "output.nats.key_file" };
        Self {
            enabled,
            subject: checked(raw, "output.nats.subject", is_subject, SUBJECT),
            stream: checked(raw, "output.nats.stream", is_stream, "letters, digits, - and _"),
            create_stream: raw.truth("output.nats.create_stream"),
            stream_max_bytes: raw.number("output.nats.stream_max_bytes"),
            stream_max_hours: raw.number("output.nats.stream_max_hours"),
            credentials: credentials(raw),
            identity: identity(raw, names, urls.tls()),
            include: include(raw, "output.nats.include"),
            urls,
        }
    }
}

fn checked(raw: &mut Raw, key: &'static str, is_good: fn(&str) -> bool, allowed: &str) -> String {
    let word = raw.word(key);
    if !is_good(&word) {
        raw.refuse(key, allowed);
    }
    word
}

fn credentials(raw: &mut Raw) -> Credentials {
    const ONE: &str = "one of credentials_file, token_file, or user with password_file";
    let [creds, token, password] =
        ["output.nats.credentials_file", "output.nats.token_file", "output.nats.password_file"]
            .map(|key| file(raw, key));
    let user = raw.word("output.nats.user");
    match (creds, token, password) {
        (None, None, None) if user.is_empty() => Credentials::None,
        (Some(path), None, None) if user.is_empty() => Credentials::File(path),
        (None, Some(path), None) if user.is_empty() => Credentials::Token(path),
        (None, None, Some(path)) if !user.is_empty() => Credentials::Password(user, path),
        (None, None, Some(_)) => refused(raw, "output.nats.password_file", ONE),
        (Some(_), ..) => refused(raw, "output.nats.credentials_file", ONE),
        (_, Some(_), _) => refused(raw, "output.nats.token_file", ONE),
        (None, None, None) => refused(raw, "output.nats.user", ONE),
    }
}

fn refused(raw: &mut Raw, key: &'static str, allowed: &str) -> Credentials {
    raw.refuse(key, allowed);
    Credentials::None
}

/// Servers of one cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Urls {
    urls: Vec<String>,
    tls: bool,
}

impl Urls {
    /// Reads them; nothing if they are not [`URLS`]. Secrets do not belong here: this is shown in errors and logs.
    pub fn parse(text: &str) -> Option<Self> {
        let urls: Vec<String> = text.split(',').map(|url| url.trim().to_owned()).collect();
        let tls = urls.iter().all(|url| url.starts_with("tls://"));
        let plain = urls.iter().all(|url| url.starts_with("nats://"));
        let good = (tls || plain) && urls.len() <= MAX_URLS && urls.iter().all(|url| is_address(url));
        good.then_some(Self { urls, tls })
    }

    /// Each of them.
    pub fn each(&self) -> &[String] {
        &self.urls
    }

    /// Whether nothing is said without TLS, not even to servers that others name.
    pub const fn tls(&self) -> bool {
        self.tls
    }
}

impl fmt::Display for Urls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.urls.join(","))
    }
}

fn is_address(url: &str) -> bool {
    let Some((_, address)) = url.split_once("://") else { return false };
    let (host, port) = match address.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((host, port)) if host.parse::<std::net::Ipv6Addr>().is_ok() => (host, port.strip_prefix(':')),
            _ => return false,
        },
        None => address.split_once(':').map_or((address, None), |(host, port)| (host, Some(port))),
    };
    let plain = |character: char| character.is_ascii_alphanumeric() || "-._:".contains(character);
    let port = port.is_none_or(|port| port.parse::<u16>().is_ok_and(|port| port != 0));
    !host.is_empty() && host.chars().all(plain) && port
}

/// Whether alerts can be published under this subject.
fn is_subject(text: &str) -> bool {
    let word =
        |word: &str| !word.is_empty() && word.chars().all(|letter| letter.is_ascii_graphic() && !"*>".contains(letter));
    !text.starts_with('$') && text.len() <= 255 && text.split('.').all(word)
}

/// Whether a stream can be called so.
fn is_stream(text: &str) -> bool {
    let good = |letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter);
    (1..=255).contains(&text.len()) && text.chars().all(good)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_of_one_kind_and_hold_no_secrets() {
        for text in ["nats://127.0.0.1:4222", "tls://a.example,tls://b.example:4223", "nats://[::1]:4222"] {
            assert_eq!(Urls::parse(text).unwrap().to_string(), text);
        }
        assert!(Urls::parse("tls://a, tls://b").unwrap().tls());
        for text in [
            "",
            "127.0.0.1:4222",
            "nats://",
            "nats://a,tls://b",
            "nats://user:pass@a:4222",
            "ws://a",
            "nats://a:0",
            "nats://a:1/x",
            "tls://a,",
        ] {
            assert_eq!(Urls::parse(text), None, "{text}");
        }
    }

    #[test]
    fn subjects_and_streams_are_what_nats_takes() {
        assert!(is_subject("sensor.alerts") && is_subject("a"));
        for text in ["", "a..b", ".a", "a.", "a.*", "a.>", "a b", "$JS.API", "ü"] {
            assert!(!is_subject(text), "{text}");
        }
        assert!(is_stream("SENSOR_1-x") && !is_stream("") && !is_stream("a.b") && !is_stream("a b"));
    }

    fn nats(text: &str) -> Result<Nats, Vec<String>> {
        match crate::config::Config::parse("sensor.toml", &format!("[output.nats]\n{text}"), &[]) {
            Ok(config) => Ok(config.output.nats),
            Err(problems) => Err(problems.iter().map(ToString::to_string).collect()),
        }
    }

    #[test]
    fn credentials_are_of_one_kind_and_complete() {
        let of = |text: &str| nats(text).unwrap().credentials;
        assert_eq!(of(""), Credentials::None);
        assert_eq!(of("token_file = \"/t\"\n"), Credentials::Token("/t".into()));
        assert_eq!(of("credentials_file = \"/c\"\n"), Credentials::File("/c".into()));
        assert_eq!(of("user = \"u\"\npassword_file = \"/p\"\n"), Credentials::Password("u".into(), "/p".into()));
        for (text, key) in [
            ("user = \"u\"\n", "user"),
            ("password_file = \"/p\"\n", "password_file"),
            ("token_file = \"/t\"\ncredentials_file = \"/c\"\n", "credentials_file"),
            ("token_file = \"/t\"\nuser = \"u\"\npassword_file = \"/p\"\n", "token_file"),
        ] {
            let found = nats(text).unwrap_err();
            assert!(found.len() == 1 && found[0].contains(&format!("output.nats.{key} = ")), "{found:#?}");
            assert!(found[0].contains("one of credentials_file"), "{found:#?}");
        }
    }

    #[test]
    fn everything_that_is_wrong_is_named() {
        let found = nats(
            "url = \"nats://u:p@a\"\nsubject = \"a.*\"\nstream = \"a.b\"\ntoken_file = \"t\"\nstream_max_hours = 0\n",
        );
        let found = found.unwrap_err();
        assert_eq!(found.len(), 5, "{found:#?}");
        let plain = nats("ca_file = \"/ca.pem\"\ncert_file = \"/c.pem\"\n").unwrap_err();
        assert!(plain.iter().all(|problem| problem.contains("does not begin with tls://")), "{plain:#?}");
        let half = nats("url = \"tls://a\"\ncert_file = \"/c.pem\"\n").unwrap_err();
        assert!(half[0].contains("both this and key_file"), "{half:#?}");
    }
}
