//! Plays the synthetic stories: a sensor for each batch, several stories at a time, each in namespaces of its own.
//!
//! Always holds: a line that is not about a story's processes or files is dropped unread. A batch has a sensor with a
//! state directory of its own, so that what one batch taught it does not decide about the next.

use super::cast::{Cast, Pids};
use super::latency::{Histogram, event_boottime_ns};
use super::play::Play;
use super::script::{Library, Scene, Story};
use super::set::Set;
use super::{Kind, Options, Scratch, Seen, Told, judge, judged};
use crate::agent::Agent;
use crate::command;
use crate::ear::{ARRIVED, Ear};
use crate::scenarios::Start;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Stories for one sensor.
const BATCH: usize = 29;
/// Stories at a time. They mostly wait.
const AT_ONCE: usize = 4;
/// How long a server runs before anything happens to it.
const SETTLED: Duration = Duration::from_millis(400);
/// Between two deeds, unless it is the process just started that goes on: whoever does them takes a moment.
const PAUSE: Duration = Duration::from_millis(25);
/// The same while the scene is set up.
const NO_PAUSE: Duration = Duration::from_millis(2);
/// How far apart two clocks may be that are read one after the other, several times.
const CLOCKS_APART_NS: u64 = 20_000;
/// How long is listened after the last deed.
const QUIET: Duration = Duration::from_millis(1500);

/// What all stories share.
pub struct Theatre<'a> {
    /// The sensor and its hook set.
    pub start: &'a Start,
    /// The actor's file.
    pub actor: &'a Path,
    /// The stories' scenes.
    pub library: &'a Library,
    /// As asked for.
    pub options: &'a Options,
}

/// A sensor, and who is looked at.
struct Watch {
    agent: Agent,
    ear: Ear,
    pids: Pids,
    socket: PathBuf,
}

impl Theatre<'_> {
    /// Plays them all and adds what the sensors measured.
    pub fn play(&self, stories: &[&Story], latency: &mut Histogram) -> Result<Vec<Told>> {
        let scratch = Scratch::new()?;
        // Hard links need the same file system.
        let actor = scratch.path().join("actor");
        std::fs::copy(self.actor, &actor).context("copying the actor")?;
        let mut told = Vec::new();
        let (alone, together): (Vec<&Story>, Vec<&Story>) = stories.iter().partition(|story| !story.learned.is_empty());
        for (number, batch) in together.chunks(BATCH).chain(alone.chunks(1)).enumerate() {
            let watch = self.watch(scratch.path(), number)?;
            let waiting = Mutex::new(batch.iter().copied());
            let done = Mutex::new(Vec::new());
            std::thread::scope(|scope| {
                for _ in 0..AT_ONCE.min(batch.len()) {
                    scope.spawn(|| {
                        while let Some(story) = waiting.lock().ok().and_then(|mut waiting| waiting.next()) {
                            let one = self.tell(story, scratch.path(), &actor, &watch);
                            if let Ok(mut done) = done.lock() {
                                done.push(one);
                            }
                        }
                    });
                }
            });
            told.extend(done.into_inner().unwrap_or_default());
            latency.read(&watch.agent.metrics().unwrap_or_default());
            watch.agent.stop().context("the sensor of the stories")?;
        }
        Ok(told)
    }

    fn watch(&self, scratch: &Path, number: usize) -> Result<Watch> {
        let directory = scratch.join(format!("sensor-{number}"));
        std::fs::create_dir_all(&directory)?;
        let include = if self.options.trace { "events" } else { "alerts" };
        let mut settings = vec![
            "output.stdout.format=\"json\"".to_owned(),
            format!("output.stdout.include={include:?}"),
            format!("kernel.hooks={:?}", self.start.hooks),
        ];
        settings.extend(self.options.settings.iter().cloned());
        let mut agent = Agent::start(&self.start.sensor, &directory, &settings, Stdio::piped())?;
        let out = agent.take_output().context("the sensor's output")?;
        let pids = Pids::default();
        let (shared, roots, trace) = (Pids::clone(&pids), scratch.display().to_string(), self.options.trace);
        let ear = Ear::new(out, move |line| {
            let ours = shared.lock().is_ok_and(|pids| belongs(line, &pids, &roots));
            if ours && trace {
                println!("{line}");
            }
            ours
        });
        Ok(Watch { agent, ear, pids, socket: directory.join("sensor.sock") })
    }

    fn tell(&self, story: &Story, scratch: &Path, actor: &Path, watch: &Watch) -> Told {
        let begin = Instant::now();
        let seen = self.perform(story, scratch, actor, watch);
        judged(story, Kind::Synthetic, seen, begin)
    }

    fn perform(&self, story: &Story, scratch: &Path, actor: &Path, watch: &Watch) -> Result<Seen> {
        let own = story.scene();
        let normal = Scene { steps: story.learned.clone(), ..Scene::default() };
        let shared = self.library.scenes(story)?;
        let all: Vec<&Scene> = shared.iter().copied().chain([&normal, &own]).collect();
        let root = scratch.join(&story.id);
        Set::build(&root, actor, &all).context("setting up the root")?;
        let layers = scratch.join(format!("{}-layers", story.id));
        let layers = all.iter().any(|scene| scene.container).then_some(layers.as_path());
        let cast = Cast::new(actor, &root, layers, &watch.pids).context("setting up the namespaces")?;
        let mut play = Play::new(cast, &all)?;
        for (name, scene) in story.setup.iter().zip(&shared) {
            play.scene(scene, NO_PAUSE).with_context(|| format!("scene {name}"))?;
        }
        std::thread::sleep(SETTLED);
        if !story.learned.is_empty() {
            play.scene(&normal, PAUSE).context("what is learned")?;
            std::thread::sleep(SETTLED);
            self.teach(&scratch.join(format!("{}.baseline.toml", story.id)), watch)?;
        }
        play.acted.clear();
        play.scene(&own, PAUSE)?;
        let seen = listen(story, &play, watch, &root.display().to_string());
        if self.options.trace {
            // Alerts may decide early; the events of the last deeds come no later than that.
            std::thread::sleep(QUIET);
            let lines = watch.ear.matching(|line| belongs(line, play.pids(), &root.display().to_string()));
            check_execs(&play, &lines)?;
        }
        Ok(seen)
    }

    /// Has the sensor take what it has seen so far for all that its servers do: its baseline, exported, marked as learned
    /// and imported. Learning by itself takes hours.
    fn teach(&self, file: &Path, watch: &Watch) -> Result<()> {
        let socket = format!("agent.socket=\"{}\"", watch.socket.display());
        let baseline = |order: &str| {
            let mut command = command::command(&self.start.sensor);
            command.args(["baseline", order, "--set", &socket]);
            command
        };
        let text = command::output(&mut baseline("export")).context("exporting the baseline")?;
        let mut document: toml::Table = text.parse().context("the exported baseline")?;
        let kinds =
            document.get_mut("kind").and_then(toml::Value::as_array_mut).context("the sensor learned nothing")?;
        for kind in kinds.iter_mut().filter_map(toml::Value::as_table_mut) {
            kind.insert("learned".to_owned(), true.into());
        }
        std::fs::write(file, document.to_string())?;
        command::output(baseline("import").arg(file)).map(drop).context("importing the baseline")
    }
}

