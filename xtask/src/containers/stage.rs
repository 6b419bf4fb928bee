//! A sensor in the machine, and containers that it is to know.

use super::crun::{Container, Spec};
use super::form::Called;
use super::image;
use crate::agent::Agent;
use crate::command;
use crate::ear::Ear;
use crate::vm::Hooks;
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

/// How long something may take to be told; emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(20);
/// Where containers have their writable layers and the sensor its state: on the file system of the images, as engines have it.
const DIRECTORY: &str = "/stage";

/// The stage.
pub struct Stage {
    /// The sensor.
    pub agent: Agent,
    /// What it said, events included.
    pub ear: Ear,
    /// Where everything is.
    pub directory: PathBuf,
    /// Layers of the image, uppermost first.
    pub layers: Vec<PathBuf>,
}

impl Stage {
    /// Starts a sensor with these hooks beside the containers.
    pub fn new(hooks: Hooks) -> Result<Self> {
        let directory = Path::new(DIRECTORY).join(hooks.name());
        std::fs::create_dir_all(&directory)?;
        let settings = [
            "output.stdout.format=\"json\"".to_owned(),
            "output.stdout.include=\"events\"".to_owned(),
            format!("kernel.hooks={:?}", hooks.name()),
        ];
        let mut agent = Agent::start(&workspace::installed_sensor(), &directory, &settings, Stdio::piped())?;
        let out = agent.take_output().context("the sensor's output")?;
        Ok(Self { agent, ear: Ear::new(out, |_| true), directory, layers: image::layers() })
    }

    /// Starts a container of an image, whose engine has written down what it is.
    pub fn start(&self, called: &Called, arguments: &[&str]) -> Result<Container> {
        called.write_state()?;
        Container::start(&self.directory, Spec::new(&called.id, &called.cgroup(), &self.layers, arguments))
    }

    /// The same with an overlay whose file system id and handles are those of each other container of the image, as they are
    /// where it was made before Linux 6.6.
    pub fn start_alike(&self, called: &Called, arguments: &[&str]) -> Result<Container> {
        called.write_state()?;
        let spec = Spec::new(&called.id, &called.cgroup(), &self.layers, arguments);
        Container::start(&self.directory, Spec { overlay: ",uuid=off", ..spec })
    }

    /// Waits until something was said that fits.
    pub fn await_line(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Result<Value> {
        let begin = Instant::now();
        loop {
            if let Some(line) = self.ear.matching(&wanted).into_iter().next() {
                return Ok(line);
            }
            if begin.elapsed() > PATIENCE {
                bail!("not within {} s: {what}", PATIENCE.as_secs());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// How long after the exec of the server that a container runs its document root was watched.
    pub fn until_watched(&self, container: &Container) -> Result<Duration> {
        let pid = container.pid;
        let watched = self
            .await_line(&format!("a watch of /var/www for {pid} ({})", container.said()), |line| {
                line["event"]["action"] == "watch"
                    && line["process"]["pid"] == pid
                    && line["sensor"]["watch"]["path"].as_str().is_some_and(|path| path.starts_with("/var/www"))
            })
            .with_context(|| self.asked("servers").unwrap_or_default())?;
        let began = self.ear.matching(|line| line["event"]["action"] == "exec" && line["process"]["pid"] == pid);
        let began = began.last().context("its exec")?;
        let at = |line: &Value| line["sensor"]["time_boottime_ns"].as_u64().context("a time");
        Ok(Duration::from_nanos(at(&watched)?.saturating_sub(at(began)?)))
    }

    /// The alert of a rule about something that says `word`: the path of a file, a command line.
    pub fn alert(&self, rule: &str, word: &str) -> Result<Value> {
        self.await_line(&format!("{rule} about {word}"), |line| {
            line["event"]["kind"] == "alert"
                && line["rule"]["id"] == rule
                && [&line["file"]["path"], &line["process"]["command_line"]]
                    .iter()
                    .any(|text| text.as_str().is_some_and(|text| text.contains(word)))
        })
    }

    /// The watches below which a file was written, for whoever wonders what it was called.
    pub fn watches_of(&self, name: &str) -> String {
        let written = self.ear.matching(|line| line["file"]["path"].as_str().is_some_and(|path| path.ends_with(name)));
        let numbers: Vec<&Value> = written.iter().map(|line| &line["sensor"]["file"]["watch"]).collect();
        let watches = self.ear.matching(|line| numbers.contains(&&line["sensor"]["watch"]["number"]));
        let told = watches.iter().map(|line| format!("{} {}", line["process"]["pid"], line["sensor"]["watch"]));
        told.collect::<Vec<_>>().join("; ")
    }

    /// What the running sensor answers.
    pub fn asked(&self, question: &str) -> Result<String> {
        let socket = self.directory.join("sensor.sock");
        let setting = format!("agent.socket=\"{}\"", socket.display());
        let sensor = workspace::installed_sensor();
        command::output(command::command(sensor).args([question, "--json", "--set", &setting]))
    }
}

/// Fails unless an alert is about a process in that container, as its engine calls it.
pub fn is_in(alert: &Value, called: &Called) -> Result<()> {
    let told = &alert["container"];
    let expected = serde_json::json!({
        "id": called.id, "runtime": called.form.runtime, "name": called.name,
        "image.name": called.image, "image.tag": "1.2",
        "pod": called.in_pod().then(|| format!("{}-pod", called.name)),
        "namespace": called.in_pod().then_some("prod"),
    });
    let found = serde_json::json!({
        "id": told["id"], "runtime": told["runtime"], "name": told["name"],
        "image.name": told["image"]["name"], "image.tag": told["image"]["tag"][0],
        "pod": alert["orchestrator"]["resource"]["name"], "namespace": alert["orchestrator"]["namespace"],
    });
    if found != expected {
        bail!("the alert says {found} instead of {expected}");
    }
    same(&alert["sensor"]["server"]["container"], &Value::Null, "another container of the server")
}

/// Fails unless both are the same.
pub fn same(found: &Value, expected: &Value, what: &str) -> Result<()> {
    if found != expected {
        bail!("{what}: {found} instead of {expected}");
    }
    Ok(())
}
