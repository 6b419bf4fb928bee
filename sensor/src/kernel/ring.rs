//! Reading the two rings, in the order in which things happened.
//!
//! A batch of activity is taken first, then all that the process ring holds: whatever made an activity record, its
//! process's fork and exec were in the process ring before. Both are then handed on by time.
//!
//! A ring is mapped once, not twice in a row as its readers usually do to have every record in one piece: records are
//! copied anyway, and each page that is mapped twice counts twice in the agent's resident memory.

use anyhow::{Context, Result, bail};
use aya::maps::{Map, MapData};
use sensor_common::record::Head;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicU32, AtomicUsize, Ordering};

/// Most activity records taken at once.
const ACTIVITY_BATCH: usize = 4096;
/// Most process records taken at once; what is left is later than what was taken.
const PROCESS_BATCH: usize = 16_384;
/// Bytes of a batch that are kept for the next; what a burst needed more is given back.
const KEPT_BYTES: usize = 256 << 10;
/// The same for its records.
const KEPT_RECORDS: usize = 4096;

/// Both rings.
pub struct Rings {
    process: Ring,
    activity: Ring,
}

/// Records one behind the other, and where each is.
#[derive(Default)]
pub struct Batch {
    bytes: Vec<u8>,
    /// Time, start, length.
    places: Vec<(u64, usize, usize)>,
}

impl Batch {
    /// Adds a record. One too short for a head is kept, at time 0: decoding it counts it.
    pub fn push(&mut self, record: &[u8]) {
        self.push_parts(record, &[]);
    }

    /// The same for a record in two pieces.
    fn push_parts(&mut self, first: &[u8], second: &[u8]) {
        let start = self.bytes.len();
        self.bytes.extend_from_slice(first);
        self.bytes.extend_from_slice(second);
        let record = &self.bytes[start..];
        let time = record.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes);
        const { assert!(std::mem::offset_of!(Head, time_boottime_ns) == 8) };
        self.places.push((time, start, record.len()));
    }

    fn sort(&mut self) {
        self.places.sort_by_key(|(time, ..)| *time);
    }

    /// The records, by time.
    pub fn records(&self) -> impl Iterator<Item = &[u8]> {
        self.places.iter().map(|(_, start, length)| &self.bytes[*start..start + length])
    }

    /// Empties it, for the next.
    pub fn clear(&mut self) {
        self.places.clear();
        self.bytes.clear();
        self.bytes.shrink_to(KEPT_BYTES);
        self.places.shrink_to(KEPT_RECORDS);
    }
}

impl Rings {
    /// Takes the rings over.
    pub fn new(process: Map, activity: Map) -> Result<Self> {
        Ok(Self {
            process: Ring::new(process).context("map PROCESS_RING")?,
            activity: Ring::new(activity).context("map ACTIVITY_RING")?,
        })
    }

    /// What to wait on.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [&self.process, &self.activity].map(|ring| ring.map.fd().as_fd())
    }

    /// Takes what there is into an empty batch, lets `more` add to it, and puts all of it in order.
    pub fn take(&mut self, batch: &mut Batch, more: impl FnOnce(&mut Batch)) {
        self.activity.take(batch, ACTIVITY_BATCH);
        more(batch);
        self.process.take(batch, PROCESS_BATCH);
        batch.sort();
    }

    /// Bytes that wait, and bytes there is room for: of the process ring, and of the other.
    pub fn fill(&self) -> [(usize, usize); 2] {
        [&self.process, &self.activity].map(|ring| (ring.used(), ring.size))
    }
}

/// A BPF ring buffer (`kernel/bpf/ringbuf.c`): a page with the reader's position, one with the writers', the records.
struct Ring {
    map: MapData,
    /// Written by us alone.
    consumer: Mapping,
    /// The writers' position, and behind that page the records.
    produced: Mapping,
    page: usize,
    /// Bytes of records; a power of two.
    size: usize,
}

/// Bytes before each record; the first four are its length and these two bits.
const HEADER: usize = 8;
/// It is being written.
const BUSY: u32 = 1 << 31;
/// It was given up.
const DISCARDED: u32 = 1 << 30;

