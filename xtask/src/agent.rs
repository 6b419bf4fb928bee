//! A running sensor, for benchmarks and the demo: started as root with its own sockets, ready before it is used, ended
//! with SIGTERM when dropped.

use crate::command;
use anyhow::{Context, Result, bail};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// How long a sensor may take to be ready; loading under emulation takes most of it.
const READY_LIMIT: Duration = Duration::from_secs(120);

/// A sensor that we started.
pub struct Agent {
    child: Child,
    metrics: SocketAddr,
}

impl Agent {
    /// Starts `sensor run` with these settings (`key=value`) and waits until it says that it is ready.
    ///
    /// `directory` takes its socket and its state; standard output goes to `out`, standard error to `sensor.log` there.
    pub fn start(sensor: &Path, directory: &Path, settings: &[String], out: Stdio) -> Result<Self> {
        let metrics = free_address()?;
        let log = directory.join("sensor.log");
        let mut command = Command::new(sensor);
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
            .with_context(|| format!("starting {}", sensor.display()))?;
        let mut agent = Self { child, metrics };
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

    /// What it writes to standard output, if that was asked to be a pipe; once.
    pub fn take_output(&mut self) -> Option<std::process::ChildStdout> {
        self.child.stdout.take()
    }

    /// Processor time of all its threads so far.
    fn processor_time(&self) -> Duration {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.pid()));
        let times = tasks.into_iter().flatten().flatten().filter_map(|task| {
            let text = std::fs::read_to_string(task.path().join("schedstat")).ok()?;
            text.split(' ').next()?.parse::<u64>().ok()
        });
        Duration::from_nanos(times.sum())
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

    /// Kills it, as `kill -9` does.
    pub fn kill(mut self) -> Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// What `/metrics` says now.
    pub fn metrics(&self) -> Result<String> {
        Ok(get(self.metrics, "/metrics")?)
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

    fn end(&mut self) -> Result<ExitStatus> {
        if let Some(status) = self.child.try_wait()? {
            return Ok(status);
        }
        // The shell's own kill: a program of that name may be missing.
        let kill = format!("kill -TERM {}", self.child.id());
        command::output(command::command("sh").args(["-c", &kill]))?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while Instant::now() < deadline {
            if let Some(status) = self.child.try_wait()? {
                return Ok(status);
            }
            std::thread::sleep(Duration::from_millis(20));
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

/// A loopback address that nobody listens on.
fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?)
}

/// Does `/readyz` answer 200?
fn is_ready(address: SocketAddr) -> bool {
    get(address, "/readyz").is_ok_and(|answer| answer.split(' ').nth(1) == Some("200"))
}

/// The whole answer to a GET.
fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
