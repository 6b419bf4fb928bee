//! bpftrace with a program that prints what the sensor watches, into a file.

use super::{Watcher, Watching};
use crate::agent::processor_time;
use crate::command;
use crate::daemons::Daemon;
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const PROGRAM: &str = include_str!("watch.bt");

/// It needs tracefs, which is mounted where nobody else sees it.
const START: &str = "mount -t tracefs tracefs /sys/kernel/tracing && exec bpftrace -B line -o \"$1\" \"$2\"";

/// bpftrace, with its usual buffers and lengths of strings.
pub struct Bpftrace;

impl Watcher for Bpftrace {
    fn name(&self) -> &'static str {
        "bpftrace"
    }

    fn start(&self, directory: &Path) -> Result<Box<dyn Watching>> {
        let (program, out) = (directory.join("watch.bt"), directory.join("bpftrace.out"));
        std::fs::write(&program, PROGRAM)?;
        let mut unshare = command::command("unshare");
        unshare.args(["--mount", "sh", "-c", START, "sh"]).arg(&out).arg(&program);
        let daemon = Daemon::start("bpftrace", directory, &mut unshare, Signal::INT)?;
        let running = Running { daemon, out, said: directory.join("bpftrace.log") };
        running.await_ready()?;
        Ok(Box::new(running))
    }
}

struct Running {
    daemon: Daemon,
    out: PathBuf,
    said: PathBuf,
}

impl Running {
    /// Waits until it sees a program that is started for it.
    fn await_ready(&self) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            command::output(&mut command::command("/bin/true"))?;
            std::thread::sleep(Duration::from_millis(100));
            if self.records().is_ok_and(|text| text.contains("\"path\":\"/bin/true\"")) {
                return Ok(());
            }
        }
        bail!("bpftrace saw nothing within 30 s; it said: {}", std::fs::read_to_string(&self.said)?.trim())
    }
}

impl Watching for Running {
    fn processor_time(&self) -> Duration {
        processor_time(self.daemon.pid())
    }

    fn lost(&self) -> Result<Option<f64>> {
        let text = self.records()? + &std::fs::read_to_string(&self.said)?;
        Ok(Some(lost(&text)))
    }

    fn records(&self) -> Result<String> {
        let bytes = std::fs::read(&self.out).with_context(|| self.out.display().to_string())?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

/// The sum of `Lost N events`.
fn lost(text: &str) -> f64 {
    let counts = text.lines().filter_map(|line| line.strip_prefix("Lost ")?.split(' ').next()?.parse::<f64>().ok());
    counts.sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn losses_are_added() {
        assert!((lost("x\nLost 12 events\nLost 3 events\n{}\n") - 15.0).abs() < f64::EPSILON);
    }
}
