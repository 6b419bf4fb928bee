//! Whose ancestry is learned: servers of one kind share what is learned.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt::{self, Write};
use std::str::FromStr;

/// A kind of server instance, the same over restarts, hosts and containers of one image.
///
/// As one text it is `SERVER:EXECUTABLE@UNIT`, without `@` if there is no unit; `%XX` stands for what would be in the way.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KindKey {
    /// The id in the catalogue.
    pub server: String,
    /// The executable's path.
    pub executable: String,
    /// The container's image, or else the systemd unit; empty if not known.
    pub unit: String,
}

/// Not the text of a kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no kind of server; allowed: SERVER:EXECUTABLE or SERVER:EXECUTABLE@UNIT")]
pub struct NoKind(String);

impl fmt::Display for KindKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        escape(f, &self.server, b":@%")?;
        f.write_char(':')?;
        escape(f, &self.executable, b"@%")?;
        if self.unit.is_empty() {
            return Ok(());
        }
        f.write_char('@')?;
        escape(f, &self.unit, b"%")
    }
}

impl FromStr for KindKey {
    type Err = NoKind;

    fn from_str(text: &str) -> Result<Self, NoKind> {
        let parts = || {
            let (server, rest) = text.split_once(':').filter(|(server, _)| !server.is_empty())?;
            let (executable, unit) = rest.split_once('@').unwrap_or((rest, ""));
            Some(Self { server: plain(server)?, executable: plain(executable)?, unit: plain(unit)? })
        };
        // Only one text for each kind, so that texts can be compared.
        parts().filter(|kind| kind.to_string() == text).ok_or_else(|| NoKind(text.to_owned()))
    }
}

impl Serialize for KindKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for KindKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

fn escape(f: &mut fmt::Formatter<'_>, text: &str, also: &[u8]) -> fmt::Result {
    for byte in text.bytes() {
        if byte.is_ascii_graphic() && !also.contains(&byte) {
            f.write_char(char::from(byte))?;
        } else {
            write!(f, "%{byte:02x}")?;
        }
    }
    Ok(())
}

fn plain(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        if *first != b'%' {
            bytes.push(*first);
            continue;
        }
        let (digits, after) = rest.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok()?);
        rest = after;
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn texts() {
        let kind = KindKey {
            server: "php-fpm".into(),
            executable: "/usr/sbin/php-fpm8.2".into(),
            unit: "docker.io/library/php:8.2@sha256:00".into(),
        };
        assert_eq!(kind.to_string(), "php-fpm:/usr/sbin/php-fpm8.2@docker.io/library/php:8.2@sha256:00");
        assert_eq!(KindKey { unit: String::new(), ..kind }.to_string(), "php-fpm:/usr/sbin/php-fpm8.2");
        for wrong in ["", "php-fpm", ":/x", "a:/x@", "a:/x%", "a:/x%zz", "a:/x y"] {
            assert!(wrong.parse::<KindKey>().is_err(), "{wrong}");
        }
    }

    proptest! {
        #[test]
        fn there_and_back(server in "[a-z:@% é]{1,12}", executable in ".{0,40}", unit in ".{0,40}") {
            let kind = KindKey { server, executable, unit };
            prop_assert_eq!(kind.to_string().parse::<KindKey>(), Ok(kind));
        }
    }
}
