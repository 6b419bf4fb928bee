//! The machine's clock and name, for the edges.
//!
//! In a container that has the machine's processes, the machine's name, id and users are still the machine's: those of its
//! first process. Where that may not be looked at, this process's own are taken.

use crate::host::Host;
use crate::procfs::{Root, host_process};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};
use rustix::time::{ClockId, Timespec};
use std::fs;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

/// Most of a file that is read.
const MAX_BYTES: u64 = 16 << 20;

/// Nanoseconds since boot, suspends included (`CLOCK_BOOTTIME`).
pub fn boottime_ns() -> u64 {
    nanoseconds(rustix::time::clock_gettime(ClockId::Boottime))
}

/// Facts for alerts, as they are now.
pub fn host() -> Host {
    let proc_root = Path::new("/proc");
    let realtime = nanoseconds(rustix::time::clock_gettime(ClockId::Realtime));
    let root = Root::of(proc_root, host_process(proc_root)).ok();
    let read = |path: &str| root.as_ref().and_then(|root| root.read(Path::new(path), MAX_BYTES)).unwrap_or_default();
    Host {
        name: first_process_name(proc_root).unwrap_or_else(own_name),
        id: id(&read("/etc/machine-id")),
        boot_time_unix_ns: realtime.saturating_sub(boottime_ns()),
        users: crate::users::parse(&read("/etc/passwd")),
    }
}

fn own_name() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

/// The name in the first process's UTS namespace; takes `CAP_SYS_ADMIN` and leave to look at that process.
///
/// This thread goes there and comes back. Not another one: the kernel still counts a thread for a moment after it was waited for,
/// and privileges are only given up by a process that has one.
fn first_process_name(proc_root: &Path) -> Option<String> {
    let open = |path: &str| {
        rustix::fs::openat(CWD, proc_root.join(path), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
    };
    let (own, first) = (open("thread-self/ns/uts")?, open("1/ns/uts")?);
    let go = |to: &OwnedFd| move_into_link_name_space(to.as_fd(), Some(LinkNameSpaceType::HostNameAndNISDomainName));
    go(&first).ok()?;
    let name = own_name();
    // That it may go there it has just shown. Without way back it would only be called what the machine is.
    let _ = go(&own);
    Some(name)
}

/// What `/etc/machine-id` says, or the boot id where it says nothing.
fn id(machine_id: &[u8]) -> String {
    match String::from_utf8_lossy(machine_id).trim() {
        "" => fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default().trim().to_owned(),
        id => id.to_owned(),
    }
}

fn nanoseconds(time: Timespec) -> u64 {
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_machine_id_the_boot_has_one() {
        assert_eq!(id(b"00112233445566778899aabbccddeeff\n"), "00112233445566778899aabbccddeeff");
        assert!(!id(b" \n").is_empty() && id(b"") == id(b"\n"));
    }

    #[test]
    fn the_machine_has_a_name_and_root() {
        let host = host();
        assert!(!host.name.is_empty());
        assert_eq!(host.users.get(&0).map(String::as_str), Some("root"));
    }
}
