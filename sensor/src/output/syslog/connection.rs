//! A connection to a syslog daemon: datagrams or a stream in the file system, TCP, TLS.
//!
//! Comes in: finished messages. Goes out: what failed, and after how many. On streams each message stands behind its length
//! (RFC 6587 3.4.1, RFC 5425 4.3), so that nothing in it can be taken for the end. Nothing here waits longer than
//! [`PATIENCE`] at a time, but for the resolution of a name, which takes what the system's resolver takes.

use crate::config::{Address, Identity};
use crate::output::tls;
use anyhow::{Context, Result, bail};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::sockopt::{
    Timeout, set_socket_keepalive, set_socket_timeout, set_tcp_keepcnt, set_tcp_keepidle, set_tcp_keepintvl,
    set_tcp_nodelay, set_tcp_user_timeout,
};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use rustls::{ClientConnection, ProtocolVersion, StreamOwned};
use std::io::{self, ErrorKind, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::fs::MetadataExt;
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// How long connecting, a handshake's step or a write may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the peer may leave data unacknowledged before the kernel gives the connection up. Must be well below
/// [`super::tail::UNCONFIRMED`].
const UNACKNOWLEDGED: Duration = Duration::from_secs(15);
/// How long a TLS 1.3 server has to object to us after the handshake, which for us is complete before it has looked at
/// our certificate.
const OBJECTION: Duration = Duration::from_millis(250);
/// How many bytes are gathered for one write to a stream.
const CHUNK: usize = 64 << 10;

type Tls = StreamOwned<ClientConnection, TcpStream>;

/// A connection.
pub enum Connection {
    /// Each message is a datagram.
    Datagram(Receiver),
    /// A stream in the file system.
    Unix(UnixStream),
    /// Plain TCP.
    Tcp(TcpStream),
    /// TLS.
    Tls(Box<Tls>),
}

/// A socket for datagrams, and whose it was when we connected.
pub struct Receiver {
    socket: UnixDatagram,
    path: PathBuf,
    /// Inode and time of its last change: a daemon that starts anew makes the socket anew.
    made: (u64, i64, i64),
}

impl Connection {
    /// Connects. Errors say what was tried, but not the address: the caller knows it.
    pub fn open(address: &Address, identity: &Identity) -> Result<Self> {
        match address {
            Address::Unix(path) => unix(path),
            Address::Tcp { host, port } => Ok(Self::Tcp(tcp(host, *port)?)),
            Address::Tls { host, port } => secure(host, *port, identity),
        }
    }

    /// Whether the peer still reads. What it says is read and thrown away: syslog knows no answers.
    pub fn is_alive(&mut self) -> bool {
        match self {
            Self::Datagram(receiver) => receiver.is_same() && datagrams(&receiver.path).is_ok(),
            Self::Unix(stream) => {
                stream.set_nonblocking(true).is_ok() && drain(stream) && stream.set_nonblocking(false).is_ok()
            }
            Self::Tcp(stream) => {
                stream.set_nonblocking(true).is_ok() && drain(stream) && stream.set_nonblocking(false).is_ok()
            }
            Self::Tls(tls) => {
                tls.sock.set_nonblocking(true).is_ok() && drain(&mut **tls) && tls.sock.set_nonblocking(false).is_ok()
            }
        }
    }

    /// Hands messages over in order. On failure also says how many are in the peer's or the kernel's hands for sure.
    pub fn send(&mut self, messages: &[Vec<u8>]) -> Result<(), (usize, io::Error)> {
        match self {
            Self::Datagram(receiver) => messages
                .iter()
                .enumerate()
                .try_for_each(|(sent, message)| receiver.socket.send(message).map(drop).map_err(|error| (sent, error))),
            Self::Unix(stream) => stream_out(stream, messages),
            Self::Tcp(stream) => stream_out(stream, messages),
            Self::Tls(tls) => stream_out(&mut **tls, messages),
        }
    }
}

impl Receiver {
    fn is_same(&self) -> bool {
        made(&self.path).is_ok_and(|made| made == self.made)
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        if let Self::Tls(tls) = self {
            // Says that nothing was cut off; if the peer is gone, it does not matter.
            tls.conn.send_close_notify();
            let _ = tls.conn.write_tls(&mut tls.sock);
        }
    }
}

/// Writes messages with their lengths, many at once.
fn stream_out(stream: &mut impl Write, messages: &[Vec<u8>]) -> Result<(), (usize, io::Error)> {
    let mut bytes = Vec::new();
    let mut sent = 0;
    for (index, message) in messages.iter().enumerate() {
        bytes.extend_from_slice(format!("{} ", message.len()).as_bytes());
        bytes.extend_from_slice(message);
        if bytes.len() >= CHUNK || index + 1 == messages.len() {
            stream.write_all(&bytes).and_then(|()| stream.flush()).map_err(|error| (sent, error))?;
            bytes.clear();
            sent = index + 1;
        }
    }
    Ok(())
}

/// Reads until there is nothing. False if the peer has closed, or the connection failed.
fn drain(stream: &mut impl Read) -> bool {
    let mut buffer = [0; 512];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return false,
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return error.kind() == ErrorKind::WouldBlock,
        }
    }
}

