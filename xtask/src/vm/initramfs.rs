//! The file system of a virtual machine: an initramfs in the kernel's `newc` cpio format, written here.
//!
//! It holds the sensor, this program, a few of this machine's own programs with the shared libraries that `ldd` names,
//! and busybox for the rest. It is not compressed: unpacking under emulation takes longer than reading it.

use super::kernels::Kernel;
use crate::{command, workspace};
use anyhow::{Context, Result};
use std::collections::BTreeSet;
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

/// `/init`'s last part when a person wants to look around.
pub const SHELL: &str = "echo 'sensor and xtask are in PATH; Ctrl-A X ends the machine.'\nsetsid cttyhack sh\n";

/// Programs of this machine that scenarios use; those that it lacks are left out.
const PROGRAMS: &[&str] = &[
    "bash", "dash", "id", "cat", "ls", "true", "sleep", "touch", "chmod", "ln", "mv", "cp", "mkdir", "rm", "env",
    "head", "tr", "unshare", "mount", "umount",
];

/// Directories that must be there before something is put into them.
const DIRECTORIES: &[&str] = &[
    "busybox",
    "dev",
    "etc",
    "home",
    "opt",
    "proc",
    "root",
    "run",
    "srv",
    "sys",
    "tmp",
    "usr",
    "usr/bin",
    "usr/lib",
    "usr/lib64",
    "usr/sbin",
    "var",
    "var/lib",
    "var/log",
    "var/www",
    "var/www/html",
];

/// Everything before the machine's own part.
const INIT: &str = r"#!/bin/busybox sh
/bin/busybox --install -s /busybox
export PATH=/usr/bin:/usr/sbin:/busybox HOME=/root
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mkdir -p /dev/pts /dev/shm
mount -t devpts devpts /dev/pts
mount -t tmpfs tmpfs /dev/shm
mount -t tmpfs tmpfs /tmp
mount -t tmpfs tmpfs /run
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tracefs tracefs /sys/kernel/tracing
mount -t securityfs securityfs /sys/kernel/security
mount -t bpf bpf /sys/fs/bpf
ip link set lo up
hostname sensor-vm
[ -e /overlay.ko ] && insmod /overlay.ko
";

/// What a machine carries in addition.
#[derive(Debug, Default)]
pub struct Extra {
    /// Users of this machine that are users there.
    pub users: Vec<&'static str>,
    /// Files and directories of this machine, and where they are there.
    trees: Vec<(PathBuf, String)>,
}

impl Extra {
    /// Adds a file or directory at the place that it has here.
    pub fn keep(&mut self, path: &Path) {
        self.put(path, &path.to_string_lossy());
    }

    /// Adds a file or directory at another place.
    pub fn put(&mut self, path: &Path, place: &str) {
        self.trees.push((path.to_owned(), place.to_owned()));
    }
}

/// Writes the image: the sensor and this program for `kernel`, `script` as what happens after the boot, and what is extra.
pub fn write(image: &Path, kernel: &Kernel, script: &str, extra: &Extra) -> Result<()> {
    let file = std::fs::File::create(image).with_context(|| image.display().to_string())?;
    let mut archive = Archive::new(BufWriter::new(file));
    skeleton(&mut archive, &extra.users)?;
    archive.file("init", 0o755, format!("{INIT}{script}\npoweroff -f\n").as_bytes())?;
    if let Some(module) = kernel.overlay_module() {
        archive.file("overlay.ko", 0o644, &std::fs::read(module)?)?;
    }
    let mut libraries = BTreeSet::new();
    archive.copy(Path::new("/bin/busybox"), "usr/bin/busybox")?;
    for (program, name) in programs()? {
        archive.copy(&program, &name)?;
        libraries.extend(shared_libraries(&program));
    }
    for (path, place) in &extra.trees {
        archive.parents(place)?;
        archive.tree(path, place.trim_start_matches('/'))?;
        libraries.extend(shared_libraries(path));
    }
    for library in libraries {
        archive.library(&library)?;
    }
    archive.finish()?;
    Ok(())
}

