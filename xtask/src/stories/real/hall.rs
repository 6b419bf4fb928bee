//! Servers of the distribution, started when a story needs them, and the sensor that watches.
//!
//! Each start is an [`Instance`] with a directory of its own below one temporary directory, on loopback, with a
//! configuration that is written here. An instance that an attack was played on is not used again. Everything is stopped
//! by pid and removed when the hall is dropped.

pub use crate::daemons::host::{await_port, free_port};

use super::{Server, family, start, system};
use crate::agent::Agent;
use crate::ear::{Ear, boottime_ns};
use crate::setup::packages;
use crate::stories::Seen;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use std::collections::{HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::fs;
use std::net::TcpListener;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long nothing more must come for a story to be told.
const QUIET: Duration = Duration::from_millis(700);
/// Longest time that a story's alerts are waited for.
const LONGEST: Duration = Duration::from_secs(6);
/// How long the sensor may take to know a server that has started.
const RECOGNITION: Duration = Duration::from_millis(1500);

/// Where services look for programs.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// A server that runs, or several that belong together.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The process that the sensor should call the server.
    pub pid: u32,
    /// Where it listens on loopback.
    pub port: u16,
    /// Its directory.
    pub at: PathBuf,
}

impl Instance {
    /// A path in its directory, as text.
    pub fn path(&self, name: &str) -> String {
        self.at.join(name).display().to_string()
    }
}

/// What keeps an instance alive.
struct Running {
    instance: Instance,
    children: Vec<Child>,
    stop: Signal,
    spent: bool,
}

impl Running {
    /// Stops it: what was started, and the server where that is another process.
    fn end(self) {
        let pid = self.instance.pid;
        stop(self.children, self.stop);
        if family::is_ours(pid) {
            system::signal(pid, self.stop);
            let begin = Instant::now();
            while !family::has_ended(pid) && begin.elapsed() < Duration::from_secs(5) {
                std::thread::sleep(Duration::from_millis(10));
            }
            system::reap(pid);
        }
    }
}

/// The beginning of a story.
#[derive(Clone, Copy)]
pub struct Story {
    from: usize,
    acted_boottime_ns: u64,
}

impl Story {
    /// The same story, whose deed begins only now: before, it was prepared.
    pub fn acting(self) -> Self {
        Self { acted_boottime_ns: boottime_ns(), ..self }
    }
}

/// All that runs.
pub struct Hall {
    /// The temporary directory of everything.
    pub directory: PathBuf,
    ear: Ear,
    agent: Option<Agent>,
    running: HashMap<Server, Running>,
    starting: Vec<Child>,
    to_remove: Vec<PathBuf>,
    /// Which server each process that was started is.
    owners: HashMap<u64, Server>,
    /// The servers that the story at hand uses.
    in_use: HashSet<Server>,
    count: usize,
}

impl Hall {
    /// Starts the sensor; servers start when a story needs them.
    pub fn new() -> Result<Self> {
        Self::with_settings(&[])
    }

    /// Tells the operator's `sensor baseline finish` that what a server did so far is all that it does.
    pub fn learned(&self, server: &str) -> Result<()> {
        let socket = format!("agent.socket=\"{}\"", self.directory.join("sensor/sensor.sock").display());
        let mut command = Command::new(workspace::sensor());
        command::output(command.args(["baseline", "finish", server, "--set", &socket])).map(drop)
    }

    /// The same with further settings for the sensor, `key=value`.
    pub fn with_settings(settings: &[String]) -> Result<Self> {
        packages::ensure("real servers", packages::SERVERS)?;
        system::adopt_orphans()?;
        system::end_in_order()?;
        let directory = std::env::temp_dir().join(format!("sensor-hall-{}", std::process::id()));
        fs::create_dir_all(&directory)?;
        open_to_all(&directory, 0o755)?;
        let mut hall = Self {
            directory,
            ear: Ear::default(),
            agent: None,
            running: HashMap::new(),
            starting: Vec::new(),
            to_remove: Vec::new(),
            owners: HashMap::new(),
            in_use: HashSet::new(),
            count: 0,
        };
        let own = hall.make_directory("sensor")?;
        let json = "output.stdout.format=\"json\"".to_owned();
        let settings: Vec<String> = std::iter::once(json).chain(settings.iter().cloned()).collect();
        let mut agent = Agent::start(&workspace::sensor(), &own, &settings, Stdio::piped())?;
        let out = agent.take_output().context("the sensor's output")?;
        hall.agent = Some(agent);
        let mark = hall.directory.display().to_string();
        let mut known = HashSet::new();
        hall.ear = Ear::new(out, move |line| is_about_us(line, &mark, &mut known));
        Ok(hall)
    }

