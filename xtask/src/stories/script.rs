//! Stories as data: what is there before, who does what, and what the sensor has to say of it.
//!
//! Comes in: the TOML files of `xtask/stories`. Goes out: stories with the scenes that they share. Always holds: a key
//! that is not known is an error. It does nothing.

use super::deed::Deed;
use super::judge::Expectation;
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use std::collections::BTreeMap;
use std::path::Path;

/// Users by name, with the numbers that distributions and images give them.
const USERS: &[(&str, u32)] = &[
    ("root", 0),
    ("daemon", 1),
    ("list", 38),
    ("www-data", 33),
    ("nobody", 65534),
    ("alpine-www-data", 82),
    ("clickhouse", 101),
    ("alice", 1000),
    ("deploy", 1001),
    ("node", 1002),
    ("app", 1003),
    ("jboss", 1004),
    ("tomcat", 111),
    ("mysql", 112),
    ("postgres", 113),
    ("redis", 114),
    ("jenkins", 115),
    ("git", 998),
    ("rabbitmq", 116),
    ("couchdb", 5984),
    ("elasticsearch", 1005),
    ("confluence", 2002),
    ("oracle", 54321),
    ("activemq", 117),
    ("zimbra", 999),
    ("openfire", 118),
    ("mssql", 10001),
    ("mssql_satellite", 10002),
    ("mongodb", 119),
    ("nagios", 120),
    ("zabbix", 121),
    ("grafana", 472),
    ("postfix", 122),
    ("vmail", 5000),
    ("sshd", 123),
    ("ingress", 101),
];

/// A user's number.
pub fn user(name: &str) -> Result<u32> {
    let known = USERS.iter().find(|(known, _)| *known == name);
    known.map(|(_, number)| *number).with_context(|| format!("no such user in the stories: {name:?}"))
}

/// All users, as `/etc/passwd` has them.
pub fn passwd() -> String {
    let line = |(name, number): &(&str, u32)| format!("{name}:x:{number}:{number}::/nonexistent:/bin/sh");
    USERS.iter().map(line).collect::<Vec<_>>().join("\n") + "\n"
}

/// One story.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Story {
    /// `A01`: an attack; `B01`: something benign.
    pub id: String,
    /// The server's id in the catalogue of facts.
    pub server: String,
    /// What happens.
    pub description: String,
    /// Techniques.
    pub attack_ids: Vec<String>,
    /// What the sensor has to say, or must not say.
    pub expect: Expectation,
    /// Scenes that are set up before, in this order.
    #[serde(default)]
    pub setup: Vec<String>,
    /// What happens before in normal life. The sensor has learned it when the story begins, and takes it for all there is;
    /// such a story has a sensor of its own.
    #[serde(default)]
    pub learned: Vec<Deed>,
    /// How the file system is laid out.
    #[serde(default)]
    layout: Option<Layout>,
    /// Whether it happens in a container: what is there is the image, under an overlay.
    #[serde(default)]
    container: bool,
    /// Directories and whose they are.
    #[serde(default)]
    directories: BTreeMap<String, String>,
    /// Files that were there long before.
    #[serde(default)]
    files: Vec<OldFile>,
    /// Programs that were there long before and that no step starts.
    #[serde(default)]
    programs: Vec<String>,
    /// What happens, in order.
    steps: Vec<Deed>,
}

impl Story {
    /// Its own part.
    pub fn scene(&self) -> Scene {
        Scene {
            layout: self.layout,
            container: self.container,
            directories: self.directories.clone(),
            files: self.files.clone(),
            programs: self.programs.clone(),
            steps: self.steps.clone(),
        }
    }

    /// Whether it is an attack.
    pub const fn is_attack(&self) -> bool {
        matches!(self.expect, Expectation::Attack { .. })
    }
}

/// What is there, and what happens in it.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scene {
    /// How the file system is laid out.
    #[serde(default)]
    pub layout: Option<Layout>,
    /// Whether it happens in a container: what is there is the image, under an overlay.
    #[serde(default)]
    pub container: bool,
    /// Directories and whose they are.
    #[serde(default)]
    pub directories: BTreeMap<String, String>,
    /// Files that were there long before.
    #[serde(default)]
    pub files: Vec<OldFile>,
    /// Programs that were there long before and that no step starts.
    #[serde(default)]
    pub programs: Vec<String>,
    /// What happens, in order.
    #[serde(default)]
    pub steps: Vec<Deed>,
}

impl Scene {
    /// Paths of all scripts, those that are there and those that are written.
    pub fn scripts(&self) -> Vec<String> {
        let is_script = |content: &Content| matches!(content, Content::Text(text) if text.starts_with("#!"));
        let old = self.files.iter().filter(|file| is_script(&file.content)).map(|file| file.path.clone());
        let written = self.steps.iter().filter_map(|deed| match deed {
            Deed::Write { path, content, .. } if is_script(content) => Some(path.clone()),
            _ => None,
        });
        old.chain(written).collect()
    }
}

/// A distribution's way to lay out files.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Layout {
    /// `/bin` is `/usr/bin`, `sh` is dash, files belong to dpkg's packages.
    #[default]
    Debian,
    /// `/bin` is `/usr/bin`, `sh` is bash.
    Redhat,
    /// `/bin` is a directory, everything in it is busybox.
    Alpine,
}

/// A file that was there long before.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OldFile {
    /// Where.
    pub path: String,
    /// What is in it.
    #[serde(default)]
    pub content: Content,
    /// Whose it is.
    #[serde(default = "root")]
    pub user: String,
    /// 0644 unless said otherwise.
    #[serde(default)]
    pub mode: Option<u32>,
    /// The package that it belongs to, if not that of everything else.
    #[serde(default)]
    pub package: Option<String>,
    /// So many such files; `{n}` in the path counts up.
    #[serde(default)]
    pub times: Option<u32>,
}

/// What a file holds.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// This.
    Text(String),
    /// What begins like a shared library.
    Library,
    /// A program that can be run.
    Program,
}

impl Default for Content {
    fn default() -> Self {
        Self::Text(String::new())
    }
}

fn root() -> String {
    "root".to_owned()
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct StoryFile {
    story: Vec<Story>,
}

/// All stories, and the scenes that they share.
pub struct Library {
    /// In the order of their ids.
    pub stories: Vec<Story>,
    scenes: BTreeMap<String, Scene>,
}

impl Library {
    /// Reads the directory: `scenes.toml`, and stories in every other file.
    pub fn read(directory: &Path) -> Result<Self> {
        let mut stories = Vec::new();
        let mut scenes = BTreeMap::new();
        for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
            let path = entry?.path();
            if path.extension() != Some("toml".as_ref()) {
                continue;
            }
            let text = std::fs::read_to_string(&path)?;
            let name = path.display().to_string();
            if path.file_name() == Some("scenes.toml".as_ref()) {
                scenes = toml::from_str(&text).context(name)?;
            } else {
                stories.extend(toml::from_str::<StoryFile>(&text).context(name)?.story);
            }
        }
        stories.sort_by(|one: &Story, other| one.id.cmp(&other.id));
        let library = Self { stories, scenes };
        for story in &library.stories {
            library.scenes(story)?;
        }
        Ok(library)
    }

    /// What is set up for a story, in order, without its own part.
    pub fn scenes(&self, story: &Story) -> Result<Vec<&Scene>> {
        let scene = |name: &String| match self.scenes.get(name) {
            Some(scene) => Ok(scene),
            None => bail!("{}: no such scene: {name:?}", story.id),
        };
        story.setup.iter().map(scene).collect()
    }
}
