//! docs/getting-started.md, done as it is written: each command of its console blocks, and what it says there.

use crate::command;
use anyhow::{Context, Result, bail, ensure};

/// The document.
const DOCUMENT: &str = include_str!("../../../../docs/getting-started.md");
/// Stands for whatever differs; alone on a line for any number of lines.
const WHATEVER: &str = "\u{2026}";

/// A command, and lines that it must print.
struct Command {
    text: String,
    expected: Vec<&'static str>,
}

/// Runs all of them, one after the other, in the directory where the package lies.
pub fn as_written() -> Result<String> {
    let directory = beside_the_package()?;
    let commands = commands(DOCUMENT);
    ensure!(commands.len() > 10, "the document has {} commands only", commands.len());
    for one in &commands {
        let shell = ["-c", &one.text];
        let said = command::output(command::command("bash").args(shell).current_dir(&directory).env("LC_ALL", "C"))
            .with_context(|| format!("`{}`", one.text))?;
        if let Some(missing) = missing(&one.expected, &said) {
            bail!("`{}` should say {missing:?}; it says:\n{said}", one.text);
        }
    }
    Ok(format!("{} commands", commands.len()))
}

/// Where the package lies under the name that the document gives it.
fn beside_the_package() -> Result<std::path::PathBuf> {
    let directory = std::path::PathBuf::from("/root/started");
    std::fs::create_dir_all(&directory)?;
    let name = DOCUMENT
        .split_whitespace()
        .find(|word| word.rsplit_once('.').is_some_and(|(_, end)| end == "deb"))
        .context("the package's name")?;
    std::fs::copy("/mnt/first.deb", directory.join(name)).context("the package")?;
    Ok(directory)
}

/// The commands of all console blocks: `# ` begins one, `> ` goes on, what follows is what it prints.
fn commands(document: &'static str) -> Vec<Command> {
    let mut commands: Vec<Command> = Vec::new();
    let mut inside = false;
    for line in document.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if inside {
            take(line, &mut commands);
        }
    }
    commands
}

fn take(line: &'static str, commands: &mut Vec<Command>) {
    if let Some(text) = line.strip_prefix("# ") {
        commands.push(Command { text: text.to_owned(), expected: Vec::new() });
    } else if let Some(last) = commands.last_mut() {
        match line.strip_prefix('>') {
            Some(more) => last.text = format!("{}\n{}", last.text, more.strip_prefix(' ').unwrap_or(more)),
            None => last.expected.push(line),
        }
    }
}

/// The first line of those expected that does not come after the ones before it.
fn missing<'a>(expected: &[&'a str], said: &str) -> Option<&'a str> {
    let mut lines = said.lines();
    expected.iter().filter(|line| **line != WHATEVER).find(|line| !lines.any(|said| matches(line, said))).copied()
}

/// Whether a line is as written, where an ellipsis stands for anything.
fn matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.trim_end().split(WHATEVER);
    let Some(mut rest) = parts.next().and_then(|first| line.strip_prefix(first)) else {
        return false;
    };
    let parts: Vec<&str> = parts.collect();
    let Some((last, middle)) = parts.split_last() else {
        return rest.trim_end().is_empty();
    };
    for part in middle {
        match rest.split_once(part) {
            Some((_, after)) => rest = after,
            None => return false,
        }
    }
    rest.trim_end().ends_with(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_commands_with_what_they_say() {
        let text =
            "```console\n# a <<'E'\n> x\n>\n> E\nsaid \u{2026}\n# b\n```\n# no command\n```toml\n# nor this\n```\n";
        let found = commands(text);
        assert_eq!(found.iter().map(|one| one.text.as_str()).collect::<Vec<_>>(), ["a <<'E'\nx\n\nE", "b"]);
        assert_eq!(found[0].expected, ["said \u{2026}"]);
        assert!(commands(DOCUMENT).len() > 10);
    }

    #[test]
    fn lines_are_compared_in_order() {
        assert!(matches("a\u{2026}c", "abc") && matches("\u{2026}", "") && matches("a", "a "));
        assert!(!matches("a", "ab") && !matches("a\u{2026}c", "ab") && !matches("\u{2026}x\u{2026}y", "yx"));
        assert_eq!(missing(&["a", "\u{2026}", "c"], "a\nb\nc\n"), None);
        assert_eq!(missing(&["c", "a"], "a\nb\nc\n"), Some("a"));
    }
}
