//! What the agent may do: all that it needs to start, and from then on as little as it can work with.
//!
//! Comes in: a process that has attached its hooks and has one thread. Goes out: the same one with the capabilities that
//! [`capabilities::NEEDED`] keeps, without a way to more (`no_new_privs`), and with a filter of system calls
//! ([`calls::AGENT`]). Threads that are started later inherit both. Why each is needed stands with it, and is what
//! docs/privileges.md prints.
//!
//! The process stays user 0: what it has to write (state, alerts, its socket) is root's, and what it may read it may read
//! anyway. Without `CAP_DAC_OVERRIDE` it writes only what is root's, and a service or container keeps it from that too.

pub mod calls;
pub mod capabilities;
mod filter;
pub mod listener;

use crate::config::Seccomp;
use anyhow::{Context, Result, bail};
use rustix::thread::CapabilitySet;

pub use filter::{Deny, install as install_filter};

/// What was given up, for the log and for `sensor status`.
#[derive(Clone, Debug, serde::Serialize)]
pub struct Shed {
    /// Capabilities that are left, by name.
    pub capabilities: Vec<&'static str>,
    /// `on`, `log` or `off`.
    pub filter: &'static str,
}

/// Gives up what is not needed any more.
///
/// Must be called when the hooks are attached and while there is one thread, because both belong to a thread and are
/// inherited: fails otherwise, and where the kernel does not let go.
pub fn shed(filter: Seccomp) -> Result<Shed> {
    let threads = std::fs::read_dir("/proc/self/task").context("counting the threads")?.count();
    if threads != 1 {
        bail!("privileges are given up by each thread alone, and there are {threads} threads already");
    }
    rustix::thread::set_no_new_privs(true).context("giving up the way to more privileges (no_new_privs)")?;
    let kept = capabilities::keep(capabilities::kept())?;
    match filter {
        Seccomp::Off => {}
        Seccomp::Log => filter::install(calls::AGENT, Deny::Log)?,
        Seccomp::On => {
            crate::kernel::refused::answer().context("preparing for refused system calls")?;
            filter::install(calls::AGENT, Deny::Trap)?;
        }
    }
    Ok(Shed { capabilities: names(kept), filter: filter.name() })
}

/// Names of the capabilities of a set, as far as they are ones that this program knows.
fn names(set: CapabilitySet) -> Vec<&'static str> {
    capabilities::NEEDED.iter().filter(|need| set.contains(need.capability)).map(|need| need.name).collect()
}
