//! The one door from the agent back into the kernel: lineages and watched directories.

use super::load::Programs;
use anyhow::{Context, Result};
use aya::Pod;
use aya::maps::{Array, HashMap, MapData, MapError};
use sensor_common::file::WatchKey;
use sensor_common::key::ProcessKey;
use sensor_common::settings::{ProcessEntry, WATCH_WORDS, watch_bit};

/// `BPF_NOEXIST`: what the kernel wrote meanwhile is newer.
const NO_EXIST: u64 = 1;

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

/// The kernel's maps that the agent writes.
pub struct Filter {
    processes: HashMap<MapData, u32, Entry>,
    watches: HashMap<MapData, Key, u32>,
    bits: Array<MapData, [u64; WATCH_WORDS]>,
    /// What `bits` holds.
    words: [u64; WATCH_WORDS],
}

impl Filter {
    pub fn new(programs: &mut Programs) -> Result<Self> {
        Ok(Self {
            processes: HashMap::try_from(programs.take_map("PROCESSES")?).context("map PROCESSES")?,
            watches: HashMap::try_from(programs.take_map("WATCHES")?).context("map WATCHES")?,
            bits: Array::try_from(programs.take_map("WATCH_BITS")?).context("map WATCH_BITS")?,
            words: [0; WATCH_WORDS],
        })
    }

    pub fn set_lineage(&mut self, process: ProcessKey, parent: ProcessKey, lineage: u32) -> Result<()> {
        match self.processes.get(&process.tgid, 0) {
            Ok(Entry(entry)) => {
                let known = ProcessKey::new(process.tgid, entry.start_boottime_ns);
                if !known.same_as(process) || entry.lineage == lineage {
                    return Ok(());
                }
                let changed = Entry(ProcessEntry { lineage, ..entry });
                self.processes
                    .insert(process.tgid, changed, 0)
                    .context("writing a lineage into the kernel's process map")
            }
            Err(MapError::KeyNotFound) => self.add(process, parent, lineage),
            Err(error) => Err(error).context("reading the kernel's process map"),
        }
    }

    /// Adds a process that the kernel's map does not have. Its parent is left open: procfs does not know who called fork.
    pub fn know(&mut self, process: ProcessKey) -> Result<()> {
        self.add(process, ProcessKey::NONE, 0)
    }

    fn add(&mut self, process: ProcessKey, parent: ProcessKey, lineage: u32) -> Result<()> {
        let entry = Entry(ProcessEntry { start_boottime_ns: process.start_boottime_ns, parent, lineage, reserved: 0 });
        match self.processes.insert(process.tgid, entry, NO_EXIST) {
            Err(MapError::SyscallError(error)) if error.io_error.raw_os_error() == Some(libc::EEXIST) => Ok(()),
            other => other.context("adding to the kernel's process map"),
        }
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

    pub fn watch(&mut self, key: WatchKey, watch: u32) -> Result<()> {
        self.watches.insert(Key(key), watch, 0).context("adding to the kernel's map of watched directories")?;
        let (word, bit) = watch_bit(key.inode);
        self.words[word] |= bit;
        self.bits.set(0, self.words, 0).context("telling the kernel which inode numbers are watched")
    }
}
