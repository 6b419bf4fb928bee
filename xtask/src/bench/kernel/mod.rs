//! What single operations pay: counted instructions in a virtual machine, and with/without on this machine's kernel.

mod counted;
mod guest;
mod live;
mod programs;

pub use counted::steady;
pub use guest::run as guest;

use super::outcome::Outcome;
use anyhow::Result;

/// Measures both.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    counted::measure(outcome)?;
    live::measure(outcome)
}
