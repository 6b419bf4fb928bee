//! Where alerts and events go: each output behind a bounded queue, with a thread of its own.
//!
//! Comes in: alerts and events, from the agent's loop. Goes out: lines, by way of a [`Sink`]. Always holds: the agent never
//! waits for an output, and no output for another. While one is down its alerts wait on disk ([`spool`]) and are delivered in
//! order afterwards, at least once; what has to be dropped is counted by output and reason. A [`lane`] is what waits for one
//! output; [`deliver`] empties it; [`keeper`] brings what waits for too long to disk.

mod deliver;
pub mod event_fields;
mod event_json;
mod file;
mod health;
mod keeper;
mod lane;
mod lines;
mod message;
#[cfg(feature = "nats")]
mod nats;
mod spool;
mod stdout;
#[cfg(feature = "syslog")]
mod syslog;
#[cfg(any(feature = "syslog", feature = "nats", feature = "webhook"))]
mod tls;
#[cfg(feature = "webhook")]
mod webhook;

pub use event_json::event_json;
pub use health::Health;
pub use message::{Message, Meta, Sink, Trouble, Undelivered};

use crate::alert::Alert;
use crate::config::{self, Change, Config, Format, Include};
use crate::event::Event;
use crate::metrics::Metrics;
use crate::pipeline::Core;
use crate::terminal::colour;
use anyhow::{Context, Result};
use keeper::Keeper;
use lane::Lane;
use spool::Spool;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long the end waits for outputs to deliver what they still have, all of them together.
const DRAIN: Duration = Duration::from_secs(2);

/// All outputs.
pub struct Outputs {
    outputs: Vec<Output>,
    keeper: Keeper,
    /// As it was at the start.
    spool: config::Spool,
    metrics: Arc<Metrics>,
}

struct Output {
    lane: Arc<Lane>,
    shape: Shape,
}

/// What an output wants, and in which form.
#[derive(Clone, Copy)]
struct Shape {
    format: Format,
    colour: bool,
    events: bool,
}

/// An output that is configured and could be opened.
struct Opened {
    name: &'static str,
    sink: Box<dyn Sink>,
    shape: Shape,
    /// Whether alerts wait on disk while it is down.
    spools: bool,
}

impl Opened {
    /// One for programs: JSON lines, and a spool.
    fn lines(name: &'static str, sink: impl Sink + 'static, include: Include) -> Self {
        let shape = Shape { format: Format::Json, colour: false, events: include == Include::Events };
        Self { name, sink: Box::new(sink), shape, spools: true }
    }
}

/// Opens what is enabled and wanted: the table of all outputs.
fn open(config: &Config, wanted: impl Fn(&str) -> bool) -> Result<Vec<Opened>> {
    let mut opened = Vec::new();
    let stdout = config.output.stdout;
    if stdout.enabled && wanted("stdout") {
        let events = stdout.include == Include::Events;
        let shape = Shape { format: stdout.format, colour: colour(), events };
        let sink = Box::new(stdout::Stdout::new(std::io::stdout()));
        opened.push(Opened { name: "stdout", sink, shape, spools: false });
    }
    let file = &config.output.file;
    if file.enabled && wanted("file") {
        let doing = || format!("opening output.file.path = {}", file.path.display());
        opened.push(Opened::lines("file", file::Rotated::open(file).with_context(doing)?, file.include));
    }
    #[cfg(feature = "syslog")]
    if config.output.syslog.enabled && wanted("syslog") {
        let syslog = &config.output.syslog;
        opened.push(Opened::lines("syslog", syslog::Syslog::new(syslog).context("output.syslog")?, syslog.include));
    }
    #[cfg(feature = "nats")]
    if config.output.nats.enabled && wanted("nats") {
        let nats = &config.output.nats;
        opened.push(Opened::lines("nats", nats::Nats::new(nats).context("output.nats")?, nats.include));
    }
    #[cfg(feature = "webhook")]
    if config.output.webhook.enabled && wanted("webhook") {
        let webhook = &config.output.webhook;
        opened.push(Opened::lines("webhook", webhook::Webhook::new(webhook)?, webhook.include));
    }
    Ok(opened)
}

impl Outputs {
    /// Opens those that are enabled. Fails if one of them cannot be: a file that cannot be made, a certificate that cannot be
    /// read. That nobody listens yet is no failure.
    pub fn start(config: &Config, metrics: &Arc<Metrics>) -> Result<Self> {
        let opened = open(config, |_| true)?;
        let spool = config.output.spool.clone();
        let mut outputs = Self { outputs: Vec::new(), keeper: Keeper::start()?, spool, metrics: Arc::clone(metrics) };
        opened.into_iter().try_for_each(|opened| outputs.begin(opened))?;
        outputs.tell_keeper();
        Ok(outputs)
    }