    /// The server, started now unless it runs already and no attack was played on it.
    pub fn need(&mut self, server: Server) -> Result<Instance> {
        if system::asked_to_end() {
            bail!("asked to end");
        }
        self.in_use.insert(server);
        if let Some(running) = self.running.get(&server)
            && !running.spent
            && !family::has_ended(running.instance.pid)
        {
            return Ok(running.instance.clone());
        }
        self.retire(server);
        self.count += 1;
        let at = self.make_directory(&format!("{}-{}", self.count, server.name()))?;
        let started = start::start(self, server, &at);
        let children = std::mem::take(&mut self.starting);
        let (pid, port) = match started {
            Ok(started) => started,
            Err(error) => {
                stop(children, Signal::TERM);
                return Err(error.context(format!("starting {}", server.name())));
            }
        };
        let instance = Instance { pid, port, at };
        let pids: Vec<u32> = children.iter().map(Child::id).chain([pid]).collect();
        self.owners.extend(pids.iter().map(|pid| (u64::from(*pid), server)));
        let running = Running { instance: instance.clone(), children, stop: server.stop_signal(), spent: false };
        self.running.insert(server, running);
        if port != 0 {
            self.await_recognition(&pids);
        }
        Ok(instance)
    }

    /// A server that nothing happened to yet, for an attack: it is not used again.
    pub fn victim(&mut self, server: Server) -> Result<Instance> {
        self.retire(server);
        let instance = self.need(server)?;
        if let Some(running) = self.running.get_mut(&server) {
            running.spent = true;
        }
        Ok(instance)
    }

    /// Stops a server, if it runs.
    pub fn retire(&mut self, server: Server) {
        if let Some(running) = self.running.remove(&server) {
            running.end();
        }
    }

    /// Starts a program whose end belongs to the instance that is being started; its output goes to `name.log` there.
    pub fn launch(&mut self, at: &Path, name: &str, command: &mut Command) -> Result<u32> {
        let log = fs::File::create(at.join(format!("{name}.log")))?;
        as_a_service(command);
        // Apache ends its whole process group when it ends.
        let child = command
            .process_group(0)
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pid = child.id();
        self.starting.push(child);
        Ok(pid)
    }

    /// Has an empty directory outside removed at the end.
    pub fn remove_at_end(&mut self, path: PathBuf) {
        self.to_remove.push(path);
    }

    /// A new directory that everybody may enter.
    pub fn make_directory(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        fs::create_dir_all(&path).with_context(|| path.display().to_string())?;
        open_to_all(&path, 0o755)?;
        Ok(path)
    }

    /// A fresh directory for a story's own things.
    pub fn workplace(&mut self, name: &str) -> Result<PathBuf> {
        self.count += 1;
        self.make_directory(&format!("{}-{name}", self.count))
    }

    /// The story begins: what the sensor says from now on belongs to it.
    pub fn begin(&self) -> Story {
        Story { from: self.ear.count(), acted_boottime_ns: boottime_ns() }
    }

    /// What the sensor said since of the servers that the story used. The story ends with that.
    ///
    /// What it says of a server that is left over from another story is that story's.
    pub fn seen(&mut self, story: Story) -> Result<Seen> {
        let mut seen = self.heard(story)?;
        let in_use = std::mem::take(&mut self.in_use);
        seen.alerts.retain(|alert| {
            let owner = alert["sensor"]["server"]["pid"].as_u64().and_then(|pid| self.owners.get(&pid));
            owner.is_none_or(|server| in_use.contains(server))
        });
        Ok(seen)
    }

