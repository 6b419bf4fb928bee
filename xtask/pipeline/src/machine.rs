//! A machine that was never there: what its kernel and the agent would have put into a capture.
//!
//! A core goes along, and what it asks for happens: lineages are set, directories watched, titles told, files looked at.
//! So the records are those that the agent would have seen of the same deeds.

use anyhow::Result;
use bstr::BString;
use sensor::capture::{Header, Writer};
use sensor::catalogue::Catalogue;
use sensor::encode::encode;
use sensor::event::{Body, Event, Exec, Exit, File, Fork, Inspected, Net, Watch};
use sensor::host::Host;
use sensor::pipeline::{Core, MAX_PROCESSES, Request, Settings};
use sensor::provenance::Provenance;
use sensor_common::key::ProcessKey;
use sensor_common::record::{Hook, Kind};
use std::collections::{HashMap, VecDeque};
use std::fs;
use std::io::BufWriter;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

/// The first process.
pub const INIT: ProcessKey = ProcessKey::new(1, 20_000_000);
/// How often the agent says that time passed.
const TICK_NS: u64 = 10_000_000;
/// How long it takes to look at a file.
const LOOK_NS: u64 = 3_000_000;

/// The machine.
pub struct Machine {
    core: Core,
    out: Writer<BufWriter<fs::File>>,
    /// For whoever decides what happens.
    pub random: fastrand::Rng,
    /// Events so far.
    pub written: u64,
    now_ns: u64,
    ticked_ns: u64,
    last_tgid: u32,
    /// What the kernel's process map has.
    lineages: HashMap<ProcessKey, u32>,
    /// Watched directories and the set of servers that sees them under that name; the number is the place, from 1.
    watched: Vec<(u32, &'static str)>,
    /// Questions about files, and when they are answered.
    asked: VecDeque<(u64, u64)>,
}

impl Machine {
    /// Only the first process runs.
    pub fn new(capture: &Path, seed: u64) -> Result<Self> {
        let (catalogue, problems) = Catalogue::embedded();
        anyhow::ensure!(problems.is_empty(), "{problems:?}");
        let users = [(0, "root"), (33, "www-data"), (1000, "alice")].map(|(id, name)| (id, name.to_owned())).into();
        let host = Host {
            name: "bench".to_owned(),
            id: "0123456789abcdef0123456789abcdef".to_owned(),
            boot_time_unix_ns: 1_700_000_000_000_000_000,
            users,
        };
        let header = Header { sensor_version: env!("CARGO_PKG_VERSION").to_owned(), host: host.clone() };
        let mut machine = Self {
            core: Core::new(Settings {
                catalogue: Arc::new(catalogue),
                exceptions: Vec::new(),
                host,
                max_processes: MAX_PROCESSES,
                learning_hours: 168,
            }),
            out: Writer::new(BufWriter::new(fs::File::create(capture)?), &header)?,
            random: fastrand::Rng::with_seed(seed),
            written: 0,
            now_ns: 1_000_000_000,
            ticked_ns: 0,
            last_tgid: 100,
            lineages: HashMap::new(),
            watched: Vec::new(),
            asked: VecDeque::new(),
        };
        let init = crate::programs::program("/usr/lib/systemd/systemd", "/sbin/init", 0);
        machine.happens(INIT, Hook::Procfs, Body::Process(Arc::new(init)))?;
        Ok(machine)
    }

    /// Ends the capture.
    pub fn end(mut self) -> Result<()> {
        Ok(self.out.flush()?)
    }

    /// A process makes another.
    pub fn fork(&mut self, parent: ProcessKey, euid: u32) -> Result<ProcessKey> {
        self.last_tgid += 1;
        let child = ProcessKey::new(self.last_tgid, self.now_ns);
        let fork = Fork {
            child,
            kernel_parent_tgid: parent.tgid,
            pid_in_namespace: child.tgid,
            pid_namespace: 4_026_531_836,
            euid,
        };
        if let Some(lineage) = self.lineages.get(&parent).copied() {
            self.lineages.insert(child, lineage);
        }
        self.happens(parent, Hook::SchedProcessFork, Body::Fork(fork))?;
        Ok(child)
    }

    /// A process begins a program.
    pub fn exec(&mut self, process: ProcessKey, image: Exec) -> Result<()> {
        self.happens(process, Hook::SchedProcessExec, Body::Exec(Arc::new(image)))
    }

    /// A process starts a program in a child of its own.
    pub fn start(&mut self, parent: ProcessKey, image: Exec) -> Result<ProcessKey> {
        let child = self.fork(parent, image.euid)?;
        self.exec(child, Exec { parent, ..image })?;
        Ok(child)
    }

    /// A process ends.
    pub fn exit(&mut self, process: ProcessKey) -> Result<()> {
        self.happens(process, Hook::SchedProcessExit, Body::Exit(Exit { exit_code: 0 }))?;
        self.lineages.remove(&process);
        Ok(())
    }

    /// A program that does nothing that is seen.
    pub fn run(&mut self, parent: ProcessKey, image: Exec) -> Result<()> {
        let child = self.start(parent, image)?;
        self.exit(child)
    }

