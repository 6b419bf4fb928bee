//! Every map, with its bound and what happens there at the bound.

use crate::emit::Scratch;
use aya_ebpf::{
    macros::map,
    maps::{Array, HashMap, LruHashMap, PerCpuArray, RingBuf},
};
use sensor_common::{
    file::{FileKey, FileNote, WatchKey},
    losses::LOSS_COUNTERS,
    net::Peer,
    settings::{
        MAX_NOTED_FILES, MAX_PEERS, MAX_PENDING_CONNECTS, MAX_PROCESSES, MAX_WATCHES, NOTE_SLOTS, ProcessEntry,
        WATCH_WORDS,
    },
};

/// fork, exec, exit. The agent sets the size; full: `ring_full` is counted and the record dropped.
#[map]
pub static PROCESS_RING: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// Everything else. The same at the bound.
#[map]
pub static ACTIVITY_RING: RingBuf = RingBuf::with_byte_size(4 << 20, 0);

/// The live processes of servers' lineages by tgid: start, who forked it, lineage. A stranger is in no map: to fork and to
/// exit costs it no more than a look-up that finds nothing. Full: `process_map_full` is counted, and the process has no
/// lineage in the kernel.
#[map]
pub static PROCESSES: HashMap<u32, ProcessEntry> = HashMap::with_max_entries(MAX_PROCESSES, 0);

/// Watched directories, to their watch number. Written by the agent only, which counts what does not fit.
#[map]
pub static WATCHES: HashMap<WatchKey, u32> = HashMap::with_max_entries(MAX_WATCHES, 0);

/// A bit for each inode number that some watched directory has: most directories on the way up need no look-up.
/// Written by the agent only.
#[map]
pub static WATCH_BITS: Array<[u64; WATCH_WORDS]> = Array::with_max_entries(1, 0);

/// Files of which a server's lineage's reading is reported: see [`crate::notes`]. Full: the one used longest ago gives way.
#[map]
pub static NOTES: LruHashMap<FileKey, FileNote> = LruHashMap::with_max_entries(MAX_NOTED_FILES, 0);

/// By inode number: whether a look-up in `NOTES` is worth it. A byte each, so that two writers cannot undo each other's.
#[map]
pub static NOTE_SLOTS_TAKEN: Array<u8> = Array::with_max_entries(NOTE_SLOTS, 0);

/// connect(2) calls under way in a lineage, by pid_tgid, to the file descriptor. Full: the oldest gives way.
#[map]
pub static PENDING_CONNECTS: LruHashMap<u64, u32> = LruHashMap::with_max_entries(MAX_PENDING_CONNECTS, 0);

/// Who was reported to talk to whom, and when: see [`crate::peers`]. Full: the one used longest ago gives way.
#[map]
pub static PEERS: LruHashMap<Peer, u64> = LruHashMap::with_max_entries(MAX_PEERS, 0);

/// Losses by kind and reason: one value, so that the agent reads all of them in one call.
#[map]
pub static LOSSES: PerCpuArray<[u64; LOSS_COUNTERS as usize]> = PerCpuArray::with_max_entries(1, 0);

/// Where records are put together: one buffer for each family of hooks, see [`crate::emit`].
#[map]
pub static SCRATCH: PerCpuArray<Scratch> = PerCpuArray::with_max_entries(Scratch::SLOTS, 0);
