//! What can be lost, where, and why: the numbers behind `sensor_lost_events_total`.

/// Where records wait for the agent.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Ring {
    /// fork, exec, exit of every process.
    Process = 0,
    /// Everything else.
    Activity = 1,
    /// The kernel's fanotify queue.
    Fanotify = 2,
}

impl Ring {
    /// All rings.
    pub const ALL: [Self; 3] = [Self::Process, Self::Activity, Self::Fanotify];

    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Activity => "activity",
            Self::Fanotify => "fanotify",
        }
    }
}

/// Why a record, or part of what it should say, was lost.
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LossReason {
    /// The ring had no room: the agent was too slow.
    RingFull = 0,
    /// The kernel's process map had no room: lineage is not inherited there.
    ProcessMapFull = 1,
    /// A kernel structure could not be read: the record was given up.
    ReadFault = 2,
    /// The program was skipped by the kernel because it was already running on that CPU.
    Recursion = 3,
    /// A record could not be decoded.
    Malformed = 4,
}

impl LossReason {
    /// All reasons.
    pub const ALL: [Self; 5] =
        [Self::RingFull, Self::ProcessMapFull, Self::ReadFault, Self::Recursion, Self::Malformed];

    /// The name used in metrics.
    pub const fn name(self) -> &'static str {
        match self {
            Self::RingFull => "ring_full",
            Self::ProcessMapFull => "process_map_full",
            Self::ReadFault => "read_fault",
            Self::Recursion => "recursion",
            Self::Malformed => "malformed",
        }
    }
}

/// Kinds that the kernel makes are numbered below this.
pub const KERNEL_KINDS: u32 = 16;
/// Reasons are numbered below this.
pub const REASONS: u32 = 8;
/// Counters in the one value of the per-CPU array `LOSSES`: one for each kind and reason. A power of two.
pub const LOSS_COUNTERS: u32 = KERNEL_KINDS * REASONS;

/// Index into the value of `LOSSES`.
pub const fn loss_index(kind: u16, reason: LossReason) -> u32 {
    (kind as u32 & (KERNEL_KINDS - 1)) * REASONS + reason as u32
}

/// Body of [`crate::record::Kind::Loss`]: so many were lost since the last such record. No tail.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct LossBody {
    /// How many.
    pub count: u64,
    /// A [`Ring`].
    pub ring: u32,
    /// A [`LossReason`].
    pub reason: u32,
    /// The [`crate::record::Kind`] that was lost, 0 if not known.
    pub kind: u32,
    /// Always 0.
    pub reserved: u32,
}
