//! The thread of an output: takes batches from its lane, gives them to the sink, and waits longer and longer while that fails.

use super::lane::Lane;
use super::message::{Sink, Trouble, Undelivered};
use anyhow::{Context, Result};
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The shortest and the longest wait after a failure.
const BACK_OFF: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(30));
/// The longest wait that a receiver may ask for.
const LONGEST_ASKED: Duration = Duration::from_secs(300);
/// How often a lane without messages is looked at.
const IDLE: Duration = Duration::from_secs(5);

struct Deliverer {
    lane: Arc<Lane>,
    sink: Box<dyn Sink>,
    /// Failures since something was delivered.
    failures: u32,
}

/// Starts the thread; it ends when the lane is stopped or closed.
pub fn start(lane: &Arc<Lane>, sink: Box<dyn Sink>) -> Result<()> {
    let mut deliverer = Deliverer { lane: Arc::clone(lane), sink, failures: 0 };
    std::thread::Builder::new()
        .name(format!("output-{}", lane.name))
        .spawn(move || {
            deliverer.run();
            deliverer.lane.end();
        })
        .map(drop)
        .context("starting an output's thread")
}

impl Deliverer {
    fn run(&mut self) {
        while !self.lane.is_over() {
            self.obey();
            let batch = self.lane.take(self.sink.batch_max());
            if batch.is_empty() {
                self.sink.rest();
                self.lane.wait(Instant::now() + IDLE);
                continue;
            }
            let result = self.sink.deliver(&batch);
            self.lane.settle(&result);
            match result {
                Ok(()) => self.works(),
                Err(undelivered) if undelivered.kind == Trouble::Closed && !self.lane.has_spool() => {
                    tracing::warn!(
                        output = self.lane.name,
                        "nobody reads it any more; what comes is counted as dropped"
                    );
                    return self.lane.close();
                }
                Err(undelivered) => self.failed(&undelivered),
            }
        }
    }

    /// What was asked for from outside.
    fn obey(&mut self) {
        if let Some(sink) = self.lane.take_replacement() {
            self.sink = sink;
        }
        if self.lane.take_reopen()
            && let Err(error) = self.sink.reopen()
        {
            tracing::warn!(output = self.lane.name, %error, "cannot be opened anew; the old one stays");
        }
    }

    fn works(&mut self) {
        if std::mem::take(&mut self.failures) > 0 {
            tracing::info!(output = self.lane.name, "works again");
        }
    }

    /// Says so once until it works again, and waits.
    fn failed(&mut self, undelivered: &Undelivered) {
        let (name, error) = (self.lane.name, format!("{:#}", undelivered.error));
        self.lane.failed();
        let asked = match undelivered.kind {
            Trouble::Refused => {
                tracing::warn!(output = name, error, "an alert or event was refused, and is dropped");
                return;
            }
            Trouble::RetryAfter(asked) => asked.min(LONGEST_ASKED),
            Trouble::Retry | Trouble::Closed => Duration::ZERO,
        };
        if undelivered.delivered > 0 {
            self.works();
        }
        if self.failures == 0 {
            tracing::warn!(output = name, error, "cannot deliver; it is tried again");
        } else {
            tracing::debug!(output = name, error, failures = self.failures, "cannot deliver");
        }
        let wait = back_off(self.failures, RandomState::new().hash_one(name)).max(asked);
        self.failures = self.failures.saturating_add(1);
        self.lane.wait(Instant::now() + wait);
    }
}

/// Doubles with each failure up to a bound; chance takes up to half of it away, so that many sensors do not come back at the
/// same moment.
fn back_off(failures: u32, chance: u64) -> Duration {
    let (least, most) = BACK_OFF;
    let full = least.saturating_mul(1 << failures.min(16)).min(most);
    let half = full / 2;
    half + half / 1024 * (chance % 1025) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_to_a_bound_and_chance_takes_at_most_half() {
        assert_eq!(back_off(0, 0), Duration::from_millis(250));
        assert!(back_off(0, 1024) <= Duration::from_millis(500));
        assert!((Duration::from_secs(1)..=Duration::from_secs(2)).contains(&back_off(2, 500)));
        for failures in [6, 7, 31, u32::MAX] {
            assert_eq!(back_off(failures, 0), Duration::from_secs(15));
            assert!(back_off(failures, 1024) <= Duration::from_secs(30));
        }
    }
}