    /// A process does something to a file.
    pub fn touch(&mut self, process: ProcessKey, operation: Kind, path: &str, flags: u32) -> Result<()> {
        let set = self.set(process);
        let below = |watched: &'static str| path.strip_prefix(watched).filter(|rest| rest.starts_with('/'));
        let seen = (1..).zip(&self.watched).filter(|(_, (of, _))| *of == set);
        let watch = seen.filter_map(|(number, (_, watched))| {
            let depth = below(watched)?.matches('/').count();
            Some((number, u32::try_from(depth).ok()?))
        });
        let (watch, watch_depth) = watch.min_by_key(|(_, depth)| *depth).unwrap_or_default();
        let inode = path.bytes().fold(14_695_981_039_346_656_037_u64 + u64::from(set), |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(1_099_511_628_211)
        });
        let hook = match operation {
            Kind::Rename => Hook::SecurityPathRename,
            Kind::MmapExec => Hook::SecurityMmapFile,
            _ => Hook::SecurityFileOpen,
        };
        let file = File {
            other: (operation == Kind::Rename).then(|| BString::from(format!("{path}.tmp"))),
            watch: (watch != 0).then_some(watch),
            watch_depth,
            flags,
            mode: 0o100_644,
            owner: 33,
            argument: if operation == Kind::MmapExec { 5 } else { 0 },
            ..File::named(operation, &path.into(), 8_388_609, inode >> 24, 1)
        };
        self.happens(process, hook, Body::File(Box::new(file)))
    }

    /// A process connects; a name instead of an address is a unix socket.
    pub fn connect(&mut self, process: ProcessKey, remote: &str) -> Result<()> {
        self.talks(process, Kind::Connect, Hook::SecuritySocketConnect, remote)
    }

    /// A process accepts a connection.
    pub fn accept(&mut self, process: ProcessKey, remote: &str) -> Result<()> {
        self.talks(process, Kind::Accept, Hook::SecuritySockGraft, remote)
    }

    /// A process listens on all addresses.
    pub fn listen(&mut self, process: ProcessKey) -> Result<()> {
        self.talks(process, Kind::Listen, Hook::SecuritySocketListen, "0.0.0.0:8080")
    }

    fn talks(&mut self, process: ProcessKey, operation: Kind, hook: Hook, peer: &str) -> Result<()> {
        let address = peer.parse::<SocketAddr>().ok().map(|peer| (peer.ip(), peer.port()));
        let listens = operation == Kind::Listen;
        let net = Net {
            operation,
            family: if address.is_some() { 2 } else { 1 },
            socket_type: 1,
            remote: address.filter(|_| !listens),
            local: if listens { address } else { address.map(|_| ([0; 4].into(), 0)) },
            path: address.is_none().then(|| peer.into()),
        };
        self.happens(process, hook, Body::Net(Box::new(net)))
    }

    fn happens(&mut self, process: ProcessKey, hook: Hook, body: Body) -> Result<()> {
        self.now_ns += self.random.u64(50_000..150_000);
        if self.now_ns - self.ticked_ns >= TICK_NS {
            self.ticked_ns = self.now_ns;
            self.apply(ProcessKey::NONE, Hook::Agent, Body::Tick)?;
        }
        while let Some((_, question)) = self.asked.front().copied().filter(|(due, _)| *due <= self.now_ns) {
            self.asked.pop_front();
            let provenance = Provenance { exists: true, size: 4096, ..Provenance::absent() };
            let answer = Inspected { question, provenance };
            self.apply(ProcessKey::NONE, Hook::Agent, Body::Inspected(Box::new(answer)))?;
        }
        self.apply(process, hook, body)
    }

    fn apply(&mut self, process: ProcessKey, hook: Hook, body: Body) -> Result<()> {
        let lineage = self.lineages.get(&process).copied().unwrap_or(0);
        let event = Event { time_boottime_ns: self.now_ns, process, thread: process.tgid, lineage, hook, body };
        if matches!(event.body, Body::Fork(_)) && self.core.has_titles(lineage) {
            let title = format!("postgres: 15/main: app app 127.0.0.1({}) INSERT", process.tgid);
            self.apply(process, Hook::SchedProcessFork, Body::Title(title.into()))?;
        }
        self.out.frame(&encode(&event))?;
        self.written += 1;
        for request in self.core.apply(&event).requests {
            self.answer(request)?;
        }
        Ok(())
    }

    fn answer(&mut self, request: Request) -> Result<()> {
        match request {
            Request::SetLineage { process, lineage: 0, .. } => drop(self.lineages.remove(&process)),
            Request::SetLineage { process, lineage, .. } => drop(self.lineages.insert(process, lineage)),
            Request::Inspect { question, .. } => self.asked.push_back((self.now_ns + LOOK_NS, question)),
            Request::WatchServer { process, server } => {
                for (component, path) in crate::servers::watches(&server) {
                    self.watch(process, &server, component, path)?;
                }
            }
            Request::Reconcile | Request::NoteFile { .. } | Request::Remember(_) | Request::Forget { .. } => {}
        }
        Ok(())
    }

    /// Each set of servers, one of each product, has a file system of its own, as in containers: paths are alike, files are
    /// not. Strangers are beside the first.
    fn set(&self, process: ProcessKey) -> u32 {
        let lineage = self.lineages.get(&process).copied().unwrap_or(0);
        lineage.saturating_sub(1) / crate::servers::PRODUCTS.len() as u32
    }

    fn watch(&mut self, process: ProcessKey, server: &str, component: &str, path: &'static str) -> Result<()> {
        let watched = (self.set(process), path);
        let place = self.watched.iter().position(|known| *known == watched).unwrap_or_else(|| {
            self.watched.push(watched);
            self.watched.len() - 1
        });
        let number = u32::try_from(place + 1)?;
        let watch = Watch {
            watch: number,
            server: server.to_owned(),
            component: component.to_owned(),
            path: path.into(),
            device: 8_388_609,
            inode: u64::from(number),
        };
        self.apply(process, Hook::Agent, Body::Watch(Box::new(watch)))
    }
}
