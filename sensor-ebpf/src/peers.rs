//! Peers that a process was reported to talk to: the same again is told once a minute. A server that connects to its
//! database, or is connected to by its proxy, for each request would otherwise pay for a record each time.

use crate::{lineage::Subject, maps::PEERS, memory::read, socket::Address};
use aya_ebpf::helpers::generated::bpf_ktime_get_boot_ns;
use sensor_common::{
    net::{Peer, REPEAT_NS},
    record::Kind,
};

/// Whether that process was reported with that peer less than [`REPEAT_NS`] ago. If not, this is remembered.
#[inline(always)]
pub fn again(subject: &Subject, kind: Kind, family: u16, address: Address, port: u16) -> bool {
    // Clients come from another port each time.
    let port = if matches!(kind, Kind::Accept) { 0 } else { port };
    let peer = Peer { process: subject.process, address, port, family, kind: kind as u16, reserved: 0 };
    // SAFETY: no arguments.
    let now = unsafe { bpf_ktime_get_boot_ns() };
    // SAFETY: read at once.
    if unsafe { PEERS.get(peer) }.is_some_and(|told| now - *told < REPEAT_NS) {
        return true;
    }
    // The map makes room by itself; another failure means that it is told again.
    let _ = PEERS.insert(peer, now, 0);
    false
}

/// What stands for a unix socket's path in a [`Peer`]: a hash of its bytes, at most 108 as in `sun_path`.
#[inline(always)]
pub fn path_hash(path: u64, length: u32) -> Address {
    // FNV-1a's numbers, over words.
    let mut hash = [0xcbf2_9ce4_8422_2325u64, length as u64];
    for index in 0..14 {
        let left = length.wrapping_sub(index * 8);
        if left == 0 || left > 108 {
            break;
        }
        let mut word: u64 = read(path, index * 8);
        if left < 8 {
            word &= (1 << (left * 8)) - 1;
        }
        hash[0] = (hash[0] ^ word).wrapping_mul(0x100_0000_01b3);
        hash[1] = hash[1].rotate_left(23) ^ hash[0];
    }
    hash
}
