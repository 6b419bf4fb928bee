//! The sensor as a watcher of the loops' ground: it knows the server there.

use crate::agent::Agent;
use crate::bench::loops::Ground;
use crate::bench::watchers::{Watcher, Watching};
use crate::workspace;
use anyhow::Result;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

/// The sensor, with alerts only, as it is used; or with every event, to see what it records.
pub struct OnGround<'a> {
    /// Where the loops run.
    pub ground: &'a Ground,
    /// Every event is written.
    pub events: bool,
}

impl Watcher for OnGround<'_> {
    fn name(&self) -> &'static str {
        "sensor"
    }

    fn start(&self, directory: &Path) -> Result<Box<dyn Watching>> {
        let out = directory.join("sensor.json");
        let include = if self.events { "events" } else { "alerts" };
        let settings = [format!("output.stdout.include=\"{include}\"")];
        let file = Stdio::from(std::fs::File::create(&out)?);
        Ok(Box::new(Running { agent: self.ground.agent(&workspace::sensor(), &settings, file)?, out }))
    }
}

struct Running {
    agent: Agent,
    out: PathBuf,
}

impl Watching for Running {
    fn processor_time(&self) -> Duration {
        self.agent.processor_time()
    }

    fn metrics(&self) -> String {
        self.agent.metrics().unwrap_or_default()
    }

    fn lost(&self) -> Result<Option<f64>> {
        let text = self.agent.metrics()?;
        // What outputs could not take is lost to who reads them.
        let names = ["sensor_lost_events_total{", "sensor_output_dropped_total{"];
        let lines = text.lines().filter(|line| names.iter().any(|name| line.starts_with(name)));
        Ok(Some(lines.filter_map(|line| line.rsplit_once(' ')?.1.parse::<f64>().ok()).sum()))
    }

    fn records(&self) -> Result<String> {
        Ok(std::fs::read_to_string(&self.out)?)
    }

    fn stop(self: Box<Self>) -> Result<()> {
        self.agent.stop().map(drop)
    }
}
