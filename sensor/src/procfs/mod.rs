//! What runs now, from `/proc`: the tree's beginning, and its repair after a loss.
//!
//! Comes in: a mounted procfs. Goes out: [`Event`]s of kind process (parents before children) and listen, with the hook
//! `procfs`. Always holds: a process that vanishes while it is read is left out, what cannot be read is empty; names and
//! arguments are bytes. Own parsers instead of a crate's, because those hold names and arguments as UTF-8.
//! It does not see: which script a `#!` interpreter runs, who called fork (the parent is who the kernel says), and
//! whether a file lies in an overlay's upper layer.

mod cgroup;
mod container;
mod listeners;
mod mounts;
mod parse;
mod process;
mod root;
mod sockets;

pub use cgroup::unit;
pub use container::{Named, is_unified, named};
pub use listeners::{Bound, Listening};
pub use mounts::{Mount, Mounts, kernel_device, parse_mountinfo};
pub use parse::{Stat, Status, parse_stat, parse_status};
pub use process::namespace;
pub use root::{Place, Root, host_process, is_glob};
pub use sockets::{Listener, NetTables, UdpSocket};

use crate::event::{Body, Event, File, Net};
use sensor_common::key::{PROCFS_TICK_NS, ProcessKey};
use sensor_common::record::{Hook, Kind};
use std::collections::{BTreeSet, HashMap};
use std::io::Read;
use std::path::{Path, PathBuf};

/// Most descriptors of one process that are looked at for listening sockets.
const MAX_DESCRIPTORS: usize = 65_536;

/// Reads a procfs.
pub struct Procfs {
    root: PathBuf,
}

/// A process that was listed, before all of it was read.
struct Listed {
    stat: Stat,
    directory: PathBuf,
    /// Where that has what the process runs and holds: the same, or a thread's when the first one has ended.
    live: PathBuf,
}

impl Default for Procfs {
    fn default() -> Self {
        Self::new(Path::new("/proc"))
    }
}

impl Procfs {
    /// The procfs mounted there.
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }

    /// Files that a process has mapped executable, beside its executable; at most 4096.
    pub fn mapped(&self, process: ProcessKey) -> Vec<Event> {
        const MOST: u64 = 4 << 20;
        let mut text = Vec::new();
        let path = self.root.join(process.tgid.to_string()).join("maps");
        if std::fs::File::open(path).and_then(|file| file.take(MOST).read_to_end(&mut text)).is_err() {
            return Vec::new();
        }
        let mut files: Vec<File> =
            text.split(|byte| *byte == b'\n').filter_map(parse::mapped_executable).take(4096).collect();
        files.dedup_by_key(|file| (file.device, file.inode));
        files.into_iter().map(|file| event(process, Body::File(Box::new(file)))).collect()
    }

    /// Everything that runs, and every listening socket.
    pub fn snapshot(&self) -> Vec<Event> {
        let listed = self.list();
        let starts: HashMap<u32, ProcessKey> = listed.iter().map(|one| (one.stat.pid, one.stat.key())).collect();
        let mut reader = process::Reader::new(&self.root);
        let mut events = Vec::with_capacity(listed.len());
        for one in &listed {
            let parent = starts.get(&one.stat.parent).copied().unwrap_or(ProcessKey::NONE);
            let Some(exec) = reader.read(&one.directory, &one.live, &one.stat, parent) else {
                continue;
            };
            events.push(event(one.stat.key(), Body::Process(std::sync::Arc::new(exec))));
        }
        for one in &listed {
            let listeners = reader.tables(&one.live);
            if !listeners.is_empty() {
                events.extend(listening(&one.live, listeners).into_iter().map(|net| event(one.stat.key(), net)));
            }
        }
        events
    }

    /// The processes there are, earliest first, so that parents come before children. The dead are left out.
    fn list(&self) -> Vec<Listed> {
        let mut listed: Vec<Listed> = std::fs::read_dir(&self.root)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.file_name().as_encoded_bytes().iter().all(u8::is_ascii_digit))
            .filter_map(|entry| {
                let directory = entry.path();
                let stat = parse_stat(&std::fs::read(directory.join("stat")).ok()?)?;
                if stat.is_dead() {
                    return None;
                }
                let live = if stat.first_thread_ended() { live_thread(&directory)? } else { directory.clone() };
                Some(Listed { stat, directory, live })
            })
            .collect();
        listed.sort_by_key(|one| (one.stat.start_ticks, one.stat.pid));
        listed
    }
}

/// The directory of a thread that runs.
fn live_thread(process: &Path) -> Option<PathBuf> {
    let threads = std::fs::read_dir(process.join("task")).ok()?.flatten().map(|entry| entry.path());
    threads.into_iter().find(|thread| {
        let stat = std::fs::read(thread.join("stat")).ok().and_then(|text| parse_stat(&text));
        stat.is_some_and(|stat| !stat.first_thread_ended())
    })
}

impl Stat {
    /// Who it is, with the coarse clock of procfs.
    pub fn key(&self) -> ProcessKey {
        ProcessKey::new(self.pid, self.start_ticks * PROCFS_TICK_NS)
    }
}

/// An event that procfs told.
fn event(process: ProcessKey, body: Body) -> Event {
    Event {
        time_boottime_ns: crate::machine::boottime_ns(),
        process,
        thread: process.tgid,
        lineage: 0,
        hook: Hook::Procfs,
        body,
    }
}

/// The listening sockets that a process holds.
fn listening(directory: &Path, listeners: &HashMap<u64, Listener>) -> Vec<Body> {
    let mut seen = BTreeSet::new();
    let descriptors = std::fs::read_dir(directory.join("fd")).into_iter().flatten().flatten();
    let mut found = Vec::new();
    for descriptor in descriptors.take(MAX_DESCRIPTORS) {
        let Ok(target) = std::fs::read_link(descriptor.path()) else {
            continue;
        };
        let Some(inode) = parse::numbered(target.as_os_str().as_encoded_bytes(), b"socket:[") else {
            continue;
        };
        if let Some(listener) = listeners.get(&inode).filter(|_| seen.insert(inode)) {
            found.push(Body::Net(Box::new(Net {
                operation: Kind::Listen,
                family: listener.family,
                socket_type: 1,
                remote: None,
                local: listener.local,
                path: listener.path.clone(),
            })));
        }
    }
    found
}

#[cfg(test)]
mod tests;
