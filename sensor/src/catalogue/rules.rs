//! The catalogue's types: what a server is, loads, and normally starts.

use super::base_name;
use crate::event::Exec;
use bstr::{BString, ByteSlice};
use globset::GlobMatcher;
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;

/// What a server does for others.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Serves HTTP.
    Web,
    /// Hands requests on.
    Proxy,
    /// Runs application code.
    App,
    /// Keeps data behind a query language.
    Database,
    /// Keeps data by key.
    Cache,
    /// Takes and hands on mail.
    Mail,
}

impl Role {
    /// The word used in alerts and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Proxy => "proxy",
            Self::App => "app",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Mail => "mail",
        }
    }
}

/// How a server is with other programs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ExecPolicy {
    /// It starts none but those listed: any other is an alarm.
    #[default]
    Never,
    /// Applications in it start some: only shells, interpreters and tools of attackers are an alarm.
    Common,
}

/// Names of scripts that web servers run, and of files that change what they run.
const SCRIPTS: &[&str] = &[
    "*.php",
    "*.php[0-9]",
    "*.phtml",
    "*.phar",
    "*.pht",
    "*.phps",
    "*.inc",
    "*.shtml",
    "*.jsp",
    "*.jspx",
    "*.jspf",
    "*.cgi",
    "*.fcgi",
    "*.pl",
    "*.py",
    "*.rb",
    "*.lua",
    ".htaccess",
    ".user.ini",
];
const MODULES: &[&str] = &["*.so", "*.so.[0-9]*"];
const WEBAPPS: &[&str] = &["*.jsp", "*.jspx", "*.jspf", "*.war", "*.ear", "*.jar", "*.class", "web.xml"];
/// Code that runtimes load; not compiled caches, which they write themselves.
const SOURCES: &[&str] = &["*.js", "*.mjs", "*.cjs", "*.py", "*.rb", "*.php", "*.jar", "*.so", "*.node"];

/// What a component directory holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ComponentKind {
    /// Scripts that the server runs when they are requested.
    ScriptDocroot,
    /// Shared objects that the server loads.
    NativeModule,
    /// Programs that the server starts (CGI, hooks).
    ExecScript,
    /// Application code that is read at start.
    AppSource,
    /// Applications that are deployed by being put there.
    Webapp,
    /// Extensions of a database.
    SqlExtension,
    /// Configuration that makes the server load things.
    ConfigLoader,
}

impl ComponentKind {
    /// All kinds.
    pub const ALL: [Self; 7] = [
        Self::ScriptDocroot,
        Self::NativeModule,
        Self::ExecScript,
        Self::AppSource,
        Self::Webapp,
        Self::SqlExtension,
        Self::ConfigLoader,
    ];

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Names of the files that are loaded from directories of this kind, unless the catalogue says otherwise; none for
    /// all.
    pub const fn usual_files(self) -> &'static [&'static str] {
        match self {
            Self::ScriptDocroot => SCRIPTS,
            Self::NativeModule | Self::SqlExtension => MODULES,
            Self::Webapp => WEBAPPS,
            Self::AppSource => SOURCES,
            Self::ExecScript | Self::ConfigLoader => &[],
        }
    }

    /// Whether a file of that name is usually loaded from directories of this kind.
    pub fn usually_loads(self, path: &[u8]) -> bool {
        let name = base_name(path).to_ascii_lowercase();
        let files = self.usual_files();
        files.is_empty() || files.iter().any(|file| Pattern::path(file).is_ok_and(|file| file.is_match(&name)))
    }

    /// The name in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ScriptDocroot => "script_docroot",
            Self::NativeModule => "native_module",
            Self::ExecScript => "exec_script",
            Self::AppSource => "app_source",
            Self::Webapp => "webapp",
            Self::SqlExtension => "sql_extension",
            Self::ConfigLoader => "config_loader",
        }
    }
}

/// A server product.
#[derive(Clone, Debug)]
pub struct ServerKind {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// What it does.
    pub roles: Vec<Role>,
    /// Its executables.
    pub exe: Vec<Pattern>,
    /// If any: `argv[0]` must be one of these.
    pub argv0: Vec<Pattern>,
    /// If any of the three next has entries, one of them must match: the script an interpreter runs,
    pub script: Vec<Pattern>,
    /// the module after `-m`,
    pub module: Vec<Pattern>,
    /// any argument.
    pub argument: Vec<Pattern>,
    /// A runtime that is a server only when it listens.
    pub generic: bool,
    /// Other programs in its lineage.
    pub exec_policy: ExecPolicy,
    /// Further programs of its own.
    pub own: Vec<Pattern>,
    /// Where it loads components from.
    pub components: Vec<Component>,
    /// What it normally starts.
    pub normal_children: Vec<NormalChild>,
}

/// Directories with components.
#[derive(Clone, Debug)]
pub struct Component {
    /// A directory; `*` stands for a part of one name. Everything below it counts.
    pub path: String,
    /// What is in it.
    pub kind: ComponentKind,
    /// Names of the files that are loaded; empty for all.
    pub files: Vec<Pattern>,
    /// The server may write here itself (template caches): its own writes are normal.
    pub own_writes: bool,
}

