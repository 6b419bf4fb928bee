//! A sensor with outputs, a server of ours that is attacked, and the comparison of what was said with what arrived.

use crate::agent::Agent;
use crate::ear::Ear;
use crate::scenarios::lab::{Place, Resident, Start, finish, signal};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// A sensor that may be stopped, killed and started again, always with the same state and spool.
pub struct Trial {
    place: Place,
    start: Start,
    settings: Vec<String>,
    agent: Option<Agent>,
    /// One for each start.
    ears: Vec<Ear>,
    _resident: Resident,
}

impl Trial {
    /// Starts a sensor with these settings, which may name `PLACE`, the trial's directory.
    pub fn new(settings: &[String]) -> Result<Self> {
        let place = Place::new()?;
        let start = Start::new(None, "auto")?;
        let directory = place.directory.display().to_string();
        let mut all = place.settings(&start, "alerts");
        all.push(format!("spool.path={:?}", place.path("spool").display().to_string()));
        all.extend(settings.iter().map(|setting| setting.replace("PLACE", &directory)));
        let resident = Resident::new(&place)?;
        let mut trial = Self { place, start, settings: all, agent: None, ears: Vec::new(), _resident: resident };
        trial.again()?;
        Ok(trial)
    }

    /// A path in its directory.
    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path(name)
    }

    /// Starts the sensor again.
    pub fn again(&mut self) -> Result<()> {
        ensure!(self.agent.is_none(), "it runs");
        let mut agent = Agent::start(&self.start.sensor, &self.place.directory, &self.settings, Stdio::piped())?;
        let out = agent.take_output().context("the sensor's output")?;
        self.ears.push(Ear::new(out, ours));
        self.agent = Some(agent);
        Ok(())
    }

    /// The running sensor.
    pub fn agent(&self) -> Result<&Agent> {
        self.agent.as_ref().context("no sensor runs")
    }

    /// Ends it with SIGTERM; gives how long that took.
    pub fn stop(&mut self) -> Result<Duration> {
        let begin = Instant::now();
        let status = self.agent.take().context("no sensor runs")?.stop()?;
        ensure!(status.success(), "the sensor ended with {status}");
        Ok(begin.elapsed())
    }

    /// Ends it with SIGKILL.
    pub fn kill(&mut self) -> Result<()> {
        self.agent.take().context("no sensor runs")?.kill()
    }

    /// Sends it SIGHUP.
    pub fn reload(&self) -> Result<()> {
        signal(self.agent()?.pid(), libc::SIGHUP)
    }

    /// Lets a server of ours start shells, so many that each is an alert, and waits until all were said on standard output.
    pub fn attack(&self, times: usize) -> Result<()> {
        let before = self.said().len();
        for _ in 0..times {
            let mut child = self.place.server("spawn", &["id"]).spawn().context("starting the server")?;
            finish(&mut child, PATIENCE)?;
        }
        until(|| Ok(self.said().len() >= before + times)).context("alerts on standard output")
    }

    /// `event.id` of all alerts on standard output, over all starts, in order.
    pub fn said(&self) -> Vec<String> {
        let alerts = self.ears.iter().flat_map(|ear| ear.matching(|line| line["event"]["kind"] == "alert"));
        alerts.filter_map(|line| line["event"]["id"].as_str().map(str::to_owned)).collect()
    }

    /// Waits until an output's metric, without `sensor_output_`, has this value.
    pub fn wait_for(&self, output: &str, metric: &str, wanted: impl Fn(f64) -> bool) -> Result<()> {
        let agent = self.agent()?;
        until(|| Ok(wanted(agent.metric(&format!("output_{metric}"), "output", output)?)))
            .with_context(|| format!("waiting for {metric} of {output}"))
    }

    /// Waits until all that was said has arrived, and compares: nothing missing, in order; what came twice counts once.
    pub fn compare(&self, arrived: impl Fn() -> Vec<String>) -> Result<String> {
        let said = self.said();
        let mut repeats = 0;
        let ids = || {
            let mut ids: Vec<String> = Vec::new();
            repeats = 0;
            for id in arrived().iter().filter_map(|line| our_id(line)) {
                if ids.contains(&id) { repeats += 1 } else { ids.push(id) }
            }
            ids
        };
        let mut ids = ids;
        let begin = Instant::now();
        let mut found = ids();
        while found.len() < said.len() && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(50));
            found = ids();
        }
        if found != said {
            let missing = said.iter().filter(|id| !found.contains(id)).count();
            bail!("{} said, {} arrived, {missing} missing; said {said:?}, arrived {found:?}", said.len(), found.len());
        }
        Ok(format!("{} alerts, all arrived in order, {repeats} of them twice", said.len()))
    }
}

/// What is about other processes of this machine is none of our business.
fn ours(line: &Value) -> bool {
    line["sensor"]["server"]["id"] == "test-server"
}

fn our_id(line: &str) -> Option<String> {
    let line: Value = serde_json::from_str(line).ok()?;
    line["event"]["id"].as_str().filter(|_| ours(&line)).map(str::to_owned)
}

/// Waits until it is so.
pub fn until(mut so: impl FnMut() -> Result<bool>) -> Result<()> {
    let begin = Instant::now();
    while !so()? {
        if begin.elapsed() > PATIENCE {
            bail!("not within {} s", PATIENCE.as_secs());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(())
}
