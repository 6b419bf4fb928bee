//! The table of values in the chart's README, made of `values.yaml`: each key's comment, and its default.

use super::chart;
use crate::setup::kubernetes::Tools;
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::fmt::Write as _;

const BEGIN: &str = "<!-- values: written by `cargo xtask kubernetes --write` -->\n";
const END: &str = "<!-- end of values -->\n";

/// A value with a comment.
#[derive(Debug, PartialEq)]
struct Line {
    /// Its names, from the outermost.
    path: Vec<String>,
    /// The comment's sentences.
    about: String,
}

/// Writes the table.
pub fn write(tools: &Tools) -> Result<()> {
    let path = chart::directory().join("README.md");
    let (before, _, after) = readme()?;
    std::fs::write(path, format!("{before}{BEGIN}{}{END}{after}", table(tools)?))?;
    Ok(())
}

/// It says what values.yaml says.
pub fn up_to_date(tools: &Tools) -> Result<String> {
    let (_, is, _) = readme()?;
    ensure!(is == table(tools)?, "the table in the chart's README is old: cargo xtask kubernetes --write");
    Ok(format!("{} values", is.lines().count().saturating_sub(2)))
}

/// The README before, within and after the table.
fn readme() -> Result<(String, String, String)> {
    let text = std::fs::read_to_string(chart::directory().join("README.md"))?;
    let (before, rest) = text.split_once(BEGIN).context("README.md has no place for the values")?;
    let (table, after) = rest.split_once(END).context("README.md has no end of the values")?;
    Ok((before.to_owned(), table.to_owned(), after.to_owned()))
}

fn table(tools: &Tools) -> Result<String> {
    let text = std::fs::read_to_string(chart::directory().join("values.yaml"))?;
    let values = chart::objects(tools, &text)?.into_iter().next().context("values.yaml is empty")?;
    let mut table = "| value | default | what it is |\n| --- | --- | --- |\n".to_owned();
    let lines = lines(&text);
    for Line { path, about } in &lines {
        let value = path.iter().try_fold(&values, |value, name| value.get(name)).context("a comment above no value")?;
        writeln!(table, "| `{}` | `{value}` | {} |", path.join("."), about.replace('|', "\\|"))?;
    }
    undocumented(&values, &mut Vec::new(), &lines)?;
    Ok(table)
}

/// Fails for a value that neither has a comment nor lies within one that has.
fn undocumented(value: &Value, path: &mut Vec<String>, lines: &[Line]) -> Result<()> {
    if lines.iter().any(|line| line.path == *path) {
        return Ok(());
    }
    let Some(map) = value.as_object().filter(|map| !map.is_empty()) else {
        bail!("{} has no comment in values.yaml", path.join("."));
    };
    for (name, inner) in map {
        path.push(name.clone());
        undocumented(inner, path, lines)?;
        path.pop();
    }
    Ok(())
}

/// Every key right below a comment. A comment followed by an empty line is nobody's.
fn lines(text: &str) -> Vec<Line> {
    let mut found = Vec::new();
    let mut path: Vec<String> = Vec::new();
    let mut about = String::new();
    for line in text.lines() {
        let written = line.trim_start();
        if let Some(comment) = written.strip_prefix('#') {
            about.push(' ');
            about += comment.trim();
            continue;
        }
        let key = written.split_once(':').map(|(key, _)| key).filter(|key| !key.starts_with('-') && !key.is_empty());
        if let Some(key) = key {
            path.truncate((line.len() - written.len()) / 2);
            path.push(key.to_owned());
            if !about.is_empty() {
                found.push(Line { path: path.clone(), about: about.trim().to_owned() });
            }
        }
        about.clear();
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_belong_to_the_key_right_below() {
        let text =
            "# Nobody's.\n\n# One\n# two.\na: 1\nb:\n  # Inner.\n  c: x\n  d:\n    # Deep.\n    e: []\nf:\n  - g: 1\n";
        let found: Vec<(String, String)> =
            lines(text).into_iter().map(|line| (line.path.join("."), line.about)).collect();
        let expected = [("a", "One two."), ("b.c", "Inner."), ("b.d.e", "Deep.")];
        assert_eq!(found, expected.map(|(path, about)| (path.to_owned(), about.to_owned())));
    }
}
