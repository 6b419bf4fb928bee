//! A sensor, a directory, and a server of our own below it.

use crate::agent::Agent;
use crate::ear::Ear;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

/// How long an alert may take to come out; emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a lab is made with.
pub struct Start {
    /// The sensor's binary.
    pub sensor: PathBuf,
    /// The hook set.
    pub hooks: String,
}

impl Start {
    /// With the sensor that was built, unless another is named.
    pub fn new(sensor: Option<PathBuf>, hooks: &str) -> Result<Self> {
        let built = workspace::sensor();
        let sensor = sensor.unwrap_or_else(|| if built.exists() { built } else { workspace::installed_sensor() });
        if !sensor.exists() {
            bail!("{} does not exist; build it with `cargo xtask build`", sensor.display());
        }
        Ok(Self { sensor, hooks: hooks.to_owned() })
    }
}

/// A temporary directory with the server and its catalogue; removed at the end.
pub struct Place {
    /// Where everything is.
    pub directory: PathBuf,
}

impl Place {
    /// Makes it: `test-server` and `tool` are copies of this program, `www` is the server's component directory.
    pub fn new() -> Result<Self> {
        static MADE: AtomicU32 = AtomicU32::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let directory = std::env::temp_dir().join(format!("sensor-lab-{}-{number}", std::process::id()));
        let place = Self { directory };
        for name in ["www", "outside", "catalogue"] {
            std::fs::create_dir_all(place.path(name))?;
        }
        for name in ["test-server", "tool"] {
            std::fs::copy(command::myself()?, place.path(name)).context("copying this program")?;
        }
        let text = format!(
            "[[server]]\nid = \"test-server\"\nroles = [\"app\"]\nexe = [{server:?}]\nexec_policy = \"never\"\n\
             [[server.component]]\npath = {www:?}\nkind = \"script_docroot\"\n\
             [[server.normal_child]]\nexe = [\"*/dash\", \"*/bash\"]\nargs = [\"sh -c {tool} actor nothing normal\"]\n\
             below = [\"{tool}\"]\nreason = \"a test\"\n",
            server = place.path("test-server").display().to_string(),
            www = place.path("www").display().to_string(),
            tool = place.path("tool").display(),
        );
        std::fs::write(place.path("catalogue/test.toml"), text)?;
        Ok(place)
    }

    /// A path in it.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The server, about to play `part`.
    pub fn server(&self, part: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(self.path("test-server"));
        command.args(["actor", part]).args(arguments).current_dir(&self.directory);
        command.env("LAB", &self.directory).stdin(Stdio::null()).stdout(Stdio::null());
        command
    }