/// Datagrams, or a stream where the daemon has one: as the C library's syslog(3) finds out.
fn unix(path: &Path) -> Result<Connection> {
    let made = made(path)?;
    match datagrams(path) {
        Ok(socket) => Ok(Connection::Datagram(Receiver { socket: socket.into(), path: path.to_owned(), made })),
        Err(rustix::io::Errno::PROTOTYPE) => Ok(Connection::Unix(local(path, SocketType::STREAM)?.into())),
        Err(error) => Err(error.into()),
    }
}

fn made(path: &Path) -> io::Result<(u64, i64, i64)> {
    let metadata = std::fs::metadata(path)?;
    Ok((metadata.ino(), metadata.ctime(), metadata.ctime_nsec()))
}

fn datagrams(path: &Path) -> rustix::io::Result<OwnedFd> {
    local(path, SocketType::DGRAM)
}

/// A socket in the file system. The limit is set before connecting, which waits while the daemon's queue is full.
fn local(path: &Path, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let socket = socket_with(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?;
    set_socket_timeout(&socket, Timeout::Send, Some(PATIENCE))?;
    connect(&socket, &SocketAddrUnix::new(path)?)?;
    Ok(socket)
}

fn tcp(host: &str, port: u16) -> Result<TcpStream> {
    let addresses: Vec<_> = (host, port).to_socket_addrs().with_context(|| format!("resolving {host}"))?.collect();
    let mut failed = None;
    for address in addresses {
        match TcpStream::connect_timeout(&address, PATIENCE) {
            Ok(stream) => {
                prepare(&stream).context("preparing the connection")?;
                return Ok(stream);
            }
            Err(error) => failed = Some(error),
        }
    }
    match failed {
        Some(error) => Err(error).context("connecting"),
        None => bail!("{host} has no address"),
    }
}

/// A peer that vanished without a word is noticed within [`UNACKNOWLEDGED`] if something was sent, and in a minute else.
fn prepare(stream: &TcpStream) -> rustix::io::Result<()> {
    set_socket_timeout(stream, Timeout::Send, Some(PATIENCE))?;
    set_socket_timeout(stream, Timeout::Recv, Some(PATIENCE))?;
    set_tcp_nodelay(stream, true)?;
    set_tcp_user_timeout(stream, UNACKNOWLEDGED.as_millis() as u32)?;
    set_socket_keepalive(stream, true)?;
    set_tcp_keepidle(stream, Duration::from_secs(30))?;
    set_tcp_keepintvl(stream, Duration::from_secs(10))?;
    set_tcp_keepcnt(stream, 3)
}

fn secure(host: &str, port: u16, identity: &Identity) -> Result<Connection> {
    let mut stream = tcp(host, port)?;
    let config = Arc::new(tls::client(identity)?);
    let name = host.to_owned().try_into().with_context(|| format!("{host} is no name that a certificate can have"))?;
    let mut session = ClientConnection::new(config, name).context("TLS")?;
    while session.is_handshaking() {
        session.complete_io(&mut stream).context("TLS handshake")?;
    }
    let objects_late = session.protocol_version() == Some(ProtocolVersion::TLSv1_3);
    let mut connection = Connection::Tls(Box::new(StreamOwned::new(session, stream)));
    if objects_late && !accepted(&mut connection) {
        bail!("the server closed the TLS connection after the handshake: does it want a certificate of ours?");
    }
    Ok(connection)
}

/// Gives the server a moment to say no.
fn accepted(connection: &mut Connection) -> bool {
    let limit = Timespec { tv_sec: 0, tv_nsec: i64::from(OBJECTION.subsec_nanos()) };
    if let Connection::Tls(tls) = &*connection {
        let _ = poll(&mut [PollFd::from_borrowed_fd(tls.sock.as_fd(), PollFlags::IN)], Some(&limit));
    }
    connection.is_alive()
}
