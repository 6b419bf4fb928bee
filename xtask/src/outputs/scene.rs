//! A sensor with an output under test, and servers of our own that are abused as often as is wanted.

use crate::agent::Agent;
use crate::daemons::host;
use crate::ear::Ear;
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How long an alert may take to be on standard output.
const ALERT_LIMIT: Duration = Duration::from_secs(20);
/// How long an output may take: the longest pause between two attempts is half a minute.
const DELIVERY_LIMIT: Duration = Duration::from_secs(60);
/// How long a server runs before it is abused: the sensor knows by then whose lineage it is.
const SETTLED: Duration = Duration::from_millis(300);

/// A command that holds what is hard to pass on: quotes, a line break, a backslash, letters beyond ASCII.
const AWKWARD: &str = "id; : \"Grüße\n\\ \\\"日本\\\"\"";

/// A directory in which receivers and sensors have theirs; removed when dropped.
pub struct Ground {
    directory: PathBuf,
}

/// One sensor, ended when dropped, and the program that plays servers.
pub struct Scene {
    directory: PathBuf,
    program: PathBuf,
    agent: Agent,
    ear: Ear,
    caused: usize,
}

impl Ground {
    /// Makes it; `name` tells it from others of this process.
    pub fn new(name: &str) -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("sensor-outputs-{}-{name}", std::process::id()));
        std::fs::create_dir(&directory)?;
        Ok(Self { directory })
    }

    /// A directory in it, made.
    pub fn path(&self, name: &str) -> Result<PathBuf> {
        let path = self.directory.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(path)
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

impl Scene {
    /// Starts both; `settings` are the output's, as `key=value`.
    pub fn start(directory: &Path, settings: &[String]) -> Result<Self> {
        // A shell under a server's name: it runs what is written to it.
        let program = directory.join("test-server");
        std::fs::copy("/bin/sh", &program).context("copying a shell")?;
        let entry = format!(
            "[[server]]\nid = \"test-server\"\nroles = [\"app\"]\nexe = [\"{}\"]\nexec_policy = \"never\"\n",
            program.display()
        );
        let catalogue = host::write(directory, "catalogue/test.toml", &entry)?;
        let own = [
            format!("catalogue.extra=[\"{}\"]", catalogue.display()),
            format!("spool.path=\"{}\"", directory.join("spool").display()),
            "output.stdout.format=\"json\"".to_owned(),
        ];
        let settings: Vec<String> = own.iter().chain(settings).cloned().collect();
        let mut agent = Agent::start(&workspace::sensor(), directory, &settings, Stdio::piped())?;
        let out = agent.take_output().context("the sensor's output")?;
        let of_ours = program.display().to_string();
        let ear = Ear::new(out, move |line| line["sensor"]["lineage"].to_string().contains(&of_ours));
        Ok(Self { directory: directory.to_owned(), program, agent, ear, caused: 0 })
    }

    /// Has so many servers do what gives an alert each, and waits until the sensor has told them on standard output. Of one
    /// server the sensor would tell the first at once, and then that there were more.
    pub fn cause(&mut self, count: usize) -> Result<()> {
        let mut servers = (0..count).map(|_| self.server()).collect::<Result<Vec<Child>>>()?;
        std::thread::sleep(SETTLED);
        for server in &mut servers {
            self.caused += 1;
            let mut input = server.stdin.take().context("the server's input")?;
            writeln!(input, "/bin/sh -c '{AWKWARD} {}'", self.caused)?;
        }
        // The end of its input ends each.
        servers.iter_mut().try_for_each(|server| server.wait().map(drop))?;
        let begin = Instant::now();
        while self.told().len() < self.caused {
            if begin.elapsed() > ALERT_LIMIT {
                bail!("{} alerts instead of {}", self.told().len(), self.caused);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    fn server(&self) -> Result<Child> {
        let mut command = Command::new(&self.program);
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().context("starting a server")
    }

    /// The alerts so far, in the order of standard output, as they were written.
    pub fn told(&self) -> Vec<Value> {
        let mut alerts = self.ear.matching(|line| line["event"]["kind"] == "alert");
        alerts.iter_mut().filter_map(Value::as_object_mut).for_each(|alert| drop(alert.remove(crate::ear::ARRIVED)));
        alerts
    }

    /// Waits until a receiver has everything that was told, by what `received` reads.
    pub fn await_all(&self, mut received: impl FnMut() -> Result<Vec<Value>>) -> Result<Vec<Value>> {
        let told = self.told();
        let begin = Instant::now();
        loop {
            let got = received()?;
            let missing = told.iter().filter(|alert| !got.iter().any(|other| id(other) == id(alert))).count();
            if missing == 0 {
                return Ok(got);
            }
            if begin.elapsed() > DELIVERY_LIMIT {
                bail!("{missing} of {} alerts did not arrive; the sensor says:\n{}", told.len(), self.log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What the sensor said on standard error.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.directory.join("sensor.log")).unwrap_or_default()
    }

    /// Waits until the sensor has said something.
    pub fn await_log(&self, text: &str) -> Result<()> {
        let begin = Instant::now();
        while !self.log().contains(text) {
            if begin.elapsed() > ALERT_LIMIT {
                bail!("the sensor did not say {text:?} but:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        Ok(())
    }

    /// Waits until a metric of an output has a value.
    pub fn await_metric(&self, name: &str, output: &str, wanted: f64) -> Result<()> {
        let begin = Instant::now();
        loop {
            let value = self.metric(name, output)?;
            if value >= wanted {
                return Ok(());
            }
            if begin.elapsed() > DELIVERY_LIMIT {
                bail!("{name} is {value} instead of {wanted}; the sensor says:\n{}", self.log());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A metric of an output.
    pub fn metric(&self, name: &str, output: &str) -> Result<f64> {
        self.agent.metric(name, "output", output)
    }
}

/// `event.id`.
pub fn id(alert: &Value) -> &str {
    alert["event"]["id"].as_str().unwrap_or_default()
}

/// Fails unless `got` has each alert of `told`, for the first time in the same order, and equal to the letter; gives how
/// often one came again.
pub fn same(told: &[Value], got: &[Value]) -> Result<usize> {
    let mut first: Vec<&Value> = Vec::new();
    for alert in got.iter().filter(|alert| told.iter().any(|other| id(other) == id(alert))) {
        if !first.iter().any(|other| id(other) == id(alert)) {
            first.push(alert);
        }
    }
    if first.iter().map(|alert| id(alert)).ne(told.iter().map(id)) {
        bail!("another order, or not all of them: {} of {}", first.len(), told.len());
    }
    if let Some((alert, _)) = first.iter().zip(told).find(|(alert, other)| **alert != *other) {
        bail!("it arrived changed: {alert}");
    }
    if !told.iter().any(|alert| alert.to_string().contains("Grüße\\n\\\\")) {
        bail!("no alert has what is hard to pass on: {}", told[0]);
    }
    Ok(got.len() - first.len())
}
