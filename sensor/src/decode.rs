//! Record bytes to events: total, without `unsafe`, never a panic.
//!
//! Comes in: one record. Goes out: the event it tells, or what is wrong with it and at which byte. Nothing is guessed:
//! a kind that is not known, or a tail that is shorter than the body says, is an error.

use crate::event::{Body, Descriptor, Event, Exec, Exit, File, Fork, Inspected, Loss, Net, Once, Watch};
use bstr::BString;
use sensor_common::file::{FileBody, WatchBody};
use sensor_common::losses::{LossBody, LossReason, Ring};
use sensor_common::net::NetBody;
use sensor_common::process::{self, ExecBody, ExitBody, ForkBody, descriptor_kinds};
use sensor_common::record::{AnnexBody, Head, Hook, Kind};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::sync::Arc;
use zerocopy::{FromBytes, Immutable, KnownLayout};

/// Why bytes are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The record ends before a part that it must have.
    #[error("at byte {at}: {needed} bytes of {what} expected, {left} left")]
    Short {
        /// Where the part should begin.
        at: usize,
        /// What it is.
        what: &'static str,
        /// Its length.
        needed: usize,
        /// What there is.
        left: usize,
    },
    /// A number that means nothing.
    #[error("at byte {at}: {what} {number} is not known")]
    Unknown {
        /// Where it stands.
        at: usize,
        /// What it is.
        what: &'static str,
        /// The number.
        number: u32,
    },
    /// A tail that is not what it should be.
    #[error("the tail cannot be read: {0}")]
    Tail(String),
    /// The head states another length than the record has.
    #[error("at byte 0: the head says {stated} bytes, the record has {actual}")]
    Length {
        /// In the head.
        stated: usize,
        /// In fact.
        actual: usize,
    },
}

type Result<T> = std::result::Result<T, DecodeError>;

/// Decodes one record.
pub fn decode(record: &[u8]) -> Result<Event> {
    let mut reader = Reader { record, at: 0 };
    let head: Head = reader.part("head")?;
    if head.length as usize != record.len() {
        return Err(DecodeError::Length { stated: head.length as usize, actual: record.len() });
    }
    let kind = Kind::from_number(head.kind).ok_or(unknown(4, "kind", head.kind.into()))?;
    let hook = Hook::from_number(head.hook).ok_or(unknown(6, "hook", head.hook.into()))?;
    Ok(Event {
        time_boottime_ns: head.time_boottime_ns,
        process: head.process,
        thread: head.thread,
        lineage: head.lineage,
        hook,
        body: body(kind, &mut reader)?,
    })
}

/// The kind that a record's head states, also of one that cannot be decoded.
pub fn stated_kind(record: &[u8]) -> Option<Kind> {
    let head: Head = Reader { record, at: 0 }.part("head").ok()?;
    Kind::from_number(head.kind)
}

fn body(kind: Kind, reader: &mut Reader<'_>) -> Result<Body> {
    Ok(match kind {
        Kind::Fork => Body::Fork(fork(reader)?),
        Kind::Exec => Body::Exec(Arc::new(exec(reader)?)),
        Kind::Process => Body::Process(Arc::new(exec(reader)?)),
        Kind::Exit => Body::Exit(Exit { exit_code: reader.part::<ExitBody>("exit body")?.exit_code }),
        Kind::Connect | Kind::Accept | Kind::Listen => Body::Net(Box::new(net(kind, reader)?)),
        Kind::Watch => Body::Watch(Box::new(watch(reader)?)),
        Kind::Loss => Body::Loss(loss(reader)?),
        Kind::Healed => Body::Healed,
        Kind::Tick => Body::Tick,
        Kind::Title => Body::Title(BString::from(annex(reader)?.1)),
        Kind::Unit => Body::Unit(BString::from(annex(reader)?.1)),
        Kind::Container => Body::Container(Box::new(json(annex(reader)?.1)?)),
        Kind::Inspected => Body::Inspected(Box::new(inspected(reader)?)),
        Kind::Remembered => Body::Remembered(Box::new(json(annex(reader)?.1)?)),
        Kind::Open | Kind::Truncate | Kind::Rename | Kind::Link | Kind::Symlink | Kind::Chmod | Kind::MmapExec => {
            Body::File(Box::new(file(kind, reader)?))
        }
    })
}

fn unknown(at: usize, what: &'static str, number: u32) -> DecodeError {
    DecodeError::Unknown { at, what, number }
}

