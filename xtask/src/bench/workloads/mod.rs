//! What whole workloads pay: throughput and latency of real servers on this machine, and instructions per request,
//! counted in a virtual machine.
//!
//! [`rounds`] runs any [`Workload`] under any [`Watcher`].

mod build;
mod contents;
mod counted;
mod live;
pub mod place;
mod postgres;
mod redis;
pub mod rounds;
mod stress;
pub mod watcher;
mod web;
pub mod workload;

pub use counted::guest;

use super::outcome::Outcome;
use crate::setup::packages;
use anyhow::Result;

/// Measures both.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    packages::ensure("the workloads", packages::WORKLOADS)?;
    counted::measure(outcome)?;
    live::measure(outcome)
}
