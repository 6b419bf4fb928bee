//! Putting a record together and handing it to the agent.
//!
//! A record is written into a per-CPU buffer, then copied to its ring with the length that it really has. A program
//! may be preempted between (fentry programs on a preemptible kernel), so a buffer is marked as taken; who finds it so
//! gives up and counts `recursion`.

use crate::{
    lineage::Subject,
    maps::{ACTIVITY_RING, LOSSES, PROCESS_RING, SCRATCH},
    memory::address,
    offsets,
};
use aya_ebpf::{helpers::generated::bpf_ktime_get_boot_ns, maps::RingBuf};
use sensor_common::{
    losses::{LOSS_COUNTERS, LossReason, Ring, loss_index},
    record::{Head, Hook, Kind},
    settings::{MAX_ARGV, MAX_PATH, MAX_TEXT},
};

/// What a program ends with: nothing, or why its record was lost.
pub type Outcome = Result<(), LossReason>;

/// Positions, and so lengths of records, are masked with this; it is more than any record needs.
pub const POSITION_MASK: usize = 0x3fff;
/// Room behind the last possible position: one whole part and one name.
const SLACK: usize = MAX_ARGV + 512;
const _: () = assert!(POSITION_MASK > 288 + 2 * MAX_PATH + MAX_TEXT + MAX_ARGV);

/// Words of a `struct inode` that are read at once: all that is told of one lies in them, on every kernel so far.
pub const INODE_WORDS: usize = 12;

/// The buffer that a record is written into.
#[repr(C)]
pub struct Scratch {
    taken: u64,
    /// Where the path walk writes next.
    pub end: u64,
    /// See [`crate::memory::address`].
    through: u64,
    /// A dentry's parent and name, see [`crate::path`].
    pub link: [u64; 3],
    /// The beginning of a `struct inode`, see [`crate::inode`].
    pub inode: [u64; INODE_WORDS],
    pub bytes: [u8; POSITION_MASK + 1 + SLACK],
}

/// Which buffer. Programs that can interrupt each other's work have different ones.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Slot {
    /// fork, exec, exit: run with preemption off.
    Process = 0,
    Open = 1,
    Names = 2,
    Other = 3,
}

impl Scratch {
    pub const SLOTS: u32 = 4;

    /// The buffer of `slot` on this CPU, whoever has it.
    #[inline(always)]
    pub fn of(slot: u32) -> Option<*mut Self> {
        SCRATCH.get_ptr_mut(slot)
    }
}

/// A record that is being written. `position` is where its next part goes.
pub struct Record {
    scratch: *mut Scratch,
    pub position: usize,
    pub slot: Slot,
    urgent: bool,
    process_ring: bool,
}

/// Takes the buffer of `slot`, writes a record's head into it, lets `fill` write the rest, and sends it.
#[inline(always)]
pub fn record(
    slot: Slot,
    kind: Kind,
    hook: Hook,
    subject: &Subject,
    body_length: usize,
    fill: impl FnOnce(&mut Record) -> Outcome,
) -> Outcome {
    let scratch = Scratch::of(slot as u32).ok_or(LossReason::ReadFault)?;
    // SAFETY: the pointer is to this CPU's map value, and nobody else writes what `taken` protects.
    unsafe {
        if (*scratch).taken != 0 {
            return Err(LossReason::Recursion);
        }
        (*scratch).taken = 1;
    }
    let mut record = Record {
        scratch,
        position: size_of::<Head>() + body_length,
        slot,
        urgent: subject.lineage != 0,
        process_ring: matches!(kind.ring(), Ring::Process),
    };
    let outcome = fill(&mut record).and_then(|()| record.send(kind, hook, subject));
    // SAFETY: as above.
    unsafe { (*scratch).taken = 0 };
    outcome
}

impl Record {
    /// Where the body goes.
    ///
    /// # Safety
    /// `T` must be the body for whose length the record was made.
    #[inline(always)]
    pub unsafe fn body<T>(&mut self) -> *mut T {
        // SAFETY: bodies are far smaller than the buffer; the head's length is a multiple of 8.
        unsafe { (&raw mut (*self.scratch).bytes).cast::<u8>().add(size_of::<Head>()).cast() }
    }

