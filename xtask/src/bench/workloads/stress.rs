//! stress-ng's stressors, one worker each, as a user that may do nothing: some refuse to run as root.

use super::workload::{Load, Sample};
use crate::command;
use crate::daemons::host;
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

const USER: &str = "nobody";
const RATE: &str = "bogo-ops-per-second-real-time:";

/// Runs a stressor.
pub fn load(at: &Path, stressor: &'static str) -> Result<Load> {
    host::give(at, USER)?;
    let ((uid, gid), at) = (host::user(USER)?, at.to_owned());
    Ok(Box::new(move |seconds| {
        let report = at.join("report.yaml");
        let mut stress = Command::new("stress-ng");
        stress.args([format!("--{stressor}"), "1".to_owned()]);
        stress.args(["--timeout", &format!("{:.0}", seconds.max(1.0)), "--metrics-brief"]);
        stress.arg("--temp-path").arg(&at).arg("--yaml").arg(&report);
        // Not quietly: `--quiet` keeps the exec stressor's rate out of the report.
        command::output(stress.uid(uid).gid(gid).current_dir(&at))?;
        let text = std::fs::read_to_string(&report)?;
        let said = |name: &str| value(&text, name).with_context(|| format!("stress-ng said {text}"));
        Ok(Sample { requests: said("bogo-ops:")?, per_second: said(RATE)?, p99_ms: None })
    }))
}

fn value(report: &str, name: &str) -> Result<f64> {
    let line = report.lines().find_map(|line| line.trim().strip_prefix(name));
    Ok(line.with_context(|| format!("no {name}"))?.trim().parse()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_real_time() {
        let text = "metrics:\n    - stressor: fork\n      bogo-ops-per-second-usr-sys-time: 9.0\n      \
                    bogo-ops-per-second-real-time: 1234.5\n";
        assert!((value(text, RATE).unwrap() - 1234.5).abs() < 1e-9);
        assert!(value("metrics:\n", RATE).is_err());
    }
}
