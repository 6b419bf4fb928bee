//! How long records are, by kind: from a capture of programs that begin, and of each deed.

use super::Stage;
use super::attack::Deed;
use super::latency::Server;
use crate::bench::load::Paced;
use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::{median, quantile};
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use sensor_common::record::Kind;
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

/// How long is recorded.
const LENGTH: &str = "8s";
/// How long the sensor is given to be ready.
const READY: Duration = Duration::from_secs(3);

/// Measures.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    println!("records");
    let stage = Stage::new()?;
    let capture = stage.path().join("records.capture");
    let mut recording = Recording::begin(&stage, &capture)?;
    std::thread::sleep(READY);
    Paced::begin(&command::myself()?, &stage.programs.tiny, 100, 1, 1)?.finish()?;
    for deed in Deed::ALL {
        Server::begin(&stage, deed)?.finish()?;
    }
    if !recording.0.wait()?.success() {
        bail!("the recording failed");
    }
    let bytes = std::fs::read(&capture).context("the capture")?;
    let about = "Bytes of a record, its head included, as the kernel's ring and a capture hold it (a ring adds 8). Those \
                 that the agent makes itself are left out.";
    let mut table = Table::new("How long records are", about, &["kind", "records", "median (bytes)", "most"]);
    for (kind, mut lengths) in lengths(&bytes) {
        let (middle, most) = (median(&mut lengths), quantile(&mut lengths, 1.0));
        table.row([kind.to_owned(), lengths.len().to_string(), format!("{middle:.0}"), format!("{most:.0}")]);
    }
    outcome.tables.push(table);
    Ok(())
}

/// A sensor that records.
struct Recording(Child);

impl Recording {
    fn begin(stage: &Stage, capture: &Path) -> Result<Self> {
        let mut command = Command::new(workspace::sensor());
        command.args(["record", "--for", LENGTH, "--output"]).arg(capture);
        for setting in stage.settings() {
            command.args(["--set", &setting]);
        }
        let place = stage.path().display();
        command.args(["--set", &format!("agent.socket=\"{place}/record.sock\"")]);
        command.args(["--set", "state.path=\"off\"", "--set", "metrics.listen=\"off\""]);
        let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        quiet.spawn().map(Self).context("starting a recording")
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // It has ended, unless something failed before.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Lengths of the kernel's records by kind. A capture is a magic and a version (12 bytes), then frames: length, checksum,
/// bytes; the first frame is no record. In a record's head, the kind stands behind the length.
fn lengths(capture: &[u8]) -> BTreeMap<&'static str, Vec<f64>> {
    let mut lengths: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    let mut rest = capture.get(12..).unwrap_or_default();
    let mut first = true;
    while let Some((length, after)) = rest.split_first_chunk::<4>() {
        let length = u32::from_le_bytes(*length);
        let Some(frame) = after.get(4..4 + length as usize) else { break };
        rest = &after[4 + length as usize..];
        let kind = frame.get(4..6).and_then(|kind| kind.try_into().ok()).map(u16::from_ne_bytes);
        if let Some(kind) = kind.and_then(Kind::from_number).filter(|kind| kind.is_kernels() && !first) {
            lengths.entry(kind.name()).or_default().push(length.into());
        }
        first = false;
    }
    lengths
}
