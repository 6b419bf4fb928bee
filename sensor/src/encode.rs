//! Events to record bytes: for what the agent itself finds out, so that it goes the same way as the kernel's records,
//! and for tests. `decode(&encode(event)) == event` for every event that decoding can give.
//!
//! Parts longer than a record can state (65,535 bytes) are cut.

use crate::event::{Body, Descriptor, Event, Exec, File, Net, Watch};
use sensor_common::file::{FileBody, WatchBody};
use sensor_common::losses::LossBody;
use sensor_common::net::NetBody;
use sensor_common::process::{self, ExecBody, ExitBody, ForkBody, descriptor_kinds};
use sensor_common::record::{AnnexBody, Head, Kind};
use std::net::IpAddr;
use zerocopy::{Immutable, IntoBytes};

/// The record of an event.
pub fn encode(event: &Event) -> Vec<u8> {
    let mut tail = Tail::default();
    let body = match &event.body {
        Body::Fork(fork) => bytes(&ForkBody {
            child: fork.child,
            kernel_parent_tgid: fork.kernel_parent_tgid,
            pid_in_namespace: fork.pid_in_namespace,
            pid_namespace: fork.pid_namespace,
            euid: fork.euid,
        }),
        Body::Exec(exec) | Body::Process(exec) => bytes(&exec_body(exec, &mut tail)),
        Body::Exit(exit) => bytes(&ExitBody { exit_code: exit.exit_code, reserved: 0 }),
        Body::File(file) => bytes(&file_body(file, &mut tail)),
        Body::Net(net) => bytes(&net_body(net, &mut tail)),
        Body::Watch(watch) => bytes(&watch_body(watch, &mut tail)),
        Body::Loss(loss) => bytes(&LossBody {
            count: loss.count,
            ring: loss.ring as u32,
            reason: loss.reason as u32,
            kind: loss.kind.map_or(0, |kind| kind as u32),
            reserved: 0,
        }),
        Body::Healed | Body::Tick => Vec::new(),
        Body::Title(words) | Body::Unit(words) => bytes(&annex(0, words, &mut tail)),
        Body::Container(contained) => bytes(&annex(0, json(contained).as_bytes(), &mut tail)),
        Body::Inspected(inspected) => {
            bytes(&annex(inspected.question, json(&inspected.provenance).as_bytes(), &mut tail))
        }
        Body::Remembered(remembered) => bytes(&annex(0, json(remembered).as_bytes(), &mut tail)),
    };
    let head = Head {
        length: (size_of::<Head>() + body.len() + tail.0.len()) as u32,
        kind: event.kind() as u16,
        hook: event.hook as u16,
        time_boottime_ns: event.time_boottime_ns,
        process: event.process,
        thread: event.thread,
        lineage: event.lineage,
    };
    [head.as_bytes(), &body, &tail.0].concat()
}

/// Our own plain data: writing it cannot fail.
fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

fn annex(question: u64, text: &[u8], tail: &mut Tail) -> AnnexBody {
    AnnexBody { question, length: u32::from(tail.add(text)), reserved: 0 }
}

fn bytes<T: IntoBytes + Immutable>(body: &T) -> Vec<u8> {
    body.as_bytes().to_vec()
}

/// What follows the body.
#[derive(Default)]
struct Tail(Vec<u8>);

impl Tail {
    fn add(&mut self, part: &[u8]) -> u16 {
        let length = u16::try_from(part.len()).unwrap_or(u16::MAX);
        self.0.extend_from_slice(&part[..length.into()]);
        length
    }

    /// A path as components, leaf first.
    fn add_path(&mut self, path: &[u8]) -> u16 {
        let mut components = Vec::with_capacity(path.len() + 1);
        for component in path.rsplit(|byte| *byte == b'/').filter(|component| !component.is_empty()) {
            components.extend_from_slice(component);
            components.push(0);
        }
        self.add(&components)
    }
}

