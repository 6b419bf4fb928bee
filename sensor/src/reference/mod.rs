//! The documents that are made from the code: so that they cannot say anything else than it does.
//!
//! Comes in: the tables that the program itself works with (keys of the configuration, fields of alerts, metrics). Goes
//! out: text, and where it belongs. A document is made as a whole, or parts of it are and the rest is written by hand.
//! Nothing here reads or writes files: `tests/reference.rs` compares, and `cargo xtask docs` has it write.
//!
//! To add one: a module with a function that gives the text, and a line in [`DOCUMENTS`].

mod alerts;
mod config;
mod privileges;
mod schemas;
mod table;

pub use config::{config, default_config};
pub use schemas::{alert_schema, event_schema};

/// What writes the documents; every one of them names it.
pub const COMMAND: &str = "cargo xtask docs";

/// A document, or a part of one, that is made.
#[derive(Clone, Copy)]
pub struct Document {
    /// Where it is, below the root of the source tree.
    pub path: &'static str,
    /// How much of the file is made.
    pub part: Part,
    /// Makes the text; it ends with a line break.
    pub make: fn() -> String,
}

/// How much of a file is made.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// All of it. Its first lines say so.
    Whole,
    /// What stands between two marks of this name; see [`begin`] and [`end`].
    Region(&'static str),
}

/// Everything that is made.
pub const DOCUMENTS: &[Document] = &[
    Document { path: "docs/config.md", part: Part::Whole, make: config },
    Document { path: "docs/metrics.md", part: Part::Whole, make: crate::metrics::reference },
    Document { path: "docs/alerts.md", part: Part::Region("found"), make: alerts::found },
    Document { path: "docs/alerts.md", part: Part::Region("who"), make: alerts::who },
    Document { path: "docs/alerts.md", part: Part::Region("container"), make: alerts::container },
    Document { path: "docs/alerts.md", part: Part::Region("file"), make: alerts::file },
    Document { path: "docs/alerts.md", part: Part::Region("connection"), make: alerts::connection },
    Document { path: "docs/alerts.md", part: Part::Region("incident"), make: alerts::incident },
    Document { path: "docs/alerts.md", part: Part::Region("event"), make: alerts::event },
    Document { path: "docs/privileges.md", part: Part::Region("privileges"), make: privileges::privileges },
    Document { path: "docs/alert.schema.json", part: Part::Whole, make: alert_schema },
    Document { path: "docs/event.schema.json", part: Part::Whole, make: event_schema },
    Document { path: "deploy/config/sensor.toml", part: Part::Whole, make: default_config },
];

impl Document {
    /// What the file must hold, which holds `present` now. An error says which mark is missing.
    pub fn within(&self, present: &str) -> Result<String, String> {
        let text = (self.make)();
        let Part::Region(name) = self.part else {
            return Ok(text);
        };
        let missing = |mark: &str| format!("{}: the line `{mark}` is missing", self.path);
        let (begin, end) = (begin(name), end(name));
        let (before, rest) = present.split_once(&begin).ok_or_else(|| missing(&begin))?;
        let (_, after) = rest.split_once(&end).ok_or_else(|| missing(&end))?;
        Ok(format!("{before}{begin}\n\n{text}\n{end}{after}"))
    }
}

/// The line before a region.
pub fn begin(name: &str) -> String {
    format!("<!-- {name}: made by `{COMMAND}`; do not edit below -->")
}

/// The line after a region.
pub fn end(name: &str) -> String {
    format!("<!-- {name}: end -->")
}

/// What a made document in Markdown begins with; `source` is what to change instead.
fn notice(source: &str) -> String {
    format!("<!-- Made by `{COMMAND}` from {source}; change that, not this. -->\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_region_is_made_and_the_rest_is_kept() {
        let document = Document { path: "x.md", part: Part::Region("fields"), make: || "| new |\n".to_owned() };
        let present = format!("# By hand\n\n{}\nold\n{}\n\nBy hand.\n", begin("fields"), end("fields"));
        let wanted = format!("# By hand\n\n{}\n\n| new |\n\n{}\n\nBy hand.\n", begin("fields"), end("fields"));
        assert_eq!(document.within(&present), Ok(wanted.clone()));
        assert_eq!(document.within(&wanted), Ok(wanted));
        assert!(document.within("# By hand\n").is_err_and(|error| error.contains("fields")));
        assert!(document.within(&begin("fields")).is_err_and(|error| error.contains("end")));
    }

    #[test]
    fn whole_documents_say_first_what_makes_them() {
        for document in DOCUMENTS.iter().filter(|document| document.part == Part::Whole) {
            let text = (document.make)();
            assert!(text.lines().take(2).any(|line| line.contains(COMMAND)), "{}", document.path);
            assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{}", document.path);
        }
    }
}
