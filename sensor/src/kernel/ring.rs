//! Reading the two rings, in the order in which things happened.
//!
//! A batch of activity is taken first, then all that the process ring holds: whatever made an activity record, its
//! process's fork and exec were in the process ring before. Both are then handed on by time.

use aya::maps::{MapData, RingBuf};
use sensor_common::record::Head;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicUsize, Ordering};

/// Most activity records taken at once.
const ACTIVITY_BATCH: usize = 4096;
/// Most process records taken at once; what is left is later than what was taken.
const PROCESS_BATCH: usize = 16_384;

/// Both rings, and the batch that is being handed on.
pub struct Rings {
    process: RingBuf<MapData>,
    activity: RingBuf<MapData>,
    batch: Batch,
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
        let time = record.get(8..16).and_then(|bytes| bytes.try_into().ok()).map_or(0, u64::from_ne_bytes);
        const { assert!(std::mem::offset_of!(Head, time_boottime_ns) == 8) };
        self.places.push((time, self.bytes.len(), record.len()));
        self.bytes.extend_from_slice(record);
    }

    fn hand_on(&mut self, sink: &mut dyn FnMut(&[u8])) {
        self.places.sort_by_key(|(time, ..)| *time);
        for (_, start, length) in self.places.drain(..) {
            sink(&self.bytes[start..start + length]);
        }
        self.bytes.clear();
        // A burst's buffer is given back.
        self.bytes.shrink_to(1 << 20);
        self.places.shrink_to(1 << 14);
    }
}

impl Rings {
    /// Takes the rings over.
    pub fn new(process: RingBuf<MapData>, activity: RingBuf<MapData>) -> Self {
        Self { process, activity, batch: Batch::default() }
    }

    /// What to wait on.
    pub fn descriptors(&self) -> [BorrowedFd<'_>; 2] {
        [self.process.as_fd(), self.activity.as_fd()]
    }

    /// Takes a batch, lets `more` add to it, and hands all of it on. False if there was nothing.
    pub fn drain(&mut self, more: &mut dyn FnMut(&mut Batch), sink: &mut dyn FnMut(&[u8])) -> bool {
        take(&mut self.activity, &mut self.batch, ACTIVITY_BATCH);
        more(&mut self.batch);
        take(&mut self.process, &mut self.batch, PROCESS_BATCH);
        let any = !self.batch.places.is_empty();
        self.batch.hand_on(sink);
        any
    }
}

fn take(ring: &mut RingBuf<MapData>, batch: &mut Batch, most: usize) {
    for _ in 0..most {
        match ring.next() {
            Some(record) => batch.push(&record),
            None => return,
        }
    }
}

/// A second view of a ring: how full it is.
pub struct Gauge {
    positions: *mut libc::c_void,
    page: usize,
    /// Bytes the ring holds.
    pub capacity: usize,
}

// SAFETY: the pages are only read, each word atomically.
unsafe impl Send for Gauge {}

impl Gauge {
    /// Maps the ring's position pages. `None` if that fails: the gauge is then not known.
    pub fn new(ring: BorrowedFd<'_>, capacity: usize) -> Option<Self> {
        let page = rustix::param::page_size();
        // SAFETY: a new read-only mapping of the consumer and producer pages, which every ring begins with.
        let positions = unsafe {
            libc::mmap(std::ptr::null_mut(), 2 * page, libc::PROT_READ, libc::MAP_SHARED, ring.as_raw_fd(), 0)
        };
        (positions != libc::MAP_FAILED).then_some(Self { positions, page, capacity })
    }

    /// Bytes that wait to be read.
    pub fn used(&self) -> usize {
        self.position(1).wrapping_sub(self.position(0))
    }

    fn position(&self, page: usize) -> usize {
        // SAFETY: inside the mapping.
        let start = unsafe { self.positions.byte_add(page * self.page) };
        // SAFETY: a page's start is aligned for any word; the kernel writes it, so it is read atomically.
        unsafe { &*start.cast::<AtomicUsize>() }.load(Ordering::Acquire)
    }
}

impl Drop for Gauge {
    fn drop(&mut self) {
        // SAFETY: mapped in `new` with this length, and not used any more.
        unsafe { libc::munmap(self.positions, 2 * self.page) };
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
        batch.push(&record(10, 4));
        let mut marks = Vec::new();
        batch.hand_on(&mut |record| marks.push(record[0]));
        assert_eq!(marks, [3, 2, 4, 1]);
        batch.hand_on(&mut |_| panic!("it is empty now"));
    }
}
