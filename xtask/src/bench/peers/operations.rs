//! Single operations under each watcher.

use super::sensor::OnGround;
use crate::bench::loops::{Ground, Operation};
use crate::bench::outcome::{Outcome, Table};
use crate::bench::processors;
use crate::bench::spread::Spread;
use crate::bench::watchers::{Auditd, Bpftrace, Nobody, Watcher};
use anyhow::{Context, Result};
use std::time::Duration;

const ROUNDS: usize = 3;
/// Under auditd some operations take twenty times as long: fewer of them.
const FEWER: u32 = 4;
const NOBODY: &str = "nobody";

/// What an operation came to.
#[derive(Clone, Copy)]
struct Reading {
    /// Nanoseconds per operation.
    elapsed: f64,
    /// The watcher's own processor time per operation, in nanoseconds.
    own: f64,
}

/// What all of them came to under one watcher in one round.
struct Turn {
    readings: Vec<Reading>,
    lost: Option<f64>,
}

/// Measures all operations under all watchers.
pub fn measure(outcome: &mut Outcome, ground: &Ground) -> Result<()> {
    let sensor = OnGround { ground, events: false };
    let watchers: [&dyn Watcher; 5] = [&Nobody, &sensor, &Bpftrace, &Auditd, &Nobody];
    let mut rounds: Vec<Vec<Turn>> = Vec::new();
    for round in 0..ROUNDS {
        let mut turns = Vec::new();
        for watcher in watchers {
            println!("round {} of {ROUNDS}: operations, {}", round + 1, watcher.name());
            turns.push(turn(ground, watcher).with_context(|| format!("under {}", watcher.name()))?);
        }
        rounds.push(turns);
    }
    let figures = figures(outcome, &rounds, &watchers);
    outcome.tables.push(ratios(figures, &rounds));
    outcome.tables.push(own_time(&rounds));
    Ok(())
}

fn turn(ground: &Ground, watcher: &dyn Watcher) -> Result<Turn> {
    let directory = ground.room("watcher")?;
    let watching = watcher.start(&directory)?;
    let mut readings = Vec::new();
    for operation in Operation::ALL {
        let count = operation.count() / FEWER;
        let before = watching.processor_time();
        let elapsed = processors::on(processors::LOAD, || ground.measure(operation, count))?;
        // What it has not read yet is its work as well.
        std::thread::sleep(Duration::from_millis(200));
        let own = watching.processor_time().saturating_sub(before);
        // The loop's warm-up, a tenth, is in that time.
        readings.push(Reading { elapsed, own: own.as_secs_f64() * 1e9 / (f64::from(count) * 1.1) });
    }
    let lost = watching.lost()?;
    watching.stop()?;
    Ok(Turn { readings, lost })
}

/// For each operation, the ratios of each watcher but the first.
fn figures(outcome: &mut Outcome, rounds: &[Vec<Turn>], watchers: &[&dyn Watcher]) -> Vec<Vec<Spread>> {
    let mut all = Vec::new();
    for (index, operation) in Operation::ALL.into_iter().enumerate() {
        let mut ratios = Vec::new();
        for (column, watcher) in watchers.iter().enumerate().skip(1) {
            let of = |turns: &Vec<Turn>| turns[column].readings[index].elapsed / turns[0].readings[index].elapsed;
            let ratio = Spread::of(rounds.iter().map(of));
            let name = if watcher.name() == NOBODY { "nobody-again" } else { watcher.name() };
            outcome.figure(format!("peers.{}.{name}.ratio", operation.name()), ratio);
            ratios.push(ratio);
        }
        all.push(ratios);
    }
    all
}

fn ratios(ratios: Vec<Vec<Spread>>, rounds: &[Vec<Turn>]) -> Table {
    let about = format!(
        "{ROUNDS} rounds; with/without. auditd has rules for execve, open, rename, connect, accept and their kin; bpftrace \
         prints the same and fork and exit, each with its process, as JSON into a file. *Nobody again* is after auditd \
         has ended: what audit left behind."
    );
    let columns = ["operation", "nobody (ns)", "sensor", "bpftrace", "auditd", "nobody again"];
    let mut table = Table::new("Operations under others that watch", about, &columns);
    for (index, (operation, ratios)) in Operation::ALL.into_iter().zip(ratios).enumerate() {
        let nobody = Spread::of(rounds.iter().map(|turns| turns[0].readings[index].elapsed));
        let cells = ratios.iter().map(|ratio| format!("{ratio:.2}"));
        table.row([operation.title().to_owned(), format!("{:.0}", nobody.median)].into_iter().chain(cells));
    }
    table
}

fn own_time(rounds: &[Vec<Turn>]) -> Table {
    let about = "The watcher's own processor time per operation, in ns, on top of what the operation itself takes; \
        auditd's with the kernel's thread that feeds it. The last row is what each says that it lost of all rounds.";
    let mut table = Table::new("Processor time of the watchers", about, &["operation", "sensor", "bpftrace", "auditd"]);
    for (index, operation) in Operation::ALL.into_iter().enumerate() {
        let of = |column: usize| Spread::of(rounds.iter().map(|turns| turns[column].readings[index].own)).median;
        let cells = (1..4).map(|column| format!("{:.0}", of(column)));
        table.row([operation.title().to_owned()].into_iter().chain(cells));
    }
    let lost = |column: usize| {
        let each: Option<Vec<f64>> = rounds.iter().map(|turns: &Vec<Turn>| turns[column].lost).collect();
        each.map_or("not told".to_owned(), |lost| format!("{:.0}", lost.iter().sum::<f64>()))
    };
    table.row(["events lost".to_owned()].into_iter().chain((1..4).map(lost)));
    table
}
