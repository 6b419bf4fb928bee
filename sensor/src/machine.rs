//! The machine's clock and name, for the edges.

use crate::host::Host;
use rustix::time::{ClockId, Timespec};
use std::path::Path;

/// Nanoseconds since boot, suspends included (`CLOCK_BOOTTIME`).
pub fn boottime_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(ClockId::Boottime))
}

/// Facts for alerts, as they are now.
pub fn host() -> Host {
    let realtime = nanoseconds(rustix::time::clock_gettime(ClockId::Realtime));
    Host {
        name: rustix::system::uname().nodename().to_string_lossy().into_owned(),
        id: id(),
        boot_time_unix_ns: realtime.saturating_sub(boottime_ns()),
        users: crate::users::read(Path::new("/etc/passwd")),
    }
}

/// `/etc/machine-id`, or the boot id where there is none.
fn id() -> String {
    ["/etc/machine-id", "/proc/sys/kernel/random/boot_id"]
        .iter()
        .filter_map(|path| std::fs::read_to_string(path).ok())
        .map(|text| text.trim().to_owned())
        .find(|id| !id.is_empty())
        .unwrap_or_default()
}

fn nanoseconds(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}
