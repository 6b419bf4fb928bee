//! The same under others that watch: nobody, the sensor, auditd, bpftrace, in turns.
//!
//! auditd comes last in each round, and nobody once more after it: that shows whether audit is really off again.

mod operations;
mod records;
mod sensor;
mod workloads;

use super::loops::Ground;
use super::outcome::Outcome;
use crate::setup::packages;
use anyhow::Result;

/// Measures operations and workloads, and looks at what each watcher recorded.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    packages::ensure("peers", packages::PEERS)?;
    packages::ensure("the workloads", packages::WORKLOADS)?;
    {
        let ground = Ground::new()?;
        operations::measure(outcome, &ground)?;
        records::measure(outcome, &ground)?;
    }
    workloads::measure(outcome)
}
