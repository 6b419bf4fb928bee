//! A root file system and a procfs of a process in it, in a temporary directory.

use super::alias::Aliases;
use super::inspect::Question;
use crate::procfs::Root;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// The process that lives in the root.
pub const PID: u32 = 7;

/// A root file system.
pub struct FakeRoot {
    directory: tempfile::TempDir,
}

impl FakeRoot {
    pub fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let real = directory.path().canonicalize().unwrap();
        std::fs::create_dir_all(real.join("root")).unwrap();
        std::fs::create_dir_all(real.join(format!("proc/{PID}"))).unwrap();
        std::os::unix::fs::symlink(real.join("root"), real.join(format!("proc/{PID}/root"))).unwrap();
        Self { directory }
    }

    pub fn proc_root(&self) -> PathBuf {
        self.directory.path().join("proc")
    }

    pub fn root(&self) -> Root {
        Root::of(&self.proc_root(), PID).unwrap()
    }

    /// Where a path of the root really is.
    pub fn real(&self, path: &str) -> PathBuf {
        self.directory.path().join("root").join(path.trim_start_matches('/'))
    }

    pub fn put(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let real = self.real(path);
        std::fs::create_dir_all(real.parent().unwrap()).unwrap();
        std::fs::write(real, content).unwrap();
        self
    }

    pub fn link(&self, target: &str, path: &str) -> &Self {
        std::os::unix::fs::symlink(target, self.real(path)).unwrap();
        self
    }

    pub fn aliases(&self) -> Aliases {
        Aliases::of(&self.root())
    }

    /// A question about what is now at a path.
    pub fn question(&self, path: &str) -> Question {
        question(PID, path, &self.real(path))
    }
}

/// A question about what is now at `real`, which the process calls `path`.
pub fn question(pid: u32, path: &str, real: &Path) -> Question {
    let inode = std::fs::metadata(real).map_or(0, |metadata| metadata.ino());
    Question { tag: 1, pid, path: path.into(), inode, device: 0, directory: false }
}

/// The hexadecimal digits of an MD5.
pub fn md5_hex(content: impl AsRef<[u8]>) -> String {
    let mut hasher = super::digest::Algorithm::Md5.hasher();
    hasher.update(content.as_ref());
    super::digest::hex(&hasher.finalize())
}
