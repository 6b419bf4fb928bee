//! `sensor replay`: a capture through the same core, without privileges.

use super::{DONE, FAILED, Failure, catalogue_in_force, config, print};
use crate::capture::Reader;
use crate::cli::ReplayArgs;
use crate::config::Format;
use crate::pipeline::{Core, MAX_PROCESSES, Settings};
use crate::terminal::colour;
use anyhow::Context;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

/// `sensor replay`.
pub fn replay(arguments: &ReplayArgs) -> Result<u8, Failure> {
    let config = config(&arguments.config)?;
    let catalogue = catalogue_in_force(&config)?;
    let name = arguments.capture.display();
    let file = File::open(&arguments.capture).with_context(|| format!("opening {name}"))?;
    let broken = |error: crate::capture::CaptureError| Failure::new(FAILED, [format!("{name}: {error}")]);
    let (mut reader, header) = Reader::new(BufReader::new(file)).map_err(broken)?;
    let settings = Settings {
        catalogue: Arc::new(catalogue),
        exceptions: config.exceptions,
        host: header.host,
        max_processes: MAX_PROCESSES,
        learning_hours: config.learning_hours,
    };
    let json = arguments.json || config.output.stdout.format == Format::Json;
    let mut failed = None;
    let summary = crate::replay::replay(&mut reader, &mut Core::new(settings), &mut |alert| {
        let text = if json { alert.to_json() + "\n" } else { alert.to_pretty(colour()) };
        failed = failed.take().or(print(&text).err());
    });
    if let Some(failure) = failed {
        return Err(failure);
    }
    let summary = summary.map_err(broken)?;
    tracing::info!(events = summary.events, malformed = summary.malformed, alerts = summary.alerts, "replayed");
    Ok(DONE)
}
