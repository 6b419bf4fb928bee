//! Noted files: those that were written by a server's lineage, or where a server loads components from, and those that
//! hold credentials. Opening one for reading is reported, if a server's lineage does it.
//!
//! What is written is noted here at once, because a script may be run a moment after it was dropped. What the agent
//! knows (credentials, what fanotify told, what was dropped before the last start) it writes into the same map.

use crate::{
    maps::{NOTE_SLOTS_TAKEN, NOTES},
    memory::read,
    offsets as off,
};
use sensor_common::{
    file::{FileKey, FileNote, file_flags, notes},
    settings::note_slot,
};

/// Notes a file that is being written, renamed or linked. Readers are told of it anew.
///
/// VERIFIER: a function of its own, because its key and value in the caller's frame make the stack of the longest chain of
/// calls larger than 512 bytes ("combined stack size of 5 calls"). It returns a number, as all such functions must.
#[inline(never)]
pub fn written(inode: u64, device: u32, generation: u32) -> u32 {
    if inode == 0 {
        return 0;
    }
    let key = FileKey { inode, device, reserved: 0 };
    // SAFETY: read at once.
    let before = unsafe { NOTES.get(key) }.map_or(0, |note| note.what);
    let note = FileNote { generation, what: before | notes::WRITTEN, readers: 0, reserved: 0 };
    // The map makes room by itself; another failure costs the report of a reading, and the write is reported anyhow.
    let _ = NOTES.insert(key, note, 0);
    if let Some(slot) = NOTE_SLOTS_TAKEN.get_ptr_mut(note_slot(inode)) {
        // SAFETY: a map value of one byte.
        unsafe { slot.write_volatile(1) };
    }
    0
}

/// Whether a file with that inode number may be noted: all that an open for reading costs others.
#[inline(always)]
pub fn may_be_noted(inode: u64) -> bool {
    // SAFETY: a map value of one byte.
    NOTE_SLOTS_TAKEN.get_ptr(note_slot(inode)).is_some_and(|slot| unsafe { slot.read_volatile() } != 0)
}

/// Whether reading the file of `inode` (an address) is to be reported for a lineage: the flags to report, 0 for not.
#[inline(always)]
pub fn to_report(inode: u64, lineage: u32) -> u32 {
    let superblock: u64 = read(inode, off::OFF_INODE_SB());
    let key =
        FileKey { inode: read(inode, off::OFF_INODE_INO()), device: read(superblock, off::OFF_SB_DEV()), reserved: 0 };
    let Some(note) = NOTES.get_ptr_mut(key) else {
        return 0;
    };
    let generation: u32 = read(inode, off::OFF_INODE_GENERATION());
    let reader = 1 << (lineage & 31);
    // SAFETY: a live map value; what another reader writes meanwhile is at worst told twice.
    unsafe {
        if (*note).generation != 0 && (*note).generation != generation {
            return 0;
        }
        let mut flags = 0;
        if (*note).what & notes::SECRET != 0 {
            flags |= file_flags::NOTED_SECRET;
        }
        if (*note).what & notes::WRITTEN != 0 && (*note).readers & reader == 0 {
            (*note).readers |= reader;
            flags |= file_flags::NOTED_WRITTEN;
        }
        flags
    }
}
