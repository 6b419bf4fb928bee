//! Time for an event, and memory, by how many servers run, how many exceptions there are, and how large the catalogue is.
//! In replay; the sizes of a row have their turns in each round.

use super::catalogue::Configuration;
use crate::bench::outcome::{Outcome, Plot, Table};
use crate::bench::pipeline::{Bench, Run};
use crate::bench::spread::Spread;
use anyhow::Result;

const ROUNDS: usize = 5;
const EVENTS: u64 = 300_000;
/// As many as the capture of the whole pipeline has: one of each product.
const SERVERS: u32 = 12;
const MIB: f64 = 1024.0 * 1024.0;

/// One thing that grows.
struct Growth {
    /// Its word in ids and names of plots.
    name: &'static str,
    /// For people.
    title: &'static str,
    /// How many there are: in the capture, exceptions in the configuration, copies of the catalogue.
    points: [Point; 3],
}

#[derive(Clone, Copy)]
struct Point {
    count: u32,
    servers: u32,
    exceptions: u32,
    catalogues: u32,
}

const fn servers(count: u32) -> Point {
    Point { count, servers: count, exceptions: 0, catalogues: 1 }
}

const fn exceptions(count: u32) -> Point {
    Point { count, servers: SERVERS, exceptions: count, catalogues: 1 }
}

const fn catalogues(count: u32) -> Point {
    Point { count, servers: SERVERS, exceptions: 0, catalogues: count }
}

const GROWTHS: [Growth; 3] = [
    Growth { name: "servers", title: "running servers", points: [servers(10), servers(100), servers(1000)] },
    Growth { name: "exceptions", title: "exceptions", points: [exceptions(10), exceptions(100), exceptions(1000)] },
    Growth {
        name: "catalogue",
        title: "catalogues of 60 servers",
        points: [catalogues(1), catalogues(10), catalogues(100)],
    },
];

/// Measures all three.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let bench = Bench::build()?;
    let about = format!(
        "{ROUNDS} rounds of A, B, C, with a capture of {EVENTS} events of the same mix as above. Memory is what the core and \
         the catalogue take at its end. Copies of the catalogue have names of their own in the same directories."
    );
    let columns = ["what grows", "how many", "ns/event", "of the least", "memory (MiB)"];
    let mut table = Table::new("Servers, exceptions, catalogue", about, &columns);
    for growth in &GROWTHS {
        measure_one(&bench, growth, &mut table, outcome)?;
    }
    outcome.tables.push(table);
    Ok(())
}

fn measure_one(bench: &Bench, growth: &Growth, table: &mut Table, outcome: &mut Outcome) -> Result<()> {
    let mut made = Vec::new();
    for point in growth.points {
        let name = format!("{}-{}", growth.name, point.count);
        let configuration = Configuration::write(&name, point.catalogues, point.exceptions)?;
        made.push((bench.capture(EVENTS, point.servers)?, configuration));
    }
    let mut runs: Vec<Vec<Run>> = made.iter().map(|_| Vec::new()).collect();
    for round in 0..ROUNDS {
        println!("{}: round {} of {ROUNDS}", growth.name, round + 1);
        for (runs, (capture, configuration)) in runs.iter_mut().zip(&made) {
            runs.push(bench.run("whole", capture, Some(&configuration.file()))?);
        }
    }
    let (mut times, mut memory) = (Vec::new(), Vec::new());
    for (point, point_runs) in growth.points.iter().zip(&runs) {
        let time = Spread::of(point_runs.iter().map(Run::nanoseconds));
        let pairs = point_runs.iter().zip(&runs[0]);
        let ratio = Spread::of(pairs.map(|(run, least)| run.nanoseconds() / least.nanoseconds()));
        let resident = Spread::of(point_runs.iter().map(|run| run.resident / MIB));
        table.row([
            growth.title.to_owned(),
            point.count.to_string(),
            format!("{time:.0}"),
            format!("{ratio:.2}"),
            format!("{:.1}", resident.median),
        ]);
        let id = format!("growth.{}-{}", growth.name, point.count);
        outcome.figure(format!("{id}.ratio"), ratio);
        outcome.figure(format!("{id}.memory"), resident);
        times.push((f64::from(point.count), time.median));
        memory.push((f64::from(point.count), resident.median));
    }
    plot(outcome, growth, "time", "ns for an event", times);
    plot(outcome, growth, "memory", "MiB", memory);
    Ok(())
}

fn plot(outcome: &mut Outcome, growth: &Growth, what: &str, y: &str, points: Vec<(f64, f64)>) {
    outcome.plots.push(Plot {
        name: format!("growth-{}-{what}", growth.name),
        title: format!("{} by {}", if what == "time" { "Time for an event" } else { "Memory" }, growth.title),
        x: growth.title.to_owned(),
        y: y.to_owned(),
        curves: vec![(what.to_owned(), points)],
    });
}
