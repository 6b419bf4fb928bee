//! Where alerts and events go: standard output and a file, each behind a bounded queue with a thread of its own.
//!
//! Always holds: the agent never waits for an output. What finds the queue full, or cannot be written, is dropped and
//! counted by output and reason. An output that fails does not stop the sensor.

mod event_json;
mod file;
mod queue;

pub use event_json::event_json;

use crate::alert::Alert;
use crate::config::{Config, Format, Include};
use crate::event::Event;
use crate::metrics::Metrics;
use crate::pipeline::Core;
use crate::terminal::colour;
use anyhow::{Context, Result};
use queue::Queue;
use std::io::Write;
use std::sync::Arc;
use std::time::Duration;

/// How long the end waits for an output to write what it still has.
const DRAIN: Duration = Duration::from_secs(5);

/// All outputs.
pub struct Outputs {
    outputs: Vec<Output>,
}

struct Output {
    queue: Queue,
    format: Format,
    colour: bool,
    events: bool,
}

impl Outputs {
    /// Opens those that are enabled. Fails if the file cannot be opened.
    pub fn start(config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        let mut outputs = Vec::new();
        if config.stdout.enabled {
            outputs.push(Output {
                queue: Queue::start("stdout", Box::new(Lines(std::io::stdout())), metrics)?,
                format: config.stdout.format,
                colour: colour(),
                events: config.stdout.include == Include::Events,
            });
        }
        if config.file.enabled {
            let file = file::Rotated::open(&config.file)
                .with_context(|| format!("opening output.file.path = {}", config.file.path.display()))?;
            outputs.push(Output {
                queue: Queue::start("file", Box::new(file), metrics)?,
                format: Format::Json,
                colour: false,
                events: config.file.include == Include::Events,
            });
        }
        Ok(Self { outputs })
    }

    /// Hands out an alert.
    pub fn alert(&self, alert: &Alert) {
        let mut json = None;
        for output in &self.outputs {
            let line = match output.format {
                Format::Pretty => alert.to_pretty(output.colour),
                Format::Json => json.get_or_insert_with(|| alert.to_json() + "\n").clone(),
            };
            output.queue.push(line);
        }
    }

    /// Whether anybody wants events.
    pub fn wants_events(&self) -> bool {
        self.outputs.iter().any(|output| output.events)
    }

    /// Hands out an event that the core has taken in. In JSON on outputs for people, too.
    pub fn event(&self, event: &Event, core: &Core) {
        let Some(line) = event_json(event, core) else {
            return;
        };
        for output in self.outputs.iter().filter(|output| output.events) {
            output.queue.push(line.clone());
        }
    }

    /// Opens files anew, so that one that was moved away is let go.
    pub fn reopen(&self) {
        for output in &self.outputs {
            output.queue.reopen();
        }
    }

    /// Writes what is left, as far as that takes no longer than five seconds.
    pub fn finish(self) {
        for output in self.outputs {
            output.queue.finish(DRAIN);
        }
    }
}

/// Where lines end up.
trait Sink: Send {
    /// Writes one text, newline included.
    fn write(&mut self, text: &str) -> std::io::Result<()>;
    /// Hands on what is held back.
    fn flush(&mut self) -> std::io::Result<()>;
    /// Begins anew, where that has a meaning.
    fn reopen(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

struct Lines<W>(W);

impl<W: Write + Send> Sink for Lines<W> {
    fn write(&mut self, text: &str) -> std::io::Result<()> {
        self.0.write_all(text.as_bytes())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.0.flush()
    }
}
