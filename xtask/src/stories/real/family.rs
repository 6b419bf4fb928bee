//! Which processes of this machine are ours: descendants of this program, by procfs.
//!
//! Orphans come back to this program, so the way up from a descendant always ends here.

use super::system;
use rustix::process::Signal;
use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

/// Longest way up that is followed.
const MAX_DEPTH: usize = 64;

/// Parent of a process that is not a zombie.
fn parent(pid: u32) -> Option<(u32, char)> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    let mut fields = rest.split(' ');
    let state = fields.next()?.chars().next()?;
    Some((fields.next()?.parse().ok()?, state))
}

/// Does the process descend from this program?
pub fn is_ours(pid: u32) -> bool {
    let mut at = pid;
    for _ in 0..MAX_DEPTH {
        match parent(at) {
            Some((above, _)) if above == std::process::id() => return true,
            Some((above, _)) if above > 1 => at = above,
            _ => return false,
        }
    }
    false
}

/// All live descendants, and the dead ones nobody has waited for.
pub fn descendants() -> (Vec<u32>, Vec<u32>) {
    let (mut live, mut dead) = (Vec::new(), Vec::new());
    for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        if !is_ours(pid) {
            continue;
        }
        match parent(pid) {
            Some((_, 'Z')) => dead.push(pid),
            Some(_) => live.push(pid),
            None => {}
        }
    }
    (live, dead)
}

/// Has the process ended, or is it only waiting to be reaped?
pub fn has_ended(pid: u32) -> bool {
    parent(pid).is_none_or(|(_, state)| state == 'Z')
}

/// Stops all descendants but `keep` and what is below them: by TERM, and after a while by KILL. Then they are reaped.
pub fn stop_all(keep: &[u32]) {
    let keep: HashSet<u32> = keep.iter().copied().collect();
    let is_kept = |pid: u32| {
        let mut at = pid;
        for _ in 0..MAX_DEPTH {
            if keep.contains(&at) {
                return true;
            }
            match parent(at) {
                Some((above, _)) if above > 1 && above != std::process::id() => at = above,
                _ => return false,
            }
        }
        false
    };
    for (number, patience) in [(Signal::TERM, 3000), (Signal::KILL, 2000)] {
        let begin = Instant::now();
        let mut told = HashSet::new();
        loop {
            let (live, dead) = descendants();
            for pid in dead.into_iter().filter(|pid| !is_kept(*pid)) {
                system::reap(pid);
            }
            let left: Vec<u32> = live.into_iter().filter(|pid| !is_kept(*pid)).collect();
            if left.is_empty() {
                return;
            }
            for pid in left {
                if told.insert(pid) {
                    system::signal(pid, number);
                }
            }
            if begin.elapsed() > Duration::from_millis(patience) {
                break;
            }
            std::thread::sleep(Duration::from_millis(30));
        }
    }
}
