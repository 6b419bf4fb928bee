//! What the agent itself takes, on this machine's own kernel: processor time, memory; what it loses under load; how soon
//! it tells, and how much it writes.

mod alerts;
mod attack;
mod cpu;
mod latency;
mod lost;
mod memory;
mod records;
mod stage;

pub use attack::{Options as AttackOptions, run as attack};
pub use memory::Memory;
pub use stage::Stage;

use super::outcome::Outcome;
use anyhow::Result;

/// Measures all of it.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    cpu::measure(outcome)?;
    memory::measure(outcome)?;
    lost::measure(outcome)?;
    latency::measure(outcome)?;
    alerts::measure(outcome)?;
    records::measure(outcome)
}
