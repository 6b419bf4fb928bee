//! `sensor listener`: the process that answers HTTP, confined before it reads a first byte from the network.
//!
//! Comes in: the listening socket as standard input, its end of a pair of sockets as standard output; the agent starts it so
//! ([`crate::metrics::listener`]). What it then is: nobody, without capabilities or a way to them, without files (Landlock where
//! the kernel has it, and no call that opens one), without processes or threads beside it, with some memory and descriptors,
//! and with the calls of [`super::calls::LISTENER`]; any other ends it. It ends when the agent's end of the pair is closed: the
//! kernel's signal at a parent's death would not do, because the agent may not send signals to nobody by then.

use super::calls::LISTENER;
use super::{Deny, capabilities, install_filter};
use crate::metrics::door::{Confined, Landlock};
use crate::metrics::http;
use anyhow::{Context, Result, bail};
use landlock::{ABI, Access, AccessFs, AccessNet, CompatLevel, Compatible, Ruleset, RulesetAttr, RulesetStatus, Scope};
use rustix::process::{DumpableBehavior, Gid, Resource, Rlimit, Uid};
use rustix::thread::CapabilitySet;
use std::io::Write;
use std::net::TcpListener;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

/// Nobody, on every distribution.
const NOBODY: u32 = 65534;
/// Descriptors: connections, the two sockets, the runtime's own.
const MAX_DESCRIPTORS: u64 = http::MAX_CONNECTIONS as u64 + 32;
/// Bytes of memory that it may have beside its program.
const MAX_DATA: u64 = 256 << 20;

/// Serves until the agent ends. Fails if it cannot be confined, or was started by somebody else than the agent.
pub fn run() -> Result<()> {
    crate::kernel::descriptors::close_from(3).context("closing what was inherited")?;
    let (listener, mut door) = inherited()?;
    // The agent ends it; a signal to the whole group, or Ctrl-C, does not, because the agent still has something to say.
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT, signal_hook::consts::SIGHUP] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))
            .context("leaving signals to the agent")?;
    }
    // Else it is called as it was started, `exe`.
    rustix::thread::set_name(c"sensor-http").context("its name")?;
    let runtime = http::runtime()?;
    crate::kernel::memory::give_back();
    // What was only needed to start; else it stays, and does no harm.
    let _ = crate::kernel::memory::unmap_start();
    let confined = confine()?;
    door.write_all(&confined.encode()).context("telling the agent")?;
    listener.set_nonblocking(true).context("preparing the listening socket")?;
    door.set_nonblocking(true).context("preparing the agent's socket")?;
    install_filter(LISTENER, Deny::Kill)?;
    runtime.block_on(http::serve(listener, door))
}

/// The two sockets, checked for what they are.
fn inherited() -> Result<(TcpListener, UnixStream)> {
    let duplicate = |descriptor: std::io::Result<OwnedFd>| descriptor.context("taking over a socket");
    let listening = duplicate(std::io::stdin().as_fd().try_clone_to_owned())?;
    let door = duplicate(std::io::stdout().as_fd().try_clone_to_owned())?;
    let is_listening = rustix::net::sockopt::socket_acceptconn(&listening).unwrap_or(false);
    let is_pair =
        rustix::net::sockopt::socket_domain(&door).is_ok_and(|domain| domain == rustix::net::AddressFamily::UNIX);
    if !is_listening || !is_pair {
        bail!("`sensor run` starts this for itself; it is of no use to anybody else");
    }
    Ok((TcpListener::from(listening), UnixStream::from(door)))
}

/// Gives up everything but the sockets and the filter of calls, which comes last.
fn confine() -> Result<Confined> {
    // Before the user changes: that takes the capability for it.
    capabilities::narrow(CapabilitySet::empty())?;
    let nobody = become_nobody()?;
    capabilities::keep(CapabilitySet::empty())?;
    rustix::thread::set_no_new_privs(true).context("giving up the way to privileges")?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .context("keeping others out of its memory")?;
    let landlock = landlock()?;
    for (resource, most) in [
        (Resource::Nofile, MAX_DESCRIPTORS),
        (Resource::Data, MAX_DATA),
        (Resource::Nproc, 0),
        (Resource::Fsize, 0),
        (Resource::Core, 0),
    ] {
        let limit = Rlimit { current: Some(most), maximum: Some(most) };
        rustix::process::setrlimit(resource, limit).with_context(|| format!("limiting {resource:?}"))?;
    }
    Ok(Confined { nobody, landlock })
}

/// Whether that is what it is then. Who is not root and may not change users stays who it is.
fn become_nobody() -> Result<bool> {
    let have = rustix::thread::capabilities(None).context("reading the capabilities")?.effective;
    let (user, group) = (Uid::from_raw(NOBODY), Gid::from_raw(NOBODY));
    let may_groups = have.contains(CapabilitySet::SETGID);
    if may_groups {
        rustix::thread::set_thread_groups(&[]).context("leaving groups")?;
        rustix::thread::set_thread_res_gid(group, group, group).context("leaving the group")?;
    }
    let may_user = have.contains(CapabilitySet::SETUID);
    if may_user {
        rustix::thread::set_thread_res_uid(user, user, user).context("becoming nobody")?;
    }
    Ok(may_groups && may_user)
}

/// Nothing of the file system, no connections, no signals to others and no abstract sockets: as far as this kernel knows of
/// that. The crate is Landlock's author's.
fn landlock() -> Result<Landlock> {
    let newest = ABI::V6;
    let restricted = Ruleset::default()
        .set_compatibility(CompatLevel::BestEffort)
        .handle_access(AccessFs::from_all(newest))
        .and_then(|rules| rules.handle_access(AccessNet::from_all(newest)))
        .and_then(|rules| rules.scope(Scope::from_all(newest)))
        .and_then(Ruleset::create)
        .and_then(landlock::RulesetCreated::restrict_self)
        .context("keeping it from files (Landlock)")?;
    Ok(match restricted.ruleset {
        RulesetStatus::FullyEnforced => Landlock::Full,
        RulesetStatus::PartiallyEnforced => Landlock::Partly,
        RulesetStatus::NotEnforced => Landlock::Missing,
    })
}
