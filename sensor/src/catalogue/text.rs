//! The catalogue as it is written in TOML. Unknown keys are refused.

use super::kind::{ExecPolicy, Role};
use crate::detect::Severity;
use serde::Deserialize;
use std::collections::BTreeMap;

/// One text.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// Classes of programs; the name is what `@name` stands for.
    #[serde(default)]
    pub class: BTreeMap<String, Class>,
    /// Directories that hold the system's own programs.
    #[serde(default)]
    pub standard_directories: Vec<String>,
    /// Component kinds.
    #[serde(default)]
    pub component_kind: BTreeMap<String, ComponentKind>,
    /// Servers.
    #[serde(default)]
    pub server: Vec<Server>,
}

/// A class of programs.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Class {
    /// "a shell"
    pub called: String,
    /// A server that runs one is suspicious.
    #[serde(default)]
    pub suspicious: bool,
    /// Names or paths.
    pub programs: Vec<String>,
}

/// A kind of component.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ComponentKind {
    /// "scripts"
    pub called: String,
    /// Files that are loaded, where a server's entry does not say.
    pub files: Vec<String>,
}

/// A server product.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Its id.
    pub id: String,
    /// Adds to the server of that id, instead of replacing it: lists grow, what else is given is replaced.
    #[serde(default)]
    pub extends: bool,
    /// What people call it.
    pub name: Option<String>,
    /// Roles, the main one first.
    #[serde(default)]
    pub roles: Vec<Role>,
    /// ATT&CK id.
    pub technique: Option<String>,
    /// Unlisted programs.
    pub exec: Option<ExecPolicy>,
    /// Further programs of its own.
    #[serde(default)]
    pub own: Vec<String>,
    /// Servers whose normal children are this one's too.
    #[serde(default)]
    pub normal_children_of: Vec<String>,
    /// Ways to recognise it.
    #[serde(default)]
    pub identity: Vec<Identity>,
    /// Where it loads code from.
    #[serde(default)]
    pub component: Vec<Component>,
    /// What it starts.
    #[serde(default)]
    pub normal_child: Vec<NormalChild>,
    /// Who writes.
    #[serde(default)]
    pub normal_writer: Vec<NormalWriter>,
}

/// See [`super::kind::Identity`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is documented where it is used, in kind.rs")]
pub struct Identity {
    pub exe: Vec<String>,
    #[serde(default)]
    pub comm: Vec<String>,
    #[serde(default)]
    pub begins: Vec<String>,
    #[serde(default)]
    pub titles: Vec<String>,
    #[serde(default)]
    pub with: Vec<String>,
    #[serde(default)]
    pub without: Vec<String>,
    #[serde(default)]
    pub generic: bool,
    pub own: Option<bool>,
}

/// See [`super::kind::Component`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is documented where it is used, in kind.rs")]
pub struct Component {
    pub kind: String,
    pub directories: Vec<String>,
    #[serde(default)]
    pub files: Vec<String>,
    #[serde(default)]
    pub recursive: bool,
}

/// See [`super::kind::NormalChild`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is documented where it is used, in kind.rs")]
pub struct NormalChild {
    pub why: String,
    pub exe: Vec<String>,
    #[serde(default)]
    pub args: Vec<String>,
    /// Command lines of a shell: each stands for `-c LINE` and `-c -- LINE`, as `system(3)` gives it before and since glibc 2.38.
    #[serde(default)]
    pub shell: Vec<String>,
    #[serde(default)]
    pub parent: Vec<String>,
    #[serde(default)]
    pub below: Vec<String>,
    pub becomes: Option<String>,
}

/// See [`super::kind::NormalWriter`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[expect(missing_docs, reason = "each field is documented where it is used, in kind.rs")]
pub struct NormalWriter {
    pub why: String,
    #[serde(default)]
    pub kinds: Vec<String>,
    #[serde(default)]
    pub exe: Vec<String>,
    pub paths: Vec<String>,
    pub severity: Option<Severity>,
}
