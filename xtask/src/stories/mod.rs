//! The catalogue's scenarios as stories: attacks that must be seen, and ordinary work that must stay quiet.
//!
//! Each is played either against a real server ([`real`]) or by a tree of processes that stands under the catalogue's
//! names in namespaces of its own: real files, real execs, real sockets, one actor. Only what the sensor says of the
//! processes that a story made is kept.

mod cast;
mod deed;
mod judge;
mod latency;
mod packages;
mod play;
pub mod real;
mod script;
mod set;
mod table;
#[cfg(test)]
mod tests;
mod theatre;

pub use judge::{Verdict, judge};
pub use latency::event_boottime_ns;

use crate::report::{Check, Outcome};
use crate::scenarios::Start;
use crate::{command, setup, workspace};
use anyhow::{Context, Result, bail};
use latency::Histogram;
use script::{Library, Story};
use std::path::{Path, PathBuf};
use std::time::Instant;
use theatre::Theatre;

/// What was seen of one story.
pub struct Seen {
    /// Alerts about its processes, in the order in which they came.
    pub alerts: Vec<serde_json::Value>,
    /// When the deed began that the deciding alert is about; boot time.
    pub acted_boottime_ns: u64,
}

/// A story that is played against a real server.
#[derive(Clone, Copy)]
pub struct RealStory {
    /// The scenario's id.
    pub id: &'static str,
    /// Plays it.
    pub run: fn(&mut real::Hall) -> Result<Seen>,
}

/// How stories are run.
#[derive(Clone, Debug, Default, clap::Args)]
#[group(skip)]
pub struct Options {
    /// Play every story synthetically, also where there is a real server.
    #[arg(long)]
    synthetic: bool,
    /// Write the results there as JSON.
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// A further setting for the sensor that watches the stories.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    settings: Vec<String>,
    /// Print everything that the sensor says of the stories' processes, events included.
    #[arg(long)]
    trace: bool,
}

/// Who played it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Real,
    Synthetic,
}

/// How a story came out.
struct Told {
    story: Story,
    kind: Kind,
    verdict: Result<Verdict>,
    /// From the deed to the alert that decided, in seconds.
    time_to_alert: Option<f64>,
    /// From the kernel's event to the alert, in seconds, for the alerts of this story.
    delays: Vec<f64>,
    /// Rule and bytes of each alert.
    sizes: Vec<(String, usize)>,
    seconds: f64,
}

/// Plays all stories synthetically and gives rule and bytes of each alert.
pub fn alert_sizes() -> Result<Vec<(String, usize)>> {
    let library = Library::read(&directory())?;
    let stories: Vec<&Story> = library.stories.iter().collect();
    let actor = build_actor().context("building the actor of the stories")?;
    let (start, options) = (Start::new(None, "auto")?, Options { synthetic: true, ..Options::default() });
    let theatre = Theatre { start: &start, actor: &actor, library: &library, options: &options };
    let told = theatre.play(&stories, &mut Histogram::default())?;
    Ok(told.into_iter().flat_map(|told| told.sizes).collect())
}

/// Where the stories are.
fn directory() -> PathBuf {
    workspace::root().join("xtask/stories")
}

/// Ids of all stories.
pub fn ids() -> Result<Vec<String>> {
    Ok(Library::read(&directory())?.stories.into_iter().map(|story| story.id).collect())
}

/// Builds the actor: one static file, so that it runs in an empty root. What is newer than its sources stays: whoever
/// runs the stories as root may have no compiler.
pub fn build_actor() -> Result<PathBuf> {
    let target = workspace::target().join("actor");
    let triple = "x86_64-unknown-linux-gnu";
    let actor = target.join(triple).join("release/story-actor");
    if is_current(&actor)? {
        return Ok(actor);
    }
    command::output(
        setup::cargo()
            .args(["build", "--release", "--locked", "--package", "story-actor", "--target", triple, "--target-dir"])
            .arg(&target)
            .env("RUSTFLAGS", "-Ctarget-feature=+crt-static -Cstrip=symbols")
            .env_remove("CARGO_ENCODED_RUSTFLAGS")
            .current_dir(workspace::root()),
    )?;
    // Cargo leaves what would come out the same; it is current all the same.
    std::fs::File::open(&actor)?.set_modified(std::time::SystemTime::now())?;
    Ok(actor)
}

/// Whether the file is newer than what it is made of.
fn is_current(actor: &Path) -> Result<bool> {
    let Ok(made) = std::fs::metadata(actor).and_then(|metadata| metadata.modified()) else { return Ok(false) };
    let sources = workspace::root().join("xtask/actor");
    let mut newest = std::fs::metadata(sources.join("Cargo.toml"))?.modified()?;
    for entry in std::fs::read_dir(sources.join("src"))? {
        newest = newest.max(entry?.metadata()?.modified()?);
    }
    Ok(made > newest)
}

