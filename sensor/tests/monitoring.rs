//! The alert rules and the dashboard that are shipped speak of metrics and labels that exist, and of nothing else.
//!
//! What Prometheus itself says of them is checked by `cargo xtask prometheus`.

use sensor::metrics::{Described, described};
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::Path;

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("the workspace").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Words of a text in the language of names: of what begins with the sensor's prefixes.
fn metrics_in(text: &str) -> BTreeSet<&str> {
    let words = text.split(|c: char| !(c.is_ascii_alphanumeric() || "_.".contains(c)));
    words
        .map(|word| word.trim_end_matches('.'))
        .filter(|word| word.starts_with("sensor_") || word.starts_with("process_"))
        .collect()
}

/// The family that a name in a query belongs to.
fn family<'a>(all: &'a [Described], name: &str) -> Option<&'a Described> {
    let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|suffix| name.strip_suffix(suffix));
    all.iter().find(|family| match family.kind.as_str() {
        "histogram" => histogram == Some(family.name.as_str()),
        _ => family.name == name,
    })
}

/// Names of labels that a query matches or groups by.
fn labels_in(query: &str) -> BTreeSet<String> {
    let groups = ["by (", "without ("].into_iter().flat_map(|word| query.split(word).skip(1));
    let groups = groups.filter_map(|rest| rest.split(')').next());
    let matchers = query.split('{').skip(1).filter_map(|rest| rest.split('}').next());
    let grouped = groups.flat_map(|inside| inside.split(',').map(str::to_owned));
    let matched =
        matchers.flat_map(|inside| inside.split(',')).filter_map(|one| Some(one.split_once(['=', '!'])?.0.to_owned()));
    grouped.chain(matched).map(|label| label.trim().to_owned()).collect()
}

/// Labels of what a query gives: those that it groups by, or all of its metrics.
fn labels_kept(query: &str, all: &[Described]) -> BTreeSet<String> {
    if let Some((_, rest)) = query.split_once("by (") {
        return rest.split(')').next().into_iter().flat_map(|inside| inside.split(", ").map(str::to_owned)).collect();
    }
    let families = metrics_in(query).into_iter().filter_map(|name| family(all, name));
    let labels = families.flat_map(|family| family.labels.keys().cloned());
    labels.chain(["job".to_owned(), "instance".to_owned()]).collect()
}

/// Says what in a query does not exist.
fn check(at: &str, query: &str, all: &[Described]) {
    // What Prometheus itself gives every series.
    let mut known: BTreeSet<&str> = ["job", "instance"].into();
    for name in metrics_in(query) {
        let family = family(all, name).unwrap_or_else(|| panic!("{at}: there is no metric {name}"));
        known.extend(family.labels.keys().map(String::as_str));
        if family.kind == "histogram" {
            known.insert("le");
        }
    }
    for label in labels_in(query) {
        assert!(known.contains(label.as_str()), "{at}: no metric of `{query}` has a label {label}");
    }
    for (label, value) in query.split(['{', ',']).filter_map(|part| part.trim().split_once("=\"")) {
        let value = value.split('"').next().unwrap_or_default();
        let values = metrics_in(query).into_iter().filter_map(|name| family(all, name)?.labels.get(label)).flatten();
        let closed = label != "job" && label != "instance";
        assert!(!closed || values.into_iter().any(|known| known == value), "{at}: no {label} is {value:?}");
    }
}

/// An alert rule: its name, its query, and all its text.
fn rules(text: &str) -> Vec<(&str, &str, &str)> {
    let each = text.split("- alert: ").skip(1).map(|rule| {
        let name = rule.lines().next().expect("a name");
        let rest = rule.split_once("expr:").expect("a query").1;
        let end = ["\n        for:", "\n        labels:"].iter().filter_map(|key| rest.find(key)).min();
        (name, &rest[..end.expect("labels")], rule)
    });
    each.collect()
}