impl Ring {
    fn new(map: Map) -> Result<Self> {
        let Map::RingBuf(map) = map else {
            bail!("it is no ring");
        };
        let size = map.info().context("asking for its size")?.max_entries() as usize;
        let page = rustix::param::page_size();
        if !size.is_power_of_two() || size < page {
            bail!("a ring of {size} bytes");
        }
        let consumer = Mapping::new(map.fd().as_fd(), 0, page, libc::PROT_READ | libc::PROT_WRITE)?;
        let produced = Mapping::new(map.fd().as_fd(), page, page + size, libc::PROT_READ)?;
        Ok(Self { map, consumer, produced, page, size })
    }

    fn take(&mut self, batch: &mut Batch, most: usize) {
        for _ in 0..most {
            if !self.take_one(batch) {
                return;
            }
        }
    }

    /// Takes a record; false if there is none.
    fn take_one(&mut self, batch: &mut Batch) -> bool {
        let at = self.consumer.position().load(Ordering::Relaxed);
        if at == self.produced.position().load(Ordering::Acquire) {
            return false;
        }
        // SAFETY: inside the mapping; positions are multiples of eight, so a header has an aligned word and is in one
        // piece.
        let header = unsafe { &*self.data(at).cast::<AtomicU32>() }.load(Ordering::Acquire);
        if header & BUSY != 0 {
            return false;
        }
        let length = (header & !DISCARDED) as usize;
        if header & DISCARDED == 0 {
            let start = at.wrapping_add(HEADER);
            let whole = length.min(self.size - (start & (self.size - 1)));
            // SAFETY: both pieces are inside the mapping, and the kernel writes there only after the position below
            // was moved on.
            let (first, second) = unsafe {
                let first = std::slice::from_raw_parts(self.data(start).cast(), whole);
                (first, std::slice::from_raw_parts(self.data(0).cast(), length - whole))
            };
            batch.push_parts(first, second);
        }
        let next = at.wrapping_add((HEADER + length).next_multiple_of(8));
        self.consumer.position().store(next, Ordering::Release);
        true
    }

    /// Where the byte at a position is.
    fn data(&self, position: usize) -> *const libc::c_void {
        // SAFETY: masked to less than the records' size, which are mapped behind the page.
        unsafe { self.produced.start.byte_add(self.page + (position & (self.size - 1))) }
    }

    fn used(&self) -> usize {
        let written = self.produced.position().load(Ordering::Acquire);
        written.wrapping_sub(self.consumer.position().load(Ordering::Relaxed))
    }
}

/// A mapped part of a ring, which begins with a position.
struct Mapping {
    start: *mut libc::c_void,
    length: usize,
}

// SAFETY: the pages belong to no thread; what is read of them while the kernel writes is read atomically.
unsafe impl Send for Mapping {}

impl Mapping {
    fn new(ring: BorrowedFd<'_>, offset: usize, length: usize, protection: i32) -> Result<Self> {
        let offset = libc::off_t::try_from(offset)?;
        // SAFETY: a new mapping, of which nobody else knows.
        let start =
            unsafe { libc::mmap(std::ptr::null_mut(), length, protection, libc::MAP_SHARED, ring.as_raw_fd(), offset) };
        if start == libc::MAP_FAILED {
            return Err(std::io::Error::last_os_error()).context("mapping it");
        }
        Ok(Self { start, length })
    }

    fn position(&self) -> &AtomicUsize {
        // SAFETY: a page's start is inside the mapping and aligned for any word; both sides use it atomically.
        unsafe { &*self.start.cast::<AtomicUsize>() }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and not used any more.
        unsafe { libc::munmap(self.start, self.length) };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_handed_on_by_time_and_keeps_what_is_too_short() {
        let record = |time: u64, mark: u8| {
            let mut bytes = vec![mark; 24];
            bytes[8..16].copy_from_slice(&time.to_ne_bytes());
            bytes
        };
        let mut batch = Batch::default();
        batch.push(&record(30, 1));
        batch.push(&record(10, 2));
        batch.push(&[3; 5]);
        let last = record(10, 4);
        batch.push_parts(&last[..11], &last[11..]);
        batch.sort();
        let marks: Vec<u8> = batch.records().map(|record| record[0]).collect();
        assert_eq!(marks, [3, 2, 4, 1]);
        batch.clear();
        assert_eq!(batch.records().count(), 0);
    }
}
