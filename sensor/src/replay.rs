//! A capture through the core: the same alerts as when it was taken.

use crate::alert::Alert;
use crate::capture::{CaptureError, Reader};
use crate::decode::decode;
use crate::pipeline::Core;
use std::io::Read;

/// What a replay went through.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Summary {
    /// Records that became events.
    pub events: u64,
    /// Records that could not be decoded.
    pub malformed: u64,
    /// Alerts.
    pub alerts: u64,
}

/// Applies every record; hands every alert to `sink`.
pub fn replay<R: Read>(
    reader: &mut Reader<R>,
    core: &mut Core,
    sink: &mut dyn FnMut(&Alert),
) -> Result<Summary, CaptureError> {
    let mut summary = Summary::default();
    while let Some(record) = reader.frame()? {
        match decode(&record) {
            Ok(event) => {
                summary.events += 1;
                for alert in core.apply(&event).alerts {
                    summary.alerts += 1;
                    sink(&alert);
                }
            }
            Err(_) => summary.malformed += 1,
        }
    }
    Ok(summary)
}
