//! A running sensor, for benchmarks and the demo: started as root with its own sockets, ready before it is used, ended
//! with SIGTERM when dropped.

use crate::command;
use crate::daemons::host;
use crate::syscalls;
use anyhow::{Context, Result, bail};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a sensor may take to be ready; loading under emulation takes most of it.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// A sensor that we started.
pub struct Agent {
    child: Child,
    metrics: SocketAddr,
    log: PathBuf,
}

impl Agent {
    /// Starts `sensor run` with these settings (`key=value`) and waits until it says that it is ready.
    ///
    /// `directory` takes its socket and its state; standard output goes to `out`, standard error to `sensor.log` there.
    pub fn start(sensor: &Path, directory: &Path, settings: &[String], out: Stdio) -> Result<Self> {
        Self::start_with(syscalls::follow(sensor), directory, settings, out)
    }

    /// The same with a command that `run` and so on is to be added to.
    pub fn start_with(mut command: Command, directory: &Path, settings: &[String], out: Stdio) -> Result<Self> {
        let metrics = free_address()?;
        let log = directory.join("sensor.log");
        command.arg("run");
        let own = [
            format!("metrics.listen=\"{metrics}\""),
            format!("agent.socket=\"{}\"", directory.join("sensor.sock").display()),
            // What one run teaches must not decide about the next, and nothing of it stays on this machine.
            format!("state.path=\"{}\"", directory.join("state.db").display()),
        ];
        for setting in own.iter().chain(settings) {
            command.args(["--set", setting]);
        }
        let child = command
            .stdin(Stdio::null())
            .stdout(out)
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .with_context(|| format!("starting {command:?}"))?;
        let mut agent = Self { child, metrics, log: log.clone() };
        agent.wait_until_ready().with_context(|| {
            let said = std::fs::read_to_string(&log).unwrap_or_default();
            format!("the sensor said: {}", said.trim())
        })?;
        Ok(agent)
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Where it answers `/metrics`.
    pub const fn metrics_address(&self) -> SocketAddr {
        self.metrics
    }

    /// What it writes to standard output, if that was asked to be a pipe; once.
    pub fn take_output(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Processor time of all its threads so far.
    pub fn processor_time(&self) -> Duration {
        processor_time(self.pid())
    }

    /// Processor time that it takes for what `work` makes it do, and the work's result. It reads its rings in
    /// batches, so what it still does half a second later is counted too.
    pub fn processor_time_for<T>(&self, work: impl FnOnce() -> T) -> (Duration, T) {
        let before = self.processor_time();
        let result = work();
        std::thread::sleep(Duration::from_millis(500));
        (self.processor_time().saturating_sub(before), result)
    }

    /// Asks it to end and waits.
    pub fn stop(mut self) -> Result<ExitStatus> {
        self.end()
    }

    /// Waits until it has ended, which somebody asked of it.
    pub fn wait(mut self, limit: Duration) -> Result<ExitStatus> {
        self.ended_within(limit)?.with_context(|| format!("it did not end within {limit:?}"))
    }

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What `/metrics` says now.
    pub fn metrics(&self) -> Result<String> {
        Ok(host::get(self.metrics, "/metrics")?)
    }

    /// What it said on standard error so far.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())
    }

    /// The sum of a metric's samples whose label has this value; `name` without `sensor_`.
    pub fn metric(&self, name: &str, label: &str, value: &str) -> Result<f64> {
        let (start, part) = (format!("sensor_{name}{{"), format!("{label}=\"{value}\""));
        let text = self.metrics()?;
        let samples = text.lines().filter(|line| line.starts_with(&start) && line.contains(&part));
        Ok(samples.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum())
    }

    fn wait_until_ready(&mut self) -> Result<()> {
        let deadline = Instant::now() + READY_LIMIT;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                bail!("it ended at once: {status}");
            }
            if is_ready(self.metrics) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("not ready after {} s", READY_LIMIT.as_secs())
    }

    fn ended_within(&mut self, limit: Duration) -> Result<Option<ExitStatus>> {
        let deadline = Instant::now() + limit;
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(Some(status));
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(None)
    }

    fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        // The shell's own kill: a program of that name may be missing.
        let kill = format!("kill -TERM {}", self.child.id());
        command::output(command::command("sh").args(["-c", &kill]))?;
        if let Some(status) = self.ended_within(Duration::from_secs(10))? {
            return Ok(status);
        }
        self.child.kill()?;
        self.child.wait()?;
        bail!("the sensor did not end within 10 s of SIGTERM")
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("{error:#}");
        }
    }
}

/// Processor time of all threads of a process so far.
pub fn processor_time(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task"));
    let times = tasks.into_iter().flatten().flatten().filter_map(|task| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
        text.split(' ').next()?.parse::<u64>().ok()
    });
    Duration::from_nanos(times.sum())
}

/// A loopback address that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Does `/readyz` answer 200?
fn is_ready(address: SocketAddr) -> bool {
    host::get(address, "/readyz").is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}
