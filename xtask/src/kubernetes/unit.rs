//! What the systemd unit says, which the chart is compared with.

use crate::workspace;
use anyhow::{Context, Result};
use std::collections::BTreeSet;

/// The capabilities that the unit keeps.
pub fn capabilities() -> Result<BTreeSet<String>> {
    let path = workspace::root().join("deploy/systemd/sensor.service");
    let unit = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let kept = unit.lines().filter_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    Ok(kept.flat_map(str::split_whitespace).map(str::to_owned).collect())
}
