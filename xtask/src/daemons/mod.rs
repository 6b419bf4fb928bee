//! Servers of the distribution, started by hand: in the foreground, on loopback, below a directory of their own.
//!
//! A [`Daemon`] is stopped by its pid when it is dropped.

pub mod host;
mod postgres;
mod web;

pub use postgres::{Cluster, postgres};
pub use web::{nginx, php_fpm};

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long a server may take to end before it is killed.
const PATIENCE: Duration = Duration::from_secs(10);

/// A server that runs.
pub struct Daemon {
    /// What it is called here.
    pub name: &'static str,
    child: Child,
    /// What ends it together with its children; a killed one would leave them behind.
    stop: Signal,
    log: PathBuf,
}

impl Daemon {
    /// Starts it; what it says goes to `NAME.log` in the directory.
    pub fn start(name: &'static str, directory: &Path, command: &mut Command, stop: Signal) -> Result<Self> {
        let log = directory.join(format!("{name}.log"));
        let file = std::fs::File::create(&log).with_context(|| log.display().to_string())?;
        let child = command
            .stdin(Stdio::null())
            .stdout(file.try_clone()?)
            .stderr(file)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        Ok(Self { name, child, stop, log })
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it listens on a port of loopback.
    pub fn await_port(&self, port: u16) -> Result<()> {
        host::await_port(port, &self.log).with_context(|| self.name.to_owned())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // A child that nobody has waited for keeps its pid.
        let _ = kill_process(Pid::from_child(&self.child), self.stop);
        let begin = Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Redis without a configuration file; `arguments` are added.
pub fn redis(at: &Path, port: u16, arguments: &[&str]) -> Result<Daemon> {
    let mut command = Command::new("redis-server");
    command.args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--daemonize", "no"]).args(arguments);
    Daemon::start("redis", at, &mut command, Signal::TERM)
}
