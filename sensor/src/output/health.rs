//! How an output is, as `sensor status` shows it.

use crate::metrics::OutputCounts;
use serde::Serialize;

/// One output.
#[derive(Clone, Debug, Serialize)]
pub struct Health {
    /// Its name.
    pub output: &'static str,
    /// Whether the last attempt to deliver worked.
    pub up: bool,
    /// Alerts and events that wait in memory.
    pub waiting: usize,
    /// For how long attempts have failed.
    pub down_seconds: Option<u64>,
    /// What the last one said.
    pub error: Option<String>,
    /// What became of the rest.
    #[serde(flatten)]
    pub counts: OutputCounts,
}
