//! `sensor catalogue list`, `show`, `check`.

use super::{DONE, Failure, WRONG, catalogue_in_force, config, print};
use crate::catalogue::{Application, Catalogue, ChildUser, Component, NormalChild, Pattern, Place, ServerKind};
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
        let servers: Vec<Value> = catalogue.servers().map(object).collect();
        let applications: Vec<Value> = catalogue.applications().map(application_object).collect();
        let places = |places: &mut dyn Iterator<Item = &Place>| places.map(place_object).collect::<Vec<_>>();
        let all = json!({
            "servers": servers,
            "applications": applications,
            "persistence": places(&mut catalogue.persistences()),
            "secrets": places(&mut catalogue.secrets()),
        });
        print(&format!("{all:#}\n"))?;
        return Ok(DONE);
    }
    let mut out = String::new();
    for server in catalogue.servers() {
        // Writing to a String cannot fail.
        let _ =
            writeln!(out, "{:<25} {:<18} {:<7} {}", server.id, roles(server), server.exec_policy.name(), server.name);
    }
    for application in catalogue.applications() {
        let _ = writeln!(out, "{:<25} {:<18} {:<7} {}", application.id, "application", "", application.name);
    }
    print(&out)?;
    Ok(DONE)
}

fn show(id: &str, ask: &AskArgs) -> Result<u8, Failure> {
    let catalogue = catalogue_in_force(&config(&ask.config)?)?;
    if let Some(server) = catalogue.server(id) {
        print(&if ask.json { format!("{:#}\n", object(server)) } else { text(server) })?;
        return Ok(DONE);
    }
    if let Some(known) = catalogue.applications().find(|known| known.id == id) {
        print(&if ask.json { format!("{:#}\n", application_object(known)) } else { application_text(known) })?;
        return Ok(DONE);
    }
    let ids = catalogue.servers().map(|known| &known.id).chain(catalogue.applications().map(|known| &known.id));
    let near = ids.min_by_key(|known| strsim::levenshtein(known, id));
    let near = near.map_or_else(String::new, |near| format!("; did you mean {near}?"));
    Err(Failure::new(WRONG, [format!("no server or application {id:?} in the catalogue{near}")]))
}

fn check(file: &Path) -> Result<u8, Failure> {
    let name = file.display().to_string();
    let text = std::fs::read_to_string(file).map_err(|error| Failure::new(WRONG, [format!("{name}: {error}")]))?;
    let (alone, _) = Catalogue::of([(name.as_str(), text.as_str())]);
    match Catalogue::with([(name.as_str(), text.as_str())]) {
        Ok(_) => {
            let (shipped, _) = Catalogue::embedded();
            let mut out = format!("{name}: can be used\n");
            for server in alone.servers() {
                let replaces = if shipped.server(&server.id).is_some() { ", replaces the shipped entry" } else { "" };
                let _ = writeln!(out, "  server {} ({}){replaces}", server.id, roles(server));
            }
            print(&out)?;
            Ok(DONE)
        }
        Err(problems) => Err(Failure::new(WRONG, problems)),
    }
}

fn roles(server: &ServerKind) -> String {
    server.roles.iter().map(|role| role.name()).collect::<Vec<_>>().join(",")
}

fn patterns(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(|pattern| pattern.text.as_str()).collect()
}

fn object(server: &ServerKind) -> Value {
    json!({
        "id": server.id,
        "name": server.name,
        "roles": server.roles.iter().map(|role| role.name()).collect::<Vec<_>>(),
        "exe": patterns(&server.program.exe),
        "argv0": patterns(&server.program.argv0),
        "script": patterns(&server.program.script),
        "module": patterns(&server.program.module),
        "argument": patterns(&server.program.argument),
        "generic": server.generic,
        "platform": server.platform,
        "titles": server.titles,
        "supervisor": server.supervisor,
        "exec_policy": server.exec_policy.name(),
        "egress": server.egress.name(),
        "own": patterns(&server.own),
        "own_secrets": patterns(&server.own_secrets),
        "components": server.components.iter().map(component_object).collect::<Vec<_>>(),
        "normal_children": server.normal_children.iter().map(child_object).collect::<Vec<_>>(),
    })
}

