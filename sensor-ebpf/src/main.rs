//! The kernel programs of sensor: they observe and copy, and decide nothing.
//!
//! `sched_process_{fork,exec,exit}` report every process. Everything else reports only what a server's lineage does, or
//! what happens below a watched directory. A program never changes what the watched process sees, and whatever it
//! cannot deliver it counts in `LOSSES`.
#![no_std]
#![no_main]

mod emit;
mod hooks {
    pub mod accept;
    pub mod connect;
    pub mod exec;
    pub mod exit;
    pub mod fork;
    pub mod listen;
    pub mod mmap;
    pub mod names;
    pub mod open;
    pub mod truncate;
}
mod file;
mod inode;
mod lineage;
mod maps;
mod memory;
mod notes;
mod offsets;
mod path;
mod peers;
mod socket;
mod task;
mod watch;

/// Nothing in these programs can panic; the compiler wants the function all the same.
#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    // SAFETY: never reached; the verifier would refuse a program in which it were.
    unsafe { core::hint::unreachable_unchecked() }
}

/// Several helpers (probe reads, tasks) are for GPL-compatible programs only.
#[unsafe(link_section = "license")]
#[unsafe(no_mangle)]
static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
