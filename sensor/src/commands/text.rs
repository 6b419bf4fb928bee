//! The agent's answers for people.

mod baseline;

pub use baseline::{baseline, baseline_done, baseline_imported};

use crate::alert::printable;
use serde_json::Value;
use std::fmt::Write;

mod servers;

pub use servers::servers;

/// Ancestry as a tree.
pub fn tree(answer: &Value) -> String {
    let mut out = String::new();
    let roots = list(answer, "roots");
    for root in roots {
        branch(&mut out, root, "", "");
    }
    if roots.is_empty() {
        out.push_str("no server runs\n");
    }
    if answer["cut"] == true {
        out.push_str("... there is more\n");
    }
    out
}

fn branch(out: &mut String, node: &Value, lead: &str, below: &str) {
    let command = word(node, "command_line");
    let command = if command.is_empty() { word(node, "executable") } else { command };
    let server = match node["server"].as_str() {
        Some(server) => format!("  [{server}: {}]", words(node, "roles")),
        None => String::new(),
    };
    let ended = if node["live"] == false { "  (ended)" } else { "" };
    let asked = if node["asked"] == true { "  <--" } else { "" };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{lead}{} {}  {}{server}{ended}{asked}", node["pid"], printable(command), word(node, "user"));
    let children = list(node, "children");
    for (at, child) in children.iter().enumerate() {
        let last = at + 1 == children.len();
        let (corner, bar) = if last { ("\u{2514}\u{2500} ", "   ") } else { ("\u{251c}\u{2500} ", "\u{2502}  ") };
        branch(out, child, &format!("{below}{corner}"), &format!("{below}{bar}"));
    }
}

/// Health and losses.
pub fn status(answer: &Value) -> String {
    let mut out = String::new();
    let hooks = &answer["hooks"];
    let health = match (answer["ready"] == true, answer["blind"] == true) {
        (true, false) => "well",
        (true, true) => "BLIND: lost records are not healed yet",
        (false, _) => "not ready",
    };
    let _ = writeln!(out, "sensor {} is {health}", word(answer, "version"));
    let _ = writeln!(out, "  pid {}, up {} s", answer["pid"], answer["uptime_seconds"]);
    let _ = writeln!(out, "  hooks: {} set, because {}", word(hooks, "set"), word(hooks, "reason"));
    for hook in list(hooks, "hooks").iter().filter(|hook| hook["attached"] == false) {
        let _ = writeln!(out, "    not attached: {} ({})", word(hook, "name"), word(hook, "reason"));
    }
    let _ = writeln!(
        out,
        "  {} processes, {} servers, {} directories watched",
        answer["processes"], answer["servers"], answer["watched_directories"]
    );
    let _ = writeln!(out, "  {} written files followed, {} incidents open", answer["ledger"], answer["incidents_open"]);
    for alert in list(answer, "latest_alerts") {
        let (severity, detector) = (word(alert, "severity"), word(alert, "detector"));
        let id: String = word(alert, "id").chars().take(12).collect();
        let _ = writeln!(out, "  alert {id}  {severity:<8}  {detector}  {}", word(alert, "server"));
    }
    for exception in list(answer, "exceptions") {
        let state = if exception["expired"] == true { "EXPIRED, covers nothing" } else { "in force" };
        let (detector, reason) = (word(exception, "detector"), printable(word(exception, "reason")));
        let _ = writeln!(out, "  exception {detector} ({reason}): {state}, covered {}", exception["hits"]);
    }
    if let Some(trouble) = answer["state"]["trouble"].as_str() {
        let kept = if answer["state"]["path"].is_null() { "STATE IS NOT KEPT" } else { "state" };
        let _ = writeln!(out, "  {kept}: {}", printable(trouble));
    }
    for ring in list(answer, "rings") {
        let _ = writeln!(out, "  ring {}: {} of {} bytes", word(ring, "ring"), ring["bytes"], ring["capacity"]);
    }
    let events: Vec<String> = answer["events"]
        .as_object()
        .into_iter()
        .flatten()
        .filter(|(kind, count)| *count != &Value::from(0) && kind.as_str() != "tick")
        .map(|(kind, count)| format!("{kind} {count}"))
        .collect();
    let _ = writeln!(out, "  events: {}", events.join(", "));
    let lost = list(answer, "lost");
    for loss in lost {
        let _ = writeln!(
            out,
            "  LOST: {} {} from {} ({})",
            loss["count"],
            loss["kind"].as_str().unwrap_or("events"),
            word(loss, "ring"),
            word(loss, "reason")
        );
    }
    if lost.is_empty() {
        out.push_str("  nothing was lost\n");
    } else {
        let _ = writeln!(out, "  blind for {} s in all", answer["blind_seconds"]);
    }
    out
}

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn words(value: &Value, key: &str) -> String {
    list(value, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_tree_is_drawn() {
        let shell = json!({"pid": 3, "command_line": "sh -c\u{1b}[2J id", "user": "www", "live": true, "asked": true, "children": []});
        let worker = json!({"pid": 2, "command_line": "php-fpm: pool", "user": "www", "live": true, "children": []});
        let root = json!({"pid": 1, "command_line": "php-fpm", "user": "root", "live": true, "server": "php-fpm",
            "roles": ["app"], "children": [worker, shell]});
        let drawn = tree(&json!({"roots": [root]}));
        assert_eq!(drawn, "1 php-fpm  root  [php-fpm: app]\n├─ 2 php-fpm: pool  www\n└─ 3 sh -c·[2J id  www  <--\n");
        assert_eq!(tree(&json!({"roots": []})), "no server runs\n");
    }
}
