//! What was handed over lately and may not have been read: a syslog daemon never says what it got.
//!
//! Alerts only. A message is forgotten when a connection has held for [`UNCONFIRMED`] after it, which is longer than the
//! kernel waits for a peer's acknowledgement, or when more than [`MAX_MESSAGES`] came after it.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// How long a message counts as perhaps unread.
pub const UNCONFIRMED: Duration = Duration::from_secs(30);
/// Most messages that are kept: about 1 MiB of the longest alerts.
pub const MAX_MESSAGES: usize = 256;

/// The latest messages, oldest first.
#[derive(Default)]
pub struct Tail {
    messages: VecDeque<(Instant, Vec<u8>)>,
}

impl Tail {
    /// This was handed over now.
    pub fn push(&mut self, message: Vec<u8>, now: Instant) {
        if self.messages.len() == MAX_MESSAGES {
            self.messages.pop_front();
        }
        self.messages.push_back((now, message));
    }

    /// The connection still holds: what is old enough has arrived.
    pub fn confirm(&mut self, now: Instant) {
        while self.messages.front().is_some_and(|(when, _)| now.duration_since(*when) > UNCONFIRMED) {
            self.messages.pop_front();
        }
        if self.messages.is_empty() {
            self.messages.shrink_to_fit();
        }
    }

    /// All of them were handed over once more.
    pub fn again(&mut self, now: Instant) {
        self.messages.iter_mut().for_each(|(when, _)| *when = now);
    }

    /// What may not have arrived.
    pub fn messages(&self) -> impl Iterator<Item = &[u8]> {
        self.messages.iter().map(|(_, message)| message.as_slice())
    }

    /// Whether everything arrived.
    pub fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_stay_until_they_are_old_or_too_many() {
        let begin = Instant::now();
        let mut tail = Tail::default();
        (0..300_u16).for_each(|number| tail.push(number.to_be_bytes().to_vec(), begin));
        assert_eq!(tail.messages().next().unwrap(), 44_u16.to_be_bytes());
        tail.confirm(begin + UNCONFIRMED);
        assert_eq!(tail.messages().count(), MAX_MESSAGES);
        tail.again(begin + UNCONFIRMED);
        tail.confirm(begin + UNCONFIRMED + Duration::from_secs(1));
        assert!(!tail.is_empty());
        tail.confirm(begin + UNCONFIRMED * 3);
        assert!(tail.is_empty());
    }
}
