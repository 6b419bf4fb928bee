//! Who a process is.

/// A process: its thread group id and when its group leader started.
///
/// A pid alone is reused; this pair is not. Across exec, also one called by a thread that is not the leader, both stay
/// the same (`fs/exec.c: de_thread` hands the leader's start time over).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct ProcessKey {
    /// `task_struct.group_leader->start_boottime`, nanoseconds since boot. Records made from procfs carry it in whole
    /// clock ticks (10 ms), see [`ProcessKey::same_as`].
    pub start_boottime_ns: u64,
    /// Thread group id in the initial pid namespace: what people call the pid.
    pub tgid: u32,
    /// Always 0.
    pub reserved: u32,
}

/// The granularity of start times in `/proc/PID/stat`: `USER_HZ` is 100 on every Linux architecture.
pub const PROCFS_TICK_NS: u64 = 10_000_000;

impl ProcessKey {
    /// Nobody: the parent of the first process, or a parent that is not known.
    pub const NONE: Self = Self { start_boottime_ns: 0, tgid: 0, reserved: 0 };

    /// A key from its two parts.
    pub const fn new(tgid: u32, start_boottime_ns: u64) -> Self {
        Self { start_boottime_ns, tgid, reserved: 0 }
    }

    /// Whether both name the same process, when either may come from procfs with its coarser clock. Two keys from the
    /// kernel must be equal: with a small `pid_max` a pid is used again within one tick.
    pub const fn same_as(self, other: Self) -> bool {
        let coarse = self.is_coarse() || other.is_coarse();
        let same_tick = self.start_boottime_ns / PROCFS_TICK_NS == other.start_boottime_ns / PROCFS_TICK_NS;
        self.tgid == other.tgid && (self.start_boottime_ns == other.start_boottime_ns || coarse && same_tick)
    }

    /// Whether the start time is in whole clock ticks, as procfs gives it. One process in ten million really started at
    /// such a nanosecond; its key is then only compared less strictly.
    pub const fn is_coarse(self) -> bool {
        self.start_boottime_ns.is_multiple_of(PROCFS_TICK_NS)
    }

    /// Whether this names a process at all.
    pub const fn is_some(self) -> bool {
        self.tgid != 0
    }
}