    /// What the sensor said since of anything that is ours: waits until it has been quiet for a while.
    pub fn heard(&self, story: Story) -> Result<Seen> {
        let begin = Instant::now();
        let mut count = self.ear.count();
        let mut changed = Instant::now();
        while changed.elapsed() < QUIET && begin.elapsed() < LONGEST {
            std::thread::sleep(Duration::from_millis(20));
            let now = self.ear.count();
            if now != count {
                count = now;
                changed = Instant::now();
            }
        }
        if self.agent.as_ref().is_none_or(|agent| family::has_ended(agent.pid())) {
            bail!("the sensor has ended: see {}", self.directory.join("sensor/sensor.log").display());
        }
        let mut alerts = self.ear.since(story.from);
        alerts.retain(|line| line["event"]["kind"] == "alert");
        Ok(Seen { alerts, acted_boottime_ns: story.acted_boottime_ns })
    }

    /// How many programs the sensor has seen start, of anybody's; 0 if it does not say.
    pub fn programs_run(&self) -> u64 {
        let metrics = self.agent.as_ref().and_then(|agent| agent.metrics().ok()).unwrap_or_default();
        let exec = metrics.lines().find_map(|line| line.strip_prefix("sensor_events_total{kind=\"exec\"} "));
        exec.and_then(|count| count.trim().parse().ok()).unwrap_or_default()
    }

    /// Waits until the sensor names one of the processes as a server; how the story ends shows whether it did.
    fn await_recognition(&self, pids: &[u32]) {
        let socket = self.directory.join("sensor/sensor.sock");
        let setting = format!("agent.socket=\"{}\"", socket.display());
        let begin = Instant::now();
        while begin.elapsed() < RECOGNITION {
            let mut ask = Command::new(workspace::sensor());
            let said = command::output(ask.args(["servers", "--json", "--set", &setting])).unwrap_or_default();
            let answer: Value = serde_json::from_str(&said).unwrap_or_default();
            let servers = answer["servers"].as_array().cloned().unwrap_or_default();
            if servers.iter().any(|server| pids.iter().any(|pid| server["pid"] == *pid)) {
                break;
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        // Its directories are watched a moment later.
        std::thread::sleep(Duration::from_millis(200));
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        for (_, running) in self.running.drain() {
            running.end();
        }
        stop(std::mem::take(&mut self.starting), Signal::TERM);
        let keep: Vec<u32> = self.agent.iter().map(Agent::pid).collect();
        family::stop_all(&keep);
        drop(self.agent.take());
        for path in &self.to_remove {
            let _ = fs::remove_dir(path);
        }
        // What cannot be removed is in the temporary directory.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Ends the processes, the last started first, and whatever they left behind.
fn stop(children: Vec<Child>, signal: Signal) {
    for mut child in children.into_iter().rev() {
        system::signal(child.id(), signal);
        let begin = Instant::now();
        while matches!(child.try_wait(), Ok(None)) {
            if begin.elapsed() > Duration::from_secs(8) {
                let _ = child.kill();
                let _ = child.wait();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

/// Does what the sensor says concern a process that descends from this program, or a file of ours?
fn is_about_us(line: &Value, mark: &str, known: &mut HashSet<u64>) -> bool {
    let lineage = line["sensor"]["lineage"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = [&line["sensor"]["server"]["pid"], &line["process"]["pid"], &line["process"]["parent"]["pid"]];
    let pids: Vec<u64> =
        own.into_iter().chain(lineage.iter().map(|one| &one["pid"])).filter_map(Value::as_u64).collect();
    let ours = pids.iter().any(|pid| known.contains(pid) || u32::try_from(*pid).is_ok_and(family::is_ours));
    if ours || line.to_string().contains(mark) {
        if let Some(server) = line["sensor"]["server"]["pid"].as_u64() {
            known.insert(server);
        }
        return true;
    }
    false
}

/// A service has none of a developer's environment: lighttpd, for one, would use that person's shell.
fn as_a_service(command: &mut Command) {
    let given: HashSet<OsString> = command.get_envs().map(|(name, _)| name.to_owned()).collect();
    for (name, _) in std::env::vars_os().filter(|(name, _)| !given.contains(name)) {
        command.env_remove(name);
    }
    if !given.contains(OsStr::new("PATH")) {
        command.env("PATH", PATH);
    }
}

/// Sets the mode of a file or directory.
pub fn open_to_all(path: &Path, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).with_context(|| path.display().to_string())
}

/// A loopback port that nobody listens on, below the range from which the system takes ports, for programs that want one there.
pub fn low_port() -> Result<u16> {
    (20_000..32_000).find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).context("no port below 32000 is free")
}
