//! The configuration's keys, as a page and as a file in which every key stands with its default.
//!
//! In the file a line that begins with `#` and no blank is a key at its default: without the `#` it holds. Lines with `# `
//! are explanations.

use super::COMMAND;
use super::table::{code, table};
use crate::config::{EXCEPTION_KEYS, KEYS, Key, Kind};
use std::fmt::Write;

/// Columns of the file's explanations.
const COLUMNS: usize = 100;

const HEAD: &str = "\
# Configuration

`/etc/sensor/sensor.toml`, or the file named with `--config`. Every key may be left out: the defaults work unedited. `--set
KEY=VALUE` sets a key over the file; there a text needs no quotes. An unknown key or a value that is not allowed is an
error that names the file, the line, the key and what is allowed, and all errors are listed at once; `sensor check` lists
them without starting.

SIGHUP reads the file, the catalogue and the exceptions anew (a *reload*); if anything in them cannot be used, the old ones stay in
force. The log says which keys changed, and which of them keep their old value until a *restart*.

[deploy/config/sensor.toml](../deploy/config/sensor.toml) has every key with its default and its explanation, each as a comment;
`sensor config default` prints it.
";

const EXCEPTIONS: &str = "\
## exception

What is normal here, as a list: `[[exception]]` may stand there as often as it is needed. All keys that are given must
match, and at least one of `exe`, `args` and `path` must be given. A reload takes changes in. [Silencing narrowly](incidents.md#silencing-narrowly) says
when something else is the better place.
";

const EXAMPLE: &str = "\
[[exception]]
detector = \"server-shell\"
server = \"php-fpm\"
exe = \"/usr/bin/dash\"
args = \"sh -c /usr/local/bin/make-thumbnail *\"
reason = \"thumbnails of the shop\"
expires = \"2027-01-01\"
";

/// docs/config.md.
pub fn config() -> String {
    let mut out = super::notice("sensor/src/config") + HEAD;
    for (section, keys) in sections() {
        let rows = keys.iter().map(|key| {
            [code(key.name), sentence(&key.kind), code(key.default), taken_in(key).to_owned(), key.about.to_owned()]
        });
        // Writing to a String cannot fail.
        let _ = write!(
            out,
            "\n## {section}\n\n{}",
            table(["key", "allowed", "default", "changes take", "what it is"], rows)
        );
    }
    let rows = EXCEPTION_KEYS.iter().map(|key| [code(key.name), key.allowed.to_owned(), key.about.to_owned()]);
    let keys = table(["key", "allowed", "what it is"], rows);
    let _ = write!(out, "\n{EXCEPTIONS}\n{keys}\n```toml\n{EXAMPLE}```\n");
    out
}

/// deploy/config/sensor.toml: loads as it stands, with nothing but defaults in it.
pub fn default_config() -> String {
    let mut out = format!("# Every key of sensor, with its default. Made by `{COMMAND}`.\n#\n");
    comment(
        &mut out,
        "Take the # away from a key to change it. A line that begins with # and a blank is an explanation.",
    );
    comment(&mut out, "`sensor check` says what is wrong with a file. docs/config.md has the same as a page.");
    for (section, keys) in sections() {
        let _ = write!(out, "\n[{section}]\n");
        for key in keys {
            let name = key.name.rsplit('.').next().unwrap_or(key.name);
            out.push('\n');
            comment(&mut out, &capital(&format!("{}.", key.about)));
            comment(&mut out, &format!("Allowed: {}. Changes take a {}.", key.kind, taken_in(key)));
            let _ = writeln!(out, "#{name} = {}", key.default);
        }
    }
    out.push('\n');
    comment(&mut out, "What is normal here: any number of these. All keys that are given must match.");
    for key in EXCEPTION_KEYS {
        comment(&mut out, &format!("{}: {}. Allowed: {}.", key.name, key.about, key.allowed));
    }
    for line in EXAMPLE.lines() {
        let _ = writeln!(out, "#{line}");
    }
    out
}

/// The keys by section, both in the order of [`KEYS`].
fn sections() -> Vec<(&'static str, Vec<&'static Key>)> {
    let mut sections: Vec<(&str, Vec<&Key>)> = Vec::new();
    for key in KEYS {
        let section = key.name.rsplit_once('.').map_or("", |(section, _)| section);
        match sections.iter_mut().find(|(known, _)| *known == section) {
            Some((_, keys)) => keys.push(key),
            None => sections.push((section, vec![key])),
        }
    }
    sections
}

/// What it takes for a new value to hold.
fn taken_in(key: &Key) -> &'static str {
    if key.needs_restart() { "restart" } else { "reload" }
}

/// What a key may hold, with words as code.
fn sentence(kind: &Kind) -> String {
    match kind {
        Kind::OneOf(words) => words.iter().map(|word| code(&format!("\"{word}\""))).collect::<Vec<_>>().join(", "),
        Kind::Truth => "`true`, `false`".into(),
        _ => kind.to_string(),
    }
}

fn capital(text: &str) -> String {
    let mut letters = text.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}

/// Writes the text as comment lines.
fn comment(out: &mut String, text: &str) {
    let mut column = COLUMNS;
    for word in text.split(' ') {
        if column + 1 + word.len() > COLUMNS {
            out.push_str(if column == COLUMNS { "#" } else { "\n#" });
            column = 1;
        }
        let _ = write!(out, " {word}");
        column += 1 + word.len();
    }
    out.push('\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[test]
    fn the_file_holds_the_defaults_and_nothing_else() {
        let none = Config::parse("sensor.toml", "", &[]).unwrap();
        let file = Config::parse("sensor.toml", &default_config(), &[]).unwrap();
        assert_eq!(file.changes(&none), []);
        assert!(file.exceptions.is_empty());
    }

    /// So that taking away a `#` gives something that loads; what a key says it defaults to is its default.
    #[test]
    fn every_key_of_the_file_can_be_taken_in() {
        let keys = |line: &str| line.strip_prefix('#').filter(|rest| !rest.starts_with(' ')).unwrap_or(line).to_owned();
        let text = default_config().lines().map(|line| keys(line) + "\n").collect::<String>();
        for key in KEYS {
            let name = key.name.rsplit('.').next().unwrap();
            assert!(text.contains(&format!("\n{name} = {}\n", key.default)), "{}", key.name);
        }
        let all = Config::parse("sensor.toml", &text, &[]).unwrap();
        assert_eq!(all.exceptions.len(), 1);
        let none = Config::parse("sensor.toml", "", &[]).unwrap();
        assert_eq!(all.changes(&none), []);
    }

    #[test]
    fn comments_are_wrapped() {
        let mut out = String::new();
        comment(&mut out, &"word ".repeat(40));
        assert!(
            out.lines().count() == 3 && out.lines().all(|line| line.starts_with("# word") && line.len() <= COLUMNS)
        );
    }
}
