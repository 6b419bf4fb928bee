//! A baseline as a document: what `sensor baseline export` writes and `import` reads.
//!
//! TOML, so that it can be read, reviewed and kept with other settings:
//!
//! ```toml
//! version = 1
//!
//! [[kind]]
//! kind = "php-fpm:/usr/sbin/php-fpm8.2@php8.2-fpm.service"
//! learned = true
//!
//! [[kind.edge]]
//! parent = "php-fpm"
//! child = "sh -c convert TMP -resize NxN WEB"
//! ```

use super::approval::is_shape;
use super::{Kind, KindKey, MAX_EDGES, MAX_KIND_TEXT, MAX_KINDS, MAX_SHAPE};
use serde::{Deserialize, Serialize};

/// The version that is written and read.
const VERSION: i64 = 1;
/// Most mistakes that are listed.
const MAX_PROBLEMS: usize = 100;

/// Kinds of servers with what they start.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Version of the format.
    pub version: i64,
    /// The kinds.
    #[serde(rename = "kind", default)]
    pub kinds: Vec<KindDocument>,
}

/// A kind.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KindDocument {
    /// Which.
    pub kind: KindKey,
    /// Whether all it does is here.
    pub learned: bool,
    /// What its servers start.
    #[serde(rename = "edge", default)]
    pub edges: Vec<EdgeDocument>,
}

/// An edge.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct EdgeDocument {
    /// The shape of who starts.
    pub parent: String,
    /// The shape of what is started.
    pub child: String,
}

impl Document {
    pub(super) fn of<'a>(kinds: impl Iterator<Item = (&'a KindKey, &'a Kind)>) -> Self {
        let edge = |(parent, child): (&str, &str)| EdgeDocument { parent: parent.to_owned(), child: child.to_owned() };
        let kinds = kinds.map(|(key, kind)| KindDocument {
            kind: key.clone(),
            learned: kind.facts.learned.is_some() && !kind.facts.too_varied,
            edges: kind.all_edges().map(|(parent, child, _)| edge((parent, child))).collect(),
        });
        Self { version: VERSION, kinds: kinds.collect() }
    }

    /// The document as TOML.
    pub fn to_toml(&self) -> Result<String, toml::ser::Error> {
        toml::to_string(self)
    }

    /// The same in parts of at most so many edges, at least one part. Only the last part of a kind says that it is learned:
    /// till then what is missing would be new.
    pub fn parts(self, most_edges: usize) -> Vec<Self> {
        let mut parts = vec![Self { version: self.version, kinds: Vec::new() }];
        let mut room = most_edges;
        for KindDocument { kind, learned, edges } in self.kinds {
            let mut rest = edges.as_slice();
            loop {
                let (now, later) = rest.split_at(rest.len().min(room));
                // A kind takes room, too.
                room = room.saturating_sub(now.len() + 1);
                let (kind, learned) = (kind.clone(), learned && later.is_empty());
                parts.last_mut().into_iter().for_each(|part| {
                    part.kinds.push(KindDocument { kind: kind.clone(), learned, edges: now.to_vec() });
                });
                rest = later;
                if room == 0 {
                    parts.push(Self { version: self.version, kinds: Vec::new() });
                    room = most_edges;
                }
                if rest.is_empty() {
                    break;
                }
            }
        }
        if parts.len() > 1 {
            parts.retain(|part| !part.kinds.is_empty());
        }
        parts
    }

    /// Reads one. All mistakes come together, each with the file's name, the key, the value and what is allowed.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<String>> {
        let table: toml::Table =
            text.parse().map_err(|error: toml::de::Error| vec![format!("{file}: not TOML: {}", error.message())])?;
        let mut reader = Reader { file, problems: Vec::new() };
        let document = reader.document(&table);
        let mut problems = reader.problems;
        if problems.is_empty() {
            problems.extend(document.problems().into_iter().map(|problem| format!("{file}: {problem}")));
        }
        if problems.is_empty() { Ok(document) } else { Err(problems) }
    }

    /// What is wrong with it beside its form; at most a hundred things.
    pub fn problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        if self.version != VERSION {
            problems.push(format!("version = {}: not known; allowed: {VERSION}", self.version));
        }
        if self.kinds.len() > MAX_KINDS {
            problems.push(format!("kind: {} are too many; allowed: {MAX_KINDS}", self.kinds.len()));
        }
        for (index, kind) in self.kinds.iter().enumerate() {
            if kind.kind.to_string().len() > MAX_KIND_TEXT {
                problems.push(format!("kind[{index}].kind: too long; allowed: {MAX_KIND_TEXT} bytes"));
            }
            if kind.edges.len() > MAX_EDGES {
                let many = kind.edges.len();
                problems.push(format!("kind[{index}].edge: {many} are too many; allowed: {MAX_EDGES}"));
            }
            for (at, edge) in kind.edges.iter().enumerate() {
                let shapes = [("parent", &edge.parent), ("child", &edge.child)];
                let wrong = shapes.into_iter().filter(|(_, shape)| !is_shape(shape));
                problems.extend(wrong.map(|(name, shape)| {
                    format!(
                        "kind[{index}].edge[{at}].{name} = {shape:?}: no shape; allowed: 1 to {MAX_SHAPE} printable ASCII characters"
                    )
                }));
            }
        }
        problems.truncate(MAX_PROBLEMS);
        problems
    }
}

