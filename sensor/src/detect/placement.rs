//! Judges a write once, for all who need it: what kind of place it is, who the writer is to the server that loads from
//! there, how the file then stands in the ledger, and how bad the write is by itself.
//!
//! Comes in: a file event that changes what a file holds or under which name it is found. Goes out: a [`Placement`], or
//! nothing where nobody has any business. It remembers nothing itself: updates are looked up in the ledger.

use super::author::{Author, author};
use super::{Context, Severity};
use crate::catalogue::{Component, ComponentKind, OwnWrites, ServerKind, base_name, overrides};
use crate::event::{Body, Event, File, Watch};
use crate::ledger::{Class, looks_like_code};
use crate::tree::NodeId;
use bstr::{BString, ByteSlice};
use sensor_common::file::file_flags;
use sensor_common::record::Kind;

/// A write that was judged.
#[derive(Clone, Debug)]
pub struct Placement {
    /// Who wrote.
    pub author: Author,
    /// Where the file lies, by the watched directory's own name.
    pub path: BString,
    /// The place, if a server loads from it.
    pub target: Option<Target>,
    /// How it stands in the ledger; `None`: what was known of the file holds no more.
    pub class: Option<Class>,
    /// How bad the write is by itself; `None` if it is nobody's business.
    pub severity: Option<Severity>,
    /// Why, as the end of a sentence about the writer.
    pub reason: &'static str,
}

/// A place that a server loads from.
#[derive(Clone, Debug)]
pub struct Target {
    /// The server's number; 0 where no running server is known to load from there, but the catalogue knows the place.
    pub server: u32,
    /// What is loaded from there.
    pub component: ComponentKind,
    /// What it means when the server writes there itself.
    pub own: OwnWrites,
    /// The file changes how the server loads: configuration.
    pub configures: bool,
    /// The application whose layout says so.
    pub application: Option<String>,
}

/// Judges what an event did to a file.
pub fn judge(event: &Event, context: &Context<'_>) -> Option<Placement> {
    let Body::File(file) = &event.body else {
        return None;
    };
    let id = context.applied.node.filter(|_| writes(file))?;
    let watchers = || context.servers.watchers(file.watch.unwrap_or(0));
    let path = watchers().next().map_or_else(|| file.path.clone(), |(_, watch)| real_path(file, &watch.path));
    let target = watchers().find_map(|(server, watch)| target(server.lineage, watch, file, &path, context));
    let author = author(id, watchers().map(|(server, _)| server.lineage), context)?;
    let target = target.or_else(|| known_docroot(author, &path, context));
    let weighed = match &target {
        Some(target) => weigh(id, event, file, &path, author, target, context),
        None => elsewhere(id, author, context)?,
    };
    Some(Placement { author, target, path, class: weighed.class, severity: weighed.severity, reason: weighed.reason })
}

/// Whether an event changes what a file holds, or under which name it is found.
pub fn writes(file: &File) -> bool {
    match file.operation {
        Kind::Open => file.flags & file_flags::WRITE != 0,
        Kind::Rename | Kind::Link | Kind::Symlink | Kind::Truncate => true,
        Kind::Chmod => file.argument & 0o111 != 0,
        _ => false,
    }
}

/// The file's path below the watched directory, by the directory's own name: a bind mount or another mount namespace
/// shows it elsewhere.
fn real_path(file: &File, watched: &BString) -> BString {
    let names: Vec<&[u8]> = file.path.rsplitn(file.watch_depth as usize + 1, |byte| *byte == b'/').collect();
    if file.watch_depth == 0 || names.len() <= file.watch_depth as usize {
        return file.path.clone();
    }
    let mut path = watched.clone();
    for name in names[..file.watch_depth as usize].iter().rev() {
        path.push(b'/');
        path.extend_from_slice(name);
    }
    path
}

