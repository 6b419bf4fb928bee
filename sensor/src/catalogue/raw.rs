//! The catalogue as written in TOML, and how it becomes what the program uses.

use super::Problem;
use super::rules::{Component, ComponentKind, ExecPolicy, NormalChild, Pattern, Role, ServerKind};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    server: Vec<Server>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Server {
    id: String,
    name: Option<String>,
    roles: Vec<Role>,
    exe: Vec<String>,
    #[serde(default)]
    argv0: Vec<String>,
    #[serde(default)]
    script: Vec<String>,
    #[serde(default)]
    module: Vec<String>,
    #[serde(default)]
    argument: Vec<String>,
    #[serde(default)]
    generic: bool,
    #[serde(default)]
    exec_policy: ExecPolicy,
    #[serde(default)]
    own: Vec<String>,
    #[serde(default)]
    component: Vec<RawComponent>,
    #[serde(default)]
    normal_child: Vec<RawChild>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawComponent {
    path: String,
    kind: ComponentKind,
    files: Option<Vec<String>>,
    #[serde(default)]
    own_writes: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawChild {
    exe: Vec<String>,
    #[serde(default)]
    args: Vec<String>,
    #[serde(default)]
    below: Vec<String>,
    reason: String,
}

/// Servers of one text, or everything that is wrong with it.
pub fn parse(file: &str, text: &str) -> Result<Vec<ServerKind>, Vec<Problem>> {
    let problem = |message: String| Problem { file: file.to_owned(), message };
    let raw: File = toml::from_str(text).map_err(|error| vec![problem(error.to_string())])?;
    let mut problems = Vec::new();
    let servers = raw.server.into_iter().map(|server| resolve(server, &mut |message| problems.push(problem(message))));
    let servers: Vec<ServerKind> = servers.collect();
    if problems.is_empty() { Ok(servers) } else { Err(problems) }
}

fn resolve(raw: Server, report: &mut dyn FnMut(String)) -> ServerKind {
    let id = raw.id;
    if id.is_empty() || !id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-') {
        report(format!("server.id = {id:?}: lower-case letters, digits and '-' are allowed"));
    }
    if raw.exe.is_empty() {
        report(format!("server {id}: exe is empty; at least one executable is needed"));
    }
    let mut paths = |key: &str, texts: &[String]| patterns(&id, key, texts, Pattern::path, report);
    let (exe, argv0) = (paths("exe", &raw.exe), paths("argv0", &raw.argv0));
    let (script, module) = (paths("script", &raw.script), paths("module", &raw.module));
    let (argument, own) = (paths("argument", &raw.argument), paths("own", &raw.own));
    let components = raw.component.into_iter().map(|component| resolve_component(&id, component, report)).collect();
    let normal_children = raw.normal_child.into_iter().map(|child| resolve_child(&id, child, report)).collect();
    ServerKind {
        name: raw.name.unwrap_or_else(|| id.clone()),
        roles: raw.roles,
        exe,
        argv0,
        script,
        module,
        argument,
        generic: raw.generic,
        exec_policy: raw.exec_policy,
        own,
        components,
        normal_children,
        id,
    }
}

fn resolve_component(id: &str, raw: RawComponent, report: &mut dyn FnMut(String)) -> Component {
    if !raw.path.starts_with('/') {
        report(format!("server {id}: component.path = {:?}: an absolute path is needed", raw.path));
    }
    let files = raw.files.unwrap_or_else(|| default_files(raw.kind));
    Component {
        path: raw.path.trim_end_matches('/').to_owned(),
        kind: raw.kind,
        files: patterns(id, "component.files", &files, Pattern::path, report),
        own_writes: raw.own_writes,
    }
}

fn default_files(kind: ComponentKind) -> Vec<String> {
    kind.usual_files().iter().map(|name| (*name).to_owned()).collect()
}

fn resolve_child(id: &str, raw: RawChild, report: &mut dyn FnMut(String)) -> NormalChild {
    if raw.reason.trim().is_empty() {
        report(format!("server {id}: normal_child.reason is empty; say why it is normal"));
    }
    NormalChild {
        exe: patterns(id, "normal_child.exe", &raw.exe, Pattern::path, report),
        args: patterns(id, "normal_child.args", &raw.args, Pattern::command, report),
        below: patterns(id, "normal_child.below", &raw.below, Pattern::path, report),
        reason: raw.reason,
    }
}

fn patterns(
    id: &str,
    key: &str,
    texts: &[String],
    make: fn(&str) -> Result<Pattern, globset::Error>,
    report: &mut dyn FnMut(String),
) -> Vec<Pattern> {
    let mut patterns = Vec::with_capacity(texts.len());
    for text in texts {
        match make(text) {
            Ok(pattern) => patterns.push(pattern),
            Err(error) => report(format!("server {id}: {key} = {text:?}: {error}")),
        }
    }
    patterns
}
