//! docs/alert.schema.json and docs/event.schema.json: the fields as JSON Schemas, draft 2020-12.
//!
//! Always holds: an object has no fields but those that are named. What has no condition is required wherever the object is
//! that it is part of.

use super::COMMAND;
use crate::alert;
use crate::alert::schema::{Field, Kind, SCHEMA_VERSION};
use crate::output::event_fields;
use serde_json::{Map, Value, json};
use std::collections::BTreeMap;

/// Longest text: an alert is at most 4 KiB.
const MAX_TEXT: usize = 4096;

/// The schema of an alert.
pub fn alert_schema() -> String {
    schema("An alert of sensor", "sensor/src/alert/schema", &alert::schema::fields())
}

/// The schema of an event.
pub fn event_schema() -> String {
    schema("An event of sensor", "sensor/src/output/event_fields.rs", &event_fields::fields())
}

fn schema(what: &str, source: &str, fields: &[(String, &Field)]) -> String {
    let mut root = Node::default();
    for (name, field) in fields {
        root.at(name).field = Some(field);
    }
    let mut schema = root.schema();
    schema["$comment"] = format!("Made by `{COMMAND}` from {source}; change that, not this.").into();
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema".into();
    schema["title"] = format!("{what}, schema version {SCHEMA_VERSION}").into();
    format!("{schema:#}\n")
}

/// A field, and those whose names go on from it.
#[derive(Default)]
struct Node<'a> {
    field: Option<&'a Field>,
    inner: BTreeMap<&'a str, Node<'a>>,
}

impl<'a> Node<'a> {
    /// The node of that name below this one.
    fn at(&mut self, name: &'a str) -> &mut Self {
        name.split('.').fold(self, |node, part| node.inner.entry(part).or_default())
    }

    /// Whether it is there whenever what it is part of is.
    fn is_required(&self) -> bool {
        match self.field {
            Some(field) => field.when.is_none(),
            None => self.inner.values().any(Self::is_required),
        }
    }

    fn schema(&self) -> Value {
        let mut schema = match self.field.map(|field| field.kind) {
            None | Some(Kind::Object) => self.object(),
            Some(kind) => holds(kind),
        };
        let Some(field) = self.field else {
            return schema;
        };
        if field.nullable {
            schema["type"] = json!([schema["type"], "null"]);
        }
        if field.list {
            schema = json!({"type": "array", "items": schema});
        }
        if !field.about.is_empty() {
            schema["description"] = plain(field.about).into();
        }
        schema
    }

    fn object(&self) -> Value {
        let properties: Map<String, Value> =
            self.inner.iter().map(|(name, node)| ((*name).to_owned(), node.schema())).collect();
        let required: Vec<&str> =
            self.inner.iter().filter(|(_, node)| node.is_required()).map(|(name, _)| *name).collect();
        json!({"type": "object", "properties": properties, "required": required, "additionalProperties": false})
    }
}

fn holds(kind: Kind) -> Value {
    match kind {
        Kind::Text => json!({"type": "string", "maxLength": MAX_TEXT}),
        Kind::Object => json!({"type": "object"}),
        Kind::Shaped(pattern) => json!({"type": "string", "maxLength": MAX_TEXT, "pattern": pattern}),
        Kind::Word(words) => json!({"type": "string", "enum": words()}),
        Kind::Time => json!({"type": "string", "format": "date-time", "pattern": "Z$"}),
        Kind::Address => json!({"type": "string", "anyOf": [{"format": "ipv4"}, {"format": "ipv6"}]}),
        Kind::Number(least, most) => json!({"type": "integer", "minimum": least, "maximum": most}),
        Kind::Truth => json!({"type": "boolean"}),
        Kind::Any => json!({}),
        Kind::Base64ByName => json!({
            "type": "object",
            "additionalProperties": {"type": "string", "maxLength": MAX_TEXT, "pattern": "^[A-Za-z0-9+/]*={0,2}$"},
        }),
    }
}

/// The text without the links that a page can have.
fn plain(markdown: &str) -> String {
    let mut out = String::new();
    let mut rest = markdown;
    while let Some((before, link)) = rest.split_once('[') {
        let Some((name, end)) = link.split_once("](") else { break };
        let Some((_, after)) = end.split_once(')') else { break };
        out += before;
        out += name;
        rest = after;
    }
    out + rest
}
