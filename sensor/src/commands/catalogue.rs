//! `sensor catalogue list`, `show`, `check`.

use super::{DONE, Failure, WRONG, catalogue_in_force, config, print};
use crate::catalogue::{Catalogue, Pattern, Role, ServerKind};
use crate::cli::{AskArgs, CatalogueCommand};
use serde_json::{Value, json};
use std::fmt::Write;
use std::path::Path;

/// `sensor catalogue ...`.
pub fn catalogue(command: &CatalogueCommand) -> Result<u8, Failure> {
    match command {
        CatalogueCommand::List(ask) => list(ask),
        CatalogueCommand::Show { id, ask } => show(id, ask),
        CatalogueCommand::Check { file } => check(file),
    }
}

fn list(ask: &AskArgs) -> Result<u8, Failure> {
    let catalogue = catalogue_in_force(&config(&ask.config)?)?;
    if ask.json {
        let all: Vec<Value> = catalogue.servers().map(object).collect();
        print(&format!("{:#}\n", json!({"servers": all})))?;
        return Ok(DONE);
    }
    let mut out = String::new();
    for server in catalogue.servers() {
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{:<15} {:<12} {}", server.id, roles(server), server.name);
    }
    print(&out)?;
    Ok(DONE)
}

fn show(id: &str, ask: &AskArgs) -> Result<u8, Failure> {
    let catalogue = catalogue_in_force(&config(&ask.config)?)?;
    let Some(server) = catalogue.server(id) else {
        let near = catalogue.servers().min_by_key(|known| strsim::levenshtein(&known.id, id));
        let near = near.map_or_else(String::new, |near| format!("; did you mean {}?", near.id));
        return Err(Failure::new(WRONG, [format!("no server {id:?} in the catalogue{near}")]));
    };
    print(&if ask.json { format!("{:#}\n", object(server)) } else { text(server) })?;
    Ok(DONE)
}

fn check(file: &Path) -> Result<u8, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| Failure::new(WRONG, [format!("{name}: {error}")]))?;
    match Catalogue::with([(name.as_str(), text.as_str())]) {
        Ok(_) => {
            print(&format!("{name}: can be used\n"))?;
            Ok(DONE)
        }
        Err(problems) => Err(Failure::new(WRONG, problems)),
    }
}

fn roles(server: &ServerKind) -> String {
    server.roles.iter().map(|role: &Role| role.name()).collect::<Vec<_>>().join(",")
}

fn patterns(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(|pattern| pattern.text.as_str()).collect()
}

fn object(server: &ServerKind) -> Value {
    let components = server.components.iter().map(
        |component| json!({"path": component.path, "kind": component.kind.name(), "files": patterns(&component.files)}),
    );
    let children = server.normal_children.iter().map(|child| {
        json!({"exe": patterns(&child.exe), "args": patterns(&child.args), "below": patterns(&child.below), "reason": child.reason})
    });
    json!({
        "id": server.id,
        "name": server.name,
        "roles": server.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
        "exe": patterns(&server.exe),
        "generic": server.generic,
        "components": components.collect::<Vec<_>>(),
        "normal_children": children.collect::<Vec<_>>(),
    })
}

fn text(server: &ServerKind) -> String {
    let mut out = format!("{} ({}): {}\n", server.id, roles(server), server.name);
    if server.generic {
        out.push_str("  a runtime: a server only when it listens\n");
    }
    for exe in patterns(&server.exe) {
        let _ = writeln!(out, "  runs         {exe}");
    }
    for component in &server.components {
        let _ = writeln!(out, "  loads from   {:<15} {}", component.kind.name(), component.path);
    }
    for child in &server.normal_children {
        let _ = writeln!(out, "  starts       {}", child.reason);
        let shapes = if child.args.is_empty() { patterns(&child.exe) } else { patterns(&child.args) };
        for shape in shapes {
            let _ = writeln!(out, "                 {shape}");
        }
    }
    out
}
