//! Which capabilities the sensor has a use for, by its own table, and which the systemd unit gives it: what the chart is compared
//! with. The table in docs/privileges.md is made from the sensor's code, and a test of the sensor's keeps it so.

use crate::workspace;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;

/// Those that only the process that answers HTTP uses, to become nobody. The unit does without and says why.
const LISTENERS: &[&str] = &["CAP_SETUID", "CAP_SETGID"];

/// Fails unless a container is given what the sensor has a use for, and the unit gives the same but for the listener's.
pub fn compare(added: &BTreeSet<String>) -> Result<()> {
    let needed = needed(&text("docs/privileges.md")?);
    ensure!(!needed.is_empty(), "docs/privileges.md has no table of capabilities");
    ensure!(*added == needed, "the chart adds {added:?}, docs/privileges.md has {needed:?}");
    let unit = of_unit(&text("deploy/systemd/sensor.service")?);
    let expected: BTreeSet<String> = needed.into_iter().filter(|name| !LISTENERS.contains(&name.as_str())).collect();
    ensure!(unit == expected, "the systemd unit keeps {unit:?}, not {expected:?}");
    Ok(())
}

fn text(path: &str) -> Result<String> {
    std::fs::read_to_string(workspace::root().join(path)).with_context(|| path.to_owned())
}

/// The first column of rows that begin with a capability.
fn needed(document: &str) -> BTreeSet<String> {
    let rows = document.lines().filter_map(|line| line.strip_prefix("| `CAP_"));
    rows.filter_map(|row| row.split_once('`')).map(|(name, _)| format!("CAP_{name}")).collect()
}

fn of_unit(unit: &str) -> BTreeSet<String> {
    let kept = unit.lines().filter_map(|line| line.strip_prefix("CapabilityBoundingSet="));
    kept.flat_map(str::split_whitespace).map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_and_units_are_read() {
        let table = "| capability | for |\n| --- | --- |\n| `CAP_BPF` | maps |\n| `openat` | CAP_NOT |\n";
        assert_eq!(needed(table), BTreeSet::from(["CAP_BPF".to_owned()]));
        let unit = "# CAP_X\nCapabilityBoundingSet=CAP_BPF CAP_SETUID\nAmbientCapabilities=\n";
        assert_eq!(of_unit(unit), BTreeSet::from(["CAP_BPF".to_owned(), "CAP_SETUID".to_owned()]));
    }
}
