//! What alerts and events call ECS's is in the published list of the Elastic Common Schema, with that type: `ecs/README.md`.

use sensor::alert::schema::{Field, Kind, Level};
use std::collections::{BTreeMap, BTreeSet};

/// A line of `fields.csv`.
struct Published {
    kind: &'static str,
    level: &'static str,
    list: bool,
}

fn published() -> BTreeMap<&'static str, Published> {
    let lines = include_str!("ecs/fields.csv").lines().skip(1);
    let field = |line: &'static str| match line.split(',').collect::<Vec<_>>()[..] {
        [name, kind, level, list] => (name, Published { kind, level, list: list == "array" }),
        _ => panic!("{line}: four columns"),
    };
    lines.map(field).collect()
}

/// The values of a field, each with the types that are expected with it.
fn values(field: &str) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let lines = include_str!("ecs/values.csv").lines().skip(1).filter_map(|line| {
        let mut columns = line.split(',');
        (columns.next() == Some(field)).then_some((columns.next()?, columns.next()?.split(' ').collect()))
    });
    lines.collect()
}

/// The fields of alerts and of events.
fn fields() -> Vec<(String, &'static Field)> {
    [sensor::alert::schema::fields(), sensor::output::event_fields::fields()].concat()
}

/// Whether a field of this type in the index takes what we put there.
fn takes(published: &str, kind: Kind) -> bool {
    match kind {
        Kind::Text | Kind::Shaped(_) | Kind::Word(_) => {
            matches!(published, "keyword" | "wildcard" | "text" | "match_only_text" | "constant_keyword")
        }
        Kind::Time => published == "date",
        Kind::Address => published == "ip",
        Kind::Number(..) => matches!(published, "long" | "float" | "scaled_float"),
        Kind::Truth => published == "boolean",
        Kind::Object | Kind::Base64ByName | Kind::Any => false,
    }
}

#[test]
fn names_of_ecs_are_those_that_it_publishes() {
    let published = published();
    let mut wrong = Vec::new();
    let mut checked = 0;
    for (name, field) in fields() {
        if matches!(field.kind, Kind::Object) || name.starts_with("sensor.") {
            if field.level != Level::Own {
                wrong.push(format!("{name} is an object or our own: ECS gives it no level"));
            }
            continue;
        }
        let Some(known) = published.get(name.as_str()) else {
            wrong.push(format!("{name} is no field of ECS: it belongs under sensor"));
            continue;
        };
        checked += 1;
        let level = match field.level {
            Level::Core => "core",
            Level::Extended => "extended",
            Level::Own => "our own",
        };
        if level != known.level {
            wrong.push(format!("{name} is {} in ECS, not {level}", known.level));
        }
        if field.list != known.list {
            wrong.push(format!("{name}: a list here: {}, in ECS: {}", field.list, known.list));
        }
        if !takes(known.kind, field.kind) {
            wrong.push(format!("{name} is of type {} in ECS", known.kind));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 40, "only {checked} names are ECS's");
}

#[test]
fn kinds_categories_and_types_are_those_that_ecs_allows() {
    for name in ["event.kind", "event.category", "event.type"] {
        let allowed = values(name);
        for (_, field) in fields().into_iter().filter(|(known, _)| known == name) {
            let Kind::Word(words) = field.kind else { panic!("{name} has words") };
            for word in words() {
                assert!(allowed.contains_key(word), "{name}: {word} is none of {:?}", allowed.keys());
            }
        }
    }
}
