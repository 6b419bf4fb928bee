//! Which processor runs what, where the scheduler's choice would decide the result.
//!
//! A server and a load generator with one thread each, or a process and its child, run a third faster or slower, round by
//! round, depending on whether they meet on one processor. So the first two get one each; both are then busy, and a watcher
//! has to take from one of them. A loop and its children stay on one.

use anyhow::{Context, Result};
use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// For servers that have one thread.
pub const SERVER: usize = 1;
/// For their load generator, and for loops.
pub const LOAD: usize = 0;

/// Does the work, and whatever it starts, on the n-th of the processors that this program may use, or as far as there are.
pub fn on<T>(index: usize, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let before = sched_getaffinity(None).context("asking which processors there are")?;
    let usable: Vec<usize> = (0..CpuSet::MAX_CPU).filter(|processor| before.is_set(*processor)).collect();
    let mut one = CpuSet::new();
    one.set(*usable.get(index).or(usable.last()).context("no processor")?);
    sched_setaffinity(None, &one).context("staying on one processor")?;
    let result = work();
    sched_setaffinity(None, &before).context("using all processors again")?;
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_started_stays_on_the_processor_and_this_program_does_not() {
        let allowed = |pid: &str| {
            let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
            status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap().trim().to_owned()
        };
        let before = allowed("thread-self");
        let mut child = on(LOAD, || Ok(std::process::Command::new("sleep").arg("60").spawn()?)).unwrap();
        let there = allowed(&child.id().to_string());
        child.kill().unwrap();
        child.wait().unwrap();
        assert!(there.parse::<usize>().is_ok(), "one processor, not {there}");
        assert_eq!(allowed("thread-self"), before);
    }
}