/// Plays the stories with these ids, or all; prints the table; gives a check for each.
pub fn run(options: &Options, start: &Start, ids: &[String]) -> Result<Vec<Check>> {
    let library = Library::read(&directory())?;
    let wanted = |story: &&Story| ids.is_empty() || ids.contains(&story.id);
    let stories: Vec<&Story> = library.stories.iter().filter(wanted).collect();
    if stories.is_empty() {
        bail!("no such story");
    }
    let is_real = |story: &Story| !options.synthetic && real::stories().iter().any(|real| real.id == story.id);
    let (real, synthetic): (Vec<&Story>, Vec<&Story>) = stories.into_iter().partition(|story| is_real(story));
    let mut latency = Histogram::default();
    let mut told = played_for_real(&real, &options.settings);
    if !synthetic.is_empty() {
        let actor = build_actor().context("building the actor of the stories")?;
        let theatre = Theatre { start, actor: &actor, library: &library, options };
        told.extend(theatre.play(&synthetic, &mut latency)?);
    }
    play_again(&mut told, &library, options);
    told.sort_by(|one, other| one.story.id.cmp(&other.story.id));
    table::print(&told, &latency);
    if let Some(file) = &options.json {
        table::write_json(file, &told, &latency)?;
    }
    Ok(told.iter().map(check).collect())
}

/// A real story that could not be played, because a server did not come up in time or the like, gets a second try, and that
/// is told. One that was played and came out wrong does not: what is missed or alarms once is wrong.
fn play_again(told: &mut [Told], library: &Library, options: &Options) {
    for told in told.iter_mut().filter(|told| told.kind == Kind::Real) {
        let Err(error) = &told.verdict else { continue };
        println!("{} could not be played and gets a second try; at first: {error:#}", told.story.id);
        let story = library.stories.iter().find(|story| story.id == told.story.id);
        let again = story.and_then(|story| played_for_real(&[story], &options.settings).pop());
        if let Some(again) = again {
            *told = again;
        }
    }
}

fn check(told: &Told) -> Check {
    let result = match &told.verdict {
        Ok(verdict) if verdict.passed => Ok(verdict.seen.clone()),
        Ok(verdict) => Err(anyhow::anyhow!("expected {}, seen {}", told.story.expect, verdict.seen)),
        Err(error) => Err(anyhow::anyhow!("{error:#}")),
    };
    let check = Check::of(format!("{} {}", told.story.id, told.story.description), result, told.seconds);
    if std::env::var_os(crate::report::AS_MESSAGES).is_some() || check.outcome == Outcome::Failed {
        check.announce();
    }
    check
}

/// From the deed to the alert, in seconds.
fn time_to_alert(verdict: &Verdict, acted_boottime_ns: u64) -> Option<f64> {
    let arrived = verdict.decided_boottime_ns.filter(|_| acted_boottime_ns > 0)?;
    Some(std::time::Duration::from_nanos(arrived.saturating_sub(acted_boottime_ns)).as_secs_f64())
}

fn played_for_real(stories: &[&Story], settings: &[String]) -> Vec<Told> {
    if stories.is_empty() {
        return Vec::new();
    }
    let mut hall = real::Hall::with_settings(settings);
    let play = |story: &&Story| {
        let begin = Instant::now();
        let seen = match (&mut hall, real::stories().iter().find(|real| real.id == story.id)) {
            (Ok(hall), Some(real)) => (real.run)(hall),
            (Err(error), _) => Err(anyhow::anyhow!("the servers could not be started: {error:#}")),
            (Ok(_), None) => Err(anyhow::anyhow!("no real story")),
        };
        judged(story, Kind::Real, seen, begin)
    };
    stories.iter().map(play).collect()
}

/// The one judgement, whoever played the story.
fn judged(story: &Story, kind: Kind, seen: Result<Seen>, begin: Instant) -> Told {
    let mut sizes = Vec::new();
    let (verdict, time_to_alert, delays) = match seen {
        Ok(seen) => {
            let verdict = judge(&story.expect, &seen);
            if !verdict.passed {
                say(&story.id, &seen.alerts);
            }
            let time = time_to_alert(&verdict, seen.acted_boottime_ns);
            sizes.extend(seen.alerts.iter().map(size));
            (Ok(verdict), time, latency::event_to_arrival(&seen.alerts))
        }
        Err(error) => (Err(error), None, Vec::new()),
    };
    Told { story: story.clone(), kind, verdict, time_to_alert, delays, sizes, seconds: begin.elapsed().as_secs_f64() }
}

/// Rule and bytes of an alert, as its line was without what the ear added.
fn size(alert: &serde_json::Value) -> (String, usize) {
    let mut line = alert.clone();
    if let Some(fields) = line.as_object_mut() {
        fields.remove(crate::ear::ARRIVED);
    }
    (alert["rule"]["id"].as_str().unwrap_or_default().to_owned(), line.to_string().len())
}

/// What the sensor said of a story that did not come out, and why: whoever mends it needs that.
fn say(story: &str, alerts: &[serde_json::Value]) {
    for alert in alerts {
        let why: Vec<&str> =
            alert["sensor"]["why"].as_array().into_iter().flatten().filter_map(|why| why.as_str()).collect();
        println!("{story}: {} {}: {}", alert["rule"]["id"], alert["sensor"]["severity"], why.join(" "));
    }
}

/// A temporary directory that is removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("sensor-stories-{}", std::process::id()));
        std::fs::create_dir_all(&directory).with_context(|| directory.display().to_string())?;
        Ok(Self(directory))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
