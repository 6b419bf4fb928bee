//! One file in the ledger.

use super::FileId;
use bstr::{BString, ByteSlice};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// How a file came to be where it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Class {
    /// A server's lineage wrote it, where no server loads components from.
    Data,
    /// The server's own work: compiled templates and the like.
    Cache,
    /// The server deployed it through its own manager.
    Deployed,
    /// A person wrote it in a session.
    Session,
    /// Somebody did who is neither of these.
    Stranger,
    /// A server's lineage did, where components are loaded from, and it had no business there.
    Dropped,
}

/// Who wrote it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Writer {
    /// Its executable.
    pub executable: BString,
    /// Its command line, cut to 200 characters.
    pub command: Arc<str>,
    /// Its process id.
    pub pid: u32,
    /// Its effective user id.
    pub user: u32,
    /// The catalogue id of the server in whose lineage it was.
    pub server: Option<String>,
    /// Programs from the server (or the oldest ancestor that is known) down to it, by command line; at most 8.
    pub lineage: Vec<Arc<str>>,
}

/// A file that somebody wrote.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    /// Where.
    pub path: BString,
    /// Device, kernel encoding.
    pub device: u32,
    /// Inode.
    pub inode: u64,
    /// Its generation; 0 if not known.
    pub generation: u32,
    /// How it came there.
    pub class: Class,
    /// Kind of the component directory it lies in.
    pub component: Option<String>,
    /// Who wrote it.
    pub writer: Writer,
    /// The number of the server in whose lineage the writer was, while the sensor runs; 0 for none.
    #[serde(skip)]
    pub lineage: u32,
    /// When, Unix time in nanoseconds.
    pub written_unix_ns: u64,
    /// `sensor.incident.id` of the incident that it belongs to.
    pub incident: Option<String>,
    /// When the machine was started, Unix time in seconds: device numbers hold for one boot.
    pub boot_unix_s: u64,
}

impl Entry {
    /// Which file it is.
    pub const fn file(&self) -> FileId {
        (self.device, self.inode)
    }

    /// Whether it is kept on disk. What servers write all day (data, caches) is not, unless it looks like code or another
    /// program than the server's own wrote it.
    pub fn worth_keeping(&self) -> bool {
        match self.class {
            Class::Dropped | Class::Stranger | Class::Deployed | Class::Session => true,
            Class::Cache => false,
            Class::Data => looks_like_code(&self.path),
        }
    }

    /// The writer's executable, for people.
    pub fn executable(&self) -> String {
        self.writer.executable.to_string()
    }

    /// For sentences: who wrote it, and when.
    pub fn told(&self, now_unix_ns: u64) -> String {
        let by = match &self.writer.server {
            Some(server) => format!(" in the lineage of {server}"),
            None => String::new(),
        };
        format!(
            "{} was written {} ago by {} (pid {}, user {}){by}.",
            self.path,
            duration(now_unix_ns.saturating_sub(self.written_unix_ns)),
            self.writer.executable.to_str_lossy(),
            self.writer.pid,
            self.writer.user,
        )
    }
}

/// Names of shared objects, scripts and programs.
pub fn looks_like_code(path: &[u8]) -> bool {
    const ENDINGS: [&str; 16] = [
        ".so", ".php", ".phtml", ".phar", ".jsp", ".jspx", ".war", ".jar", ".class", ".py", ".pl", ".sh", ".cgi",
        ".rb", ".js", ".lua",
    ];
    let name = path.rfind_byte(b'/').map_or(path, |slash| &path[slash + 1..]).to_ascii_lowercase();
    ENDINGS.iter().any(|ending| name.ends_with(ending.as_bytes())) || name.find(b".so.").is_some()
}

fn duration(ns: u64) -> String {
    let seconds = ns / 1_000_000_000;
    match seconds {
        0..=119 => format!("{seconds} s"),
        120..=7199 => format!("{} min", seconds / 60),
        7200..=172_799 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}