    /// Settings for the sensor: this catalogue, these hooks, JSON.
    pub fn settings(&self, start: &Start, include: &str) -> Vec<String> {
        vec![
            "output.stdout.format=\"json\"".to_owned(),
            format!("output.stdout.include={include:?}"),
            format!("kernel.hooks={:?}", start.hooks),
            format!("catalogue.extra=[{:?}]", self.path("catalogue").display().to_string()),
        ]
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// A server that just runs: its component directory is watched as long as it does, whoever else comes and goes.
pub struct Resident(Child);

impl Resident {
    /// Starts it; it ends by itself after two minutes, should nobody end it.
    pub fn new(place: &Place) -> Result<Self> {
        Self::for_at_most(place, Duration::from_secs(120))
    }

    /// The same with another time.
    pub fn for_at_most(place: &Place, time: Duration) -> Result<Self> {
        let (never, seconds) = (text(&place.path("never")), time.as_secs().to_string());
        Ok(Self(place.server("when", &[&never, &seconds]).spawn().context("starting the resident server")?))
    }
}

impl Drop for Resident {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A running sensor that watches a server of ours.
pub struct Lab {
    /// The directory.
    pub place: Place,
    /// The hook set that the sensor reports.
    pub set: String,
    agent: Agent,
    resident: Resident,
    ear: Ear,
}

impl Lab {
    /// Starts the sensor, with further settings.
    pub fn new(start: &Start, settings: &[String]) -> Result<Self> {
        Self::at(Place::new()?, start, "events", settings)
    }

    /// Starts the sensor for a place that is there already.
    pub fn at(place: Place, start: &Start, include: &str, settings: &[String]) -> Result<Self> {
        let resident = Resident::new(&place)?;
        let mut all = place.settings(start, include);
        all.extend_from_slice(settings);
        let mut agent = Agent::start(&start.sensor, &place.directory, &all, Stdio::piped())?;
        let out = agent.take_output().context("the sensor's output")?;
        // What is not about our own server is none of our business.
        let ear = Ear::new(out, |line| line["sensor"]["server"]["id"] == "test-server");
        let log = std::fs::read_to_string(place.path("sensor.log")).unwrap_or_default();
        let set =
            if log.contains("trampoline") && !log.contains("set=\"tracepoint\"") { "trampoline" } else { "tracepoint" };
        Ok(Self { place, set: set.to_owned(), agent, resident, ear })
    }

    /// The sensor itself.
    pub const fn agent(&self) -> &Agent {
        &self.agent
    }

    /// Kills the sensor, as `kill -9` does.
    pub fn kill(self) -> Result<Place> {
        let Self { place, agent, resident, .. } = self;
        agent.kill()?;
        drop(resident);
        Ok(place)
    }

    /// Plays a part to its end; gives the server's pid.
    pub fn play(&self, part: &str, arguments: &[&str]) -> Result<u32> {
        let mut child = self.place.server(part, arguments).spawn().context("starting the server")?;
        let pid = child.id();
        finish(&mut child, PATIENCE)?;
        Ok(pid)
    }

    /// Whether the sensor said that it cannot mark the component directory (tmpfs before 5.13, tracepoint set).
    pub fn cannot_mark(&self) -> bool {
        let log = std::fs::read_to_string(self.place.path("sensor.log"));
        log.is_ok_and(|log| log.contains("fanotify cannot watch this directory"))
    }

    /// Everything the sensor said of the server with that pid.
    pub fn said(&self, server: u32) -> Vec<Value> {
        self.ear.said(server)
    }

    /// The server whose directory was watched first ends, and another one takes its place.
    pub fn restart_resident(&mut self) -> Result<()> {
        self.resident = Resident::new(&self.place)?;
        // Assigning ended the former one; the sensor is to know of both.
        std::thread::sleep(Duration::from_millis(if emulated() { 2000 } else { 500 }));
        Ok(())
    }

    /// Its alerts among that.
    pub fn alerts(&self, server: u32) -> Vec<Value> {
        let mut said = self.said(server);
        said.retain(|line| line["event"]["kind"] == "alert");
        said
    }

    /// Waits for `wanted` alerts, and then that no further one comes.
    pub fn expect(&self, server: u32, rule: &str, wanted: usize) -> Result<Vec<Value>> {
        self.ear.expect(server, rule, wanted)
    }
}

/// Waits for a child; one that takes too long is killed.
pub fn finish(child: &mut Child, patience: Duration) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < patience {
        if let Some(status) = child.try_wait()? {
            if !status.success() {
                bail!("the actor failed: {status}");
            }
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill()?;
    child.wait()?;
    bail!("the actor did not end within {} s", patience.as_secs())
}

/// Sends a signal to a process that we started.
pub fn signal(pid: u32, signal: libc::c_int) -> Result<()> {
    // SAFETY: numbers only.
    let sent = unsafe { libc::kill(libc::pid_t::try_from(pid)?, signal) };
    super::actor::check(sent.into(), "kill").map(drop)
}

/// A path as text.
pub fn text(path: &Path) -> String {
    path.display().to_string()
}

/// Whether this is one of our own virtual machines.
pub fn emulated() -> bool {
    std::fs::read_to_string("/etc/hostname").is_ok_and(|name| name.trim() == "sensor-vm")
}
