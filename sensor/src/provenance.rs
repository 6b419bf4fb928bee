//! Where a file comes from, as plain data.
//!
//! Comes in: nothing; the edge `context` fills it. Goes out: facts that detectors and alerts read. Always holds: what is
//! not known is `None` or `Unknown`. It does not say whether the facts are good or bad.

use serde::{Deserialize, Serialize};

/// What is known of a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Provenance {
    /// The package that owns it; a directory has none, because packages share directories.
    pub package: Option<Package>,
    /// Hexadecimal SHA-256; `None` if it is no regular file, is bigger than 64 MiB, or cannot be read.
    pub sha256: Option<String>,
    /// Bytes.
    pub size: u64,
    /// When its content last changed, as the file says; its owner can set that. 0 if before 1970.
    pub modified_unix_ns: u64,
    /// When it was made; `None` if the file system does not keep that.
    pub born_unix_ns: Option<u64>,
    /// Whether it is in an overlay's upper layer, so was made or changed since the container started. `None` if it is on
    /// no overlay, or the layer cannot be reached.
    pub upper_layer: Option<bool>,
    /// Whether the file that was asked about is still at its path. If not, nothing else here is known of it, except a
    /// package from which it is missing.
    pub exists: bool,
    /// Its first 1024 bytes, if they are text; bytes that are not UTF-8 are replaced.
    pub begins: Option<String>,
    /// Whether it begins as an ELF file does.
    pub elf: bool,
    /// Its owner.
    pub uid: u32,
    /// Permissions and kind, as in `st_mode`.
    pub mode: u32,
}

/// A package that owns a file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Package {
    /// Whose database says so.
    pub manager: Manager,
    /// Its name, without architecture.
    pub name: String,
    /// Its version, as the manager writes it; empty if the database has none.
    pub version: String,
    /// Whether the file is as the package brought it.
    pub content: Content,
}

/// A package manager.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Manager {
    /// Debian and its children.
    Dpkg,
    /// Red Hat, SUSE and their children.
    Rpm,
    /// Alpine.
    Apk,
}

/// A file's content against the digest in the package database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Content {
    /// It is the package's.
    Same,
    /// It is not the package's.
    Changed,
    /// The database has no digest for it, or it could not be read, or is bigger than 64 MiB.
    Unknown,
    /// The package has it, and nothing is there.
    Missing,
}

impl Provenance {
    /// Of a file that is not there.
    pub const fn absent() -> Self {
        Self {
            package: None,
            sha256: None,
            size: 0,
            modified_unix_ns: 0,
            born_unix_ns: None,
            upper_layer: None,
            exists: false,
            begins: None,
            elf: false,
            uid: 0,
            mode: 0,
        }
    }
}