/// What is left of a record.
struct Reader<'a> {
    record: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn part<T: FromBytes + KnownLayout + Immutable>(&mut self, what: &'static str) -> Result<T> {
        let bytes = self.bytes(size_of::<T>(), what)?;
        T::read_from_bytes(bytes).map_err(|_| DecodeError::Short {
            at: self.at,
            what,
            needed: size_of::<T>(),
            left: bytes.len(),
        })
    }

    fn bytes(&mut self, length: usize, what: &'static str) -> Result<&'a [u8]> {
        let rest = self.record.get(self.at..).unwrap_or_default();
        let bytes =
            rest.get(..length).ok_or(DecodeError::Short { at: self.at, what, needed: length, left: rest.len() })?;
        self.at += length;
        Ok(bytes)
    }

    fn path(&mut self, length: u16, what: &'static str) -> Result<BString> {
        Ok(path(self.bytes(length.into(), what)?))
    }

    fn text(&mut self, length: u16, what: &'static str) -> Result<String> {
        Ok(String::from_utf8_lossy(self.bytes(length.into(), what)?).into_owned())
    }
}

/// `"html\0www\0var\0"` is `/var/www/html`; nothing is `/`.
fn path(components: &[u8]) -> BString {
    let mut path = Vec::with_capacity(components.len() + 1);
    let components = components.strip_suffix(&[0]).unwrap_or(components);
    if components.is_empty() {
        return BString::from("/");
    }
    for component in components.rsplit(|byte| *byte == 0) {
        path.push(b'/');
        path.extend_from_slice(component);
    }
    BString::from(path)
}

fn fork(reader: &mut Reader<'_>) -> Result<Fork> {
    let body: ForkBody = reader.part("fork body")?;
    Ok(Fork {
        child: body.child,
        kernel_parent_tgid: body.kernel_parent_tgid,
        pid_in_namespace: body.pid_in_namespace,
        pid_namespace: body.pid_namespace,
        euid: body.euid,
    })
}

fn exec(reader: &mut Reader<'_>) -> Result<Exec> {
    let body: ExecBody = reader.part("exec body")?;
    let executable = reader.path(body.executable_length, "executable")?;
    let directory = reader.path(body.directory_length, "working directory")?;
    let script = reader.bytes(body.script_length.into(), "script")?;
    let argv = reader.bytes(body.argv_length.into(), "argv")?;
    Ok(Exec {
        parent: body.parent,
        script: (!script.is_empty()).then(|| absolute(script, &directory)),
        executable,
        argv: arguments(argv),
        argv_cut: usize::from(body.argv_length) < body.argv_total as usize,
        directory,
        comm: BString::from(body.comm.split(|byte| *byte == 0).next().unwrap_or_default()),
        uid: body.uid,
        gid: body.gid,
        euid: body.euid,
        egid: body.egid,
        cap_effective: body.cap_effective,
        cap_permitted: body.cap_permitted,
        session: body.session,
        cgroup_id: body.cgroup_id,
        pid_namespace: body.pid_namespace,
        mount_namespace: body.mount_namespace,
        pid_in_namespace: body.pid_in_namespace,
        device: body.device,
        inode: body.inode,
        generation: body.generation,
        mode: body.mode,
        flags: body.flags,
        standard: body.standard.map(|told| descriptor(&told)),
        shown: Once::default(),
    })
}

/// A script path as given to exec, made absolute with the working directory. Names that mean the same directory (`.`, and
/// none) are left out; `..` stays, because after a link it means another one.
fn absolute(script: &[u8], directory: &[u8]) -> BString {
    let before = if script.first() == Some(&b'/') { &[] } else { directory };
    let mut path = BString::default();
    for name in before.split(|byte| *byte == b'/').chain(script.split(|byte| *byte == b'/')) {
        if !matches!(name, b"" | b".") {
            path.push(b'/');
            path.extend_from_slice(name);
        }
    }
    path
}

/// NUL-terminated strings; a last one that was cut has no NUL.
fn arguments(argv: &[u8]) -> Vec<BString> {
    if argv.is_empty() {
        return Vec::new();
    }
    let argv = argv.strip_suffix(&[0]).unwrap_or(argv);
    // Exactly as long: the tree keeps it for as long as the process lives.
    let each = argv.split(|byte| *byte == 0);
    let mut words = Vec::with_capacity(each.clone().count());
    words.extend(each.map(BString::from));
    words
}

const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;

