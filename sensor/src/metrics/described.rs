//! The metrics as their readers must know them: read from the registry itself, with every label at each of its values.

use super::Metrics;
use super::encode::Format;
use crate::config::KEYS;
use crate::kernel::HookReport;
use std::collections::{BTreeMap, BTreeSet};

/// A family of metrics.
#[derive(Clone, Debug, Default)]
pub struct Described {
    /// What it belongs to.
    pub section: &'static str,
    /// The name that queries use: of counters with `_total`, of infos with `_info`; of histograms without `_bucket`.
    pub name: String,
    /// `counter`, `gauge`, `histogram` or `info`.
    pub kind: String,
    /// Its unit, if it has one.
    pub unit: Option<String>,
    /// What its value is.
    pub help: String,
    /// Its labels and the values that each may have.
    pub labels: BTreeMap<String, BTreeSet<String>>,
    /// How many series there are of it when every label takes each value that it can take together with the others.
    pub series: usize,
    /// When to worry.
    pub worry: &'static str,
}

/// All metrics, in the order in which they are told.
pub fn described() -> Vec<Described> {
    let (metrics, notes) = Metrics::with_notes();
    for report in HookReport::possible() {
        metrics.hooks(&report);
    }
    for output in outputs() {
        metrics.outputs().begin(output, true);
        metrics.outputs().spool_capacity(output, 0);
    }
    let mut all = families(&metrics.encode(Format::OpenMetrics));
    for family in &mut all {
        let base = base(family);
        if let Some(note) = notes.iter().find(|note| note.name == base) {
            (family.section, family.worry) = (note.section, note.worry);
        }
    }
    all
}

/// Every output that can be configured.
fn outputs() -> BTreeSet<&'static str> {
    KEYS.iter().filter_map(|key| key.name.strip_prefix("output.")?.strip_suffix(".enabled")).collect()
}

/// The name under which it was registered.
fn base(family: &Described) -> &str {
    let name = family.name.strip_prefix("sensor_").unwrap_or(&family.name);
    let name = suffix(&family.kind).and_then(|suffix| name.strip_suffix(suffix)).unwrap_or(name);
    let unit = family.unit.as_deref().and_then(|unit| name.strip_suffix(unit)?.strip_suffix('_'));
    unit.unwrap_or(name)
}

fn suffix(kind: &str) -> Option<&'static str> {
    match kind {
        "counter" => Some("_total"),
        "info" => Some("_info"),
        _ => None,
    }
}

/// Reads OpenMetrics text.
fn families(text: &str) -> Vec<Described> {
    let mut all: Vec<Described> = Vec::new();
    for line in text.lines() {
        if let Some((name, help)) = line.strip_prefix("# HELP ").and_then(|rest| rest.split_once(' ')) {
            all.push(Described { name: name.to_owned(), help: help.to_owned(), ..Described::default() });
            continue;
        }
        let Some(family) = all.last_mut() else {
            continue;
        };
        if let Some((name, kind)) = line.strip_prefix("# TYPE ").and_then(|rest| rest.split_once(' ')) {
            family.name = format!("{name}{}", suffix(kind).unwrap_or_default());
            kind.clone_into(&mut family.kind);
        } else if let Some((_, unit)) = line.strip_prefix("# UNIT ").and_then(|rest| rest.split_once(' ')) {
            family.unit = Some(unit.to_owned());
        } else if !line.starts_with('#') {
            family.series += 1;
            for (label, value) in labels(line) {
                family.labels.entry(label.to_owned()).or_default().insert(value.to_owned());
            }
        }
    }
    all
}

/// The labels of a sample, but the bounds of buckets. Values are words: nothing in them is escaped.
fn labels(sample: &str) -> impl Iterator<Item = (&str, &str)> {
    let inside = sample.split_once('{').and_then(|(_, rest)| rest.rsplit_once('}')).map_or("", |(inside, _)| inside);
    let pairs = inside.split("\",").filter_map(|pair| pair.split_once("=\""));
    pairs.map(|(name, value)| (name, value.trim_end_matches('"'))).filter(|(name, _)| *name != "le")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_metric_is_described() {
        let all = described();
        assert!(all.len() > 25);
        for family in &all {
            assert!(!family.section.is_empty() && !family.worry.is_empty(), "{family:?} has no note");
            assert!(family.help.ends_with('.') && !family.help.ends_with(".."), "{}: {}", family.name, family.help);
            assert!(family.series > 0, "{} has no series from the start", family.name);
            let name = family.name.as_str();
            assert!(name.starts_with("sensor_") || name.starts_with("process_"), "{name}");
        }
        let names: BTreeSet<&str> = all.iter().map(|family| family.name.as_str()).collect();
        assert_eq!(names.len(), all.len(), "a name twice");
        let (_, notes) = Metrics::with_notes();
        assert_eq!(notes.len(), all.len());
    }

    /// A Prometheus of a thousand machines keeps these for each; hooks and programs of both sets are counted here, and
    /// one machine has one set.
    #[test]
    fn series_are_few() {
        let all = described();
        let series: usize = all.iter().map(|family| family.series).sum();
        assert!(series < 400, "{series} series");
        let of = |name: &str| all.iter().find(|family| family.name == name).map(|family| family.series);
        assert_eq!(of("sensor_alerts_total"), Some(60));
        assert_eq!(of("sensor_detection_latency_seconds"), Some(16));
    }

    #[test]
    fn labels_are_words() {
        for family in described() {
            for (label, values) in
                family.labels.iter().filter(|(label, _)| !["version", "commit"].contains(&label.as_str()))
            {
                for value in values {
                    let word = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "_-".contains(c);
                    assert!(!value.is_empty() && value.chars().all(word), "{}{{{label}={value:?}}}", family.name);
                }
            }
        }
    }

    #[test]
    fn labels_of_samples_are_read() {
        let read = |sample| labels(sample).collect::<Vec<_>>();
        assert_eq!(read("a_total{x=\"1\",y=\"b c\"} 3"), [("x", "1"), ("y", "b c")]);
        assert_eq!(read("a_bucket{le=\"0.1\"} 3"), []);
        assert_eq!(read("a 3"), []);
    }
}
