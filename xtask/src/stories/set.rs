//! The root directory that a story is played in: its programs, its old files, its packages.
//!
//! Comes in: scenes. Goes out: a directory that is complete before anything runs. Always holds: programs that were there
//! before are hard links of one actor, so a hundred of them cost nothing; everything is old; paths are resolved here, so
//! that no link leads out of the directory. What a story makes itself it makes itself.

use super::deed::{Deed, Program};
use super::packages::Packages;
use super::script::{self, Content, Layout, OldFile, Scene};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::fs::{self, File, FileTimes, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// How old everything is.
const AGE: Duration = Duration::from_secs(200 * 86_400);

/// Links of each layout; one that leads to a directory stands before what lies in it.
const fn links(layout: Layout) -> &'static [(&'static str, &'static str)] {
    match layout {
        Layout::Debian => &[
            ("/bin", "/usr/bin"),
            ("/sbin", "/usr/sbin"),
            ("/lib", "/usr/lib"),
            ("/lib64", "/usr/lib64"),
            ("/var/run", "/run"),
            ("/usr/bin/sh", "/usr/bin/dash"),
            ("/usr/bin/php", "/usr/bin/php8.2"),
            ("/usr/bin/python3", "/usr/bin/python3.11"),
            ("/usr/bin/ruby", "/usr/bin/ruby3.1"),
            ("/usr/bin/convert", "/usr/bin/convert-im6.q16"),
            ("/usr/bin/vim", "/usr/bin/vim.basic"),
            ("/usr/bin/vi", "/usr/bin/vim.basic"),
            ("/usr/bin/redis-server", "/usr/bin/redis-check-rdb"),
            ("/usr/sbin/sendmail", "/usr/sbin/exim4"),
        ],
        Layout::Redhat => &[
            ("/bin", "/usr/bin"),
            ("/sbin", "/usr/sbin"),
            ("/lib", "/usr/lib"),
            ("/lib64", "/usr/lib64"),
            ("/usr/bin/sh", "/usr/bin/bash"),
            ("/usr/bin/python3", "/usr/bin/python3.9"),
        ],
        Layout::Alpine => &[
            ("/bin/sh", "/bin/busybox"),
            ("/bin/ash", "/bin/busybox"),
            ("/usr/bin/wget", "/bin/busybox"),
            ("/usr/bin/id", "/bin/busybox"),
        ],
    }
}

/// A root directory.
pub struct Set {
    root: PathBuf,
    layout: Layout,
    actor: PathBuf,
    packages: Packages,
    placed: BTreeSet<String>,
}

impl Set {
    /// Makes it for these scenes; the directory must not be there.
    pub fn build(root: &Path, actor: &Path, scenes: &[&Scene]) -> Result<()> {
        let layout = scenes.iter().filter_map(|scene| scene.layout).next_back().unwrap_or_default();
        let mut set = Self {
            root: root.to_owned(),
            layout,
            actor: actor.to_owned(),
            packages: Packages::default(),
            placed: BTreeSet::new(),
        };
        set.base()?;
        set.program("/usr/lib/systemd/systemd")?;
        set.program("/opt/far-end/far-end")?;
        for scene in scenes {
            for (path, user) in &scene.directories {
                set.directory(path, script::user(user)?)?;
            }
            for file in &scene.files {
                set.files(file)?;
            }
        }
        let made: BTreeSet<&str> = scenes.iter().flat_map(|scene| &scene.steps).filter_map(made_by).collect();
        for scene in scenes {
            for path in scene.steps.iter().filter_map(started).chain(&scene.programs) {
                if !made.contains(path.as_str()) {
                    set.program(path)?;
                }
            }
        }
        if layout == Layout::Debian {
            set.packages.write(&set.root)?;
        }
        age(&set.root)
    }

    fn base(&self) -> Result<()> {
        for path in ["proc", "dev", "etc", "run", "home", "usr/bin", "var/log", "var/lib", "opt", "srv"] {
            fs::create_dir_all(self.root.join(path))?;
        }
        for (path, mode) in [("tmp", 0o1777), ("var/tmp", 0o1777), ("root", 0o700)] {
            fs::create_dir_all(self.root.join(path))?;
            fs::set_permissions(self.root.join(path), Permissions::from_mode(mode))?;
        }
        // What is mounted over.
        fs::write(self.root.join("dev/null"), "")?;
        fs::write(self.root.join("etc/passwd"), script::passwd())?;
        let directories = links(self.layout).iter().filter(|(from, _)| from.matches('/').count() == 1);
        directories.copied().try_for_each(|(from, to)| self.link(from, to))
    }

