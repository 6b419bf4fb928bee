//! Others that watch what the sensor watches, as [`Watcher`]s: to compare with.

mod auditd;
mod bpftrace;

pub use super::workloads::watcher::{Nobody, Sensor, Watcher, Watching};
pub use auditd::{Auditd, counter};
pub use bpftrace::Bpftrace;