    fn begin(&mut self, opened: Opened) -> Result<()> {
        let directory = self.spool.path.as_ref().filter(|_| opened.spools);
        let spool = |directory: &PathBuf| Spool::new(opened.name, directory, self.spool.max_bytes, &self.metrics);
        let lane = Arc::new(Lane::new(opened.name, directory.map(spool), &self.metrics));
        deliver::start(&lane, opened.sink)?;
        self.outputs.push(Output { lane, shape: opened.shape });
        Ok(())
    }

    fn tell_keeper(&self) {
        self.keeper.look_after(self.outputs.iter().map(|output| Arc::clone(&output.lane)).collect());
    }

    /// Takes over a new configuration, all of it or, if one output cannot be opened, none. `changed` are its keys that have
    /// other values than before. Outputs whose settings are the same go on, and open their files anew.
    pub fn reconfigure(&mut self, config: &Config, changed: &[Change]) -> Result<()> {
        let runs = |name: &str| self.outputs.iter().any(|output| output.lane.name == name);
        let same = |name: &str| !changed.iter().any(|change| is_of(change.key, name));
        let opened = open(config, |name| !runs(name) || !same(name))?;
        self.reopen();
        let (gone, stay) = std::mem::take(&mut self.outputs)
            .into_iter()
            .partition(|output| !same(output.lane.name) && !opened.iter().any(|new| new.name == output.lane.name));
        self.outputs = stay;
        for opened in opened {
            match self.outputs.iter_mut().find(|output| output.lane.name == opened.name) {
                // What waits goes to the new receiver.
                Some(output) => {
                    output.shape = opened.shape;
                    output.lane.replace(opened.sink);
                }
                None => self.begin(opened)?,
            }
        }
        self.tell_keeper();
        retire(gone, Arc::clone(&self.metrics))
    }

    /// Hands out an alert.
    pub fn alert(&self, alert: &Alert) {
        let mut json: Option<Arc<str>> = None;
        let meta = Meta::of(alert);
        let mut waits = false;
        for output in &self.outputs {
            let text = match output.shape.format {
                Format::Pretty => alert.to_pretty(output.shape.colour).into(),
                Format::Json => Arc::clone(json.get_or_insert_with(|| (alert.to_json() + "\n").into())),
            };
            waits |= output.lane.push(Message { text, alert: Some(meta.clone()) });
        }
        if waits {
            self.keeper.poke();
        }
    }

    /// Whether anybody wants events.
    pub fn wants_events(&self) -> bool {
        self.outputs.iter().any(|output| output.shape.events)
    }

    /// Hands out an event that the core has taken in. In JSON on outputs for people, too.
    pub fn event(&self, event: &Event, core: &Core) {
        let Some(line) = event_json(event, core) else {
            return;
        };
        let text: Arc<str> = line.into();
        for output in self.outputs.iter().filter(|output| output.shape.events) {
            output.lane.push(Message { text: Arc::clone(&text), alert: None });
        }
    }

    /// How each of them is.
    pub fn health(&self) -> Vec<Health> {
        self.outputs.iter().map(|output| output.lane.health()).collect()
    }

    /// Opens files anew, so that one that was moved away is let go.
    pub fn reopen(&self) {
        self.outputs.iter().for_each(|output| output.lane.reopen());
    }

    /// Delivers what is left, all outputs at once, for two seconds at most; alerts that are left then wait on disk.
    pub fn finish(self) {
        let deadline = Instant::now() + DRAIN;
        self.outputs.iter().for_each(|output| output.lane.stop(deadline));
        self.outputs.iter().for_each(|output| output.lane.finish(deadline));
    }
}

/// Whether a key is of an output: `output.file.path` of `file`.
fn is_of(key: &str, name: &str) -> bool {
    key.strip_prefix("output.").and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with('.'))
}

/// Ends outputs while the agent goes on.
fn retire(gone: Vec<Output>, metrics: Arc<Metrics>) -> Result<()> {
    if gone.is_empty() {
        return Ok(());
    }
    let deadline = Instant::now() + DRAIN;
    let finish = move || {
        for output in &gone {
            output.lane.stop(deadline);
        }
        for Output { lane, .. } in gone {
            lane.finish(deadline);
            metrics.outputs().end(lane.name);
        }
    };
    std::thread::Builder::new()
        .name("output-end".to_owned())
        .spawn(finish)
        .map(drop)
        .context("starting a thread that ends outputs")
}

#[cfg(test)]
mod tests;
