//! One process: all that an exec record would say of it, as far as procfs knows.

use super::mounts::{self, Mounts};
use super::parse::{self, Stat};
use super::sockets::{Listener, NetTables};
use crate::event::{Descriptor, Exec};
use bstr::{BString, ByteSlice};
use rustix::fs::{CWD, Mode, OFlags, Statx};
use sensor_common::key::ProcessKey;
use sensor_common::process::exec_flags;
use sensor_common::settings::MAX_ARGV;
use std::collections::HashMap;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Reads processes, and remembers what many of them share.
pub struct Reader {
    /// Mounts by mount namespace.
    mounts: HashMap<u64, Mounts>,
    /// Sockets by network namespace.
    tables: HashMap<u64, NetTables>,
    /// Ids of cgroups by path.
    cgroups: HashMap<BString, u64>,
    cgroup_root: Option<PathBuf>,
}

impl Reader {
    pub fn new(proc_root: &Path) -> Self {
        let own = Mounts::of(&proc_root.join("self"));
        let cgroup_root = own.of_kind(b"cgroup2").and_then(|mount| Some(mount.point.to_path().ok()?.to_owned()));
        Self { mounts: HashMap::new(), tables: HashMap::new(), cgroups: HashMap::new(), cgroup_root }
    }

    /// The process in directory `process`; `None` if it is gone. `directory` is the same, or that of a thread that runs.
    pub fn read(&mut self, process: &Path, directory: &Path, stat: &Stat, parent: ProcessKey) -> Option<Exec> {
        let status = parse::parse_status(&std::fs::read(process.join("status")).ok()?);
        let (argv, argv_cut) =
            parse::parse_cmdline(&std::fs::read(directory.join("cmdline")).unwrap_or_default(), MAX_ARGV);
        let mount_namespace = namespace(directory, "mnt");
        let image = self.image(directory, mount_namespace);
        Some(Exec {
            parent,
            executable: image.path,
            script: None,
            argv,
            argv_cut,
            directory: link(directory, "cwd").map_or_else(BString::default, |path| without_deleted(&path).0),
            comm: BString::from(stat.comm.as_slice()),
            uid: status.uid.0,
            gid: status.gid.0,
            euid: status.uid.1,
            egid: status.gid.1,
            cap_effective: status.cap_effective,
            cap_permitted: status.cap_permitted,
            session: stat.session,
            cgroup_id: self.cgroup(directory),
            pid_namespace: namespace(directory, "pid") as u32,
            mount_namespace: mount_namespace as u32,
            pid_in_namespace: status.pid_in_namespace,
            device: image.device,
            inode: image.inode,
            generation: 0,
            mode: 0,
            flags: image.flags | exec_flags::PARENT_FROM_KERNEL,
            standard: [0, 1, 2].map(|number| self.descriptor(directory, number)),
            shown: crate::event::Once::default(),
        })
    }

    /// The sockets that listen in the process's network namespace, by inode.
    pub fn tables(&mut self, directory: &Path) -> &HashMap<u64, Listener> {
        &self.net(directory).listeners
    }

    fn net(&mut self, directory: &Path) -> &NetTables {
        let namespace = namespace(directory, "net");
        self.tables.entry(namespace).or_insert_with(|| NetTables::of(directory))
    }

    fn image(&mut self, directory: &Path, mount_namespace: u64) -> Image {
        let Some(target) = link(directory, "exe") else {
            return Image::default();
        };
        let (path, deleted) = without_deleted(&target);
        let mut image = Image { path, ..Image::default() };
        if image.path.starts_with(b"/memfd:") {
            image.flags |= exec_flags::MEMFD;
        }
        let opened = rustix::fs::openat(CWD, directory.join("exe"), OFlags::PATH | OFlags::CLOEXEC, Mode::empty());
        let Some(statx) = opened.ok().and_then(|file| mounts::statx(file).ok()) else {
            return image;
        };
        let mounts = self.mounts.entry(mount_namespace).or_insert_with(|| Mounts::of(directory));
        image.device = mounts.device(&statx);
        image.inode = statx.stx_ino;
        if statx.stx_nlink == 0 {
            image.flags |= exec_flags::DELETED;
        } else if deleted {
            // A file that is really called so.
            image.path = target;
        }
        if on_overlay(mounts, &statx) {
            image.flags |= exec_flags::OVERLAY;
        }
        image
    }

    fn cgroup(&mut self, directory: &Path) -> u64 {
        let text = std::fs::read(directory.join("cgroup")).unwrap_or_default();
        let (Some(path), Some(root)) = (parse::parse_cgroup(&text), &self.cgroup_root) else {
            return 0;
        };
        if let Some(id) = self.cgroups.get(path.as_bstr().as_bytes()) {
            return *id;
        }
        // Relative to the reader's own, whose namespace hides where that is.
        if path.contains_str("/..") {
            return 0;
        }
        let relative = path.strip_prefix(b"/").unwrap_or(path);
        let there = root.join(std::ffi::OsStr::from_bytes(relative));
        let id = rustix::fs::stat(&there).map_or(0, |stat| stat.st_ino);
        self.cgroups.insert(BString::from(path), id);
        id
    }

    fn descriptor(&mut self, directory: &Path, number: u32) -> Descriptor {
        let path = directory.join("fd").join(number.to_string());
        let Ok(target) = std::fs::read_link(&path) else {
            return Descriptor::None;
        };
        let target = target.as_os_str().as_bytes();
        if let Some(inode) = parse::numbered(target, b"pipe:[") {
            return Descriptor::Pipe(inode);
        }
        if let Some(inode) = parse::numbered(target, b"socket:[") {
            let known = self.net(directory).sockets.get(&inode);
            let (family, peer) = known.map_or((0, None), |socket| (socket.family, socket.peer));
            return Descriptor::Socket { inode, family, peer };
        }
        let is_tty = target.starts_with(b"/dev/pts/") || target.starts_with(b"/dev/tty") || target == b"/dev/console";
        // What stands behind it may be in another namespace: the descriptor's own link leads there.
        match rustix::fs::stat(&path) {
            Ok(stat) => match stat.st_mode & libc::S_IFMT {
                libc::S_IFREG => Descriptor::File(stat.st_ino),
                libc::S_IFIFO => Descriptor::Pipe(stat.st_ino),
                libc::S_IFCHR if is_tty => Descriptor::Tty,
                libc::S_IFCHR => Descriptor::Device,
                _ => Descriptor::Other,
            },
            Err(_) => Descriptor::Other,
        }
    }
}

/// The file a process runs.
#[derive(Default)]
struct Image {
    path: BString,
    device: u32,
    inode: u64,
    flags: u32,
}

fn on_overlay(mounts: &Mounts, statx: &Statx) -> bool {
    mounts.by_id(statx.stx_mnt_id).is_some_and(|mount| mount.kind == "overlay")
}

pub fn link(directory: &Path, name: &str) -> Option<BString> {
    let target = std::fs::read_link(directory.join(name)).ok()?;
    Some(BString::from(target.as_os_str().as_bytes()))
}

/// The path without what the kernel adds when the name is gone, and whether it was there.
pub fn without_deleted(path: &BString) -> (BString, bool) {
    match path.strip_suffix(b" (deleted)") {
        Some(plain) => (BString::from(plain), true),
        None => (path.clone(), false),
    }
}

/// The inode of one of the process's namespaces, 0 if not known.
pub fn namespace(directory: &Path, name: &str) -> u64 {
    link(&directory.join("ns"), name)
        .and_then(|target| parse::numbered(&target, format!("{name}:[").as_bytes()))
        .unwrap_or(0)
}
