//! A few named variables of a process's environment; the rest of it is secrets, and is not kept.

use super::Given;
use bstr::{BString, ByteSlice};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;

/// Most bytes of an environment that are looked at.
const MAX_BYTES: u64 = 1 << 20;

/// The variables that name directories from which servers load.
pub const NAMED: &[&str] = &[
    "ACTIVEMQ_BASE",
    "APACHE_CONFDIR",
    "APACHE_RUN_DIR",
    "CATALINA_BASE",
    "CATALINA_HOME",
    "ES_PATH_CONF",
    "GF_PATHS_PLUGINS",
    "JENKINS_HOME",
    "JETTY_BASE",
    "MAIL_CONFIG",
    "PGDATA",
    "PHPRC",
    "PHP_INI_SCAN_DIR",
    "RABBITMQ_CONFIG_FILE",
    "RABBITMQ_ENABLED_PLUGINS_FILE",
    "RABBITMQ_PLUGINS_DIR",
];

/// The values of [`NAMED`], as far as they are set.
#[derive(Clone, Debug, Default)]
pub struct Environment {
    values: BTreeMap<&'static str, BString>,
}

impl Environment {
    /// That of a process, as it was at its last exec; empty if it cannot be read.
    pub fn of(proc_root: &Path, pid: u32) -> Self {
        let mut text = Vec::new();
        if let Ok(file) = File::open(proc_root.join(pid.to_string()).join("environ")) {
            // What was read before an error counts.
            let _ = file.take(MAX_BYTES).read_to_end(&mut text);
        }
        Self::parse(&text)
    }

    /// From `NAME=VALUE` with a NUL after each.
    pub fn parse(text: &[u8]) -> Self {
        let pairs = text.split(|byte| *byte == 0).filter_map(|pair| pair.split_once_str("="));
        let known = |name: &[u8]| NAMED.iter().find(|known| known.as_bytes() == name).copied();
        // The first of several counts, as for getenv(3).
        let mut values = BTreeMap::new();
        for (name, value) in pairs.filter_map(|(name, value)| Some((known(name)?, value))) {
            values.entry(name).or_insert_with(|| BString::from(value));
        }
        Self { values }
    }

    /// A variable's value; empty counts as not set.
    pub fn get(&self, name: &str) -> Option<&[u8]> {
        self.values.get(name).map(|value| value.as_slice()).filter(|value| !value.is_empty())
    }

    /// All that are set.
    pub fn all(&self) -> Given {
        self.values.iter().map(|(name, value)| (BString::from(*name), value.clone())).collect()
    }
}
