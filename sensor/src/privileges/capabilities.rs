//! Capabilities: which the agent needs to start, which of them it keeps, and why.

use anyhow::{Context, Result};
use rustix::thread::{CapabilitySet, CapabilitySets};

/// A capability that the agent has a use for.
#[derive(Clone, Copy, Debug)]
pub struct Need {
    /// As capabilities(7) writes it.
    pub name: &'static str,
    /// Its bit.
    pub capability: CapabilitySet,
    /// What it is for until the hooks are attached.
    pub start: &'static str,
    /// What it is for afterwards; it is given up where there is nothing.
    pub kept: Option<&'static str>,
    /// What happens without it.
    pub without: Without,
}

/// What happens without a capability.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Without {
    /// The sensor does not start.
    Refused,
    /// Only the trampoline hook set can be attached.
    OnlyTrampoline,
    /// Something is weaker, in these words.
    Weaker(&'static str),
}

/// All of them. What a service or container has to be given is this list, and nothing else.
pub const NEEDED: &[Need] = &[
    Need {
        name: "CAP_BPF",
        capability: CapabilitySet::BPF,
        start: "making maps, loading programs",
        kept: Some(
            "telling the kernel's maps which processes are in a server's lineage, which directories are watched and which \
             files are noted. Before Linux 5.19 every bpf(2) call asks for it where kernel.unprivileged_bpf_disabled is set, \
             as distributions do. The filter of system calls lets through only calls on maps and programs that are open",
        ),
        without: Without::Refused,
    },
    Need {
        name: "CAP_PERFMON",
        capability: CapabilitySet::PERFMON,
        start: "loading programs that read the kernel's memory; opening a tracepoint for all processes",
        kept: None,
        without: Without::Refused,
    },
    Need {
        name: "CAP_SYS_ADMIN",
        capability: CapabilitySet::SYS_ADMIN,
        start: "the tracepoint hook set: making the fanotify group, and a tracefs of its own where the ids of tracepoints stand",
        kept: None,
        without: Without::OnlyTrampoline,
    },
    Need {
        name: "CAP_SYS_PTRACE",
        capability: CapabilitySet::SYS_PTRACE,
        start: "as afterwards: reading what runs already",
        kept: Some(
            "reading other users' processes in procfs: exe, root, cwd, fd, ns and maps say what a server runs, sees and \
             holds. Tracing itself is not among the calls that the filter lets through",
        ),
        without: Without::Refused,
    },
    Need {
        name: "CAP_DAC_READ_SEARCH",
        capability: CapabilitySet::DAC_READ_SEARCH,
        start: "as afterwards: the directories of servers that run already",
        kept: Some(
            "reading what belongs to others: environments of processes, configurations and components of servers, package \
             databases of containers",
        ),
        without: Without::Refused,
    },
    Need {
        name: "CAP_SETUID",
        capability: CapabilitySet::SETUID,
        start: "the process that answers HTTP becomes nobody (65534)",
        kept: None,
        without: Without::Weaker("the process that answers HTTP stays user 0, without capabilities"),
    },
    Need {
        name: "CAP_SETGID",
        capability: CapabilitySet::SETGID,
        start: "the same for its groups",
        kept: None,
        without: Without::Weaker("the process that answers HTTP stays in group 0, without capabilities"),
    },
];

/// Those that the agent keeps.
pub fn kept() -> CapabilitySet {
    set_of(|need| need.kept.is_some())
}

fn set_of(which: impl Fn(&Need) -> bool) -> CapabilitySet {
    let wanted = NEEDED.iter().filter(|need| which(need)).map(|need| need.capability);
    wanted.fold(CapabilitySet::empty(), CapabilitySet::union)
}

/// Without which the sensor does not start, and which this process does not have in effect. `CAP_SYS_ADMIN` includes
/// `CAP_BPF` and `CAP_PERFMON` for the kernel, but not for calls on maps after it was given up.
pub fn missing() -> Vec<String> {
    missing_of(|need| need.without == Without::Refused)
}

/// The same for what the tracepoint set needs in addition.
pub fn missing_for_tracepoints() -> Vec<String> {
    missing_of(|need| need.without == Without::OnlyTrampoline)
}

fn missing_of(which: impl Fn(&Need) -> bool) -> Vec<String> {
    let effective = rustix::thread::capabilities(None).map_or(CapabilitySet::empty(), |sets| sets.effective);
    let missing = NEEDED.iter().filter(|need| which(need) && !effective.contains(need.capability));
    missing.map(|need| need.name.to_owned()).collect()
}

/// Keeps those of `wanted` that this thread has, and gives up all others: permitted, effective, inheritable, ambient, and
/// from the bounding set where that is allowed (`CAP_SETPCAP`; else a service's or container's own bounding set and
/// `no_new_privs` stand for it). Gives what is left.
pub fn keep(wanted: CapabilitySet) -> Result<CapabilitySet> {
    narrow(wanted)?;
    let have = rustix::thread::capabilities(None).context("reading the capabilities")?;
    rustix::thread::clear_ambient_capability_set().context("giving up ambient capabilities")?;
    let left = have.permitted & wanted;
    let sets = CapabilitySets { effective: left, permitted: left, inheritable: CapabilitySet::empty() };
    rustix::thread::set_capabilities(None, sets).context("giving up capabilities")?;
    Ok(left)
}

/// Narrows the bounding set to `wanted`, where that is allowed.
pub fn narrow(wanted: CapabilitySet) -> Result<()> {
    let have = rustix::thread::capabilities(None).context("reading the capabilities")?;
    if have.effective.contains(CapabilitySet::SETPCAP) {
        for bit in (0..64).map(|number| 1 << number).map(CapabilitySet::from_bits_retain) {
            // What this kernel does not know it does not have.
            if !wanted.contains(bit) && rustix::thread::capability_is_in_bounding_set(bit).unwrap_or(false) {
                rustix::thread::remove_capability_from_bounding_set(bit).context("narrowing the bounding set")?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_needed_and_little() {
        let names: Vec<&str> = NEEDED.iter().filter(|need| need.kept.is_some()).map(|need| need.name).collect();
        assert_eq!(names, ["CAP_BPF", "CAP_SYS_PTRACE", "CAP_DAC_READ_SEARCH"]);
        assert!(!kept().contains(CapabilitySet::SYS_ADMIN));
    }

    #[test]
    fn a_thread_has_only_what_it_keeps() {
        // Capabilities belong to a thread: this one gives them up, and no other test notices.
        let left = std::thread::spawn(|| {
            let before = rustix::thread::capabilities(None).unwrap().permitted;
            let left = keep(CapabilitySet::SYS_PTRACE).unwrap();
            let after = rustix::thread::capabilities(None).unwrap();
            assert_eq!(left, before & CapabilitySet::SYS_PTRACE);
            assert_eq!((after.permitted, after.effective, after.inheritable), (left, left, CapabilitySet::empty()));
            if before.contains(CapabilitySet::SETPCAP) {
                assert!(!rustix::thread::capability_is_in_bounding_set(CapabilitySet::SYS_ADMIN).unwrap());
            }
            std::fs::read_to_string("/proc/thread-self/status").unwrap()
        });
        let status = left.join().unwrap();
        assert!(status.contains("CapAmb:\t0000000000000000"), "{status}");
    }
}
