//! Facts about the machine that alerts need, read once at start and kept in a capture's header.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The machine.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Host {
    /// Its name (`uname -n`, as its first process has it).
    pub name: String,
    /// `/etc/machine-id`, or the boot id where there is none.
    pub id: String,
    /// Unix time of boot in nanoseconds: `CLOCK_REALTIME` minus `CLOCK_BOOTTIME` at start.
    pub boot_time_unix_ns: u64,
    /// User names by uid, from `/etc/passwd`.
    pub users: BTreeMap<u32, String>,
}
