//! Builders of events, for tests of the core.

use crate::event::{Body, Event, Exec, Exit, File, Fork, Loss, Net, Watch};
use bstr::BString;
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::{Hook, Kind};

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
    let fork = Fork { child, kernel_parent_tgid: parent.tgid, pid_in_namespace: child.tgid, pid_namespace: 1 };
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
    event(at_ms, process, Hook::SchedProcessExec, Body::Exec(Box::new(exec)))
}

/// `process` was found in procfs, forked by `parent`.
pub fn found(at_ms: u64, process: ProcessKey, parent: ProcessKey, exec: Exec) -> Event {
    event(at_ms, process, Hook::Procfs, Body::Process(Box::new(Exec { parent, ..exec })))
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
        flags,
        mode: 0o100_644,
        owner: 33,
        argument: if operation == Kind::Chmod { 0o755 } else { 0 },
    };
    event(at_ms, process, Hook::SecurityFileOpen, Body::File(Box::new(file)))
}