    /// The address behind a typed pointer.
    #[inline(always)]
    pub fn address(&mut self, pointer: *const u8) -> u64 {
        // SAFETY: a place in our buffer.
        unsafe { address(pointer, &raw mut (*self.scratch).through) }
    }

    /// Has the next path begin where the record ends so far; gives the buffer.
    #[inline(always)]
    pub fn begin_path(&mut self) -> *mut Scratch {
        // SAFETY: a place in our buffer; volatile, so that the compiler keeps the value there.
        unsafe { (&raw mut (*self.scratch).end).write_volatile(self.position as u64) };
        self.scratch
    }

    /// Where the beginning of an inode is copied to.
    #[inline(always)]
    pub fn inode_buffer(&mut self) -> *mut [u64; INODE_WORDS] {
        // SAFETY: a place in our buffer.
        unsafe { &raw mut (*self.scratch).inode }
    }

    /// Where the next tail part goes; there is room for [`MAX_ARGV`] bytes and a name there.
    #[inline(always)]
    pub fn tail(&mut self) -> *mut u8 {
        // VERIFIER: masked, not compared: a comparison is optimised away ("unbounded memory access").
        // SAFETY: the mask keeps it inside, with the slack behind it.
        unsafe { (&raw mut (*self.scratch).bytes).cast::<u8>().add(self.position & POSITION_MASK) }
    }

    /// Wakes the agent at once when this record is sent.
    #[inline(always)]
    pub fn wake(&mut self) {
        self.urgent = true;
    }

    /// Does not wake the agent for this record alone, lineage or not: forks and exits can wait for what follows.
    #[inline(always)]
    pub fn calm(&mut self) {
        self.urgent = false;
    }

    #[inline(always)]
    fn send(&mut self, kind: Kind, hook: Hook, subject: &Subject) -> Outcome {
        let length = self.position & POSITION_MASK;
        let head = Head {
            length: length as u32,
            kind: kind as u16,
            hook: hook as u16,
            // SAFETY: no arguments.
            time_boottime_ns: unsafe { bpf_ktime_get_boot_ns() },
            process: subject.process,
            thread: subject.thread,
            lineage: subject.lineage,
        };
        // SAFETY: the buffer begins with room for a head.
        unsafe { (&raw mut (*self.scratch).bytes).cast::<Head>().write(head) };
        let ring = if self.process_ring { &PROCESS_RING } else { &ACTIVITY_RING };
        // SAFETY: `length` is masked to less than the buffer has.
        let bytes = unsafe { core::slice::from_raw_parts((&raw const (*self.scratch).bytes).cast::<u8>(), length) };
        ring.output::<[u8]>(bytes, wake_flags(ring, length, self.urgent)).map_err(|_| LossReason::RingFull)
    }
}

/// What the kernel allows for one value of a per-CPU array.
const _: () = assert!(size_of::<Scratch>() <= 32 << 10);

const BPF_RB_NO_WAKEUP: u64 = 1;
const BPF_RB_FORCE_WAKEUP: u64 = 2;
const BPF_RB_AVAIL_DATA: u64 = 0;

/// A wake-up costs ten times what a record costs: urgent records wake, the others only each time another
/// 2^`WAKE_SHIFT` bytes have gathered. The agent looks by itself a few times a second.
#[inline(always)]
fn wake_flags(ring: &RingBuf, length: usize, urgent: bool) -> u64 {
    if urgent {
        return BPF_RB_FORCE_WAKEUP;
    }
    let waiting = ring.query(BPF_RB_AVAIL_DATA);
    let shift = offsets::WAKE_SHIFT() & 31;
    if waiting >> shift != (waiting + length as u64) >> shift { BPF_RB_FORCE_WAKEUP } else { BPF_RB_NO_WAKEUP }
}

/// Ends a program: a loss is counted by kind and reason. Programs always return 0.
#[inline(always)]
pub fn finish(kind: Kind, outcome: Outcome) -> u32 {
    if let Err(reason) = outcome {
        if let Some(counters) = LOSSES.get_ptr_mut(0) {
            let index = loss_index(kind as u16, reason) & (LOSS_COUNTERS - 1);
            // SAFETY: this CPU's own counters; the index is masked.
            unsafe { *counters.cast::<u64>().add(index as usize) += 1 };
        }
    }
    0
}