/// What a server loads from there, if it loads files of that name.
fn target(lineage: u32, watch: &Watch, file: &File, path: &[u8], context: &Context<'_>) -> Option<Target> {
    let (_, kind) = context.server(lineage)?;
    let watched = ComponentKind::from_name(&watch.component)?;
    let known = kind.component(path);
    let component = known.map_or(watched, |known| known.kind);
    let scripts = matches!(component, ComponentKind::ScriptDocroot | ComponentKind::Webapp | ComponentKind::AppSource);
    if scripts && overrides(path) {
        return Some(Target { server: lineage, component, own: OwnWrites::Never, configures: true, application: None });
    }
    let moved_in = scripts && file.operation == Kind::Rename && file.mode & 0o170_000 == 0o040_000;
    let unlisted = if known.is_none() { loads_unlisted(kind, watched, file, path) } else { None };
    if known.is_none() && unlisted.is_none() && !moved_in {
        return None;
    }
    let mut target = Target {
        server: lineage,
        component,
        own: known.map(|known| known.own).or(unlisted).unwrap_or_default(),
        configures: component == ComponentKind::ConfigLoader,
        application: None,
    };
    let below = path.strip_prefix(watch.path.as_slice()).unwrap_or(path);
    if let Some(part) = context.catalogue.application_part(below).filter(|_| scripts) {
        target.component = part.kind;
        target.own = part.own;
        target.application = Some(part.application.clone());
    }
    Some(target)
}

/// Whether a file is loaded from a directory that the catalogue does not list, but the server's configuration names; and
/// then what the server's own writes mean there: what they mean in directories of that kind.
fn loads_unlisted(kind: &ServerKind, component: ComponentKind, file: &File, path: &[u8]) -> Option<OwnWrites> {
    let of_kind: Vec<_> = kind.components.iter().filter(|known| known.kind == component).collect();
    if of_kind.iter().any(|known| known.holds(path)) {
        // It lists the directory, and not files of that name.
        return None;
    }
    let configures = component == ComponentKind::ConfigLoader;
    // Below a configuration file's directory whole data directories may lie: only the directory itself counts there.
    if configures && file.watch_depth > 1 {
        return None;
    }
    if of_kind.is_empty() {
        let usual = component.usually_loads(path) && (!configures || looks_like_configuration(path));
        return usual.then_some(OwnWrites::Never);
    }
    // Where all files of a listed directory count, only what is named like configuration does beside it.
    let named = |known: &Component| !configures || !known.files.is_empty() || looks_like_configuration(path);
    let loads = of_kind.iter().find(|known| known.loads(path) && named(known));
    loads.map(|known| known.own)
}

fn looks_like_configuration(path: &[u8]) -> bool {
    const ENDINGS: [&str; 12] =
        [".conf", ".cnf", ".cf", ".ini", ".cfg", ".config", ".yml", ".yaml", ".toml", ".xml", ".properties", ".load"];
    let name = base_name(path).to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending.as_bytes()))
}

/// A server that serves no pages has no business in a directory that others serve scripts from, watched or not.
fn known_docroot(author: Author, path: &[u8], context: &Context<'_>) -> Option<Target> {
    let odd = matches!(author, Author::OtherServer) && context.catalogue.in_docroot(path);
    odd.then_some(Target {
        server: 0,
        component: ComponentKind::ScriptDocroot,
        own: OwnWrites::Never,
        configures: overrides(path),
        application: None,
    })
}

struct Weighed {
    class: Option<Class>,
    severity: Option<Severity>,
    reason: &'static str,
}

const fn weighed(class: Class, severity: Option<Severity>, reason: &'static str) -> Weighed {
    Weighed { class: Some(class), severity, reason }
}

/// A write where no server loads from: kept in mind if a server's lineage did it.
fn elsewhere(id: NodeId, author: Author, context: &Context<'_>) -> Option<Weighed> {
    let in_lineage = context.tree.node(id)?.lineage != 0;
    (in_lineage && author != Author::Job).then(|| weighed(Class::Data, None, ""))
}