/// Reads what is there, and notes what is wrong.
struct Reader<'a> {
    file: &'a str,
    problems: Vec<String>,
}

impl Reader<'_> {
    fn wrong(&mut self, key: &str, value: Option<&toml::Value>, wrong: &str, allowed: &str) {
        if self.problems.len() < MAX_PROBLEMS {
            let value = value.map_or_else(String::new, |value| format!(" = {}", shown(value)));
            self.problems.push(format!("{}: {key}{value}: {wrong}; allowed: {allowed}", self.file));
        }
    }

    fn document(&mut self, table: &toml::Table) -> Document {
        self.unknown("", table, &["version", "kind"]);
        let version = match table.get("version") {
            Some(toml::Value::Integer(version)) => *version,
            other => {
                self.wrong("version", other, "missing or no number", "1");
                VERSION
            }
        };
        let kinds = self.tables("kind", table.get("kind"));
        let kinds = kinds.into_iter().filter_map(|(key, table)| self.kind(&key, table)).collect();
        Document { version, kinds }
    }

    fn kind(&mut self, key: &str, table: &toml::Table) -> Option<KindDocument> {
        self.unknown(key, table, &["kind", "learned", "edge"]);
        let text = self.text(key, table, "kind");
        let kind = text.as_ref().and_then(|text| text.parse().ok());
        if text.is_some() && kind.is_none() {
            let allowed = "SERVER:EXECUTABLE or SERVER:EXECUTABLE@UNIT";
            self.wrong(&format!("{key}.kind"), table.get("kind"), "no kind of server", allowed);
        }
        let learned = match table.get("learned") {
            None => false,
            Some(toml::Value::Boolean(learned)) => *learned,
            other => {
                self.wrong(&format!("{key}.learned"), other, "cannot be used", "true, false");
                false
            }
        };
        let edges = self.tables(&format!("{key}.edge"), table.get("edge"));
        let edges = edges.into_iter().filter_map(|(key, table)| self.edge(&key, table)).collect();
        Some(KindDocument { kind: kind?, learned, edges })
    }

    fn edge(&mut self, key: &str, table: &toml::Table) -> Option<EdgeDocument> {
        self.unknown(key, table, &["parent", "child"]);
        let (parent, child) = (self.text(key, table, "parent"), self.text(key, table, "child"));
        Some(EdgeDocument { parent: parent?, child: child? })
    }

    fn tables<'t>(&mut self, key: &str, value: Option<&'t toml::Value>) -> Vec<(String, &'t toml::Table)> {
        let list = match value {
            None => return Vec::new(),
            Some(toml::Value::Array(list)) => list.as_slice(),
            other => {
                self.wrong(key, other, "cannot be used", "a list of tables");
                return Vec::new();
            }
        };
        let mut tables = Vec::new();
        for (index, each) in list.iter().enumerate() {
            let key = format!("{key}[{index}]");
            match each {
                toml::Value::Table(table) => tables.push((key, table)),
                other => self.wrong(&key, Some(other), "cannot be used", "a table"),
            }
        }
        tables
    }

    fn text(&mut self, key: &str, table: &toml::Table, name: &str) -> Option<String> {
        match table.get(name) {
            Some(toml::Value::String(text)) => Some(text.clone()),
            other => {
                self.wrong(&format!("{key}.{name}"), other, "missing or no text", "a text");
                None
            }
        }
    }

    fn unknown(&mut self, key: &str, table: &toml::Table, allowed: &[&str]) {
        for (name, value) in table.iter().filter(|(name, _)| !allowed.contains(&name.as_str())) {
            let near = allowed.iter().filter(|known| strsim::normalized_damerau_levenshtein(known, name) >= 0.5);
            let near = near.max_by(|one, other| {
                let similar = |known: &str| strsim::normalized_damerau_levenshtein(known, name);
                similar(one).total_cmp(&similar(other))
            });
            let wrong = near.map_or("no such key".to_owned(), |near| format!("no such key; did you mean {near}?"));
            let key = if key.is_empty() { name.clone() } else { format!("{key}.{name}") };
            self.wrong(&key, Some(value), &wrong, &allowed.join(", "));
        }
    }
}

fn shown(value: &toml::Value) -> String {
    let mut text = value.to_string();
    if text.chars().count() > 80 {
        text = text.chars().take(77).chain("...".chars()).collect();
    }
    text
}