    /// Makes a link that leads to a place in the root, unless it is there.
    fn link(&self, from: &str, to: &str) -> Result<()> {
        let at = self.host(from);
        fs::create_dir_all(at.parent().context("a link without a parent")?)?;
        match symlink(to, &at) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                Err(error).with_context(|| at.display().to_string())
            }
            _ => Ok(()),
        }
    }

    /// Where a path without links is on this machine.
    fn host(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }

    /// The path without links. Makes the links on the way.
    fn resolve(&self, path: &str) -> Result<String> {
        if !path.starts_with('/') || path.split('/').any(|part| part == "..") {
            bail!("not an absolute path: {path:?}");
        }
        let mut path = path.to_owned();
        for (from, to) in links(self.layout) {
            let rest = path.strip_prefix(from).filter(|rest| rest.is_empty() || rest.starts_with('/'));
            if let Some(rest) = rest {
                let next = format!("{to}{rest}");
                self.link(from, to)?;
                path = next;
            }
        }
        Ok(path)
    }

    fn directory(&self, path: &str, user: u32) -> Result<()> {
        let path = self.host(&self.resolve(path)?);
        fs::create_dir_all(&path)?;
        chown(&path, Some(user), Some(user)).with_context(|| path.display().to_string())
    }

    fn program(&mut self, path: &str) -> Result<()> {
        let path = self.resolve(path)?;
        let at = self.host(&path);
        if !self.placed.insert(path.clone()) || at.exists() {
            return Ok(());
        }
        fs::create_dir_all(at.parent().context("a program without a parent")?)?;
        fs::hard_link(&self.actor, &at).with_context(|| at.display().to_string())?;
        self.packages.add(None, &path, &at)
    }

    fn files(&mut self, file: &OldFile) -> Result<()> {
        (0..file.times.unwrap_or(1)).try_for_each(|n| self.file(&file.path.replace("{n}", &n.to_string()), file))
    }

    fn file(&mut self, path: &str, file: &OldFile) -> Result<()> {
        let path = self.resolve(path)?;
        let at = self.host(&path);
        fs::create_dir_all(at.parent().context("a file without a parent")?)?;
        match &file.content {
            Content::Text(text) => fs::write(&at, text)?,
            Content::Library => fs::write(&at, library())?,
            // A copy, not a link: it may be written to.
            Content::Program => drop(fs::copy(&self.actor, &at)?),
        }
        if let Content::Text(text) = &file.content
            && let Some(interpreter) = text.strip_prefix("#!")
        {
            let interpreter = interpreter.split_whitespace().next().context("#! without a program")?;
            self.program(interpreter)?;
        }
        let user = script::user(&file.user)?;
        chown(&at, Some(user), Some(user))?;
        fs::set_permissions(&at, Permissions::from_mode(file.mode.unwrap_or(0o644)))?;
        if user == 0 { self.packages.add(file.package.as_deref(), &path, &at) } else { Ok(()) }
    }
}

/// What begins like a shared library, as old as everything else and unlike what is written later.
fn library() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01\0\0\0\0\0\0\0\0\0\x03\0\x3e\0\x01\0\0\0".to_vec();
    bytes.resize(4096, 0x90);
    bytes
}

/// The program that a deed needs to be there.
fn started(deed: &Deed) -> Option<&String> {
    match deed {
        Deed::Start(Program { exe, .. }) | Deed::Exec(Program { exe, .. }) => Some(exe),
        _ => None,
    }
}

/// The path at which a deed makes a file.
fn made_by(deed: &Deed) -> Option<&str> {
    match deed {
        Deed::Write { path, .. } => Some(path),
        Deed::Rename { to, .. } | Deed::Link { to, .. } | Deed::Symlink { to, .. } => Some(to),
        _ => None,
    }
}

/// Makes everything old, links aside.
fn age(directory: &Path) -> Result<()> {
    let then = SystemTime::now() - AGE;
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            age(&entry.path())?;
        } else if entry.file_type()?.is_file() {
            // Opening a program for writing would fail while it runs, under another name, in another story.
            File::open(entry.path())?.set_times(FileTimes::new().set_accessed(then).set_modified(then))?;
        }
    }
    File::open(directory)?.set_times(FileTimes::new().set_accessed(then).set_modified(then))?;
    Ok(())
}
