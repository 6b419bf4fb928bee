//! What an output gets, and what it is to a sink.

use crate::alert::Alert;
use crate::detect::Severity;
use std::io;
use std::sync::Arc;
use std::time::Duration;

/// Something to deliver.
#[derive(Clone, Debug)]
pub struct Message {
    /// The JSON object as a line, or a text for people; the newline at the end included.
    pub text: Arc<str>,
    /// What is known of an alert beside its text; `None` for an event.
    pub alert: Option<Meta>,
}

/// What a sink may want to know of an alert without reading its text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Meta {
    /// `event.id`: unique, and the same when the alert is delivered twice.
    pub id: Arc<str>,
    /// How bad.
    pub severity: Severity,
    /// Unix time of what decided, in nanoseconds.
    pub time_unix_ns: u64,
    /// `rule.id`.
    pub detector: Arc<str>,
}

impl Meta {
    /// Of an alert.
    pub fn of(alert: &Alert) -> Self {
        Self {
            id: alert.id.as_str().into(),
            severity: alert.severity,
            time_unix_ns: alert.time_unix_ns,
            detector: alert.detector.id().into(),
        }
    }
}

/// Where messages end up. Each has a thread of its own, so it may take its time; but not more than some seconds for a call,
/// since a new configuration and the end of the sensor wait for that.
pub trait Sink: Send {
    /// Delivers messages in their order. `Ok` means that the receiver has all of them, as far as it can tell.
    fn deliver(&mut self, batch: &[Message]) -> Result<(), Undelivered>;

    /// Nothing is left to deliver: called then, and every few seconds as long as it stays so. For what a receiver may want
    /// meanwhile; must be quick while all is well.
    fn rest(&mut self) {}

    /// Most messages that it wants at once.
    fn batch_max(&self) -> usize {
        512
    }

    /// Begins anew, where that has a meaning: files that were moved away, certificates that were renewed.
    fn reopen(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Why not everything was delivered.
#[derive(Debug)]
pub struct Undelivered {
    /// So many of the batch, from its beginning, were.
    pub delivered: usize,
    /// What went wrong, while doing what. No secrets: it is logged.
    pub error: anyhow::Error,
    /// What to do about it.
    pub kind: Trouble,
}

/// What to do about what was not delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// Try again after a while, from the first that was not delivered.
    Retry,
    /// The same, but not before this time has passed: the receiver asked for that.
    RetryAfter(Duration),
    /// Nobody will ever take anything again: a pipe without a reader.
    Closed,
    /// The receiver will never take the first that was not delivered. It is dropped and counted, the rest goes on.
    Refused,
}
