//! A story, played into a core as it is told: who starts what, writes, loads, connects.
//!
//! Each deed is an event a millisecond after the one before. Pids, start times and the numbers of watches are given out
//! in order, so a scene is the same each time. All of it is made up: no process here ever ran.

use super::*;
use crate::alert::Alert;
use crate::catalogue::Catalogue;
use crate::host::Host;
use crate::pipeline::{Core, Request, Settings};
use std::sync::{Arc, LazyLock};

/// The first process of the machine.
pub const INIT: ProcessKey = key(1, 10);

/// Reading it takes longer than most scenes.
static CATALOGUE: LazyLock<Arc<Catalogue>> = LazyLock::new(|| {
    let (catalogue, problems) = Catalogue::embedded();
    assert_eq!(problems, []);
    Arc::new(catalogue)
});

/// The shipped catalogue, no exceptions, a machine that was started on 2023-11-14.
pub fn settings() -> Settings {
    let users = [(0, "root".to_owned()), (33, "www-data".to_owned())].into();
    Settings {
        catalogue: Arc::clone(&CATALOGUE),
        exceptions: Vec::new(),
        host: Host { name: "host".into(), id: "id".into(), boot_time_unix_ns: 1_700_000_000_000_000_000, users },
        max_processes: 10_000,
        learning_hours: 24,
    }
}

/// A story and what came of it so far.
pub struct Scene {
    /// Where it is played.
    pub core: Core,
    /// What happened.
    pub events: Vec<Event>,
    /// What was told.
    pub alerts: Vec<Alert>,
    /// What the core asked for.
    pub requests: Vec<Request>,
    now_ms: u64,
    last_tgid: u32,
    watches: Vec<String>,
}

impl Scene {
    /// A machine on which only init runs.
    pub fn new() -> Self {
        Self::with(settings())
    }

    /// The same with other settings.
    pub fn with(settings: Settings) -> Self {
        let mut scene = Self {
            core: Core::new(settings),
            events: Vec::new(),
            alerts: Vec::new(),
            requests: Vec::new(),
            now_ms: 1000,
            last_tgid: 100,
            watches: Vec::new(),
        };
        scene.happens(|at| found(at, INIT, ProcessKey::NONE, program("/usr/lib/systemd/systemd", "/sbin/init")));
        scene
    }

    /// A machine with a server, and a worker of it that was forked without an exec.
    pub fn of(executable: &str, command: &str) -> (Self, ProcessKey) {
        let mut scene = Self::new();
        let master = scene.start(INIT, program(executable, command));
        let worker = scene.fork(master, 33);
        (scene, worker)
    }

    /// A machine with PHP-FPM, whose scripts are in /var/www and whose modules in /usr/lib/php/20220829.
    pub fn php() -> (Self, ProcessKey) {
        let (mut scene, worker) = Self::of("/usr/sbin/php-fpm8.2", "php-fpm8.2 -F");
        scene.watch(worker, "php-fpm", "script_docroot", "/var/www");
        scene.watch(worker, "php-fpm", "native_module", "/usr/lib/php/20220829");
        (scene, worker)
    }

    /// An event at the next millisecond.
    pub fn happens(&mut self, make: impl FnOnce(u64) -> Event) {
        self.now_ms += 1;
        let event = make(self.now_ms);
        let outcome = self.core.apply(&event);
        // Some scenes are long, and what comes later is no different.
        if self.events.len() < 100 {
            valid_event(&event, &self.core);
        }
        self.events.push(event);
        for alert in outcome.alerts {
            valid(&alert);
            self.alerts.push(alert);
        }
        self.requests.extend(outcome.requests);
    }

    /// Time passes, and a tick says so.
    pub fn later(&mut self, milliseconds: u64) {
        self.now_ms += milliseconds;
        self.happens(tick);
    }

    /// Unix time now, nanoseconds.
    pub fn now_unix_ns(&self) -> u64 {
        self.core.host().boot_time_unix_ns + self.now_ms * MS
    }

    /// A process makes another, which runs as that user.
    pub fn fork(&mut self, parent: ProcessKey, euid: u32) -> ProcessKey {
        self.last_tgid += 1;
        let child = key(self.last_tgid, self.now_ms + 1);
        self.happens(|at| {
            let mut event = fork(at, parent, child);
            if let Body::Fork(fork) = &mut event.body {
                fork.euid = euid;
            }
            event
        });
        child
    }

    /// A process starts a program in a child of its own.
    pub fn start(&mut self, parent: ProcessKey, image: Exec) -> ProcessKey {
        let child = self.fork(parent, image.uid);
        self.becomes(child, image);
        child
    }

