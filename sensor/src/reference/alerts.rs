//! The tables of fields in docs/alerts.md.

use super::table::{code, table};
use crate::alert;
use crate::alert::schema::{Field, Kind, Level};
use crate::output::event_fields;

/// The table of a section.
fn section(name: &str) -> String {
    let fields = alert::schema::SECTIONS
        .iter()
        .chain(event_fields::SECTIONS)
        .filter(|section| section.name == name)
        .flat_map(|section| section.fields);
    let rows = fields.map(|field| {
        let when = field.when.map_or_else(String::new, |when| format!("; only if {when}"));
        [code(field.name), holds(field), level(field), format!("{}{when}", field.about)]
    });
    table(["field", "holds", "ECS", "meaning"], rows)
}

/// What was found.
pub fn found() -> String {
    section("found")
}

/// Who did it.
pub fn who() -> String {
    section("who")
}

/// Containers.
pub fn container() -> String {
    section("container")
}

/// The file.
pub fn file() -> String {
    section("file")
}

/// The connection.
pub fn connection() -> String {
    section("connection")
}

/// The incident.
pub fn incident() -> String {
    section("incident")
}

/// Events.
pub fn event() -> String {
    section("event")
}

fn level(field: &Field) -> String {
    match field.level {
        Level::Core => "core",
        Level::Extended => "extended",
        Level::Own => "",
    }
    .into()
}

/// What a field holds, in a word or two.
fn holds(field: &Field) -> String {
    let word = match field.kind {
        Kind::Text | Kind::Shaped(_) | Kind::Word(_) => "text",
        Kind::Time => "time",
        Kind::Address => "address",
        Kind::Number(..) => "number",
        Kind::Truth => "truth",
        Kind::Object | Kind::Base64ByName | Kind::Any => "object",
    };
    let word = if field.list { format!("list of {word}s") } else { word.to_owned() };
    if field.nullable { format!("{word}, null") } else { word }
}
