//! Sizes and limits that both sides must agree on.

use crate::key::ProcessKey;

/// Most bytes of argv in an exec record.
pub const MAX_ARGV: usize = 4096;
/// Most bytes of one path in a record, as components.
pub const MAX_PATH: usize = 4096;
/// Most bytes of a raw text in a record (a script's path, a symlink's target), its NUL included. A power of two.
pub const MAX_TEXT: usize = 2048;
/// Most steps (directories and mounts) of one path walk.
pub const MAX_STEPS: u32 = 40;
/// Most processes the kernel remembers; beyond it `process_map_full` is counted.
pub const MAX_PROCESSES: u32 = 65_536;
/// Most directories that can be watched.
pub const MAX_WATCHES: u32 = 32_768;
/// Words of the map that says for which inode numbers it is worth looking among the watched directories.
pub const WATCH_WORDS: usize = 1024;

/// Where in that map an inode number stands: word, and bit in it. Numbers that differ by a multiple of 65,536 share one.
pub const fn watch_bit(inode: u64) -> (usize, u64) {
    ((inode >> 6) as usize & (WATCH_WORDS - 1), 1 << (inode & 63))
}

/// Most files that are noted; beyond it the one that was used longest ago is forgotten.
pub const MAX_NOTED_FILES: u32 = 32_768;
/// Slots of the map that says for which inode numbers it is worth looking among the noted files. A power of two.
pub const NOTE_SLOTS: u32 = 65_536;

/// The slot of an inode number in that map. Numbers that differ by a multiple of [`NOTE_SLOTS`] share one.
pub const fn note_slot(inode: u64) -> u32 {
    inode as u32 & (NOTE_SLOTS - 1)
}

/// Most processes and peers that are remembered as reported; beyond it the one longest ago is reported again.
pub const MAX_PEERS: u32 = 16_384;

/// Most connect calls under way at once in the tracepoint set.
pub const MAX_PENDING_CONNECTS: u32 = 4096;

/// Value of the kernel's process map, whose key is the tgid.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ProcessEntry {
    /// When the process started: an entry of an earlier process with the same tgid is not believed.
    pub start_boottime_ns: u64,
    /// Who called fork.
    pub parent: ProcessKey,
    /// 0: not in a server's lineage. Else the server's number, which the kernel hands on at fork.
    pub lineage: u32,
    /// Bits of [`process_flags`].
    pub flags: u32,
}

/// Bits of [`ProcessEntry::flags`].
pub mod process_flags {
    /// Its server's processes say in their titles what they are for: the title is told with each fork.
    pub const TITLED: u32 = 1;
}

/// Longest title that is told, with the NUL behind it. A power of two.
pub const MAX_TITLE: usize = 256;
