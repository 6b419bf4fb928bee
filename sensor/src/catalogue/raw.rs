//! The catalogue as written in TOML. [`super::resolve`] makes of it what the program uses.

use super::places::Installer;
use super::words::{ChildUser, ComponentKind, Egress, ExecPolicy, OwnWrites, Role};
use serde::Deserialize;

/// One text.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct File {
    pub server: Vec<Server>,
    pub application: Vec<Application>,
    pub installer: Vec<Installers>,
    pub session: Vec<Program>,
    pub runner: Vec<Runner>,
    pub persistence: Vec<Places>,
    pub secret: Vec<Places>,
}

/// `[[server]]`.
#[allow(clippy::struct_excessive_bools, reason = "each is a key of the table")]
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    pub id: String,
    pub name: Option<String>,
    pub roles: Vec<Role>,
    pub exe: Vec<String>,
    #[serde(default)]
    pub argv0: Vec<String>,
    #[serde(default)]
    pub script: Vec<String>,
    #[serde(default)]
    pub module: Vec<String>,
    #[serde(default)]
    pub argument: Vec<String>,
    #[serde(default)]
    pub generic: bool,
    #[serde(default)]
    pub platform: bool,
    #[serde(default)]
    pub titles: bool,
    #[serde(default)]
    pub supervisor: bool,
    #[serde(default)]
    pub exec_policy: ExecPolicy,
    #[serde(default)]
    pub egress: Egress,
    #[serde(default)]
    pub own: Vec<String>,
    #[serde(default)]
    pub own_secrets: Vec<String>,
    #[serde(default)]
    pub component: Vec<Component>,
    #[serde(default)]
    pub normal_child: Vec<Child>,
}

/// `[[server.component]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Component {
    pub path: OneOrMore,
    pub kind: ComponentKind,
    pub files: Option<Vec<String>>,
    #[serde(default)]
    pub own_writes: OwnWrites,
}

/// `[[server.normal_child]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Child {
    /// Without it: a shell, if every command line says so, or an interpreter, if the script is named.
    pub exe: Option<Vec<String>>,
    #[serde(default)]
    pub args: Vec<String>,
    #[serde(default)]
    pub script: Vec<String>,
    #[serde(default)]
    pub below: Vec<String>,
    #[serde(default)]
    pub directory: Vec<String>,
    #[serde(default)]
    pub title: Vec<String>,
    pub user: Option<ChildUser>,
    #[serde(default)]
    pub leaves: bool,
    #[serde(default)]
    pub learned: bool,
    pub reason: String,
}

/// A value or a list of them.
#[derive(Deserialize)]
#[serde(untagged)]
pub enum OneOrMore {
    One(String),
    More(Vec<String>),
}

impl OneOrMore {
    pub fn into_vec(self) -> Vec<String> {
        match self {
            Self::One(one) => vec![one],
            Self::More(more) => more,
        }
    }
}

/// `[[application]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    pub id: String,
    pub name: Option<String>,
    pub part: Vec<Part>,
}

/// `[[application.part]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Part {
    pub path: OneOrMore,
    pub kind: ComponentKind,
    #[serde(default)]
    pub own_writes: OwnWrites,
    /// Which application, where an entry describes several.
    pub of: Option<String>,
}

/// `[[session]]`, and what recognises a program in the others.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Program {
    pub exe: Vec<String>,
    #[serde(default)]
    pub argv0: Vec<String>,
    #[serde(default)]
    pub script: Vec<String>,
    #[serde(default)]
    pub module: Vec<String>,
    #[serde(default)]
    pub argument: Vec<String>,
}

/// `[[installer]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Installers {
    pub kind: Installer,
    pub exe: Vec<String>,
    #[serde(default)]
    pub script: Vec<String>,
    #[serde(default)]
    pub module: Vec<String>,
    #[serde(default)]
    pub argument: Vec<String>,
}

/// `[[runner]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Runner {
    pub name: String,
    pub exe: Vec<String>,
    #[serde(default)]
    pub argv0: Vec<String>,
    #[serde(default)]
    pub argument: Vec<String>,
}

/// `[[persistence]]` and `[[secret]]`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Places {
    pub what: String,
    pub path: OneOrMore,
    /// Technique: id and name.
    pub technique: Option<(String, String)>,
}
