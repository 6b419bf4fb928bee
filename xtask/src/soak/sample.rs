//! What a running sensor has: memory, tasks, descriptors, fanotify marks.

use crate::agent::Agent;
use anyhow::{Context, Result};
use std::fmt;
use std::fs;

/// At one moment.
pub struct Sample {
    /// Bytes of the agent's own in memory: allocated, without its program and the kernel's rings.
    pub agent: u64,
    /// The same of the process that answers HTTP.
    pub listener: u64,
    /// Threads of both.
    pub tasks: u64,
    /// Descriptors of both.
    pub descriptors: u64,
    /// Directories with a mark.
    pub marks: u64,
}

impl Sample {
    /// Now.
    pub fn of(agent: &Agent) -> Result<Self> {
        let pid = agent.pid();
        let children =
            fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).context("the agent's children")?;
        let listener: u32 = children.trim().parse().with_context(|| format!("one child, not {children:?}"))?;
        Ok(Self {
            agent: own_bytes(pid)?,
            listener: own_bytes(listener)?,
            tasks: entries(pid, "task")? + entries(listener, "task")?,
            descriptors: entries(pid, "fd")? + entries(listener, "fd")?,
            marks: marks(pid)?,
        })
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { agent, listener, tasks, descriptors, marks } = self;
        let (agent, listener) = (agent >> 10, listener >> 10);
        write!(f, "{agent} KiB + {listener} KiB, {tasks} tasks, {descriptors} descriptors, {marks} marks")
    }
}

fn own_bytes(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:")).context("RssAnon")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse().context(line.to_owned())?;
    Ok(kib << 10)
}

fn entries(pid: u32, name: &str) -> Result<u64> {
    Ok(fs::read_dir(format!("/proc/{pid}/{name}"))?.count() as u64)
}

fn marks(pid: u32) -> Result<u64> {
    let mut marks = 0;
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo"))?.flatten() {
        // One may have been closed meanwhile.
        let text = fs::read_to_string(entry.path()).unwrap_or_default();
        marks += text.lines().filter(|line| line.starts_with("fanotify ino:")).count() as u64;
    }
    Ok(marks)
}