fn weigh(
    id: NodeId,
    event: &Event,
    file: &File,
    path: &[u8],
    author: Author,
    target: &Target,
    context: &Context<'_>,
) -> Weighed {
    use Severity::{Critical, High, Info, Low, Medium};
    // What people edit by hand, as against what only a build or a package makes.
    let edited = target.configures
        || matches!(
            target.component,
            ComponentKind::ScriptDocroot
                | ComponentKind::AppSource
                | ComponentKind::Webapp
                | ComponentKind::Upload
                | ComponentKind::Cache
                | ComponentKind::Staging
        );
    match author {
        Author::Installer(_) => Weighed { class: None, severity: None, reason: "" },
        Author::Own => by_server(id, event, file, path, target, context),
        Author::Tool => weighed(
            Class::Dropped,
            Some(if target.own == OwnWrites::Always { High } else { Critical }),
            "is no program of the server, but runs in a server's lineage: servers do not install components so",
        ),
        Author::Job => weighed(Class::Stranger, Some(Medium), "is part of a job that a server runs"),
        Author::OtherServer => weighed(
            Class::Dropped,
            Some(Critical),
            "is a server of another kind, which has no business where that one loads components from",
        ),
        Author::FileServer => {
            weighed(Class::Session, Some(Low), "is a file server, on behalf of somebody who has logged in")
        }
        Author::Product => weighed(Class::Session, Some(Info), "is a tool of the product itself"),
        Author::Session if edited => weighed(Class::Session, Some(Info), "is a person's, in a session"),
        Author::Session => weighed(
            Class::Stranger,
            Some(Medium),
            "is a person's, in a session, but what is loaded from there comes in packages",
        ),
        Author::Stranger => weighed(
            Class::Stranger,
            Some(Medium),
            "is no package manager and no deployer that is known, and none of its ancestors is",
        ),
    }
}

/// The server's own program writes where the server loads from.
fn by_server(id: NodeId, event: &Event, file: &File, path: &[u8], target: &Target, context: &Context<'_>) -> Weighed {
    let now = event.time_boottime_ns;
    let lineage = context.tree.node(id).map_or(0, |node| node.lineage);
    let deployed = |reason| weighed(Class::Deployed, Some(Severity::Info), reason);
    match target.own {
        OwnWrites::Always => return weighed(Class::Cache, None, ""),
        OwnWrites::Deploys => return deployed("deploys components there through its own manager"),
        OwnWrites::Never => {}
    }
    let over = file.operation == Kind::Open && file.flags & file_flags::CREATED == 0;
    let from_update = file.other.as_ref().is_some_and(|from| is_staging(from, context))
        || matches!(file.operation, Kind::Rename | Kind::Link) && was_deployed(file, context);
    if from_update || context.ledger.was_staged(path, over, lineage, now) {
        return deployed("puts there what its updater unpacked before");
    }
    if context.ledger.is_unpacked(path, lineage, now) {
        return deployed("unpacks an archive there that it deployed before");
    }
    let severity = if target.component == ComponentKind::AppSource { Severity::Medium } else { Severity::High };
    weighed(Class::Dropped, Some(severity), "is the server itself: servers do not install their own components so")
}

/// A moved file is the one that was deployed elsewhere; a new one may have got its inode number.
fn was_deployed(file: &File, context: &Context<'_>) -> bool {
    let entry = context.ledger.find((file.device, file.inode), file.generation);
    entry.is_some_and(|entry| entry.class == Class::Deployed)
}

fn is_staging(path: &[u8], context: &Context<'_>) -> bool {
    context.catalogue.application_part(path).is_some_and(|part| part.kind == ComponentKind::Staging)
}

impl Placement {
    /// Whether a directory or archive of an update, whose names explain what comes after.
    pub fn stages(&self) -> bool {
        let archive = self.class == Some(Class::Deployed);
        let unpacked = self.target.as_ref().is_some_and(|target| target.component == ComponentKind::Staging);
        archive || unpacked && self.author == Author::Own
    }

    /// Whether the file is worth a place in the ledger: data that is no code is, because it may be run.
    pub fn is_code(&self) -> bool {
        self.target.is_some() || looks_like_code(&self.path) || base_name(&self.path).find_byte(b'.').is_none()
    }
}