fn component_object(component: &Component) -> Value {
    json!({
        "path": component.path,
        "kind": component.kind.name(),
        "files": patterns(&component.files),
        "own_writes": component.own.name(),
    })
}

fn child_object(child: &NormalChild) -> Value {
    json!({
        "exe": patterns(&child.exe),
        "args": patterns(&child.args),
        "script": patterns(&child.script),
        "below": patterns(&child.below),
        "directory": patterns(&child.directory),
        "title": patterns(&child.title),
        "user": child.user.map(ChildUser::name),
        "leaves": child.leaves,
        "learned": child.learned,
        "reason": child.reason,
    })
}

fn application_object(application: &Application) -> Value {
    let parts = application.parts.iter().map(|part| {
        json!({"path": part.path.text, "kind": part.kind.name(), "own_writes": part.own.name(), "of": part.application})
    });
    json!({"id": application.id, "name": application.name, "parts": parts.collect::<Vec<_>>()})
}

fn place_object(place: &Place) -> Value {
    let technique = place.technique.as_ref().map(|(id, name)| json!({"id": id, "name": name}));
    json!({"path": place.pattern.text, "what": place.what, "technique": technique})
}

fn text(server: &ServerKind) -> String {
    let mut out = format!("{} ({}): {}\n", server.id, roles(server), server.name);
    if server.generic {
        out.push_str("  a runtime: a server only when it listens\n");
    }
    if server.platform {
        out.push_str("  a platform: another product that matches as well is the one\n");
    }
    if server.supervisor {
        out.push_str("  what it starts leaves its lineage\n");
    }
    let _ = writeln!(out, "  other programs  {}; connects: {}", server.exec_policy.name(), server.egress.name());
    for exe in patterns(&server.program.exe) {
        let _ = writeln!(out, "  runs            {exe}");
    }
    let program = &server.program;
    for (key, markers) in [
        ("argv0", &program.argv0),
        ("script", &program.script),
        ("module", &program.module),
        ("argument", &program.argument),
    ] {
        for marker in patterns(markers) {
            let _ = writeln!(out, "  with {key:<10} {marker}");
        }
    }
    for own in patterns(&server.own) {
        let _ = writeln!(out, "  also its own    {own}");
    }
    for secret in patterns(&server.own_secrets) {
        let _ = writeln!(out, "  reads secrets   {secret}");
    }
    for component in &server.components {
        let files = if component.files.is_empty() { "all".to_owned() } else { patterns(&component.files).join(" ") };
        let (kind, own) = (component.kind.name(), component.own.name());
        let _ = writeln!(out, "  loads from      {kind:<15} {}  (itself: {own}; files: {files})", component.path);
    }
    for child in &server.normal_children {
        let _ = writeln!(out, "  starts          {}{}", child.reason, conditions(child));
        let shapes = [patterns(&child.args), patterns(&child.script)].concat();
        for shape in if shapes.is_empty() { patterns(&child.exe) } else { shapes } {
            let _ = writeln!(out, "                    {shape}");
        }
    }
    out
}

/// What else must hold for a child, and what follows, in brackets.
fn conditions(child: &NormalChild) -> String {
    let mut all = Vec::new();
    if !child.title.is_empty() {
        all.push(format!("parent is called {}", patterns(&child.title).join(" or ")));
    }
    if !child.directory.is_empty() {
        all.push(format!("in {}", patterns(&child.directory).join(" or ")));
    }
    all.extend(child.user.map(|user| format!("user {}", user.name())));
    all.extend(child.leaves.then(|| "leaves the lineage".to_owned()));
    all.extend(child.learned.then(|| "which, is learned".to_owned()));
    if all.is_empty() { String::new() } else { format!(" [{}]", all.join("; ")) }
}

fn application_text(application: &Application) -> String {
    let mut out = format!("{}: {}, in document roots\n", application.id, application.name);
    for part in &application.parts {
        let (kind, own) = (part.kind.name(), part.own.name());
        let _ = writeln!(out, "  {:<24} {kind:<14} {}  (its server: {own})", part.application, part.path.text);
    }
    out
}
