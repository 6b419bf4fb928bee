//! Builders of events, for tests of the core. [`Scene`] plays stories with them; `fixtures`
//! are the stories that once went wrong.

mod fixtures;
mod scene;
mod valid;

pub use scene::{INIT, Scene, settings};
pub use valid::{ALERT_SCHEMA, valid, valid_event};

use crate::container::{Contained, Container, Image, Pair, Runtime};
use crate::event::{Body, Event, Exec, Exit, File, Fork, Inspected, Loss, Net, Remembered, Watch};
use crate::provenance::Provenance;
use bstr::BString;
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::{Hook, Kind};
use std::sync::Arc;

/// Milliseconds to nanoseconds of `CLOCK_BOOTTIME`.
pub const MS: u64 = 1_000_000;

/// A process that started at `start_ms`.
pub const fn key(tgid: u32, start_ms: u64) -> ProcessKey {
    ProcessKey::new(tgid, start_ms * MS)
}

fn event(at_ms: u64, process: ProcessKey, hook: Hook, body: Body) -> Event {
    Event { time_boottime_ns: at_ms * MS, process, thread: process.tgid, lineage: 0, hook, body }
}

/// `parent` made `child`.
pub fn fork(at_ms: u64, parent: ProcessKey, child: ProcessKey) -> Event {
    let fork =
        Fork { child, kernel_parent_tgid: parent.tgid, pid_in_namespace: child.tgid, pid_namespace: 1, euid: 33 };
    event(at_ms, parent, Hook::SchedProcessFork, Body::Fork(fork))
}

/// A program: executable, and the command line split at spaces.
pub fn program(executable: &str, command: &str) -> Exec {
    Exec {
        executable: BString::from(executable),
        argv: command.split(' ').map(BString::from).collect(),
        directory: BString::from("/"),
        comm: BString::from(executable.rsplit('/').next().unwrap_or_default()),
        inode: 1,
        device: 1,
        uid: 33,
        euid: 33,
        ..Exec::default()
    }
}

/// A shell that was given a command: `sh -c COMMAND`.
pub fn shell(command: &str) -> Exec {
    let mut exec = program("/usr/bin/dash", "sh -c");
    exec.argv.push(BString::from(command));
    exec
}

/// `process` began a program.
pub fn exec(at_ms: u64, process: ProcessKey, exec: Exec) -> Event {
    event(at_ms, process, Hook::SchedProcessExec, Body::Exec(Arc::new(exec)))
}

/// `process` was found in procfs, forked by `parent`.
pub fn found(at_ms: u64, process: ProcessKey, parent: ProcessKey, exec: Exec) -> Event {
    event(at_ms, process, Hook::Procfs, Body::Process(Arc::new(Exec { parent, ..exec })))
}

/// `process` ended.
pub fn exit(at_ms: u64, process: ProcessKey) -> Event {
    event(at_ms, process, Hook::SchedProcessExit, Body::Exit(Exit { exit_code: 0 }))
}

/// Time passed.
pub fn tick(at_ms: u64) -> Event {
    event(at_ms, ProcessKey::NONE, Hook::Agent, Body::Tick)
}

/// Process records were lost.
pub fn loss(at_ms: u64, count: u64) -> Event {
    let loss = Loss { ring: Ring::Process, reason: LossReason::RingFull, kind: Some(Kind::Fork), count };
    event(at_ms, ProcessKey::NONE, Hook::Agent, Body::Loss(loss))
}

/// procfs was read again.
pub fn healed(at_ms: u64) -> Event {
    event(at_ms, ProcessKey::NONE, Hook::Agent, Body::Healed)
}

/// `process` listens on a TCP port.
pub fn listen(at_ms: u64, process: ProcessKey) -> Event {
    let net = Net {
        operation: Kind::Listen,
        family: 2,
        socket_type: 1,
        remote: None,
        local: Some(([127, 0, 0, 1].into(), 8080)),
        path: None,
    };
    event(at_ms, process, Hook::SysEnterListen, Body::Net(Box::new(net)))
}

