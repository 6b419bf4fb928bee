//! The metrics, as a page.

use super::{Described, described};
use crate::reference::COMMAND;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

const HEAD: &str = "\
# Metrics

`metrics.listen` (127.0.0.1:9842 by default) answers `/metrics`, `/healthz` and `/readyz`:

| path | answers |
| --- | --- |
| `/metrics` | all that is below: OpenMetrics 1.0 for who asks for `application/openmetrics-text` in `Accept`, as Prometheus does; Prometheus' text format 0.0.4 for everybody else |
| `/healthz` | 200 while the agent's loop goes round; 503 when it has not for 10 seconds |
| `/readyz` | 200 while that is so, the hooks are attached and the running processes are in the tree; else 503 |

For Prometheus there are [a scrape configuration](../deploy/prometheus/prometheus.yml), [alert rules](../deploy/prometheus/sensor.rules.yml)
with [what to do when they fire](runbook.md), and [a Grafana dashboard](../deploy/grafana/sensor.json). `cargo xtask prometheus` has a real
Prometheus 2.42 scrape the sensor for a minute under load, and asks it for all of that. The dashboard's queries are run there; it is
written for Grafana 10 and later, but no Grafana has shown it.
";

const LABELS: &str = "\
## Labels

Every label has one of the values that stand here, so there are as many series as are said above and no more: never a pid, a
path or a command line. Series whose labels are known are there from the start, at zero. Of hooks and programs one machine has those of one
set; of outputs those that are enabled.
";

/// docs/metrics.md.
pub fn reference() -> String {
    let all = described();
    let mut out = format!("<!-- Made by `{COMMAND}` from sensor/src/metrics; change that, not this. -->\n\n{HEAD}");
    let sections: Vec<&str> = all.iter().fold(Vec::new(), |mut sections, family| {
        if !sections.contains(&family.section) {
            sections.push(family.section);
        }
        sections
    });
    for section in sections {
        let rows = all.iter().filter(|family| family.section == section).map(row);
        let heads = ["name", "type, unit", "labels", "series", "what it is", "when to worry"];
        // Writing to a String cannot fail.
        let _ = write!(out, "\n## {section}\n\n{}", table(heads, rows));
    }
    let rows = labels(&all).into_iter().map(|((label, values), families)| {
        let families: Vec<String> = families.iter().map(|name| code(name)).collect();
        [code(label), families.join(", "), values]
    });
    let _ = write!(out, "\n{LABELS}\n{}", table(["label", "of", "values"], rows));
    out
}

fn row(family: &Described) -> [String; 6] {
    let labels: Vec<String> = family.labels.keys().map(|label| code(label)).collect();
    [
        code(&family.name),
        family.unit.as_ref().map_or_else(|| family.kind.clone(), |unit| format!("{}, {unit}", family.kind)),
        labels.join(", "),
        family.series.to_string(),
        family.help.clone(),
        family.worry.to_owned(),
    ]
}

/// Labels with their values, and the metrics that have them so.
fn labels(all: &[Described]) -> BTreeMap<(&str, String), BTreeSet<&str>> {
    let mut labels: BTreeMap<(&str, String), BTreeSet<&str>> = BTreeMap::new();
    for family in all {
        for (label, values) in &family.labels {
            let values: Vec<String> = values.iter().map(|value| code(value)).collect();
            let values = if open(label) { "of the build".to_owned() } else { values.join(", ") };
            labels.entry((label, values)).or_default().insert(&family.name);
        }
    }
    labels
}

/// Labels that say which sensor it is: one value each, another with each release.
fn open(label: &str) -> bool {
    ["version", "commit"].contains(&label)
}

/// A table in Markdown with these heads; a line for each row.
fn table<const N: usize>(heads: [&str; N], rows: impl IntoIterator<Item = [String; N]>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let mut out = line(&heads.map(str::to_owned)) + &line(&heads.map(|_| "---".to_owned()));
    for row in rows {
        out += &line(&row.map(|cell| cell.replace('|', "\\|")));
    }
    out
}

fn code(text: &str) -> String {
    format!("`{text}`")
}
