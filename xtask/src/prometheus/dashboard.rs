//! The shipped dashboard's queries, asked of the Prometheus that scraped.

use super::Stage;
use crate::workspace;
use anyhow::{Context, Result, bail};
use serde_json::Value;

/// Stand-ins for what Grafana puts in.
const VARIABLES: &[(&str, &str)] =
    &[("$__rate_interval", "30s"), ("$__range", "1m"), ("$job", ".+"), ("$instance", ".+")];

/// Every query is answered, and all that do not ask for exceptions have data.
pub fn check(stage: &Stage) -> Result<String> {
    let path = workspace::root().join("deploy/grafana/sensor.json");
    let dashboard: Value = serde_json::from_str(&std::fs::read_to_string(&path)?)?;
    let (mut asked, mut empty) = (0, 0);
    for panel in dashboard["panels"].as_array().context("panels")? {
        let title = panel["title"].as_str().context("a title")?;
        for target in panel["targets"].as_array().into_iter().flatten() {
            let query = target["expr"].as_str().context("a query")?;
            let filled = VARIABLES.iter().fold(query.to_owned(), |query, (name, value)| query.replace(name, value));
            let samples = stage.prometheus.query(&filled).with_context(|| format!("panel {title:?}"))?;
            asked += 1;
            if samples.iter().any(|(_, value)| !value.is_nan()) {
                continue;
            }
            if !may_be_empty(query) {
                bail!("panel {title:?} has no data: {filled}");
            }
            empty += 1;
        }
    }
    if asked < 20 {
        bail!("only {asked} queries were found in {}", path.display());
    }
    Ok(format!("{asked} queries answered, {empty} of them with nothing to show, as they may"))
}

/// A query that keeps only what is wrong, or more than nothing, and has no stand-in for that.
fn may_be_empty(query: &str) -> bool {
    (query.contains(" == 0") || query.contains(" > 0")) && !query.contains("or vector(0)")
}
