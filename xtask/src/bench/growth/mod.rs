//! What grows with what: servers, exceptions, the catalogue; processes, directories.

mod catalogue;
mod live;
mod replayed;

use super::outcome::Outcome;
use anyhow::Result;

/// Measures all of it.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    replayed::measure(outcome)?;
    live::measure(outcome)
}
