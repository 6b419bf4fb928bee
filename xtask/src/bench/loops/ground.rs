//! Where loops run: a directory of their own, with a server that is one to the sensor, and a watched directory of it.

use super::{Operation, Sample};
use crate::agent::Agent;
use crate::bench::spread::quantile;
use crate::scenarios::lab::{Place, Resident, emulated};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// A loop is measured in so many parts.
const PARTS: u32 = 100;
/// Of these this one counts: what else runs on the machine, or on its host, makes parts longer, never shorter.
const CLEAN: f64 = 0.25;

/// Longer than any part of the benchmark takes.
const LIMIT: Duration = Duration::from_secs(1800);

/// The directory, and the server that keeps its component directory watched.
pub struct Ground {
    place: Place,
    _resident: Resident,
}

impl Ground {
    /// Makes it; it is removed at the end.
    pub fn new() -> Result<Self> {
        let place = Place::new()?;
        let resident = Resident::for_at_most(&place, LIMIT)?;
        Ok(Self { place, _resident: resident })
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.place.directory
    }

    /// An empty directory in it; what it had before is removed.
    pub fn room(&self, name: &str) -> Result<PathBuf> {
        let room = self.place.path(name);
        if room.exists() {
            std::fs::remove_dir_all(&room)?;
        }
        std::fs::create_dir(&room)?;
        Ok(room)
    }

    /// The server, about to play a part of the scenarios.
    pub fn server(&self, part: &str) -> Command {
        self.server_with(part, &[])
    }

    /// The same with arguments for its part.
    pub fn server_with(&self, part: &str, arguments: &[&str]) -> Command {
        self.place.server(part, arguments)
    }

    /// Starts a sensor that knows the server, with these settings besides.
    pub fn agent(&self, sensor: &Path, settings: &[String], out: std::process::Stdio) -> Result<Agent> {
        let catalogue = self.place.path("catalogue").display().to_string();
        let mut all = vec![format!("catalogue.extra=[{catalogue:?}]"), "output.stdout.format=\"json\"".to_owned()];
        all.extend_from_slice(settings);
        Agent::start(sensor, self.directory(), &all, out)
    }

    /// Runs the loop in a new process and returns what it came to.
    pub fn sample(&self, operation: Operation, count: u32, parts: u32) -> Result<Sample> {
        let program = if operation.by_server() { "test-server" } else { "tool" };
        // The agent has to learn of a server before it is reported.
        let pause = match (operation.by_server(), emulated()) {
            (false, _) => 0,
            (true, true) => 1500,
            (true, false) => 300,
        };
        let numbers = [("--count", count), ("--parts", parts), ("--pause", pause)];
        let mut command = crate::command::command(self.place.path(program));
        command.args(["guest", "bench-loop", operation.name(), "--directory"]).arg(self.directory());
        for (option, number) in numbers {
            command.args([option, &number.to_string()]);
        }
        let output = crate::command::output(&mut command)?;
        serde_json::from_str(output.trim()).context("the loop's answer")
    }

    /// Nanoseconds per operation: the lower quartile of the parts.
    pub fn measure(&self, operation: Operation, count: u32) -> Result<f64> {
        Ok(quantile(&mut self.sample(operation, count, PARTS)?.elapsed, CLEAN))
    }

    /// The same under a sensor, which has to have seen what it is to see; and the agent's processor time per operation.
    pub fn measure_under(&self, agent: &Agent, operation: Operation, count: u32) -> Result<(f64, f64)> {
        let (mut sample, agent) = self.sample_under(agent, operation, count, PARTS)?;
        Ok((quantile(&mut sample.elapsed, CLEAN), agent))
    }

    /// As [`Self::sample`], under a sensor.
    pub fn sample_under(&self, agent: &Agent, operation: Operation, count: u32, parts: u32) -> Result<(Sample, f64)> {
        let seen = || operation.reported().map_or(Ok(0.0), |kind| agent.metric("events_total", "kind", kind));
        let before = seen()?;
        let (spent, sample) = agent.processor_time_for(|| self.sample(operation, count, parts));
        let wanted = operation.least_reported(count);
        let events = seen()? - before;
        if operation.reported().is_some() && events < wanted {
            bail!("{}: the sensor took in {events} events, {wanted} at least were wanted", operation.name());
        }
        // The loop's warm-up, a tenth, is in the agent's time as well.
        Ok((sample?, spent.as_secs_f64() * 1e9 / (f64::from(count) * 1.1)))
    }
}
