//! `cargo xtask prometheus`: a real Prometheus scrapes a real sensor for a minute under load, as root.
//!
//! What is checked: the shipped rules with promtool; both text formats; that every scrape went well and no series came
//! or went; that a real attack makes the shipped rule fire; that each query of the shipped dashboard is answered.

mod checks;
mod dashboard;
mod rules;
mod server;

use crate::report::{Check, Tally};
use crate::scenarios::Start;
use crate::scenarios::lab::{Lab, Place, finish, text};
use crate::setup::packages;
use anyhow::Result;
use server::Server;
use std::time::{Duration, Instant};

/// How long is scraped.
const LONG: Duration = Duration::from_secs(60);
/// Programs that are started one after the other, and the pause after them: some hundred a second.
const BURST: u32 = 200;
const PAUSE: Duration = Duration::from_millis(500);

/// A sensor that was scraped for a minute, and who scraped it.
pub struct Stage {
    lab: Lab,
    prometheus: Server,
    /// Programs that were started meanwhile.
    started: u32,
}

/// One check: its name, and what has to be so.
type Part = (&'static str, fn(&Stage) -> Result<String>);

const PARTS: &[Part] = &[
    ("classic format", checks::classic),
    ("negotiated format", checks::negotiated),
    ("scrapes", checks::scrapes),
    ("series", checks::series),
    ("log", checks::log),
    ("counters rise", checks::counters),
    ("quantiles", checks::quantiles),
    ("rules in force", checks::rules),
    ("critical incident", checks::critical),
    ("dashboard", dashboard::check),
];

/// Runs all of it.
pub fn run() -> Result<()> {
    packages::ensure("Prometheus, which scrapes the sensor", packages::PROMETHEUS)?;
    let mut all: Vec<Check> = rules::PARTS.iter().map(|(name, part)| timed(name, part)).collect();
    let begin = Instant::now();
    match Stage::play() {
        Ok(stage) => all.extend(PARTS.iter().map(|(name, part)| timed(name, || part(&stage)))),
        Err(error) => {
            let check = Check::of("a minute of scrapes", Err(error), begin.elapsed().as_secs_f64());
            check.announce();
            all.push(check);
        }
    }
    Tally::of(&all).close()
}

fn timed(name: &str, part: impl FnOnce() -> Result<String>) -> Check {
    let begin = Instant::now();
    let result = part().map_err(|error| error.context("again: cargo xtask prometheus"));
    let check = Check::of(name, result, begin.elapsed().as_secs_f64());
    check.announce();
    check
}

impl Stage {
    /// Starts both, and keeps the sensor busy for a minute: programs below a server of ours, and an attack.
    fn play() -> Result<Self> {
        let place = Place::new()?;
        // A second output, which may have to wait on disk.
        let settings = [
            "output.file.enabled=true".to_owned(),
            format!("output.file.path=\"{}\"", text(&place.path("alerts.ndjson"))),
            format!("spool.path=\"{}\"", text(&place.path("spool"))),
        ];
        let lab = Lab::at(place, &Start::new(None, "auto")?, "alerts", &settings)?;
        let prometheus = Server::start(&lab.place.directory, lab.agent().metrics_address())?;
        let begin = Instant::now();
        let mut stage = Self { lab, prometheus, started: 0 };
        stage.load_until(begin + LONG / 3)?;
        stage.attack()?;
        stage.load_until(begin + LONG)?;
        Ok(stage)
    }

    fn load_until(&mut self, end: Instant) -> Result<()> {
        while Instant::now() < end {
            let mut burst = self.lab.place.server("burst", &[&BURST.to_string()]).spawn()?;
            finish(&mut burst, Duration::from_secs(30))?;
            self.started += BURST;
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// A server's shell drops a page and goes on: something placed, something run, critical together.
    fn attack(&self) -> Result<()> {
        let (page, tool) = (self.lab.place.path("www/page.php"), self.lab.place.path("tool"));
        let command = format!("echo '<?php' > {}; {} actor nothing; exit 0", text(&page), text(&tool));
        self.lab.play("spawn", &[&command]).map(drop)
    }
}
