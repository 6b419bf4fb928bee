//! Rounds: each workload under each watcher in turns, so that what drifts hits all alike.

use super::place::Place;
use super::watcher::{Watcher, Watching};
use super::workload::{Running, Sample, Workload};
use crate::bench::spread::Spread;
use anyhow::{Context, Result, bail};
use std::time::{Duration, Instant};

/// Seconds of load that do not count, at the beginning.
const WARM_UP: f64 = 1.0;

/// What one load under one watcher came to.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Which round, from 0.
    pub round: usize,
    /// The workload.
    pub workload: Workload,
    /// The watcher's name.
    pub watcher: &'static str,
    /// What it came to.
    pub sample: Sample,
    /// The watcher's own processor time, in ns per request.
    pub watcher_ns: f64,
    /// The watcher's metrics before and after the load that does not count.
    pub metrics: [String; 2],
    /// How many requests that load was.
    pub warm_requests: f64,
    /// Switches between threads, of anybody, per request.
    pub switches: f64,
}

impl Measured {
    /// The watcher's own processor time, in percent of one processor.
    pub fn share(&self) -> f64 {
        self.watcher_ns * self.sample.per_second / 1e7
    }
}

/// How it is measured.
#[derive(Clone, Copy, Debug)]
pub struct Plan {
    /// How often each workload is loaded under each watcher.
    pub rounds: usize,
    /// Of load that counts, each time.
    pub seconds: f64,
    /// Between the load that does not count and the one that does: what the start left to do, for the watcher and for
    /// the kernel's own threads, is done by then.
    pub rest: Duration,
}

/// Loads each workload under each watcher; the order turns round each time. `seen` is called with each result.
pub fn measure(
    place: &Place,
    watchers: &[&dyn Watcher],
    workloads: &[Workload],
    plan: Plan,
    seen: &mut dyn FnMut(&Measured),
) -> Result<Vec<Measured>> {
    let mut all = Vec::new();
    for round in 0..plan.rounds {
        for &workload in workloads {
            let mut order = watchers.to_vec();
            if round % 2 == 1 {
                order.reverse();
            }
            for watcher in order {
                let turn = Turn { round, workload, watcher, plan };
                let measured =
                    turn.run(place).with_context(|| format!("{} under {}", workload.name(), watcher.name()))?;
                seen(&measured);
                all.push(measured);
            }
        }
    }
    Ok(all)
}

/// One load under one watcher.
struct Turn<'a> {
    round: usize,
    workload: Workload,
    watcher: &'a dyn Watcher,
    plan: Plan,
}

impl Turn<'_> {
    fn run(&self, place: &Place) -> Result<Measured> {
        let watching = self.watcher.start(&place.room("watcher")?)?;
        let mut running = self.workload.start(place)?;
        let measured = self.load(watching.as_ref(), &mut running);
        drop(running);
        watching.stop()?;
        measured
    }

    fn load(&self, watching: &dyn Watching, running: &mut Running) -> Result<Measured> {
        watching.settle(&running.servers())?;
        let before = watching.metrics();
        watching.warms_up(true)?;
        let warm_requests = running.throughput(WARM_UP)?.requests;
        watching.warms_up(false)?;
        std::thread::sleep(self.plan.rest);
        let metrics = [before, watching.metrics()];
        let switches = switches()?;
        let seconds = self.plan.seconds;
        let (share, sample) = std::thread::scope(|scope| {
            let share = scope.spawn(move || share(watching, seconds));
            let sample = running.throughput(seconds);
            (share.join(), sample)
        });
        let Ok(share) = share else { bail!("reading the watcher's processor time failed") };
        let (switches, sample) = (self::switches()? - switches, sample?);
        Ok(Measured {
            round: self.round,
            workload: self.workload,
            watcher: self.watcher.name(),
            sample,
            watcher_ns: share * 1e9 / sample.per_second,
            switches: switches / sample.requests,
            metrics,
            warm_requests,
        })
    }
}

/// The watcher's processor time as a part of the time, in the middle of a load of so many seconds: at the beginning it
/// is busy with the load generator's start, which no request pays for.
fn share(watching: &dyn Watching, seconds: f64) -> f64 {
    std::thread::sleep(Duration::from_secs_f64(seconds / 4.0));
    let (before, begin) = (watching.processor_time(), Instant::now());
    std::thread::sleep(Duration::from_secs_f64(seconds / 2.0));
    let spent = watching.processor_time().saturating_sub(before);
    spent.as_secs_f64() / begin.elapsed().as_secs_f64()
}

/// Switches between threads since the boot.
fn switches() -> Result<f64> {
    let text = std::fs::read_to_string("/proc/stat")?;
    let count = text.lines().find_map(|line| line.strip_prefix("ctxt "));
    Ok(count.context("no ctxt in /proc/stat")?.trim().parse()?)
}

/// A value of each round under one watcher, made of what the round came to under `base` and under it.
pub fn compare(
    all: &[Measured],
    workload: Workload,
    base: &str,
    watcher: &str,
    value: impl Fn(&Measured, &Measured) -> Option<f64>,
) -> Spread {
    let of = |name: &str| -> Vec<&Measured> {
        all.iter().filter(|one| one.workload == workload && one.watcher == name).collect()
    };
    let others = of(watcher);
    let values = of(base).into_iter().filter_map(|without| {
        let with = others.iter().find(|with| with.round == without.round)?;
        value(without, with)
    });
    Spread::of(values)
}

/// How much of the throughput was lost, in percent.
#[expect(clippy::unnecessary_wraps, reason = "one of the values that compare takes")]
pub fn loss(without: &Measured, with: &Measured) -> Option<f64> {
    Some((1.0 - with.sample.per_second / without.sample.per_second) * 100.0)
}

/// How many times as long the 99th percentile is.
pub fn latency(without: &Measured, with: &Measured) -> Option<f64> {
    Some(with.sample.p99_ms? / without.sample.p99_ms?)
}
