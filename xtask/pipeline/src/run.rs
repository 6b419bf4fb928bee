//! A capture through the core, as far as a stage.
//!
//! The records lie in memory, as they do when the kernel hands them over. What is not the core's work (reading the file,
//! the catalogue) is not timed.

use anyhow::{Context, Result, anyhow};
use sensor::capture::Reader;
use sensor::commands::catalogue_of;
use sensor::config::Config;
use sensor::decode::{decode, stated_kind};
use sensor::host::Host;
use sensor::pipeline::{Core, MAX_PROCESSES, Settings};
use sensor::tree::Tree;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::hint::black_box;
use std::io::BufReader;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

/// How far a record goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Stage {
    /// To an event.
    Decode,
    /// Into the process tree.
    Tree,
    /// Through classification, ledger, baselines, detectors and incidents: to alerts as data.
    Detect,
    /// To alerts as JSON.
    Whole,
}

/// What a capture holds: records one behind the other, and where each ends.
struct Records {
    bytes: Vec<u8>,
    ends: Vec<usize>,
    host: Host,
}

impl Records {
    fn read(capture: &Path) -> Result<Self> {
        let file = File::open(capture).with_context(|| capture.display().to_string())?;
        let (mut reader, header) = Reader::new(BufReader::new(file))?;
        let mut records = Self { bytes: Vec::new(), ends: Vec::new(), host: header.host };
        while let Some(record) = reader.frame()? {
            records.bytes.extend_from_slice(&record);
            records.ends.push(records.bytes.len());
        }
        Ok(records)
    }

    fn kinds(&self) -> BTreeMap<&'static str, u64> {
        let mut kinds = BTreeMap::new();
        for kind in self.iter().filter_map(stated_kind) {
            *kinds.entry(kind.name()).or_default() += 1;
        }
        kinds
    }

    fn iter(&self) -> impl Iterator<Item = &[u8]> {
        let begins = std::iter::once(0).chain(self.ends.iter().copied());
        begins.zip(&self.ends).filter_map(|(begin, end)| self.bytes.get(begin..*end))
    }
}

/// Runs a stage; gives events, seconds, alerts and bytes of memory at the end.
pub fn run(capture: &Path, stage: Stage, config: Option<&Path>) -> Result<Value> {
    let config = match config {
        Some(file) => Config::load(Some(file), &[]),
        // Nothing of this machine's own.
        None => Config::parse("", "[catalogue]\nextra = []\n", &[]),
    };
    let config = config.map_err(|problems| anyhow!("{}", all(&problems)))?;
    let records = Records::read(capture)?;
    let before = resident()?;
    let mut core = core(&config, &records.host)?;
    let begin = Instant::now();
    let alerts = match stage {
        Stage::Decode => decoded(&records),
        Stage::Tree => in_tree(&records),
        Stage::Detect => detected(&records, &mut core),
        Stage::Whole => whole(&records, &mut core),
    };
    let seconds = begin.elapsed().as_secs_f64();
    let servers = core.servers.iter().count();
    // What the core itself takes: the records were there before.
    let resident = resident()?.saturating_sub(before);
    Ok(json!({
        "events": records.ends.len(), "record": records.bytes.len() / records.ends.len().max(1), "seconds": seconds,
        "alerts": alerts, "servers": servers, "resident": resident, "kinds": records.kinds(),
    }))
}

fn all<T: ToString>(problems: &[T]) -> String {
    problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n")
}

/// The core as the agent would make it.
fn core(config: &Config, host: &Host) -> Result<Core> {
    let catalogue = catalogue_of(config).map_err(|problems| anyhow!("{}", all(&problems)))?;
    Ok(Core::new(Settings {
        catalogue: Arc::new(catalogue),
        exceptions: config.exceptions.clone(),
        host: host.clone(),
        max_processes: MAX_PROCESSES,
        learning_hours: config.learning_hours,
    }))
}

#[inline(never)]
fn decoded(records: &Records) -> u64 {
    for record in records.iter() {
        let _ = black_box(decode(record));
    }
    0
}

#[inline(never)]
fn in_tree(records: &Records) -> u64 {
    let mut tree = Tree::new(MAX_PROCESSES);
    for event in records.iter().flat_map(decode) {
        black_box(tree.apply(&event));
    }
    0
}

#[inline(never)]
fn detected(records: &Records, core: &mut Core) -> u64 {
    let outcomes = records.iter().flat_map(decode).map(|event| core.apply(&event));
    outcomes.map(|outcome| black_box(outcome).alerts.len() as u64).sum()
}

/// Callgrind counts what happens in here, by this name.
#[inline(never)]
fn whole(records: &Records, core: &mut Core) -> u64 {
    let mut alerts = 0;
    for event in records.iter().flat_map(decode) {
        for alert in core.apply(&event).alerts {
            black_box(alert.to_json());
            alerts += 1;
        }
    }
    alerts
}

/// Bytes of memory that this program has now.
fn resident() -> Result<u64> {
    let status = std::fs::read_to_string("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("VmRSS")?;
    let kib: u64 = line.trim().trim_end_matches(" kB").parse()?;
    Ok(kib * 1024)
}
