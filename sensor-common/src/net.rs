//! Body of what happens to sockets.

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