    /// A process begins another program.
    pub fn becomes(&mut self, process: ProcessKey, image: Exec) {
        self.happens(|at| exec(at, process, image));
    }

    /// A process ends.
    pub fn ends(&mut self, process: ProcessKey) {
        self.happens(|at| exit(at, process));
    }

    /// A directory is watched for a server.
    pub fn watch(&mut self, process: ProcessKey, server: &str, component: &str, path: &str) {
        self.watches.push(path.to_owned());
        let number = self.watches.len() as u32;
        self.happens(|at| watch(at, process, number, server, component, path));
    }

    /// A process does something to a file; `change` says what is special about it.
    pub fn touch(
        &mut self,
        process: ProcessKey,
        operation: Kind,
        path: &str,
        inode: u64,
        change: impl FnOnce(&mut File),
    ) {
        let below = |watched: &String| path.strip_prefix(watched.as_str()).filter(|rest| rest.starts_with('/'));
        let (number, depth) = (1..)
            .zip(&self.watches)
            .filter_map(|(number, watched)| Some((number, below(watched)?.matches('/').count() as u32)))
            .min_by_key(|(_, depth)| *depth)
            .unwrap_or_default();
        let file = File {
            watch: (number != 0).then_some(number),
            watch_depth: depth,
            mode: 0o100_644,
            owner: 33,
            ..File::named(operation, &path.into(), 1, inode, 0)
        };
        self.happens(|at| {
            let mut event = event(at, process, Hook::SecurityFileOpen, Body::File(Box::new(file)));
            if let Body::File(file) = &mut event.body {
                change(file);
            }
            event
        });
    }

    /// A process makes a file.
    pub fn write(&mut self, process: ProcessKey, path: &str, inode: u64) {
        self.touch(process, Kind::Open, path, inode, |file| file.flags = file_flags::WRITE | file_flags::CREATED);
    }

    /// A process opens a file that is there for writing.
    pub fn write_over(&mut self, process: ProcessKey, path: &str, inode: u64) {
        self.touch(process, Kind::Open, path, inode, |file| file.flags = file_flags::WRITE);
    }

    /// A process gives a file another name.
    pub fn rename(&mut self, process: ProcessKey, from: &str, to: &str, inode: u64) {
        self.touch(process, Kind::Rename, to, inode, |file| file.other = Some(from.into()));
    }

    /// A process reads a file that is noted as written.
    pub fn read(&mut self, process: ProcessKey, path: &str, inode: u64) {
        self.touch(process, Kind::Open, path, inode, |file| file.flags = file_flags::NOTED_WRITTEN);
    }

    /// A process reads a file that is noted as a secret.
    pub fn read_secret(&mut self, process: ProcessKey, path: &str, inode: u64) {
        self.touch(process, Kind::Open, path, inode, |file| file.flags = file_flags::NOTED_SECRET);
    }

    /// A process maps a file executable.
    pub fn map(&mut self, process: ProcessKey, path: &str, inode: u64) {
        self.touch(process, Kind::MmapExec, path, inode, |file| file.argument = 5);
    }

    /// A process connects to `ADDRESS:PORT`.
    pub fn connect(&mut self, process: ProcessKey, remote: &str) {
        self.happens(|at| connect(at, process, remote));
    }

    /// A process calls itself something else.
    pub fn title(&mut self, process: ProcessKey, words: &str) {
        self.happens(|at| title(at, process, words));
    }

    /// The latest question about a file is answered.
    pub fn answer(&mut self, provenance: Provenance) {
        let question = self.requests.iter().rev().find_map(|request| match request {
            Request::Inspect { question, .. } => Some(*question),
            _ => None,
        });
        self.happens(|at| inspected(at, question.expect("a question was asked"), provenance));
    }

    /// What was told, when nothing waits any longer: detectors and severities, in order.
    pub fn told(&mut self) -> Vec<(&'static str, &'static str)> {
        self.later(100);
        self.alerts.iter().map(|alert| (alert.detector.id(), alert.severity.name())).collect()
    }

    /// The severities that one detector told.
    pub fn told_by(&mut self, detector: &str) -> Vec<&'static str> {
        self.told().into_iter().filter(|(id, _)| *id == detector).map(|(_, severity)| severity).collect()
    }

    /// The sentences of the first alert of a detector.
    pub fn why(&self, detector: &str) -> String {
        let alert = self.alerts.iter().find(|alert| alert.detector.id() == detector);
        alert.expect("it spoke").why.join("\n")
    }
}
