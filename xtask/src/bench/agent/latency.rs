//! From the kernel's time stamp to the alert at its reader.

use super::Stage;
use super::attack::Deed;
use crate::bench::load::Paced;
use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::{Spread, median, quantile};
use crate::command;
use crate::ear::{ARRIVED, Ear};
use crate::stories::event_boottime_ns;
use anyhow::{Context, Result, bail};
use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// Rounds, half of them beside other work; each does every deed [`TIMES`] times.
const ROUNDS: u32 = 6;
const TIMES: usize = 14;
/// Other programs that begin meanwhile, a second.
const BACKGROUND: u32 = 200;
/// How long a round lasts at most, in seconds.
const ROUND: u32 = 20;
/// Servers that do something at once.
const AT_ONCE: usize = 4;
/// Upper bounds of the table, in milliseconds.
const BOUNDS: [f64; 9] = [0.5, 1.0, 2.0, 4.0, 8.0, 12.0, 16.0, 20.0, f64::INFINITY];

/// Alerts of a round: what was done, and the delay in milliseconds.
type Delays = Vec<(Deed, f64)>;

/// Measures.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let (mut quiet, mut busy) = (Delays::new(), Delays::new());
    for round in 0..ROUNDS {
        println!("latency, round {} of {ROUNDS}", round + 1);
        let beside = round % 2 == 1;
        let delays = one_round(beside)?;
        if beside { &mut busy } else { &mut quiet }.extend(delays);
    }
    let all: Vec<f64> = quiet.iter().chain(&busy).map(|(_, delay)| *delay).collect();
    if all.len() < 300 {
        bail!("only {} alerts came", all.len());
    }
    let figure = |part: f64| {
        let of = |delays: &Delays| quantile(&mut delays.iter().map(|(_, delay)| *delay).collect::<Vec<_>>(), part);
        let (quiet, busy) = (of(&quiet), of(&busy));
        Spread { median: quantile(&mut all.clone(), part), low: quiet.min(busy), high: quiet.max(busy) }
    };
    outcome.figure("agent.latency-median", figure(0.5));
    outcome.figure("agent.latency-p99", figure(0.99));
    outcome.tables.push(by_deed(&quiet, &busy));
    outcome.tables.push(histogram(&quiet, &busy));
    Ok(())
}

fn by_deed(quiet: &Delays, busy: &Delays) -> Table {
    let about = format!(
        "Milliseconds from the time that an alert carries, the kernel's, to its line at a reader of standard output; \
         otherwise quiet, and while {BACKGROUND} programs begin a second. The sensor waits for a shell's first command, \
         and for what is to be found out about a file, so that the alert says it."
    );
    let columns =
        ["what was done", "alerts", "median", "99th percentile", "most", "median, busy", "99th, busy", "most, busy"];
    let mut table = Table::new("From event to alert", about, &columns);
    let part = |delays: &Delays, deed: Option<Deed>| -> Vec<f64> {
        delays.iter().filter(|(done, _)| deed.is_none_or(|deed| *done == deed)).map(|(_, delay)| *delay).collect()
    };
    for deed in Deed::ALL.into_iter().map(Some).chain([None]) {
        let (mut quiet, mut busy) = (part(quiet, deed), part(busy, deed));
        let mut row = vec![deed.map_or("all", Deed::title).to_owned(), (quiet.len() + busy.len()).to_string()];
        for delays in [&mut quiet, &mut busy] {
            let numbers = [median(delays), quantile(delays, 0.99), quantile(delays, 1.0)];
            row.extend(numbers.map(|number| format!("{number:.2}")));
        }
        table.row(row);
    }
    table
}

fn histogram(quiet: &Delays, busy: &Delays) -> Table {
    let about = "How many alerts came within so many milliseconds, and not within fewer.";
    let mut table = Table::new("From event to alert, spread", about, &["at most (ms)", "quiet", "busy"]);
    let mut from = 0.0;
    for bound in BOUNDS {
        let count = |delays: &Delays| delays.iter().filter(|(_, delay)| *delay > from && *delay <= bound).count();
        let name = if bound.is_finite() { bound.to_string() } else { "more".to_owned() };
        table.row([name, count(quiet).to_string(), count(busy).to_string()]);
        from = bound;
    }
    table
}

fn one_round(beside: bool) -> Result<Delays> {
    let stage = Stage::new()?;
    let mut agent = stage.agent(Stdio::piped())?;
    let ear = Ear::new(agent.take_output().context("the sensor's output")?, |line| {
        line["event"]["kind"] == "alert" && line["sensor"]["server"]["id"] == "bench-server"
    });
    let others = if beside {
        Some(Paced::begin(&command::myself()?, &stage.programs.tiny, BACKGROUND, ROUND, 1)?)
    } else {
        None
    };
    let mut done = HashMap::new();
    for _ in 0..TIMES {
        for deeds in Deed::ALL.chunks(AT_ONCE) {
            let mut servers = Vec::new();
            for deed in deeds {
                let server = Server::begin(&stage, *deed)?;
                done.insert(server.0.id(), *deed);
                servers.push(server);
                // Not all in step.
                std::thread::sleep(Duration::from_millis(7));
            }
            servers.into_iter().try_for_each(Server::finish)?;
        }
    }
    std::thread::sleep(Duration::from_millis(500));
    drop(others);
    agent.stop()?;
    let alerts = ear.matching(|_| true);
    let delays = alerts.iter().filter_map(|alert| {
        let pid = u32::try_from(alert["sensor"]["server"]["pid"].as_u64()?).ok()?;
        let delay = alert[ARRIVED].as_u64()?.saturating_sub(event_boottime_ns(alert)?);
        Some((*done.get(&pid)?, Duration::from_nanos(delay).as_secs_f64() * 1e3))
    });
    Ok(delays.collect())
}

/// A server that does one deed.
pub struct Server(Child);

impl Server {
    /// Starts it.
    pub fn begin(stage: &Stage, deed: Deed) -> Result<Self> {
        let mut command = Command::new(stage.server());
        command.args(["guest", "bench-attack", deed.name(), "--normal"]).arg(&stage.programs.tiny);
        command.arg("--www").arg(stage.www()).current_dir(stage.path()).stdin(Stdio::null()).stdout(Stdio::null());
        command.spawn().map(Self).context("starting a server")
    }

    /// Waits for its end.
    pub fn finish(mut self) -> Result<()> {
        let status = self.0.wait()?;
        if !status.success() {
            bail!("a server's deed failed: {status}");
        }
        Ok(())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It has ended, unless something failed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
