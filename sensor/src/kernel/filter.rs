//! The one door from the agent back into the kernel: lineages and watched directories.

use super::load::Programs;
use anyhow::{Context, Result};
use aya::Pod;
use aya::maps::{Array, HashMap, MapData, MapError};
use sensor_common::file::{FileKey, FileNote, WatchKey};
use sensor_common::key::ProcessKey;
use sensor_common::settings::{ProcessEntry, WATCH_WORDS, note_slot, watch_bit};

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Entry(ProcessEntry);
// SAFETY: integers without padding.
unsafe impl Pod for Entry {}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Key(WatchKey);
// SAFETY: integers without padding.
unsafe impl Pod for Key {}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Noted(FileKey);
// SAFETY: integers without padding.
unsafe impl Pod for Noted {}

#[repr(transparent)]
#[derive(Clone, Copy)]
struct Note(FileNote);
// SAFETY: integers without padding.
unsafe impl Pod for Note {}

/// The kernel's maps that the agent writes.
pub struct Filter {
    processes: HashMap<MapData, u32, Entry>,
    watches: HashMap<MapData, Key, u32>,
    bits: Array<MapData, [u64; WATCH_WORDS]>,
    /// What `bits` holds.
    words: [u64; WATCH_WORDS],
    notes: HashMap<MapData, Noted, Note>,
    note_slots: Array<MapData, u8>,
}

impl Filter {
    pub fn new(programs: &mut Programs) -> Result<Self> {
        Ok(Self {
            processes: HashMap::try_from(programs.take_map("PROCESSES")?).context("map PROCESSES")?,
            watches: HashMap::try_from(programs.take_map("WATCHES")?).context("map WATCHES")?,
            bits: Array::try_from(programs.take_map("WATCH_BITS")?).context("map WATCH_BITS")?,
            words: [0; WATCH_WORDS],
            notes: HashMap::try_from(programs.take_map("NOTES")?).context("map NOTES")?,
            note_slots: Array::try_from(programs.take_map("NOTE_SLOTS_TAKEN")?).context("map NOTE_SLOTS_TAKEN")?,
        })
    }

    /// A lineage of 0 takes the process out of the map. `flags` are [`sensor_common::settings::process_flags`].
    pub fn set_lineage(&mut self, process: ProcessKey, parent: ProcessKey, lineage: u32, flags: u32) -> Result<()> {
        if lineage == 0 {
            self.forget(process);
            return Ok(());
        }
        let entry = match self.processes.get(&process.tgid, 0) {
            Ok(Entry(entry)) if ProcessKey::new(process.tgid, entry.start_boottime_ns).same_as(process) => {
                ProcessEntry { lineage, flags, ..entry }
            }
            // Somebody younger has the number already.
            Ok(Entry(entry)) if entry.start_boottime_ns > process.start_boottime_ns => return Ok(()),
            // What stands there is of a process that had the number before.
            Ok(_) | Err(MapError::KeyNotFound) => {
                ProcessEntry { start_boottime_ns: process.start_boottime_ns, parent, lineage, flags }
            }
            Err(error) => return Err(error).context("reading the kernel's process map"),
        };
        self.processes.insert(process.tgid, Entry(entry), 0).context("writing a lineage into the kernel's process map")
    }

    pub fn forget(&mut self, process: ProcessKey) {
        if let Ok(Entry(entry)) = self.processes.get(&process.tgid, 0)
            && ProcessKey::new(process.tgid, entry.start_boottime_ns).same_as(process)
        {
            // Gone already is what is wanted.
            let _ = self.processes.remove(&process.tgid);
        }
    }

    pub fn unwatch(&mut self, key: WatchKey) {
        // Gone already is what is wanted. The bit may be another directory's too: it stays, and costs a look-up.
        let _ = self.watches.remove(&Key(key));
    }

    /// Notes a file, beside what is noted of it already. What the kernel noted itself is newer and keeps its generation.
    pub fn note(&mut self, key: FileKey, note: FileNote) -> Result<()> {
        let before = self.notes.get(&Noted(key), 0).map_or_else(|_| FileNote::default(), |Note(before)| before);
        let generation = if note.generation == 0 { before.generation } else { note.generation };
        let both = FileNote { generation, what: before.what | note.what, readers: 0, reserved: 0 };
        self.notes.insert(Noted(key), Note(both), 0).context("adding to the kernel's map of noted files")?;
        self.note_slots.set(note_slot(key.inode), 1, 0).context("telling the kernel which inode numbers are noted")
    }

    pub fn watch(&mut self, key: WatchKey, watch: u32) -> Result<()> {
        self.watches.insert(Key(key), watch, 0).context("adding to the kernel's map of watched directories")?;
        let (word, bit) = watch_bit(key.inode);
        self.words[word] |= bit;
        self.bits.set(0, self.words, 0).context("telling the kernel which inode numbers are watched")
    }
}
