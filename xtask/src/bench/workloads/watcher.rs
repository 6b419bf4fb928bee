//! Who watches while a workload runs.
//!
//! A watcher is started before the servers of each load and ended after them: what some of them cost falls only on
//! processes that started later, so all are measured so.

use crate::agent::Agent;
use crate::vm::Hooks;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// How long the sensor may take to know servers that have started.
const RECOGNITION: Duration = Duration::from_secs(20);

/// Somebody who watches, or nobody.
pub trait Watcher {
    /// For the table.
    fn name(&self) -> &'static str;
    /// Begins to watch; the directory is for its own files.
    fn start(&self, directory: &Path) -> Result<Box<dyn Watching>>;
}

/// It watches, until this is dropped.
pub trait Watching: Sync {
    /// Waits until it watches these servers, which have just started; fails if it does not.
    fn settle(&self, _servers: &[u32]) -> Result<()> {
        Ok(())
    }

    /// Processor time that its own processes have taken so far.
    fn processor_time(&self) -> Duration {
        Duration::ZERO
    }

    /// What it says of itself, as Prometheus reads it.
    fn metrics(&self) -> String {
        String::new()
    }

    /// How many events it says that it lost so far, if it says so.
    fn lost(&self) -> Result<Option<f64>> {
        Ok(None)
    }

    /// All that it has recorded so far, if that was asked for.
    fn records(&self) -> Result<String> {
        Ok(String::new())
    }

    /// The load that does not count begins, or is over.
    fn warms_up(&self, _begins: bool) -> Result<()> {
        Ok(())
    }

    /// Ends; an error if that does not go well.
    fn stop(self: Box<Self>) -> Result<()> {
        Ok(())
    }
}

/// Nobody.
pub struct Nobody;

impl Watcher for Nobody {
    fn name(&self) -> &'static str {
        "nobody"
    }

    fn start(&self, _directory: &Path) -> Result<Box<dyn Watching>> {
        Ok(Box::new(Self))
    }
}

impl Watching for Nobody {}

/// The sensor.
pub struct Sensor {
    /// With this hook set, or the one that it takes here.
    pub hooks: Option<Hooks>,
    /// The kernel counts what each program takes, during the load that does not count itself.
    pub statistics: bool,
}

/// The switch for that.
const STATISTICS: &str = "/proc/sys/kernel/bpf_stats_enabled";

impl Watcher for Sensor {
    fn name(&self) -> &'static str {
        "sensor"
    }

    fn start(&self, directory: &Path) -> Result<Box<dyn Watching>> {
        let mut settings = vec!["output.stdout.format=\"json\"".to_owned()];
        settings.extend(self.hooks.map(|hooks| format!("kernel.hooks=\"{}\"", hooks.name())));
        let agent = Agent::start(&workspace::installed_sensor(), directory, &settings, Stdio::null())?;
        let socket = format!("agent.socket=\"{}\"", directory.join("sensor.sock").display());
        Ok(Box::new(RunningSensor { agent, socket, statistics: self.statistics }))
    }
}

struct RunningSensor {
    agent: Agent,
    /// The setting by which its own commands find it.
    socket: String,
    statistics: bool,
}

impl RunningSensor {
    fn known_servers(&self) -> Vec<u64> {
        let mut ask = Command::new(workspace::installed_sensor());
        let said = command::output(ask.args(["servers", "--json", "--set", &self.socket])).unwrap_or_default();
        let answer: serde_json::Value = serde_json::from_str(&said).unwrap_or_default();
        let servers = answer["servers"].as_array().map(Vec::as_slice).unwrap_or_default();
        servers.iter().filter_map(|server| server["pid"].as_u64()).collect()
    }
}

impl Watching for RunningSensor {
    fn settle(&self, servers: &[u32]) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < RECOGNITION {
            let known = self.known_servers();
            if servers.iter().all(|pid| known.contains(&u64::from(*pid))) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        bail!("the sensor does not know all of {servers:?} as servers: it knows {:?}", self.known_servers())
    }

    fn processor_time(&self) -> Duration {
        self.agent.processor_time()
    }

    fn metrics(&self) -> String {
        self.agent.metrics().unwrap_or_default()
    }

    fn warms_up(&self, begins: bool) -> Result<()> {
        if self.statistics {
            std::fs::write(STATISTICS, if begins { "1" } else { "0" }).context(STATISTICS)?;
        }
        Ok(())
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.agent.stop().map(drop)
    }
}