/// A program that a server normally starts, and what may run below it.
#[derive(Clone, Debug)]
pub struct NormalChild {
    /// Its executable.
    pub exe: Vec<Pattern>,
    /// The command line, arguments joined by spaces. Empty for any.
    pub args: Vec<Pattern>,
    /// Executables that may run below it, at any depth, or in its place.
    pub below: Vec<Pattern>,
    /// Why it is normal.
    pub reason: String,
}

/// A glob and its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written.
    pub text: String,
    matcher: GlobMatcher,
    /// `*` may not stand for what a shell would interpret.
    command: bool,
}

/// What makes a shell do something else than the command that stands there.
const SHELL_META: &[u8] = b";|&$`()<>\n\r{}";

impl Pattern {
    /// A pattern for paths and single arguments: `*` stands for anything, slashes included.
    pub fn path(text: &str) -> Result<Self, globset::Error> {
        Self::new(text, false)
    }

    /// A pattern for command lines: what `*` stands for must hold nothing that a shell interprets.
    pub fn command(text: &str) -> Result<Self, globset::Error> {
        Self::new(text, true)
    }

    fn new(text: &str, command: bool) -> Result<Self, globset::Error> {
        let glob = globset::GlobBuilder::new(text).literal_separator(false).backslash_escape(true).build()?;
        Ok(Self { text: text.to_owned(), matcher: glob.compile_matcher(), command })
    }

    /// Whether `subject` is meant.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        if self.command && count_meta(self.text.as_bytes()) != count_meta(subject) {
            return false;
        }
        self.matcher.is_match(OsStr::from_bytes(subject))
    }
}

fn count_meta(text: &[u8]) -> usize {
    text.iter().filter(|byte| SHELL_META.contains(byte)).count()
}

/// Whether one of `patterns` means `subject`.
pub fn any(patterns: &[Pattern], subject: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(subject))
}

impl ServerKind {
    /// Whether a program is this server.
    pub fn is(&self, image: &Exec) -> bool {
        any(&self.exe, &image.executable) && self.argv0_matches(image) && self.marker_matches(image)
    }

    /// Whether more than the executable is needed to know it.
    pub fn needs_more_than_exe(&self) -> bool {
        !(self.argv0.is_empty() && self.script.is_empty() && self.module.is_empty() && self.argument.is_empty())
    }

    fn argv0_matches(&self, image: &Exec) -> bool {
        self.argv0.is_empty() || image.argv.first().is_some_and(|argv0| any(&self.argv0, argv0))
    }

    fn marker_matches(&self, image: &Exec) -> bool {
        if self.script.is_empty() && self.module.is_empty() && self.argument.is_empty() {
            return true;
        }
        let after_m = image.argv.iter().position(|argument| argument == "-m").map(|at| at + 1);
        let module = after_m.and_then(|at| image.argv.get(at));
        image.script.as_ref().is_some_and(|script| any(&self.script, script))
            || image.argv.get(1).is_some_and(|first| any(&self.script, first))
            || module.is_some_and(|module| any(&self.module, module))
            || image.argv.iter().skip(1).any(|argument| any(&self.argument, argument))
    }

    /// Whether a program belongs to the server itself.
    pub fn owns(&self, image: &Exec) -> bool {
        self.is(image) || any(&self.own, &image.executable)
    }

    /// The normal child that a program is, if it is one.
    pub fn normal_child(&self, image: &Exec) -> Option<&NormalChild> {
        let command = command_line(image);
        self.normal_children.iter().find(|child| child.is(image, &command))
    }
}

impl NormalChild {
    fn is(&self, image: &Exec, command: &[u8]) -> bool {
        // A cut command line may hide anything.
        let command_fits = || !image.argv_cut && any(&self.args, command);
        any(&self.exe, &image.executable) && (self.args.is_empty() || command_fits())
    }

    /// Whether a program may run below this child.
    pub fn allows(&self, image: &Exec) -> bool {
        any(&self.below, &image.executable)
    }
}

impl Component {
    /// Whether a file of that name is loaded from here.
    pub fn loads(&self, path: &[u8]) -> bool {
        self.files.is_empty() || any(&self.files, &base_name(path).to_ascii_lowercase())
    }
}

/// The arguments joined by spaces, the program by the last part of its path: `sh -c id`.
///
/// A server that rewrote its arguments has all of them in the first (`php-fpm: master process (/etc/php-fpm.conf)`): only
/// what stands before the first space is taken for a path.
pub fn command_line(image: &Exec) -> BString {
    let mut line = BString::default();
    if let Some(first) = image.argv.first() {
        let end = first.find_byte(b' ').unwrap_or(first.len());
        line.extend_from_slice(base_name(&first[..end]));
        line.extend_from_slice(first[end..].trim_end_with(|letter| letter == ' '));
    }
    for argument in image.argv.iter().skip(1) {
        line.push(b' ');
        line.extend_from_slice(argument);
    }
    line
}