fn endpoint(family: u16, address: [u8; 16], port: u16) -> Option<(IpAddr, u16)> {
    let address = match family {
        AF_INET => IpAddr::V4(Ipv4Addr::new(address[0], address[1], address[2], address[3])),
        AF_INET6 => IpAddr::V6(Ipv6Addr::from(address)),
        _ => return None,
    };
    Some((address, port))
}

fn descriptor(told: &process::Descriptor) -> Descriptor {
    match told.kind {
        descriptor_kinds::NONE => Descriptor::None,
        descriptor_kinds::FILE => Descriptor::File(told.inode),
        descriptor_kinds::PIPE => Descriptor::Pipe(told.inode),
        descriptor_kinds::TTY => Descriptor::Tty,
        descriptor_kinds::SOCKET => Descriptor::Socket {
            inode: told.inode,
            family: told.family,
            peer: endpoint(told.family, told.address, told.port).filter(|(_, port)| *port != 0),
        },
        descriptor_kinds::DEVICE => Descriptor::Device,
        _ => Descriptor::Other,
    }
}

fn file(operation: Kind, reader: &mut Reader<'_>) -> Result<File> {
    let body: FileBody = reader.part("file body")?;
    let name = reader.path(body.path_length, "path")?;
    let other = match operation {
        Kind::Symlink => Some(BString::from(reader.bytes(body.other_length.into(), "target")?)),
        _ => Some(reader.path(body.other_length, "other path")?),
    };
    Ok(File {
        operation,
        path: name,
        other: other.filter(|_| body.other_length > 0),
        watch: (body.watch != 0).then_some(body.watch),
        watch_depth: body.watch_depth,
        device: body.device,
        inode: body.inode,
        generation: body.generation,
        flags: body.flags,
        mode: body.mode,
        owner: body.owner,
        argument: body.argument,
    })
}

fn net(operation: Kind, reader: &mut Reader<'_>) -> Result<Net> {
    let body: NetBody = reader.part("socket body")?;
    let path = reader.bytes(body.path_length.into(), "socket path")?;
    Ok(Net {
        operation,
        family: body.family,
        socket_type: body.socket_type,
        remote: endpoint(body.family, body.remote_address, body.remote_port).filter(|(_, port)| *port != 0),
        local: endpoint(body.family, body.local_address, body.local_port),
        path: socket_path(path),
    })
}

/// The kernel's length counts the NUL behind a path, or not; an abstract name begins with one and is as long as said.
fn socket_path(path: &[u8]) -> Option<BString> {
    let path = match path.first() {
        None => return None,
        Some(0) => path,
        Some(_) => path.split(|byte| *byte == 0).next().unwrap_or_default(),
    };
    Some(BString::from(path))
}

fn watch(reader: &mut Reader<'_>) -> Result<Watch> {
    let body: WatchBody = reader.part("watch body")?;
    Ok(Watch {
        watch: body.watch,
        server: reader.text(body.server_length, "server")?,
        component: reader.text(body.component_length, "component kind")?,
        path: reader.path(body.path_length, "path")?,
        device: body.device,
        inode: body.inode,
    })
}

fn loss(reader: &mut Reader<'_>) -> Result<Loss> {
    let at = reader.at;
    let body: LossBody = reader.part("loss body")?;
    let ring = Ring::ALL.into_iter().find(|ring| *ring as u32 == body.ring);
    let reason = LossReason::ALL.into_iter().find(|reason| *reason as u32 == body.reason);
    Ok(Loss {
        ring: ring.ok_or(unknown(at + 8, "ring", body.ring))?,
        reason: reason.ok_or(unknown(at + 12, "loss reason", body.reason))?,
        kind: Kind::from_number(body.kind as u16),
        count: body.count,
    })
}

/// The question's number, and the words.
fn annex<'a>(reader: &mut Reader<'a>) -> Result<(u64, &'a [u8])> {
    let body: AnnexBody = reader.part("annex body")?;
    Ok((body.question, reader.bytes(body.length as usize, "words")?))
}

fn inspected(reader: &mut Reader<'_>) -> Result<Inspected> {
    let (question, words) = annex(reader)?;
    Ok(Inspected { question, provenance: json(words)? })
}

fn json<T: serde::de::DeserializeOwned>(words: &[u8]) -> Result<T> {
    serde_json::from_slice(words).map_err(|error| DecodeError::Tail(error.to_string()))
}

#[cfg(test)]
mod tests;
