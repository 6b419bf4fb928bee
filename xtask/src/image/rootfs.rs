//! What is in the image: the sensor, the libraries that it asks for, certificates, and the few files that the C library looks into.
//!
//! No shell, no package manager, nothing else that runs. Everything is root's; directories that the sensor writes to are
//! there to be mounted over.

use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// Authorities whose certificates are trusted, as Debian's ca-certificates has them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

const DIRECTORIES: &[(&str, u32)] = &[
    ("dev", 0o755),
    ("etc", 0o755),
    ("etc/sensor", 0o755),
    ("etc/sensor/catalogue.d", 0o755),
    ("etc/ssl", 0o755),
    ("etc/ssl/certs", 0o755),
    ("proc", 0o555),
    ("run", 0o755),
    ("run/sensor", 0o700),
    ("sys", 0o555),
    ("tmp", 0o1777),
    ("usr", 0o755),
    ("usr/bin", 0o755),
    ("usr/lib", 0o755),
    ("usr/lib64", 0o755),
    ("usr/share", 0o755),
    ("usr/share/doc", 0o755),
    ("var", 0o755),
    ("var/lib", 0o755),
    ("var/lib/sensor", 0o700),
    ("var/log", 0o755),
    ("var/log/sensor", 0o750),
];

const LINKS: &[(&str, &str)] =
    &[("bin", "usr/bin"), ("sbin", "usr/bin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("var/run", "/run")];

const TEXTS: &[(&str, &str)] = &[
    ("etc/passwd", "root:x:0:0:root:/:/none\nnobody:x:65534:65534:nobody:/:/none\n"),
    ("etc/group", "root:x:0:\nnogroup:x:65534:\n"),
    ("etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
];

/// Something at a path of the image.
pub enum Entry {
    /// A directory, and its mode.
    Directory(u32),
    /// A link, and where it leads.
    Link(&'static str),
    /// A file, its mode and what is in it.
    File(u32, Vec<u8>),
}

/// Paths from the root, without the slash, and what is there; what lies in a directory comes after it.
pub type Rootfs = BTreeMap<String, Entry>;

/// Puts it together from this machine: the sensor that was built, and the libraries that it was built with.
pub fn assemble() -> Result<Rootfs> {
    let mut rootfs = Rootfs::new();
    for (path, mode) in DIRECTORIES {
        rootfs.insert((*path).to_owned(), Entry::Directory(*mode));
    }
    for (path, target) in LINKS {
        rootfs.insert((*path).to_owned(), Entry::Link(target));
    }
    for (path, text) in TEXTS {
        rootfs.insert((*path).to_owned(), Entry::File(0o644, text.as_bytes().to_vec()));
    }
    file(&mut rootfs, AUTHORITIES.trim_start_matches('/'), Path::new(AUTHORITIES), 0o644)
        .context("the certificates of ca-certificates")?;
    rootfs.insert("usr/bin/sensor".to_owned(), Entry::File(0o755, stripped()?));
    for library in libraries(&workspace::sensor())? {
        let name = library.to_string_lossy();
        let name = name.trim_start_matches('/');
        // `lib` and `lib64` are links into `usr`.
        let name = if name.starts_with("usr/") { name.to_owned() } else { format!("usr/{name}") };
        file(&mut rootfs, &name, &library, 0o755)?;
    }
    licences(&mut rootfs)?;
    Ok(rootfs)
}

/// A copy of a file of this machine, in directories that are made for it.
fn file(rootfs: &mut Rootfs, place: &str, from: &Path, mode: u32) -> Result<()> {
    let data = std::fs::read(from).with_context(|| format!("reading {}", from.display()))?;
    for (end, _) in place.match_indices('/') {
        rootfs.entry(place[..end].to_owned()).or_insert(Entry::Directory(0o755));
    }
    rootfs.insert(place.to_owned(), Entry::File(mode, data));
    Ok(())
}

/// The sensor without its debug information, which is three quarters of it.
fn stripped() -> Result<Vec<u8>> {
    let directory = tempfile::tempdir()?;
    let file = directory.path().join("sensor");
    command::output(command::command("strip").args(["--strip-debug", "-o"]).arg(&file).arg(workspace::sensor()))?;
    Ok(std::fs::read(file)?)
}

/// What the loader would load for it, and the loader.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let text = command::output(command::command("ldd").arg(program))?;
    if text.contains("not found") {
        bail!("{} lacks libraries: {text}", program.display());
    }
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// Under which licences the libraries and certificates are, where this machine says it as Debian does.
fn licences(rootfs: &mut Rootfs) -> Result<()> {
    for package in ["libc6", "libgcc-s1", "ca-certificates"] {
        let from = Path::new("/usr/share/doc").join(package).join("copyright");
        if from.exists() {
            file(rootfs, &format!("usr/share/doc/{package}/copyright"), &from, 0o644)?;
        }
    }
    Ok(())
}

/// Writes it to an empty directory. Owners stay those of who writes.
pub fn write(rootfs: &Rootfs, directory: &Path) -> Result<()> {
    std::fs::create_dir_all(directory)?;
    if std::fs::read_dir(directory)?.next().is_some() {
        bail!("{} is not empty", directory.display());
    }
    for (name, entry) in rootfs {
        let path = directory.join(name);
        let mode = match entry {
            Entry::Directory(mode) => {
                std::fs::create_dir(&path).with_context(|| path.display().to_string())?;
                *mode
            }
            Entry::File(mode, data) => {
                std::fs::write(&path, data).with_context(|| path.display().to_string())?;
                *mode
            }
            Entry::Link(target) => {
                std::os::unix::fs::symlink(target, &path)?;
                continue;
            }
        };
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode))?;
    }
    Ok(())
}