fn exec_body(exec: &Exec, tail: &mut Tail) -> ExecBody {
    let executable_length = tail.add_path(&exec.executable);
    let directory_length = tail.add_path(&exec.directory);
    let script_length = exec.script.as_ref().map_or(0, |script| tail.add(script));
    let mut argv = Vec::new();
    for argument in &exec.argv {
        argv.extend_from_slice(argument);
        argv.push(0);
    }
    let argv_length = tail.add(&argv);
    let mut comm = [0; 16];
    for (to, from) in comm.iter_mut().zip(exec.comm.iter()) {
        *to = *from;
    }
    ExecBody {
        parent: exec.parent,
        cap_effective: exec.cap_effective,
        cap_permitted: exec.cap_permitted,
        cgroup_id: exec.cgroup_id,
        inode: exec.inode,
        generation: exec.generation,
        mode: exec.mode,
        device: exec.device,
        uid: exec.uid,
        gid: exec.gid,
        euid: exec.euid,
        egid: exec.egid,
        session: exec.session,
        pid_namespace: exec.pid_namespace,
        mount_namespace: exec.mount_namespace,
        pid_in_namespace: exec.pid_in_namespace,
        flags: exec.flags,
        argc: exec.argv.len() as u32,
        argv_total: u32::from(argv_length) + u32::from(exec.argv_cut),
        executable_length,
        directory_length,
        script_length,
        argv_length,
        comm,
        standard: exec.standard.map(descriptor),
    }
}

fn descriptor(descriptor: Descriptor) -> process::Descriptor {
    let mut told = process::Descriptor::default();
    (told.kind, told.inode) = match descriptor {
        Descriptor::None => (descriptor_kinds::NONE, 0),
        Descriptor::File(inode) => (descriptor_kinds::FILE, inode),
        Descriptor::Pipe(inode) => (descriptor_kinds::PIPE, inode),
        Descriptor::Tty => (descriptor_kinds::TTY, 0),
        Descriptor::Device => (descriptor_kinds::DEVICE, 0),
        Descriptor::Other => (descriptor_kinds::OTHER, 0),
        Descriptor::Socket { inode, family, peer } => {
            told.family = family;
            (told.address, told.port) = endpoint(peer);
            (descriptor_kinds::SOCKET, inode)
        }
    };
    told
}

fn endpoint(endpoint: Option<(IpAddr, u16)>) -> ([u8; 16], u16) {
    let mut bytes = [0; 16];
    match endpoint {
        None => (bytes, 0),
        Some((IpAddr::V6(address), port)) => (address.octets(), port),
        Some((IpAddr::V4(address), port)) => {
            bytes[..4].copy_from_slice(&address.octets());
            (bytes, port)
        }
    }
}

fn file_body(file: &File, tail: &mut Tail) -> FileBody {
    FileBody {
        inode: file.inode,
        generation: file.generation,
        reserved: 0,
        device: file.device,
        watch: file.watch.unwrap_or(0),
        watch_depth: file.watch_depth,
        flags: file.flags,
        mode: file.mode,
        owner: file.owner,
        argument: file.argument,
        path_length: tail.add_path(&file.path),
        other_length: match (&file.other, file.operation) {
            (None, _) => 0,
            (Some(target), Kind::Symlink) => tail.add(target),
            (Some(path), _) => tail.add_path(path),
        },
    }
}

fn net_body(net: &Net, tail: &mut Tail) -> NetBody {
    let (remote_address, remote_port) = endpoint(net.remote);
    let (local_address, local_port) = endpoint(net.local);
    NetBody {
        remote_address,
        local_address,
        remote_port,
        local_port,
        family: net.family,
        socket_type: net.socket_type,
        path_length: net.path.as_ref().map_or(0, |path| tail.add(path)),
        reserved: [0; 3],
    }
}

fn watch_body(watch: &Watch, tail: &mut Tail) -> WatchBody {
    WatchBody {
        inode: watch.inode,
        device: watch.device,
        watch: watch.watch,
        server_length: tail.add(watch.server.as_bytes()),
        component_length: tail.add(watch.component.as_bytes()),
        path_length: tail.add_path(&watch.path),
        reserved: 0,
    }
}
