//! The core by itself: a large capture through it on one core, as far as each stage, and what an event takes.

use super::outcome::{Outcome, Table};
use super::spread::Spread;
use crate::setup::packages::{self, Need};
use crate::{command, setup, workspace};
use anyhow::{Context, Result};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Instant;

/// Rounds; in each, every stage has its turn.
const ROUNDS: usize = 7;
const EVENTS: u64 = 1_000_000;
/// Sizes of the two captures whose instructions are counted, and how often: what the sizes have in common (the start,
/// memory that is taken once) falls out of the difference.
const COUNTED: (u64, u64) = (50_000, 150_000);
const COUNTS: usize = 3;
/// By how much instructions may grow before the regression check fails.
const TOLERANCE: f64 = 0.05;
/// So many servers run, each of another product.
const SERVERS: u32 = 12;

const VALGRIND: &[Need] = &[Need::program("valgrind", "valgrind")];

/// The stages, by the program's own names; and what comes in with each.
const STAGES: [(&str, &str); 4] = [
    ("decode", "record to event"),
    ("tree", "+ process tree"),
    ("detect", "+ servers, ledger, baselines, detectors, incidents"),
    ("whole", "+ alerts as JSON"),
];

/// The measured program, and what it makes.
pub struct Bench {
    program: PathBuf,
}

/// What one run came to.
#[derive(Clone, Debug, Deserialize)]
pub struct Run {
    /// Records.
    pub events: f64,
    /// How long they took.
    pub seconds: f64,
    /// Alerts of them.
    pub alerts: u64,
    /// Servers that were found.
    pub servers: u32,
    /// Bytes of memory that the core took, catalogue included.
    pub resident: f64,
    /// Bytes of an average record.
    pub record: f64,
    /// Records by kind.
    pub kinds: BTreeMap<String, u64>,
}

impl Run {
    /// Nanoseconds for an event.
    pub fn nanoseconds(&self) -> f64 {
        self.seconds / self.events * 1e9
    }
}

impl Bench {
    /// Builds the program, as the product is built.
    pub fn build() -> Result<Self> {
        command::output(
            setup::cargo()
                .args(["build", "--release", "--locked", "--package", "pipeline-bench"])
                .env("SENSOR_EBPF_OBJECT", workspace::ebpf_object())
                .current_dir(workspace::root()),
        )?;
        std::fs::create_dir_all(workspace::target().join("bench"))?;
        Ok(Self { program: workspace::target().join("release/pipeline-bench") })
    }

    /// Makes a capture; removed when it is dropped.
    pub fn capture(&self, events: u64, servers: u32) -> Result<Made> {
        let path = workspace::target().join(format!("bench/pipeline-{events}-{servers}.capture"));
        let made = Made(path);
        let (events, servers) = (events.to_string(), servers.to_string());
        let mut write = command::command(&self.program);
        command::output(write.arg("write").arg(made.path()).args(["--events", &events, "--servers", &servers]))?;
        Ok(made)
    }

    /// Puts it through the core.
    pub fn run(&self, stage: &str, capture: &Made, config: Option<&Path>) -> Result<Run> {
        let mut run = command::command(&self.program);
        run.args(["run", "--stage", stage]).arg(capture.path());
        if let Some(config) = config {
            run.arg("--config").arg(config);
        }
        serde_json::from_str(&command::output(&mut run)?).context("what the program says")
    }

    /// Instructions that a capture takes from records to JSON.
    fn count(&self, capture: &Made) -> Result<f64> {
        // The function in which the program does what is counted.
        const COUNTED: &str = "--toggle-collect=*pipeline_bench::run::whole*";
        let mut valgrind = command::command("valgrind");
        valgrind.args(["--tool=callgrind", "--callgrind-out-file=/dev/null", COUNTED]).arg(&self.program);
        let output = valgrind.arg("run").arg(capture.path()).output().context("starting valgrind")?;
        let told = String::from_utf8_lossy(&output.stderr);
        let collected = told.lines().find_map(|line| line.split_once("Collected : "));
        let (_, number) = collected.with_context(|| format!("valgrind: {}\n{told}", output.status))?;
        Ok(number.trim().parse()?)
    }
}

/// A capture that was made.
pub struct Made(PathBuf);

