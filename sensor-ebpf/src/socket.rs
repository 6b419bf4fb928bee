//! Socket records.

use crate::{
    emit::{self, Outcome, Record, Slot},
    lineage::Subject,
    memory::{copy_kernel, read},
    offsets as off, peers,
};
use sensor_common::{
    net::NetBody,
    record::{Hook, Kind},
};

pub const AF_UNIX: u16 = 1;
pub const AF_INET: u16 = 2;
pub const AF_INET6: u16 = 10;

/// A `struct sock`, by address.
#[derive(Clone, Copy)]
pub struct Sock(pub u64);

impl Sock {
    /// The sock of a `struct socket`.
    #[inline(always)]
    pub fn of_socket(socket: u64) -> Self {
        Self(read(socket, off::OFF_SOCKET_SK()))
    }

    /// The sock of an open file that is a socket.
    #[inline(always)]
    pub fn of_file(file: u64) -> Self {
        Self::of_socket(read(file, off::OFF_FILE_PRIVATE_DATA()))
    }

    #[inline(always)]
    pub fn family(self) -> u16 {
        read(self.0, off::OFF_SOCK_FAMILY())
    }

    /// The peer's address and port; zeros if it has none.
    #[inline(always)]
    pub fn remote(self, family: u16) -> (Address, u16) {
        let port: u16 = read(self.0, off::OFF_SOCK_DPORT());
        let address = self.address(family, off::OFF_SOCK_DADDR(), off::OFF_SOCK_V6_DADDR());
        (address, u16::from_be(port))
    }

    /// The own address and port.
    #[inline(always)]
    pub fn local(self, family: u16) -> (Address, u16) {
        let port: u16 = read(self.0, off::OFF_SOCK_NUM());
        let address = self.address(family, off::OFF_SOCK_RCV_SADDR(), off::OFF_SOCK_V6_RCV_SADDR());
        (address, port)
    }

    #[inline(always)]
    fn address(self, family: u16, four: u32, six: u32) -> Address {
        match family {
            AF_INET6 => read(self.0, six),
            AF_INET => [read::<u32>(self.0, four) as u64, 0],
            _ => [0; 2],
        }
    }
}

/// An address in network byte order, as in [`NetBody`], but in words: bytes would be moved one by one.
pub type Address = [u64; 2];

/// The same as a record has it.
#[inline(always)]
pub fn bytes(address: Address) -> [u8; 16] {
    // SAFETY: any bits are bytes.
    unsafe { core::mem::transmute(address) }
}

/// What a socket record says beyond who.
pub struct Talk {
    pub kind: Kind,
    pub hook: Hook,
    pub sock: Sock,
    /// Where connect(2) is told to go, if the sock does not know it yet: `struct sockaddr` in kernel memory, and its
    /// length.
    pub address: Option<(u64, u32)>,
}

/// Sends the record; families other than unix and internet are not reported.
#[inline(always)]
pub fn send(talk: &Talk, subject: &Subject) -> Outcome {
    let family = match talk.address {
        Some((address, _)) => read::<u16>(address, 0),
        None => talk.sock.family(),
    };
    if family != AF_UNIX && family != AF_INET && family != AF_INET6 {
        return Ok(());
    }
    let (remote, remote_port) = match talk.address {
        Some((address, _)) => told(address, family),
        None => talk.sock.remote(family),
    };
    if talk.kind != Kind::Listen && peers::again(subject, talk.kind, family, named(talk, family, remote), remote_port) {
        return Ok(());
    }
    emit::record(Slot::Other, talk.kind, talk.hook, subject, size_of::<NetBody>(), |record| {
        if talk.kind == Kind::Accept {
            record.calm();
        }
        let (local, local_port) = talk.sock.local(family);
        let path_length = if family == AF_UNIX { append_path(record, unix_path(talk)) } else { 0 };
        // SAFETY: the record was made for a `NetBody`.
        unsafe {
            record.body::<NetBody>().write(NetBody {
                remote_address: bytes(remote),
                local_address: bytes(local),
                remote_port,
                local_port,
                family,
                socket_type: read(talk.sock.0, off::OFF_SOCK_TYPE()),
                path_length,
                reserved: [0; 3],
            });
        }
        Ok(())
    })
}

/// What stands for a peer: its address, or a unix socket's path.
#[inline(always)]
fn named(talk: &Talk, family: u16, remote: Address) -> Address {
    if family != AF_UNIX {
        return remote;
    }
    let (path, length) = unix_path(talk);
    peers::path_hash(path, length)
}

/// The address and port of a `struct sockaddr_in` or `sockaddr_in6` in kernel memory.
#[inline(always)]
fn told(sockaddr: u64, family: u16) -> (Address, u16) {
    let port = u16::from_be(read(sockaddr, 2));
    match family {
        AF_INET6 => (read(sockaddr, 8), port),
        AF_INET => ([read::<u32>(sockaddr, 4) as u64, 0], port),
        _ => ([0; 2], 0),
    }
}

/// Where a unix socket's path is, and its length: the one told to connect(2), the peer's after it, or the own one of a
/// listener.
#[inline(always)]
fn unix_path(talk: &Talk) -> (u64, u32) {
    if let Some((address, length)) = talk.address {
        return (address + 2, length.saturating_sub(2));
    }
    if off::OFF_UNIX_ADDRESS() == off::MISSING || off::OFF_UNIX_PEER() == off::MISSING {
        return (0, 0);
    }
    let owner: u64 = match talk.kind {
        Kind::Connect => read(talk.sock.0, off::OFF_UNIX_PEER()),
        _ => talk.sock.0,
    };
    let address: u64 = read(owner, off::OFF_UNIX_ADDRESS());
    if address == 0 {
        return (0, 0);
    }
    let length: u32 = read(address, off::OFF_UNIX_ADDRESS_LENGTH());
    (address + off::OFF_UNIX_ADDRESS_NAME() as u64 + 2, length.saturating_sub(2))
}

/// Appends a path of so many bytes.
#[inline(always)]
fn append_path(record: &mut Record, (from, length): (u64, u32)) -> u16 {
    // sun_path has 108 bytes.
    let length = if length > 108 { 108 } else { length } & 127;
    // SAFETY: there is room for 4 KiB at the tail.
    if length == 0 || !unsafe { copy_kernel(record.tail(), length, from) } {
        return 0;
    }
    record.position += length as usize;
    length as u16
}
