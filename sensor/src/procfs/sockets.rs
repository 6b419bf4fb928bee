//! The sockets of a network namespace, from `/proc/PID/net/{tcp,tcp6,unix}`.

use super::parse;
use bstr::BString;
use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::path::Path;

/// A socket that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// `AF_*` number.
    pub family: u16,
    /// Where, for an internet socket.
    pub local: Option<(IpAddr, u16)>,
    /// Where, for a unix socket; an abstract name begins with a NUL.
    pub path: Option<BString>,
}

/// A socket.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Socket {
    /// `AF_*` number.
    pub family: u16,
    /// The other end of an internet socket.
    pub peer: Option<(IpAddr, u16)>,
}

/// The sockets of a network namespace, by inode.
#[derive(Clone, Debug, Default)]
pub struct NetTables {
    /// Those that listen.
    pub listeners: HashMap<u64, Listener>,
    /// All.
    pub sockets: HashMap<u64, Socket>,
}

/// A UDP socket that is bound and has no peer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UdpSocket {
    /// Its inode.
    pub inode: u64,
    /// Where it is bound.
    pub local: (IpAddr, u16),
}

impl UdpSocket {
    /// Those that a process can see in its network namespace. What cannot be read is empty.
    pub fn all(process: &Path) -> Vec<Self> {
        let read = |name: &str| std::fs::read(process.join("net").join(name)).unwrap_or_default();
        let mut sockets = Self::parse(&read("udp"));
        sockets.extend(Self::parse(&read("udp6")));
        sockets
    }

    /// From a text in the layout of `/proc/net/udp` (`net/ipv4/udp.c: udp4_format_sock`), whose fields are those of TCP.
    pub fn parse(text: &[u8]) -> Vec<Self> {
        let socket = |line: &[u8]| {
            let fields: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
            let local = endpoint(fields.get(1)?).filter(|(_, port)| *port != 0)?;
            let (_, peer_port) = endpoint(fields.get(2)?)?;
            let inode = parse::number(fields.get(9)?).filter(|inode| *inode != 0)?;
            (peer_port == 0).then_some(Self { inode, local })
        };
        text.split(|byte| *byte == b'\n').skip(1).filter_map(socket).collect()
    }
}

const AF_UNIX: u16 = 1;
const AF_INET: u16 = 2;
const AF_INET6: u16 = 10;
/// `TCP_LISTEN` (`include/net/tcp_states.h`).
const LISTEN: u64 = 10;
/// `__SO_ACCEPTCON` (`include/linux/net.h`).
const ACCEPTCON: u64 = 1 << 16;

impl NetTables {
    /// Those that a process can see. What cannot be read is empty.
    pub fn of(process: &Path) -> Self {
        let mut tables = Self::default();
        let read = |name: &str| std::fs::read(process.join("net").join(name)).unwrap_or_default();
        tables.add_tcp(&read("tcp"), AF_INET);
        tables.add_tcp(&read("tcp6"), AF_INET6);
        tables.add_unix(&read("unix"));
        tables
    }

    /// Adds a text in the layout of `/proc/net/tcp` (`net/ipv4/tcp_ipv4.c: get_tcp4_sock`).
    pub fn add_tcp(&mut self, text: &[u8], family: u16) {
        for line in text.split(|byte| *byte == b'\n').skip(1) {
            let fields: Vec<&[u8]> = line.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
            let (Some(local), Some(peer), Some(state), Some(inode)) =
                (fields.get(1), fields.get(2), fields.get(3), fields.get(9))
            else {
                continue;
            };
            let Some(inode) = parse::number(inode).filter(|inode| *inode != 0) else {
                continue;
            };
            if parse::hexadecimal(state) == Some(LISTEN) {
                self.listeners.insert(inode, Listener { family, local: endpoint(local), path: None });
            }
            let peer = endpoint(peer).filter(|(_, port)| *port != 0);
            self.sockets.insert(inode, Socket { family, peer });
        }
    }

    /// Adds a text in the layout of `/proc/net/unix` (`net/unix/af_unix.c: unix_seq_show`).
    pub fn add_unix(&mut self, text: &[u8]) {
        for line in text.split(|byte| *byte == b'\n').skip(1) {
            let mut fields = line.splitn(2, |byte| *byte == b':');
            let rest = fields.nth(1).unwrap_or_default();
            let mut rest = Fields(rest);
            let (Some(_), Some(_), Some(flags), Some(_), Some(_), Some(inode)) =
                (rest.next(), rest.next(), rest.next(), rest.next(), rest.next(), rest.next())
            else {
                continue;
            };
            let Some(inode) = parse::number(inode) else {
                continue;
            };
            self.sockets.insert(inode, Socket { family: AF_UNIX, peer: None });
            // flags follows RefCount and Protocol.
            if parse::hexadecimal(flags).is_some_and(|flags| flags & ACCEPTCON != 0) {
                let path = rest.0.strip_prefix(b" ").filter(|path| !path.is_empty()).map(unix_path);
                self.listeners.insert(inode, Listener { family: AF_UNIX, local: None, path });
            }
        }
    }
}

/// Abstract names are written with `@` for each NUL.
fn unix_path(written: &[u8]) -> BString {
    let mut path = BString::from(written);
    if let Some(first) = path.first_mut().filter(|first| **first == b'@') {
        *first = 0;
    }
    path
}

/// Fields between runs of spaces; what is left stays readable.
struct Fields<'a>(&'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let start = self.0.iter().position(|byte| *byte != b' ')?;
        let text = &self.0[start..];
        let end = text.iter().position(|byte| *byte == b' ').unwrap_or(text.len());
        self.0 = &text[end..];
        Some(&text[..end])
    }
}

/// `0100007F:1F90`: 32-bit words of the address in the machine's byte order, then the port.
fn endpoint(text: &[u8]) -> Option<(IpAddr, u16)> {
    let colon = text.iter().position(|byte| *byte == b':')?;
    let port = parse::hexadecimal(&text[colon + 1..])? as u16;
    let words: Vec<[u8; 4]> = text[..colon]
        .chunks(8)
        .map(|word| parse::hexadecimal(word).map(|word| (word as u32).to_ne_bytes()))
        .collect::<Option<_>>()?;
    let address = match words.as_slice() {
        [word] => IpAddr::V4(Ipv4Addr::from(*word)),
        [_, _, _, _] => {
            let bytes: [u8; 16] = words.concat().try_into().ok()?;
            let address = Ipv6Addr::from(bytes);
            address.to_ipv4_mapped().map_or(IpAddr::V6(address), IpAddr::V4)
        }
        _ => return None,
    };
    Some((address, port))
}