impl Made {
    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Instructions that an event takes through the whole core, as callgrind counts them: in less than a minute.
pub fn instructions() -> Result<f64> {
    packages::ensure("counting instructions", VALGRIND)?;
    let bench = Bench::build()?;
    let small = bench.count(&bench.capture(COUNTED.0, SERVERS)?)?;
    let large = bench.count(&bench.capture(COUNTED.1, SERVERS)?)?;
    #[expect(clippy::cast_precision_loss, reason = "far below 2^52")]
    let events = (COUNTED.1 - COUNTED.0) as f64;
    Ok((large - small) / events)
}

/// Measures both.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let bench = Bench::build()?;
    let capture = bench.capture(EVENTS, SERVERS)?;
    let mut runs: Vec<Vec<Run>> = STAGES.iter().map(|_| Vec::new()).collect();
    let mut replays = Vec::new();
    for round in 0..ROUNDS {
        println!("round {} of {ROUNDS}", round + 1);
        for (runs, (stage, _)) in runs.iter_mut().zip(STAGES) {
            runs.push(bench.run(stage, &capture, None)?);
        }
        replays.push(replay(&capture)?);
    }
    let [.., whole] = &runs[..] else { return Ok(()) };
    let last = whole.last().context("no round")?;
    let columns = ["as far as", "million events/s", "ns/event"];
    let mut table = Table::new("The core by itself, on one core", about(last), &columns);
    for (runs, (stage, what)) in runs.iter().zip(STAGES) {
        let spread = Spread::of(runs.iter().map(|run| 1e3 / run.nanoseconds()));
        let nanoseconds = Spread::of(runs.iter().map(Run::nanoseconds)).median;
        table.row([what.to_owned(), format!("{spread:.2}"), format!("{nanoseconds:.0}")]);
        outcome.figure(format!("pipeline.{stage}"), spread);
    }
    let spread = Spread::of(replays.iter().map(|seconds| last.events / seconds / 1e6));
    let what = "`sensor replay --json`: start, reading the file and printing too";
    table.row([what.to_owned(), format!("{spread:.2}"), format!("{:.0}", 1e3 / spread.median)]);
    outcome.figure("pipeline.replay", spread);
    outcome.tables.push(table);
    count(outcome)
}

fn about(run: &Run) -> String {
    let total: u64 = run.kinds.values().sum();
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let part = |count: &u64| *count as f64 / total as f64 * 100.0;
    let mut kinds: Vec<(&String, &u64)> = run.kinds.iter().collect();
    kinds.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    let kinds: Vec<String> = kinds.iter().map(|(kind, count)| format!("{kind} {:.1}", part(count))).collect();
    format!(
        "{} events, {:.0} bytes each, made from a seed (`xtask/pipeline`), as the kernel and the agent would have made \
         them: builds, scripts and sessions of strangers; {} servers (nginx, PHP-FPM, PostgreSQL, MariaDB, Redis, Apache, \
         Node.js, gunicorn, Tomcat, Postfix, cron, sshd) that accept, connect, write and start programs; one deed in a \
         thousand is an attack, which made {} alerts. Of a hundred events: {}. {ROUNDS} rounds in which each stage has its \
         turn, in a process of its own; records lie in memory, as the kernel hands them over.",
        run.events,
        run.record,
        run.servers,
        run.alerts,
        kinds.join(", "),
    )
}

/// Seconds that the product takes for the same.
fn replay(capture: &Made) -> Result<f64> {
    let mut replay = command::command(workspace::sensor());
    replay.args(["replay", "--json", "--set", "catalogue.extra=[]"]).arg(capture.path());
    let begin = Instant::now();
    command::output(&mut replay)?;
    Ok(begin.elapsed().as_secs_f64())
}

/// The steady figure.
pub fn count(outcome: &mut Outcome) -> Result<()> {
    let counts = (0..COUNTS).map(|_| instructions()).collect::<Result<Vec<f64>>>()?;
    let spread = Spread::of(counts);
    let about = format!(
        "Counted by callgrind; the difference of a capture of {} and one of {} events, so that the start falls out. The same \
         on every machine but for what the C library chooses by processor.",
        COUNTED.1, COUNTED.0
    );
    let mut table = Table::new("Instructions for an event, whole core", about, &["", "instructions"]);
    table.row(["record to JSON".to_owned(), format!("{spread:.0}")]);
    outcome.tables.push(table);
    outcome.steady("pipeline.instructions", spread, spread.median * TOLERANCE);
    Ok(())
}