#[test]
fn rules_are_about_metrics_that_exist_and_say_what_to_do() {
    let (text, runbook, all) = (read("deploy/prometheus/sensor.rules.yml"), read("docs/runbook.md"), described());
    let rules = rules(&text);
    assert!(rules.len() >= 10);
    for (name, query, rule) in rules {
        check(name, query, &all);
        let is_value =
            |word: &str| all.iter().any(|family| family.labels.values().flatten().any(|value| value == word));
        for metric in metrics_in(rule) {
            assert!(is_value(metric) || family(&all, metric).is_some(), "{name}: there is no metric {metric}");
        }
        for key in ["severity:", "summary:", "description:"] {
            assert!(rule.contains(key), "{name} has no {key}");
        }
        let link = format!("docs/runbook.md#{}\n", name.to_lowercase());
        assert!(rule.contains(&link) || rule.ends_with(link.trim_end()), "{name} does not link to {link}");
        assert!(runbook.contains(&format!("\n## {name}\n")), "docs/runbook.md has no section {name}");
    }
}

#[test]
fn each_rule_is_tested_to_fire_and_not_to() {
    let files = ["findings", "health", "losses", "outputs", "configuration"];
    let tests: String = files.iter().map(|file| read(&format!("deploy/prometheus/tests/{file}.yml"))).collect();
    for (name, _, _) in rules(&read("deploy/prometheus/sensor.rules.yml")) {
        assert!(tests.contains(&format!("- alertname: {name}\n")), "{name}: what it says is not tested");
        let asked: Vec<&str> = tests.split("- expr: ").filter(|test| test.contains(&format!("\"{name}"))).collect();
        let quiet = |test: &&str| test.contains("exp_samples: []") || test.contains("{ value: 0 }");
        assert!(asked.iter().any(quiet), "{name}: not firing is not tested");
        let firing = |test: &&str| test.contains("firing") && test.contains("value: 1");
        assert!(asked.iter().any(firing), "{name}: firing is not tested");
    }
}

fn dashboard() -> Value {
    serde_json::from_str(&read("deploy/grafana/sensor.json")).expect("the dashboard is JSON")
}

fn array(value: &Value) -> &[Value] {
    value.as_array().map(Vec::as_slice).unwrap_or_default()
}

#[test]
fn panels_ask_for_metrics_that_exist() {
    let (dashboard, all) = (dashboard(), described());
    let mut queries = 0;
    for panel in array(&dashboard["panels"]) {
        let title = panel["title"].as_str().expect("a title");
        for target in array(&panel["targets"]) {
            let query = target["expr"].as_str().expect("a query");
            check(title, query, &all);
            assert!(query.contains("instance=~\"$instance\""), "{title}: not for the chosen machines");
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let legend = target["legendFormat"].as_str().expect("a legend");
            let kept = labels_kept(query, &all);
            for label in legend.split("{{").skip(1).filter_map(|rest| rest.split("}}").next()) {
                assert!(kept.contains(label), "{title}: the legend has {label}, `{query}` has not");
            }
            queries += 1;
        }
        assert!(panel["type"] == "row" || !panel["description"].as_str().unwrap_or_default().is_empty(), "{title}");
    }
    assert!(queries >= 20);
    for variable in array(&dashboard["templating"]["list"]) {
        for name in metrics_in(variable["definition"].as_str().unwrap_or_default()) {
            assert!(family(&all, name).is_some(), "a variable asks for {name}");
        }
    }
}

#[test]
fn panels_have_places_of_their_own() {
    let dashboard = dashboard();
    let mut taken = BTreeSet::new();
    let mut ids = BTreeSet::new();
    for panel in array(&dashboard["panels"]) {
        assert!(ids.insert(panel["id"].as_u64()), "the id {} twice", panel["id"]);
        let at = |key: &str| panel["gridPos"][key].as_u64().expect("a place");
        assert!(at("x") + at("w") <= 24);
        for x in at("x")..at("x") + at("w") {
            for y in at("y")..at("y") + at("h") {
                assert!(taken.insert((x, y)), "{} lies on another panel", panel["title"]);
            }
        }
    }
}
