//! Processes that listen on internet sockets.
//!
//! TCP sockets that listen, and UDP sockets that are bound, not connected, and whose port is below the range from which
//! the kernel gives ports to clients: above it, a client that waits for an answer looks the same.

use super::sockets::{NetTables, UdpSocket};
use super::{MAX_DESCRIPTORS, Procfs, parse, process};
use crate::procfs::cgroup::unit;
use bstr::BString;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::net::{IpAddr, SocketAddr};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Most processes that are told.
const MAX_LISTENING: usize = 256;
/// Most sockets of one process that are told.
const MAX_SOCKETS: usize = 16;
/// Where the kernel's range for clients begins, if it does not say.
const CLIENT_PORTS: u16 = 32_768;

/// A process that listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listening {
    /// Its pid.
    pub pid: u32,
    /// Its name.
    pub comm: BString,
    /// Its executable; empty if not known.
    pub executable: BString,
    /// Its unit or container, if known.
    pub unit: Option<String>,
    /// Where it listens; at most 16.
    pub sockets: Vec<Bound>,
    /// There are more sockets.
    pub cut: bool,
}

/// An address, and how it is listened on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Bound {
    /// `tcp` or `udp`.
    pub protocol: &'static str,
    /// Where.
    pub address: SocketAddr,
}

impl Procfs {
    /// The processes that listen, but for those `known`, eldest first; and whether there are more than are told. A socket
    /// that several hold (workers) is told of the eldest, and not at all if one of those `known` holds it.
    pub fn listening(&self, known: &HashSet<u32>) -> (Vec<Listening>, bool) {
        let mut tables: HashMap<u64, HashMap<u64, Bound>> = HashMap::new();
        let mut taken: HashSet<u64> = HashSet::new();
        let mut found = Vec::new();
        let client_ports = client_ports(&self.root);
        let listed = self.list();
        let (ours, others): (Vec<_>, Vec<_>) = listed.iter().partition(|one| known.contains(&one.stat.pid));
        for (one, is_known) in ours.iter().map(|one| (one, true)).chain(others.iter().map(|one| (one, false))) {
            let namespace = process::namespace(&one.live, "net");
            let table = tables.entry(namespace).or_insert_with(|| bound(&one.live, client_ports));
            if table.is_empty() {
                continue;
            }
            let sockets: BTreeSet<Bound> = sockets_of(&one.live)
                .filter_map(|inode| table.get(&inode).filter(|_| taken.insert(inode)))
                .copied()
                .collect();
            if is_known || sockets.is_empty() {
                continue;
            }
            if found.len() >= MAX_LISTENING {
                return (found, true);
            }
            let executable =
                process::link(&one.live, "exe").map_or_else(BString::default, |path| process::without_deleted(&path).0);
            found.push(Listening {
                pid: one.stat.pid,
                comm: BString::from(one.stat.comm.as_slice()),
                executable,
                unit: unit(&self.root, one.stat.pid),
                cut: sockets.len() > MAX_SOCKETS,
                sockets: sockets.into_iter().take(MAX_SOCKETS).collect(),
            });
        }
        (found, false)
    }
}

/// What is listened on in a process's network namespace, by the socket's inode.
fn bound(process: &Path, client_ports: u16) -> HashMap<u64, Bound> {
    let address = |(ip, port): (IpAddr, u16)| SocketAddr::new(ip, port);
    let tcp = NetTables::of(process).listeners.into_iter();
    let tcp =
        tcp.filter_map(|(inode, listener)| Some((inode, Bound { protocol: "tcp", address: address(listener.local?) })));
    let udp = UdpSocket::all(process).into_iter().filter(|socket| socket.local.1 < client_ports);
    tcp.chain(udp.map(|socket| (socket.inode, Bound { protocol: "udp", address: address(socket.local) }))).collect()
}

fn client_ports(proc_root: &Path) -> u16 {
    let text = std::fs::read(proc_root.join("sys/net/ipv4/ip_local_port_range")).unwrap_or_default();
    let first = text.split(u8::is_ascii_whitespace).next().and_then(parse::number);
    first.and_then(|first| u16::try_from(first).ok()).unwrap_or(CLIENT_PORTS)
}

fn sockets_of(process: &Path) -> impl Iterator<Item = u64> {
    let descriptors = std::fs::read_dir(process.join("fd")).into_iter().flatten().flatten().take(MAX_DESCRIPTORS);
    descriptors.filter_map(|descriptor| {
        let target = std::fs::read_link(descriptor.path()).ok()?;
        parse::numbered(target.as_os_str().as_bytes(), b"socket:[")
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, UdpSocket as Bind};

    #[test]
    fn what_this_test_listens_on_is_found_unless_it_is_known() {
        let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = tcp.local_addr().unwrap();
        let pid = std::process::id();
        let of_us = |known: &HashSet<u32>| {
            let (found, _) = Procfs::default().listening(known);
            found.into_iter().find(|one| one.pid == pid)
        };
        let us = of_us(&HashSet::new()).unwrap();
        assert!(us.sockets.contains(&Bound { protocol: "tcp", address }), "{us:?}");
        assert_eq!(us.executable, std::env::current_exe().unwrap().to_str().unwrap());
        assert_eq!(of_us(&HashSet::from([pid])), None);
    }

    #[test]
    fn udp_counts_without_a_peer_and_below_the_ports_of_clients() {
        // Bound to 53 on all addresses; a client with a peer; a client that waits for anyone; one without a port.
        let text =
            b"  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            1: 00000000:0035 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 11 2 0 0\n\
            2: 0100007F:9C40 0100007F:0035 01 00000000:00000000 00:00000000 00000000     0        0 12 2 0 0\n\
            3: 00000000:EA60 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 13 2 0 0\n\
            4: 00000000:0000 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 14 2 0 0\n\
            broken\n";
        let parsed: Vec<(u64, u16)> =
            UdpSocket::parse(text).iter().map(|socket| (socket.inode, socket.local.1)).collect();
        assert_eq!(parsed, [(11, 53), (13, 60_000)]);
        // A real one: the kernel chose a port for clients, so it is not told.
        let udp = Bind::bind("127.0.0.1:0").unwrap();
        let (found, _) = Procfs::default().listening(&HashSet::new());
        let us = found.iter().find(|one| one.pid == std::process::id());
        let address = udp.local_addr().unwrap();
        assert!(us.is_none_or(|us| us.sockets.iter().all(|socket| socket.address != address)));
    }
}