fn skeleton(archive: &mut Archive<impl Write>, users: &[&str]) -> io::Result<()> {
    for directory in DIRECTORIES {
        archive.directory(directory)?;
    }
    for (link, target) in
        [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64"), ("usr/bin/sh", "dash")]
    {
        archive.link(link, target)?;
    }
    let mut passwd = "root:x:0:0:root:/root:/bin/sh\nwww-data:x:33:33:www-data:/var/www:/bin/sh\n".to_owned();
    let here = std::fs::read_to_string("/etc/passwd")?;
    for line in here.lines().filter(|line| users.iter().any(|user| line.split(':').next() == Some(user))) {
        passwd.extend([line, "\n"]);
    }
    archive.file("etc/passwd", 0o644, passwd.as_bytes())?;
    archive.file("etc/group", 0o644, b"root:x:0:\nwww-data:x:33:\n")?;
    archive.file("etc/hostname", 0o644, b"sensor-vm\n")?;
    archive.file("etc/machine-id", 0o644, b"00000000000000000000000000000001\n")
}

/// Files of this machine, and what they are called there.
fn programs() -> Result<Vec<(PathBuf, String)>> {
    let mut programs =
        vec![(workspace::sensor(), "usr/bin/sensor".to_owned()), (command::myself()?, "usr/bin/xtask".to_owned())];
    for name in PROGRAMS {
        if let Some(path) = command::find(name) {
            let path = path.canonicalize()?;
            programs.push((path, format!("usr/bin/{name}")));
        }
    }
    Ok(programs)
}

/// What `ldd` says the program needs; nothing for a static one.
fn shared_libraries(program: &Path) -> Vec<PathBuf> {
    let text = command::output(command::command("ldd").arg(program)).unwrap_or_default();
    text.split_whitespace()
        .filter(|word| word.starts_with('/'))
        .map(PathBuf::from)
        .filter(|path| path.exists())
        .collect()
}

/// A `newc` archive being written (`Documentation/driver-api/early-userspace/buffer-format.rst`).
struct Archive<W> {
    out: W,
    entries: u32,
    directories: BTreeSet<String>,
}

impl<W: Write> Archive<W> {
    fn new(out: W) -> Self {
        Self { out, entries: 0, directories: BTreeSet::new() }
    }

    fn directory(&mut self, name: &str) -> io::Result<()> {
        if self.directories.insert(name.to_owned()) {
            self.entry(name, 0o040_755, b"")?;
        }
        Ok(())
    }

    fn link(&mut self, name: &str, target: &str) -> io::Result<()> {
        self.entry(name, 0o120_777, target.as_bytes())
    }

    fn file(&mut self, name: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        self.entry(name, 0o100_000 | mode, data)
    }

    fn copy(&mut self, from: &Path, name: &str) -> Result<()> {
        let data = std::fs::read(from).with_context(|| format!("reading {}", from.display()))?;
        let mode = std::fs::metadata(from)?.permissions().mode() & 0o777;
        self.file(name, mode, &data)?;
        Ok(())
    }

    /// Puts a library where the loader looks for it; `/lib` there is a link into `/usr`.
    fn library(&mut self, path: &Path) -> Result<()> {
        let name = path.to_string_lossy();
        let name = name.trim_start_matches('/');
        let name = match name.strip_prefix("usr/") {
            Some(_) => name.to_owned(),
            None => format!("usr/{name}"),
        };
        self.parents(&name)?;
        self.copy(path, &name)
    }

    /// Makes the directories above a path.
    fn parents(&mut self, name: &str) -> io::Result<()> {
        let name = name.trim_start_matches('/');
        for (end, _) in name.match_indices('/') {
            self.directory(&name[..end])?;
        }
        Ok(())
    }

    /// A file or a directory with all that is in it, and whose they are.
    fn tree(&mut self, from: &Path, name: &str) -> Result<()> {
        let metadata = std::fs::metadata(from).with_context(|| from.display().to_string())?;
        let owner = (metadata.uid(), metadata.gid());
        if !metadata.is_dir() {
            let data = std::fs::read(from).with_context(|| format!("reading {}", from.display()))?;
            self.owned(name, 0o100_000 | metadata.mode() & 0o777, owner, &data)?;
            return Ok(());
        }
        self.directories.insert(name.to_owned());
        self.owned(name, 0o040_000 | metadata.mode() & 0o777, owner, b"")?;
        for entry in std::fs::read_dir(from)? {
            let entry = entry?;
            self.tree(&entry.path(), &format!("{name}/{}", entry.file_name().to_string_lossy()))?;
        }
        Ok(())
    }

    fn entry(&mut self, name: &str, mode: u32, data: &[u8]) -> io::Result<()> {
        self.owned(name, mode, (0, 0), data)
    }

    fn owned(&mut self, name: &str, mode: u32, (uid, gid): (u32, u32), data: &[u8]) -> io::Result<()> {
        self.entries += 1;
        let links = 1;
        let fields = [
            self.entries,
            mode,
            uid,
            gid,
            links,
            0,
            u32::try_from(data.len()).map_err(io::Error::other)?,
            0,
            0,
            0,
            0,
            u32::try_from(name.len() + 1).map_err(io::Error::other)?,
            0,
        ];
        write!(self.out, "070701")?;
        for field in fields {
            write!(self.out, "{field:08X}")?;
        }
        self.out.write_all(name.as_bytes())?;
        self.out.write_all(b"\0")?;
        self.pad(110 + name.len() + 1)?;
        self.out.write_all(data)?;
        self.pad(data.len())
    }

    /// Header with name, and data, are each filled up to a multiple of four bytes.
    fn pad(&mut self, written: usize) -> io::Result<()> {
        self.out.write_all(&[0; 3][..written.wrapping_neg() % 4])
    }

    fn finish(mut self) -> io::Result<()> {
        self.entry("TRAILER!!!", 0, b"")?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_has_aligned_entries_and_a_trailer() {
        let mut bytes = Vec::new();
        let mut archive = Archive::new(&mut bytes);
        archive.file("a", 0o644, b"hello").unwrap();
        archive.finish().unwrap();
        assert_eq!(bytes.len() % 4, 0);
        assert!(bytes.starts_with(b"07070100000001000081A4"));
        // 110 bytes of header, "a\0", and the data at the next multiple of four.
        assert_eq!(&bytes[112..120], b"hello\0\0\0");
        assert!(bytes.windows(10).any(|window| window == b"TRAILER!!!"));
    }
}
