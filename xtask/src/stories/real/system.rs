//! Signals and orphans: what a program that starts daemons has to do to leave none behind.

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, WaitOptions, getpid, kill_process, set_child_subreaper, waitpid};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

/// Set when somebody asked this program to end.
static ASKED_TO_END: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on, Ctrl-C and SIGTERM are noted instead of ending this program: it has servers to stop first.
pub fn end_in_order() -> Result<()> {
    if ASKED_TO_END.get().is_some() {
        return Ok(());
    }
    let asked = ASKED_TO_END.get_or_init(Arc::default);
    for number in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(number, Arc::clone(asked)).context("listening for the signal to end")?;
    }
    Ok(())
}

/// Was this program asked to end?
pub fn asked_to_end() -> bool {
    ASKED_TO_END.get().is_some_and(|asked| asked.load(Ordering::Relaxed))
}

/// From now on, descendants whose parents end become our children: none is lost from sight, so all can be stopped.
pub fn adopt_orphans() -> Result<()> {
    set_child_subreaper(Some(getpid())).context("adopting orphans")
}

fn pid(number: u32) -> Option<Pid> {
    Pid::from_raw(i32::try_from(number).ok()?).filter(|pid| !pid.is_init())
}

/// Sends a signal to one process; nothing if it has ended.
pub fn signal(process: u32, signal: Signal) {
    if let Some(pid) = pid(process) {
        let _ = kill_process(pid, signal);
    }
}

/// Takes the exit status of an adopted child that ended, so that its pid is free; nothing if it has not ended.
pub fn reap(process: u32) {
    if let Some(pid) = pid(process) {
        let _ = waitpid(Some(pid), WaitOptions::NOHANG);
    }
}