/// Listens until the story is decided or nothing more comes.
fn listen(story: &Story, play: &Play, watch: &Watch, root: &str) -> Seen {
    let begin = Instant::now();
    loop {
        let is_alert = |line: &Value| line["event"]["kind"] == "alert";
        let alerts = watch.ear.matching(|line| is_alert(line) && belongs(line, play.pids(), root));
        let mut seen = Seen { alerts, acted_boottime_ns: 0 };
        let verdict = judge(&story.expect, &seen);
        if begin.elapsed() >= QUIET || (story.is_attack() && verdict.passed) {
            let decided = seen.alerts.iter().find(|alert| alert[ARRIVED].as_u64() == verdict.decided_boottime_ns);
            // The clocks are read one after the other.
            let event = decided.and_then(event_boottime_ns).map(|event| event + CLOCKS_APART_NS);
            let before = |acted: &&u64| event.is_some_and(|event| **acted <= event);
            seen.acted_boottime_ns = play.acted.iter().rfind(before).copied().unwrap_or(0);
            return seen;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Fails if the sensor has not seen a program start as the story says. Of a script, the interpreter's own arguments
/// stand before those of the story.
fn check_execs(play: &Play, lines: &[Value]) -> Result<()> {
    let execs: Vec<&Value> = lines.iter().filter(|line| line["event"]["action"] == "exec").collect();
    for (pid, args) in &play.execs {
        let seen = |line: &&&Value| {
            let process = &line["process"];
            let shown: Vec<&str> = process["args"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
            let rest: Vec<&str> = args.iter().skip(1).map(String::as_str).collect();
            process["pid"] == *pid && shown.ends_with(&rest)
        };
        if !execs.iter().any(|line| seen(&line)) {
            bail!("the sensor has not seen process {pid} become {args:?}");
        }
    }
    Ok(())
}

/// Whether a line is about one of these processes, or about a file below `root`.
fn belongs(line: &Value, pids: &HashSet<u32>, root: &str) -> bool {
    let has = |pid: &Value| pid.as_u64().and_then(|pid| u32::try_from(pid).ok()).is_some_and(|pid| pids.contains(&pid));
    let lineage = line["sensor"]["lineage"].as_array();
    has(&line["process"]["pid"])
        || has(&line["sensor"]["server"]["pid"])
        || lineage.is_some_and(|lineage| lineage.iter().any(|program| has(&program["pid"])))
        || line["file"]["path"].as_str().is_some_and(|path| path.starts_with(root))
}
