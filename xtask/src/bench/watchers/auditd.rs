//! Linux audit with the distribution's auditd: its own configuration and log in a directory, no service.
//!
//! Audit is sticky: once it was enabled, each new task pays for it even with no rules left. A last rule `never,task`
//! keeps new tasks free, and is what is left behind (a reboot forgets it); tasks that started while audit was on are not
//! freed, so what is compared has to be started anew.

use super::{Watcher, Watching};
use crate::agent::processor_time;
use crate::command;
use crate::daemons::Daemon;
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// The system calls of each rule. A rule of its own for each would be one more to go through at each call.
const RULES: [&str; 5] =
    ["execve,execveat", "open,openat,openat2,creat", "rename,renameat,renameat2", "connect", "accept,accept4"];

/// What Debian's own rules set.
const BACKLOG: u32 = 8192;

/// As Debian's auditd.conf, but for places, and nothing but rotation when space gets short.
const CONFIGURATION: &str = "local_events = yes\nwrite_logs = yes\nlog_group = root\nlog_format = ENRICHED\n\
    flush = INCREMENTAL_ASYNC\nfreq = 50\nmax_log_file = 200\nnum_logs = 2\nmax_log_file_action = ROTATE\n\
    priority_boost = 4\nname_format = NONE\nspace_left = 2\nspace_left_action = IGNORE\nadmin_space_left = 1\n\
    admin_space_left_action = IGNORE\ndisk_full_action = IGNORE\ndisk_error_action = IGNORE\nq_depth = 2000\n\
    overflow_action = IGNORE\n";

/// auditd, with rules for what the sensor watches. Files that are opened are recorded whoever does it: audit knows no
/// server.
pub struct Auditd;

impl Watcher for Auditd {
    fn name(&self) -> &'static str {
        "auditd"
    }

    fn start(&self, directory: &Path) -> Result<Box<dyn Watching>> {
        let before = Status::now()?;
        if before.of("pid")? != 0 || before.of("enabled")? != 0 {
            bail!("audit is used on this machine: it is left alone");
        }
        let plugins = directory.join("plugins.d");
        std::fs::create_dir_all(&plugins)?;
        let log = directory.join("audit.log");
        let own = format!("log_file = {}\nplugin_dir = {}\n", log.display(), plugins.display());
        std::fs::write(directory.join("auditd.conf"), CONFIGURATION.to_owned() + &own)?;
        // From here on whatever fails undoes what was done.
        let mut running = Running { daemon: None, lost: before.of("lost")?, log, before };
        auditctl(&["-D"])?;
        let mut auditd = command::command("auditd");
        auditd.args(["-n", "-s", "enable", "-c"]).arg(directory);
        let daemon = Daemon::start("auditd", directory, &mut auditd, Signal::TERM)?;
        let pid = daemon.pid();
        running.daemon = Some(daemon);
        await_auditd(u64::from(pid))?;
        auditctl(&["-b", &BACKLOG.to_string()])?;
        for calls in RULES {
            auditctl(&["-a", "always,exit", "-F", "arch=b64", "-S", calls])?;
        }
        Ok(Box::new(running))
    }
}

/// Rules go, audit is off, auditd ends, settings are as before, new tasks are free.
struct Running {
    daemon: Option<Daemon>,
    log: PathBuf,
    lost: u64,
    before: Status,
}

impl Running {
    fn end(&mut self) -> Result<()> {
        // All of it is tried, whatever fails: no rule must stay without its daemon.
        let results = [
            auditctl(&["-D"]),
            auditctl(&["-e", "0"]),
            {
                self.daemon = None;
                self.before.of("backlog_limit").and_then(|limit| auditctl(&["-b", &limit.to_string()]))
            },
            auditctl(&["-a", "never,task"]),
        ];
        results.into_iter().collect()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.daemon.is_some()
            && let Err(error) = self.end()
        {
            eprintln!("ending audit: {error:#}");
        }
    }
}

impl Watching for Running {
    fn processor_time(&self) -> Duration {
        // The kernel's thread that hands records to auditd works for it as well.
        let pids = self.daemon.iter().map(Daemon::pid).chain(kauditd());
        pids.map(processor_time).sum()
    }

    fn lost(&self) -> Result<Option<f64>> {
        let lost = Status::now()?.of("lost")?.saturating_sub(self.lost);
        Ok(Some(f64::from(u32::try_from(lost)?)))
    }

    fn records(&self) -> Result<String> {
        let rotated = self.log.with_extension("log.1");
        let mut text = if rotated.exists() { read(&rotated)? } else { String::new() };
        text += &read(&self.log)?;
        Ok(text)
    }

    /// Its own counters.
    fn metrics(&self) -> String {
        Status::now().map(|status| status.0).unwrap_or_default()
    }

    fn stop(mut self: Box<Self>) -> Result<()> {
        self.end()
    }
}

fn read(path: &Path) -> Result<String> {
    let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What `auditctl -s` says.
struct Status(String);

impl Status {
    fn now() -> Result<Self> {
        command::output(command::command("auditctl").arg("-s")).map(Self).context("is audit in this kernel?")
    }

    fn of(&self, name: &str) -> Result<u64> {
        counter(&self.0, name).with_context(|| format!("no {name} in what auditctl -s says"))
    }
}

/// A counter in what `auditctl -s` says.
pub fn counter(status: &str, name: &str) -> Option<u64> {
    status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse().ok())
}

fn await_auditd(pid: u64) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        if Status::now()?.of("pid")? == pid {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("auditd did not take audit over within 10 s")
}

fn auditctl(arguments: &[&str]) -> Result<()> {
    command::output(command::command("auditctl").args(arguments)).map(drop)
}

/// The kernel's thread.
fn kauditd() -> Option<u32> {
    let processes = std::fs::read_dir("/proc").ok()?.flatten();
    let mut pids = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    pids.find(|pid| std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|name| name == "kauditd\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counters_are_told_apart() {
        let status = "lost 3\nbacklog 0\nbacklog_wait_time 15000\nbacklog_wait_time_actual 7\n";
        assert_eq!(counter(status, "lost"), Some(3));
        assert_eq!(counter(status, "backlog_wait_time_actual"), Some(7));
        assert_eq!(counter(status, "back"), None);
    }
}
