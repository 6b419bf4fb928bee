//! The wire contract between the kernel programs and the agent.
//!
//! A *record* is the bytes of one thing that happened: a fixed [`record::Head`], a fixed body for its
//! [`record::Kind`], and then a tail whose parts have the lengths that the body states, in the order in which the
//! body names them. Records are as long as what they hold, never as long as the largest possible.
//!
//! Always holds: no padding (proved by `zerocopy` when the agent is built), every number in the machine's own byte
//! order, times in nanoseconds of `CLOCK_BOOTTIME`. This crate has no logic beyond naming numbers.
#![no_std]

pub mod file;
pub mod key;
pub mod losses;
pub mod net;
pub mod offsets;
pub mod process;
pub mod record;
pub mod settings;

/// Version of everything in this crate. It is part of the pin path and of the capture header: an agent never reads
/// what another version wrote.
pub const CONTRACT_VERSION: u32 = 4;
