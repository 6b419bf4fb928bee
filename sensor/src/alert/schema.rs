//! The fields of alerts, each named once: what it holds, when it is there, and whether the name is the Elastic Common
//! Schema's (ECS) or the sensor's own.
//!
//! Goes out: [`fields`], from which docs/alerts.md and docs/alert.schema.json are made. Always holds, by tests: an alert has no field
//! that is not here, each field here is in some alert, and what is said to be ECS's is in its published list, with that
//! type. It does not write alerts: `json.rs` does.

mod sections;

pub use sections::SECTIONS;

/// `sensor.schema_version`. The second number grows when fields are added; the first when a field goes, moves, or holds
/// something else than before.
pub const SCHEMA_VERSION: &str = "1.0";

/// A field of alerts.
#[derive(Clone, Copy)]
pub struct Field {
    /// Its dotted name.
    pub name: &'static str,
    /// What it holds, or each element of it.
    pub kind: Kind,
    /// Whether it is a list.
    pub list: bool,
    /// Whether it may be `null`.
    pub nullable: bool,
    /// When it is there; `None`: whenever the object is that it is part of.
    pub when: Option<&'static str>,
    /// Whose name it is.
    pub level: Level,
    /// What it means.
    pub about: &'static str,
}

/// What a field holds.
#[derive(Clone, Copy)]
pub enum Kind {
    /// Any text.
    Text,
    /// A text that matches this regular expression.
    Shaped(&'static str),
    /// One of these texts.
    Word(fn() -> Vec<&'static str>),
    /// A time, RFC 3339 in UTC.
    Time,
    /// An address, IPv4 or IPv6.
    Address,
    /// A whole number of at least this and at most that.
    Number(u64, u64),
    /// `true` or `false`.
    Truth,
    /// The fields whose names go on from here.
    Object,
    /// Texts in base64, under names that are no fields.
    Base64ByName,
    /// Anything: what it holds may change.
    Any,
}

/// Whose name it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Level {
    /// ECS: core.
    Core,
    /// ECS: extended.
    Extended,
    /// The sensor's own, all under `sensor`; and objects, which ECS does not list.
    Own,
}

/// What fields are about: each a table of its own in docs/alerts.md.
pub struct Section {
    /// Its name, in the marks around the table.
    pub name: &'static str,
    /// Its fields.
    pub fields: &'static [Field],
}

const fn field(name: &'static str, kind: Kind, level: Level, about: &'static str) -> Field {
    Field { name, kind, list: false, nullable: false, when: None, level, about }
}

pub(crate) const fn core(name: &'static str, kind: Kind, about: &'static str) -> Field {
    field(name, kind, Level::Core, about)
}

pub(crate) const fn extended(name: &'static str, kind: Kind, about: &'static str) -> Field {
    field(name, kind, Level::Extended, about)
}

pub(crate) const fn own(name: &'static str, kind: Kind, about: &'static str) -> Field {
    field(name, kind, Level::Own, about)
}

impl Field {
    pub(crate) const fn list(self) -> Self {
        Self { list: true, ..self }
    }

    pub(crate) const fn or_null(self) -> Self {
        Self { nullable: true, ..self }
    }

    pub(crate) const fn when(self, when: &'static str) -> Self {
        Self { when: Some(when), ..self }
    }
}

/// Every field of alerts with its full name, in the order of the sections.
pub fn fields() -> Vec<(String, &'static Field)> {
    full(SECTIONS)
}

/// The fields of these sections with their full names. What a process has, its parent has too.
pub fn full(sections: &[Section]) -> Vec<(String, &'static Field)> {
    let mut fields = Vec::new();
    for field in sections.iter().flat_map(|section| section.fields) {
        fields.push((field.name.to_owned(), field));
        let of_process = field.name.strip_prefix("process.").filter(|rest| *rest != "parent");
        fields.extend(of_process.map(|rest| (format!("process.parent.{rest}"), field)));
    }
    fields
}

#[cfg(test)]
mod tests;
