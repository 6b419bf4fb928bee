//! The catalogue's closed sets: roles, policies, kinds of components. Each has one lower-case word in TOML, alerts and
//! metrics.

use super::base_name;
use super::pattern::Pattern;
use serde::{Deserialize, Serialize};

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
    /// Hands messages from program to program.
    Queue,
    /// Serves files.
    File,
    /// Keeps accounts and names.
    Directory,
    /// Resolves names.
    Dns,
    /// Builds and deploys software.
    Ci,
    /// Watches machines and services.
    Monitor,
    /// Lets people in (SSH).
    Session,
    /// Starts programs at a time.
    Scheduler,
    /// Starts services and keeps them running.
    Supervisor,
}

impl Role {
    /// All roles.
    pub const ALL: [Self; 15] = [
        Self::Web,
        Self::Proxy,
        Self::App,
        Self::Database,
        Self::Cache,
        Self::Mail,
        Self::Queue,
        Self::File,
        Self::Directory,
        Self::Dns,
        Self::Ci,
        Self::Monitor,
        Self::Session,
        Self::Scheduler,
        Self::Supervisor,
    ];

    /// The word used in alerts and metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::Proxy => "proxy",
            Self::App => "app",
            Self::Database => "database",
            Self::Cache => "cache",
            Self::Mail => "mail",
            Self::Queue => "queue",
            Self::File => "file",
            Self::Directory => "directory",
            Self::Dns => "dns",
            Self::Ci => "ci",
            Self::Monitor => "monitor",
            Self::Session => "session",
            Self::Scheduler => "scheduler",
            Self::Supervisor => "supervisor",
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
    /// Starting programs is its trade (cron, monitoring agents, supervisors): only the baseline judges.
    Any,
}

impl ExecPolicy {
    /// The word in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Common => "common",
            Self::Any => "any",
        }
    }
}

/// Where a server connects to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Egress {
    /// To few places, which are learned.
    #[default]
    Learned,
    /// Wherever it is told to: proxies, mail, DNS, builds, monitoring, crawlers.
    Any,
}

impl Egress {
    /// The word in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Learned => "learned",
            Self::Any => "any",
        }
    }
}

/// What it means when the server's own process writes to a place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OwnWrites {
    /// It does not do that in normal service.
    #[default]
    Never,
    /// A deployment through its own manager: a plug-in installer, an archive handed to the deployer.
    Deploys,
    /// Its daily work: compiled templates, caches, configuration that it generates.
    Always,
}

impl OwnWrites {
    /// The word in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Never => "never",
            Self::Deploys => "deploys",
            Self::Always => "always",
        }
    }
}

/// As whom a program runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChildUser {
    /// Effective user id 0.
    Root,
    /// Any other.
    Other,
}

impl ChildUser {
    /// The word in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::Other => "other",
        }
    }

    /// Whether an effective user id is meant.
    pub const fn is(self, euid: u32) -> bool {
        matches!(self, Self::Root) == (euid == 0)
    }
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
    "*.cf[mc]",
    "*.cfml",
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
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
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
    /// Plug-ins that the product itself installs.
    Plugin,
    /// Extensions of a database.
    SqlExtension,
    /// Configuration that makes the server load things.
    ConfigLoader,
    /// What the server makes of sources by itself: compiled templates and the like.
    Cache,
    /// Where an updater unpacks.
    Staging,
    /// What users send in.
    Upload,
}

impl ComponentKind {
    /// All kinds.
    pub const ALL: [Self; 11] = [
        Self::ScriptDocroot,
        Self::NativeModule,
        Self::ExecScript,
        Self::AppSource,
        Self::Webapp,
        Self::Plugin,
        Self::SqlExtension,
        Self::ConfigLoader,
        Self::Cache,
        Self::Staging,
        Self::Upload,
    ];

    /// The kind of that name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// Names of the files that are loaded from directories of this kind, unless the catalogue says otherwise; none for
    /// all.
    pub const fn usual_files(self) -> &'static [&'static str] {
        match self {
            Self::ScriptDocroot | Self::Upload => SCRIPTS,
            Self::NativeModule | Self::SqlExtension => MODULES,
            Self::Webapp => WEBAPPS,
            Self::AppSource => SOURCES,
            Self::ExecScript | Self::Plugin | Self::ConfigLoader | Self::Cache | Self::Staging => &[],
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
            Self::Plugin => "plugin",
            Self::SqlExtension => "sql_extension",
            Self::ConfigLoader => "config_loader",
            Self::Cache => "cache",
            Self::Staging => "staging",
            Self::Upload => "upload",
        }
    }
}
