//! What the catalogue says of one server product.

use super::pattern::{ArgumentLine, ArgumentPattern, FilePattern};
use super::program::{Programs, argument_line, command_line, fits};
use crate::detect::{Severity, Technique};
use crate::event::Exec;
use std::sync::Arc;

/// What a server is there for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// Answers HTTP with files, or hands it on.
    Web,
    /// Runs an application's code.
    App,
    /// Keeps data and answers a query language.
    Database,
    /// Keeps data in memory.
    Cache,
    /// Takes and delivers mail.
    Mail,
}

impl Role {
    /// The name in alerts and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::App => "app",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Mail => "mail",
        }
    }

    /// What people call such a server.
    pub const fn called(self) -> &'static str {
        match self {
            Self::Web => "web server",
            Self::App => "application server",
            Self::Database => "database server",
            Self::Cache => "cache server",
            Self::Mail => "mail server",
        }
    }
}

/// How usual it is that a server starts programs that the catalogue does not list.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ExecPolicy {
    /// It never starts any program: each one is an alert of high severity.
    Never,
    /// Hardly any: an unlisted one is an alert of medium severity.
    Rare,
    /// What is configured: an unlisted one that is no shell or tool is let pass.
    Config,
    /// Applications often do: likewise.
    Common,
    /// Starting programs is its work: likewise.
    Normal,
}

/// One server product.
#[derive(Clone, Debug)]
pub struct ServerKind {
    /// Its name in alerts, config and exceptions.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// What it is there for, the main role first; at least one.
    pub roles: Vec<Role>,
    /// The technique of abusing it.
    pub technique: Technique,
    /// Unlisted programs.
    pub exec: ExecPolicy,
    /// How it is recognised; any of them.
    pub identities: Vec<Identity>,
    /// Further programs that belong to it.
    pub own: Programs,
    /// Where it loads code from.
    pub components: Vec<Component>,
    /// What it starts in normal work.
    pub normal_children: Vec<Arc<NormalChild>>,
    /// Who else writes its components in normal work.
    pub normal_writers: Vec<NormalWriter>,
}

/// A way to recognise a server; everything that is set must fit.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The executable.
    pub exe: Programs,
    /// Its comm.
    pub comm: Vec<FilePattern>,
    /// The argument line begins so, or the whole command line (a process title) does; any of them.
    pub begins: Vec<ArgumentLine>,
    /// The command line begins with these bytes; any of them.
    pub titles: Vec<String>,
    /// One of the arguments is such.
    pub with: Vec<ArgumentPattern>,
    /// None of the arguments is such: a test of the configuration is no server.
    pub without: Vec<ArgumentPattern>,
    /// Only when it listens on a socket: what runs here may be anything.
    pub generic: bool,
    /// A process below the server that fits this is the server's own.
    pub own: bool,
}

/// A directory, or many, that a server loads code from.
#[derive(Clone, Debug)]
pub struct Component {
    /// Glob of the directories.
    pub pattern: String,
    /// `script_docroot`, `native_module` and so on: a kind of `programs.toml`.
    pub kind: String,
    /// Names of the files that are loaded; upper and lower case are the same.
    pub files: Vec<FilePattern>,
    /// Directories below count too.
    pub recursive: bool,
}

/// A program that a server starts in normal work.
#[derive(Clone, Debug)]
pub struct NormalChild {
    /// Why it does; the end of a sentence.
    pub why: String,
    /// The program.
    pub exe: Programs,
    /// Its whole argument line; any of them, all lines when empty.
    pub args: Vec<ArgumentLine>,
    /// The argument lines or titles of its parent; any of them, all when empty. Compared with the parent's whole command
    /// line: a process title stands there when the parent was found in procfs.
    pub parent: Vec<ArgumentLine>,
    /// What may run below it.
    pub below: Programs,
    /// From here down the rules of that server hold.
    pub becomes: Option<String>,
}

/// Somebody, beside package managers and deployers, who writes components in normal work.
#[derive(Clone, Debug)]
pub struct NormalWriter {
    /// Why.
    pub why: String,
    /// Component kinds; all when empty.
    pub kinds: Vec<String>,
    /// The program; any process in the server's own lineage that is the server's own program when empty.
    pub exe: Programs,
    /// The files.
    pub paths: Vec<FilePattern>,
    /// What is reported all the same; nothing when `None`.
    pub severity: Option<Severity>,
}

impl ServerKind {
    /// The main role.
    pub fn role(&self) -> Role {
        self.roles.first().copied().unwrap_or(Role::App)
    }

    /// Whether an executable is this server.
    pub fn is(&self, image: &Exec, listens: bool, standard: &[FilePattern]) -> bool {
        self.identities.iter().any(|identity| (listens || !identity.generic) && identity.fits(image, standard))
    }

    /// Whether a program below the server is one of its own.
    pub fn owns(&self, image: &Exec, standard: &[FilePattern]) -> bool {
        self.own.holds(image, standard)
            || self.identities.iter().any(|identity| identity.own && identity.exe.holds(image, standard) && identity.fits_arguments(image, true))
    }

    /// Which normal child a program is.
    pub fn normal_child(&self, image: &Exec, parent: Option<&Exec>, standard: &[FilePattern]) -> Option<&Arc<NormalChild>> {
        let line = argument_line(image);
        self.normal_children.iter().find(|child| {
            child.exe.holds(image, standard) && fits(&child.args, line.as_deref()) && child.fits_parent(parent)
        })
    }

    /// The normal child whose form a program's arguments begin with, though they do not fit it, and the form.
    pub fn nearly_normal(&self, image: &Exec, standard: &[FilePattern]) -> Option<(&NormalChild, &str)> {
        let line = argument_line(image)?;
        self.normal_children.iter().filter(|child| child.exe.holds(image, standard)).find_map(|child| {
            let near = child.args.iter().find(|form| form.beginning().len() > 4 && line.starts_with(form.beginning()))?;
            Some((child.as_ref(), near.text()))
        })
    }

    /// The components of a kind.
    pub fn components_of<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Component> {
        self.components.iter().filter(move |component| component.kind == kind)
    }
}

impl Identity {
    fn fits(&self, image: &Exec, standard: &[FilePattern]) -> bool {
        self.exe.holds(image, standard)
            && (self.comm.is_empty() || self.comm.iter().any(|comm| comm.matches(&image.comm)))
            && self.fits_arguments(image, false)
    }

    fn fits_arguments(&self, image: &Exec, own: bool) -> bool {
        let arguments = image.argv.get(1..).unwrap_or_default();
        let any = |patterns: &[ArgumentPattern]| {
            arguments.iter().any(|argument| patterns.iter().any(|pattern| pattern.matches(argument)))
        };
        let begins = || {
            let line = argument_line(image).unwrap_or_default();
            let whole = command_line(image);
            self.begins.iter().any(|form| form.begins(&line))
                || self.titles.iter().any(|title| whole.starts_with(title.as_bytes()))
        };
        (self.begins.is_empty() && self.titles.is_empty() || begins())
            && (self.with.is_empty() || any(&self.with))
            && (own || !any(&self.without))
    }
}

impl NormalChild {
    fn fits_parent(&self, parent: Option<&Exec>) -> bool {
        self.parent.is_empty() || parent.is_some_and(|parent| fits(&self.parent, Some(&command_line(parent))))
    }
}

impl Component {
    /// Whether the server loads a file that lies `depth` directories below (1: in the directory itself).
    pub fn loads(&self, path: &[u8], depth: u32) -> bool {
        (self.recursive || depth <= 1) && self.files.iter().any(|file| file.matches(path))
    }
}
