//! Body of what happens to sockets.

use crate::key::ProcessKey;

/// Body of connect, accept and listen records. Tail: the unix socket's path (raw), if it has one.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct NetBody {
    /// The peer's address; an IPv4 address uses the first four bytes.
    pub remote_address: [u8; 16],
    /// The own address.
    pub local_address: [u8; 16],
    /// The peer's port, host byte order.
    pub remote_port: u16,
    /// The own port, host byte order.
    pub local_port: u16,
    /// `AF_INET` (2), `AF_INET6` (10) or `AF_UNIX` (1).
    pub family: u16,
    /// `SOCK_STREAM` (1), `SOCK_DGRAM` (2) and so on.
    pub socket_type: u16,
    /// Bytes of the unix socket's path in the tail; an abstract name begins with a NUL.
    pub path_length: u16,
    /// Always 0.
    pub reserved: [u16; 3],
}

/// Of connections that repeat, one in so many nanoseconds is reported.
pub const REPEAT_NS: u64 = 60_000_000_000;

/// Key of the kernel's map of peers that were reported lately; its value is when, `CLOCK_BOOTTIME` nanoseconds.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Peer {
    /// Who talks.
    pub process: ProcessKey,
    /// The peer's address; of a unix socket what stands for its path.
    pub address: [u64; 2],
    /// The peer's port for connect, 0 for accept: clients come from another port each time.
    pub port: u16,
    /// As in [`NetBody`].
    pub family: u16,
    /// Connect or accept, a number of [`crate::record::Kind`].
    pub kind: u16,
    /// Always 0.
    pub reserved: u16,
}
const _: () = assert!(size_of::<Peer>() == 40);