/// `process` connects to an address and a port, as `127.0.0.1:80` or `[::1]:80`.
pub fn connect(at_ms: u64, process: ProcessKey, remote: &str) -> Event {
    let remote: std::net::SocketAddr = remote.parse().unwrap();
    let net = Net {
        operation: Kind::Connect,
        family: if remote.is_ipv4() { 2 } else { 10 },
        socket_type: 1,
        remote: Some((remote.ip(), remote.port())),
        // Not known: a socket that connects has no address of its own yet.
        local: Some((if remote.is_ipv4() { [0; 4].into() } else { [0; 16].into() }, 0)),
        path: None,
    };
    event(at_ms, process, Hook::SysEnterConnect, Body::Net(Box::new(net)))
}

/// What `process` has written over its arguments, as it makes a child.
pub fn title(at_ms: u64, process: ProcessKey, title: &str) -> Event {
    event(at_ms, process, Hook::SchedProcessFork, Body::Title(title.into()))
}

/// The unit that the server `process` runs in.
pub fn unit(at_ms: u64, process: ProcessKey, unit: &str) -> Event {
    event(at_ms, process, Hook::Agent, Body::Unit(unit.into()))
}

/// The container of a control group and mount namespace, of which `process` is one.
pub fn contained(
    at_ms: u64,
    process: ProcessKey,
    cgroup_id: u64,
    mount_namespace: u32,
    name: &str,
    image: &str,
) -> Event {
    let container = Container {
        id: format!("{cgroup_id:064x}"),
        runtime: Some(Runtime::Docker),
        name: Some(name.to_owned()),
        image: Image::parse(image),
        pod: None,
        looked_up: true,
    };
    let pair = Pair { cgroup_id, mount_namespace };
    let body = Body::Container(Box::new(Contained { pair, container: Some(container) }));
    event(at_ms, process, Hook::Agent, body)
}

/// What was found out about a file.
pub fn inspected(at_ms: u64, question: u64, provenance: Provenance) -> Event {
    event(at_ms, ProcessKey::NONE, Hook::Agent, Body::Inspected(Box::new(Inspected { question, provenance })))
}

/// What was kept before this start.
pub fn remembered(at_ms: u64, kept: &Remembered) -> Event {
    event(at_ms, ProcessKey::NONE, Hook::Agent, Body::Remembered(Box::new(kept.clone())))
}

/// A directory is watched for the server that `process` is.
pub fn watch(at_ms: u64, process: ProcessKey, number: u32, server: &str, component: &str, path: &str) -> Event {
    let watch = Watch {
        watch: number,
        server: server.to_owned(),
        component: component.to_owned(),
        path: BString::from(path),
        device: 1,
        inode: 100 + u64::from(number),
    };
    event(at_ms, process, Hook::Agent, Body::Watch(Box::new(watch)))
}

/// `process` did something to a file below a watch.
pub fn file(at_ms: u64, process: ProcessKey, operation: Kind, path: &str, watch: u32) -> Event {
    let flags = if operation == Kind::Open { file_flags::WRITE | file_flags::CREATED } else { 0 };
    let file = File {
        operation,
        path: BString::from(path),
        other: None,
        watch: Some(watch),
        watch_depth: path.matches('/').count().saturating_sub(2) as u32,
        device: 1,
        inode: 77,
        generation: 0,
        flags,
        mode: 0o100_644,
        owner: 33,
        argument: if operation == Kind::Chmod { 0o755 } else { 0 },
    };
    event(at_ms, process, Hook::SecurityFileOpen, Body::File(Box::new(file)))
}

/// A finding about a process, in a server's lineage.
pub fn finding(
    detector: crate::detect::Detector,
    severity: crate::detect::Severity,
    story: ProcessKey,
    lineage: u32,
    at_ms: u64,
) -> crate::detect::Finding {
    let mut tree = crate::tree::Tree::new(10);
    let made = fork(at_ms, key(1, 0), story);
    let id = tree.apply(&made).child.unwrap();
    let node = tree.node(id).unwrap();
    let mut finding = crate::detect::Finding::new(detector, severity, &made, id, node);
    (finding.server, finding.in_lineage) = (lineage, true);
    finding
}
