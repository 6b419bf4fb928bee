//! Facts that hold for the whole machine, whatever the server: who installs software, who lets people in, who runs what
//! was put where, which files hold credentials, and how applications are laid out inside document roots.

use super::pattern::Pattern;
use super::rules::Program;
use super::words::{ComponentKind, OwnWrites};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What a program that installs software is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Installer {
    /// Installs packages of the system.
    PackageManager,
    /// Brings applications, modules of a language, configuration or container images.
    Deployer,
}

impl Installer {
    /// The word in the catalogue.
    pub const fn name(self) -> &'static str {
        match self {
            Self::PackageManager => "package_manager",
            Self::Deployer => "deployer",
        }
    }
}

/// Files of one meaning.
#[derive(Clone, Debug)]
pub struct Place {
    /// Their paths.
    pub pattern: Pattern,
    /// What such a file is, for sentences: "a crontab".
    pub what: String,
    /// ATT&CK technique of writing (persistence) or reading (secrets) it: id and name.
    pub technique: Option<(String, String)>,
}

/// Part of an application's layout inside a document root.
#[derive(Clone, Debug)]
pub struct Part {
    /// A glob below a document root: `**/wp-content/uploads/**`.
    pub path: Pattern,
    /// What is there.
    pub kind: ComponentKind,
    /// What it means when the server that runs the application writes there.
    pub own: OwnWrites,
    /// Which application, for people.
    pub application: String,
}

/// An application that lives in document roots and is no process of its own.
#[derive(Clone, Debug)]
pub struct Application {
    /// Its id.
    pub id: String,
    /// Its name for people.
    pub name: String,
    /// Its layout.
    pub parts: Vec<Arc<Part>>,
}

/// A program that installs software.
#[derive(Clone, Debug)]
pub struct InstallerProgram {
    /// How it is recognised.
    pub program: Program,
    /// What it is.
    pub installer: Installer,
}

/// A program that runs what persistence places hold.
#[derive(Clone, Debug)]
pub struct Runner {
    /// How it is recognised.
    pub program: Program,
    /// Its word: `cron`, `at`, `systemd`.
    pub name: String,
}

/// Names of files by which a directory changes how its server treats what is in it.
const OVERRIDES: [&str; 4] = [".htaccess", ".user.ini", "web.config", ".htpasswd"];

/// Whether a file of that name changes how the server treats the directory in which it lies.
pub fn overrides(name: &[u8]) -> bool {
    OVERRIDES.iter().any(|known| known.as_bytes() == super::base_name(name).to_ascii_lowercase())
}
