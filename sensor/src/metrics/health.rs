//! Whether the agent works: what `/healthz`, `/readyz` and `sensor_ready` say.
//!
//! *Alive*: its loop goes round. *Ready*: alive, its hooks are attached and procfs was merged into the tree.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// The agent's loop goes round four times a second; after so long it does not any more.
const STALLED_NS: u64 = 10_000_000_000;

/// Written by the agent, read by whoever asks.
#[derive(Debug, Default)]
pub struct Health {
    ready: AtomicBool,
    /// When the agent's loop last went round, `CLOCK_BOOTTIME`.
    alive_ns: AtomicU64,
}

impl Health {
    /// The hooks are attached and procfs was read; or that has ended.
    pub fn set_ready(&self, ready: bool) {
        self.ready.store(ready, Ordering::Release);
    }

    /// The agent's loop goes round.
    pub fn set_alive(&self, boottime_ns: u64) {
        self.alive_ns.store(boottime_ns, Ordering::Release);
    }

    /// Whether its loop went round lately.
    pub fn is_alive(&self, boottime_ns: u64) -> bool {
        boottime_ns.saturating_sub(self.alive_ns.load(Ordering::Acquire)) < STALLED_NS
    }

    /// Whether it sees what happens, and tells of it.
    pub fn is_ready(&self, boottime_ns: u64) -> bool {
        self.ready.load(Ordering::Acquire) && self.is_alive(boottime_ns)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_is_after_the_start_while_the_loop_goes_round_and_until_the_end() {
        let health = Health::default();
        let start = 100_000_000_000;
        assert!(!health.is_alive(start) && !health.is_ready(start));
        health.set_alive(start);
        assert!(health.is_alive(start) && !health.is_ready(start));
        health.set_ready(true);
        assert!(health.is_ready(start));
        assert!(health.is_ready(start + STALLED_NS - 1));
        assert!(!health.is_ready(start + STALLED_NS) && !health.is_alive(start + STALLED_NS));
        health.set_alive(start + STALLED_NS);
        assert!(health.is_ready(start + STALLED_NS));
        health.set_ready(false);
        assert!(!health.is_ready(start + STALLED_NS) && health.is_alive(start + STALLED_NS));
    }
}
