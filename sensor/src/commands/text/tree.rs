//! `sensor tree` for people.
//!
//! A line a process: pid, command line, user, age, then what is known of it: server and roles, unit or container, end, and
//! what was found (`!! high server-shell`). On a terminal the command line gives way, so that a line is one line.

use super::{lasting, list, severity, word, words};
use crate::alert::printable;
use crate::terminal::Screen;
use serde_json::Value;
use std::fmt::Write;
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Columns that a command line keeps at least.
const LEAST: usize = 16;

/// Ancestry as a tree.
pub fn tree(answer: &Value, screen: Screen) -> String {
    let mut out = String::new();
    let roots = list(answer, "roots");
    for root in roots {
        branch(&mut out, root, "", "", screen);
    }
    if roots.is_empty() {
        out.push_str("no server runs\n");
    }
    if answer["cut"] == true {
        out.push_str("... there is more\n");
    }
    out
}

fn branch(out: &mut String, node: &Value, lead: &str, below: &str, screen: Screen) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{}{}", screen.paint.dim(lead), line(node, lead, screen));
    let children = list(node, "children");
    for (at, child) in children.iter().enumerate() {
        let last = at + 1 == children.len();
        let (corner, bar) = if last { ("\u{2514}\u{2500} ", "   ") } else { ("\u{251c}\u{2500} ", "\u{2502}  ") };
        branch(out, child, &format!("{below}{corner}"), &format!("{below}{bar}"), screen);
    }
}

fn line(node: &Value, lead: &str, screen: Screen) -> String {
    let Screen { paint, columns, .. } = screen;
    let command = word(node, "command_line");
    let command = printable(if command.is_empty() { word(node, "executable") } else { command });
    let pid = node["pid"].to_string();
    let rest = rest(node);
    let taken = lead.width() + pid.width() + 1 + rest.iter().map(|(_, text)| text.width() + 2).sum::<usize>();
    let command = match columns {
        Some(columns) => shortened(&command, columns.saturating_sub(taken).max(LEAST)),
        None => command,
    };
    let command = match node["live"] == false {
        true => paint.dim(&command),
        false if node["server"].is_string() => paint.bold(&command),
        false => command,
    };
    let mut line = format!("{pid} {command}");
    for (style, text) in rest {
        line.push_str("  ");
        line.push_str(&match style {
            Style::Plain => text,
            Style::Dim => paint.dim(&text),
            Style::Bold => paint.bold(&text),
            Style::Server => paint.paint("32", &text),
            Style::Finding(name) => {
                severity(name).map_or_else(|| text.clone(), |severity| paint.severity(severity, &text))
            }
        });
    }
    line
}

enum Style<'a> {
    Plain,
    Dim,
    Bold,
    Server,
    Finding(&'a str),
}

/// What follows the command line.
fn rest(node: &Value) -> Vec<(Style<'_>, String)> {
    let mut rest = vec![(Style::Plain, word(node, "user").to_owned())];
    if let Some(age) = node["age_seconds"].as_u64().filter(|_| node["live"] != false) {
        rest.push((Style::Dim, lasting(age)));
    }
    if let Some(server) = node["server"].as_str() {
        rest.push((Style::Server, format!("[{server}: {}]", words(node, "roles"))));
    }
    let container = &node["container"];
    if container.is_object() {
        let (name, image) = (word(container, "name"), word(container, "image"));
        let id: String = word(container, "id").chars().take(12).collect();
        let shown = [name, &id].into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        let image = if image.is_empty() { String::new() } else { format!(" {image}") };
        rest.push((Style::Dim, printable(&format!("{}:{shown}{image}", word(container, "runtime")))));
    } else if let Some(unit) = node["unit"].as_str() {
        rest.push((Style::Dim, printable(unit)));
    }
    if node["live"] == false {
        let ago = node["ended_seconds_ago"].as_u64().map_or_else(String::new, |ago| format!(" {} ago", lasting(ago)));
        rest.push((Style::Dim, format!("(ended{ago})")));
    }
    let found = &node["findings"];
    if let Some(severity) = found["severity"].as_str() {
        rest.push((Style::Finding(severity), format!("!! {severity} {}", words(found, "detectors"))));
    }
    let found = &node["server_findings"];
    if let Some(severity) = found["severity"].as_str() {
        let count = list(found, "incidents").len();
        let incidents = if count == 1 { "incident" } else { "incidents" };
        rest.push((Style::Finding(severity), format!("{count} {incidents}, {severity}")));
    }
    if node["asked"] == true {
        rest.push((Style::Bold, "<--".to_owned()));
    }
    rest
}

/// At most so many columns wide; a shortened text ends in an ellipsis.
fn shortened(text: &str, columns: usize) -> String {
    if text.width() <= columns {
        return text.to_owned();
    }
    let mut width = 0;
    let fits = |letter: &char| {
        width += letter.width().unwrap_or(0);
        width < columns
    };
    text.chars().take_while(fits).chain(['\u{2026}']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::paint::Paint;
    use serde_json::json;

    fn answer() -> Value {
        let shell = json!({"pid": 3, "command_line": "sh -c\u{1b}[2J id", "user": "www", "live": false, "asked": true,
            "ended_seconds_ago": 10, "children": [],
            "findings": {"severity": "high", "detectors": ["server-shell"], "incidents": ["a"]}});
        let worker = json!({"pid": 2, "command_line": "php-fpm: pool www \u{65e5}\u{672c}", "user": "www", "live": true,
            "age_seconds": 3700, "children": []});
        let root = json!({"pid": 1, "command_line": "php-fpm", "user": "root", "live": true, "server": "php-fpm",
            "roles": ["app"], "children": [worker, shell], "age_seconds": 90_000,
            "container": {"runtime": "docker", "id": "4f".repeat(32), "image": "php:8"},
            "server_findings": {"severity": "high", "detectors": ["server-shell"], "incidents": ["a"]}});
        json!({"roots": [root]})
    }

    #[test]
    fn a_tree_is_drawn() {
        let plain = Screen::PLAIN;
        let lines = [
            "1 php-fpm  root  1d 1h  [php-fpm: app]  docker:4f4f4f4f4f4f php:8  1 incident, high",
            "├─ 2 php-fpm: pool www 日本  www  1h 1m",
            "└─ 3 sh -c·[2J id  www  (ended 10s ago)  !! high server-shell  <--",
        ];
        assert_eq!(tree(&answer(), plain).lines().collect::<Vec<_>>(), lines);
        assert_eq!(tree(&json!({"roots": []}), plain), "no server runs\n");
    }

    #[test]
    fn on_a_terminal_a_line_is_one_line() {
        let narrow = Screen { columns: Some(35), ..Screen::PLAIN };
        let drawn = tree(&answer(), narrow);
        assert_eq!(drawn.lines().nth(1), Some("├─ 2 php-fpm: pool www…  www  1h 1m"));
        assert_eq!(shortened("\u{65e5}\u{672c}\u{8a9e}", 4), "\u{65e5}\u{2026}");
        let painted = tree(&answer(), Screen { paint: Paint(true), ..Screen::PLAIN });
        assert!(painted.contains("\u{1b}[1;31m!! high server-shell\u{1b}[0m"), "{painted}");
    }
}
