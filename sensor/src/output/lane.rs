//! What one output has to deliver: a bounded queue in memory, and the spool behind it.
//!
//! Comes in: messages from the agent's loop, which waits for nothing but a lock that is held for moments. Goes out: batches,
//! for the thread that delivers; alerts that have waited for too long, to the spool. Always holds: alerts leave in the order
//! in which they came; what is being delivered is forgotten only when that is settled; what finds no room is counted.
//!
//! Two locks, always in this order: the spool, which may take as long as a disk does; the memory. Whoever moves alerts between
//! them, or decides from where to go on, holds the spool.

use super::health::Health;
use super::message::{Message, Sink, Trouble, Undelivered};
use super::spool::Spool;
use crate::metrics::{DropReason, Metrics};
use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most messages that wait in memory.
const MAX_MESSAGES: usize = 65_536;
/// Most bytes of text that wait in memory.
const MAX_BYTES: usize = 64 << 20;
/// So much of both is for alerts alone: a quarter.
const FOR_ALERTS: usize = 4;
/// Most bytes of a batch, unless one message alone is larger.
const BATCH_BYTES: usize = 1 << 20;
/// How long an alert may wait in memory before it is written to the spool, while the output seems to work.
const IN_MEMORY: Duration = Duration::from_millis(500);

/// An output's messages.
pub struct Lane {
    /// Its name in metrics and logs.
    pub name: &'static str,
    metrics: Arc<Metrics>,
    memory: Mutex<Memory>,
    /// Something for the thread that delivers.
    woken: Condvar,
    spool: Option<Mutex<Spool>>,
}

#[derive(Default)]
struct Memory {
    alerts: VecDeque<Waiting>,
    events: VecDeque<Waiting>,
    bytes: usize,
    came: u64,
    in_flight: Vec<Waiting>,
    /// How many of these came from memory.
    taken: usize,
    receiver: Receiver,
    /// Since when it is down, and what the last attempt said.
    trouble: Option<(Instant, String)>,
    reopen: bool,
    replace: Option<Box<dyn Sink>>,
    stop: Option<Instant>,
    ended: bool,
}

/// How the receiver is, as far as the last attempt showed.
#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Receiver {
    #[default]
    Up,
    Down,
    /// For good.
    Closed,
}

struct Waiting {
    message: Message,
    came: u64,
    since: Instant,
    /// Its number in the spool, if it is there too.
    spooled: Option<i64>,
}

impl Lane {
    /// An empty one; without a spool what does not fit in memory is dropped.
    pub fn new(name: &'static str, spool: Option<Spool>, metrics: &Arc<Metrics>) -> Self {
        metrics.outputs().begin(name, spool.is_some());
        Self {
            name,
            metrics: Arc::clone(metrics),
            memory: Mutex::default(),
            woken: Condvar::new(),
            spool: spool.map(Mutex::new),
        }
    }

    /// Puts a message in, or drops and counts it. Gives whether the spool may soon have to take it.
    pub fn push(&self, message: Message) -> bool {
        let mut memory = self.memory();
        if memory.receiver == Receiver::Closed {
            self.metrics.outputs().dropped(self.name, DropReason::Closed, 1);
            return false;
        }
        let alert = message.alert.is_some();
        if !memory.has_room(alert, message.text.len()) {
            self.metrics.outputs().dropped(self.name, DropReason::QueueFull, 1);
            return false;
        }
        memory.came += 1;
        memory.bytes += message.text.len();
        let waiting = Waiting { message, came: memory.came, since: Instant::now(), spooled: None };
        memory.queue(alert).push_back(waiting);
        self.tell_length(&memory);
        self.woken.notify_all();
        alert && self.spool.is_some()
    }

    /// The next batch of at most so many messages: from the spool as long as that holds something, else from memory. Empty if there is nothing.
    /// [`Self::settle`] must follow.
    pub fn take(&self, most: usize) -> Vec<Message> {
        let mut spool = self.spool();
        if let Some(spool) = spool.as_mut()
            && !spool.is_empty()
        {
            let found = spool.oldest(most, BATCH_BYTES);
            let mut memory = self.memory();
            let since = Instant::now();
            let waiting = |(number, message)| Waiting { message, came: 0, since, spooled: Some(number) };
            memory.in_flight = found.into_iter().map(waiting).collect();
            return memory.in_flight.iter().map(|waiting| waiting.message.clone()).collect();
        }
        let mut memory = self.memory();
        let mut bytes = 0;
        while memory.in_flight.len() < most {
            let Some(length) = memory.first().map(|first| first.message.text.len()) else { break };
            bytes += length;
            if bytes > BATCH_BYTES && !memory.in_flight.is_empty() {
                break;
            }
            let next = memory.pop();
            memory.in_flight.extend(next);
        }
        memory.taken = memory.in_flight.len();
        memory.in_flight.iter().map(|waiting| waiting.message.clone()).collect()
    }

    /// What became of the batch that was taken. What was not delivered is next again.
    pub fn settle(&self, result: &Result<(), Undelivered>) {
        let mut spool = self.spool();
        let mut memory = self.memory();
        let mut batch = std::mem::take(&mut memory.in_flight);
        let (delivered, refused) = match result {
            Ok(()) => (batch.len(), 0),
            Err(undelivered) => {
                let delivered = undelivered.delivered.min(batch.len());
                let refused = usize::from(undelivered.kind == Trouble::Refused).min(batch.len() - delivered);
                (delivered, refused)
            }
        };
        let down = delivered + refused < batch.len() && refused == 0;
        memory.receiver = if down { Receiver::Down } else { Receiver::Up };
        let since = memory.trouble.take().map_or_else(Instant::now, |(since, _)| since);
        memory.trouble = result.as_ref().err().filter(|_| down).map(|why| (since, format!("{:#}", why.error)));
        let rest = batch.split_off(delivered + refused);
        let last = batch.iter().filter_map(|waiting| waiting.spooled).max();
        // What is in the spool too comes back from there.
        let (spooled, rest): (Vec<_>, Vec<_>) = rest.into_iter().partition(|waiting| waiting.spooled.is_some());
        for waiting in rest.into_iter().rev() {
            memory.queue(waiting.message.alert.is_some()).push_front(waiting);
        }
        let gone = batch.iter().chain(&spooled).filter(|waiting| waiting.came > 0);
        let gone: usize = gone.map(|waiting| waiting.message.text.len()).sum();
        memory.bytes = memory.bytes.saturating_sub(gone);
        memory.taken = 0;
        self.metrics.outputs().up(self.name, !down);
        self.tell_length(&memory);
        drop(memory);
        self.metrics.outputs().delivered(self.name, delivered as u64);
        self.metrics.outputs().dropped(self.name, DropReason::Refused, refused as u64);
        if let (Some(spool), Some(last)) = (spool.as_mut(), last) {
            spool.remove_through(last);
        }
    }

    /// Writes alerts to the spool that have waited for too long: half a second while the output works, any time while it is
    /// down, all of them with `now`. Gives when to come again.
    pub fn keep(&self, now: bool) -> Option<Instant> {
        let mut spool = self.spool()?;
        let mut memory = self.memory();
        let oldest = memory.oldest_unspooled()?;
        let due = oldest + if memory.receiver == Receiver::Down { Duration::ZERO } else { IN_MEMORY };
        if !now && due > Instant::now() {
            return Some(due);
        }
        let unspooled = |waiting: &&mut Waiting| waiting.message.alert.is_some() && waiting.spooled.is_none();
        let in_flight: Vec<Message> =
            memory.in_flight.iter_mut().filter(unspooled).map(|waiting| waiting.message.clone()).collect();
        let queued = std::mem::take(&mut memory.alerts);
        // The agent must not wait for the disk.
        drop(memory);
        let alerts: Vec<Message> =
            in_flight.iter().cloned().chain(queued.iter().map(|waiting| waiting.message.clone())).collect();
        let first = spool.put(&alerts);
        let mut memory = self.memory();
        let Some(first) = first else {
            for waiting in queued.into_iter().rev() {
                memory.alerts.push_front(waiting);
            }
            return Some(Instant::now() + IN_MEMORY);
        };
        let numbers = first..;
        for (waiting, number) in memory.in_flight.iter_mut().filter(unspooled).zip(numbers) {
            waiting.spooled = Some(number);
        }
        let moved: usize = queued.iter().map(|waiting| waiting.message.text.len()).sum();
        memory.bytes = memory.bytes.saturating_sub(moved);
        self.tell_length(&memory);
        self.woken.notify_all();
        memory.oldest_unspooled()
    }

    /// Waits until there is something to do, or until an instant.
    pub fn wait(&self, until: Instant) {
        let mut memory = self.memory();
        loop {
            let ordered = memory.reopen || memory.replace.is_some() || memory.stop.is_some();
            let left = until.saturating_duration_since(Instant::now());
            if ordered || left.is_zero() || (memory.receiver != Receiver::Down && memory.first().is_some()) {
                return;
            }
            memory = self.woken.wait_timeout(memory, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// From now on, or as soon as the present one is done with its batch, this one delivers.
    pub fn replace(&self, sink: Box<dyn Sink>) {
        self.memory().replace = Some(sink);
        self.woken.notify_all();
    }

    /// The one that is to deliver from now on.
    pub fn take_replacement(&self) -> Option<Box<dyn Sink>> {
        self.memory().replace.take()
    }

    /// An attempt failed.
    pub fn failed(&self) {
        self.metrics.outputs().failed(self.name);
    }

    /// Begins anew, soon.
    pub fn reopen(&self) {
        self.memory().reopen = true;
        self.woken.notify_all();
    }

    /// Whether that was asked for since the last call.
    pub fn take_reopen(&self) -> bool {
        std::mem::take(&mut self.memory().reopen)
    }

    /// Nothing more comes: what is in memory is delivered until `deadline`.
    pub fn stop(&self, deadline: Instant) {
        self.memory().stop = Some(deadline);
        self.woken.notify_all();
    }

    /// Whether the thread that delivers is to end now: it was told to stop, and nothing is left, the time is over, or what is
    /// left is better kept in the spool than tried again.
    pub fn is_over(&self) -> bool {
        let Some(deadline) = self.memory().stop else {
            return false;
        };
        let spooled = self.spool().is_some_and(|mut spool| !spool.is_empty());
        let memory = self.memory();
        spooled
            || memory.first().is_none()
            || Instant::now() >= deadline
            || (memory.receiver == Receiver::Down && self.spool.is_some())
    }

    /// Whether there is a spool.
    pub const fn has_spool(&self) -> bool {
        self.spool.is_some()
    }

    /// Nobody will take anything again.
    pub fn close(&self) {
        let mut memory = self.memory();
        memory.receiver = Receiver::Closed;
        self.metrics.outputs().up(self.name, false);
        self.drop_all(&mut memory, DropReason::Closed);
    }

    /// The thread that delivers has ended.
    pub fn end(&self) {
        self.memory().ended = true;
        self.woken.notify_all();
    }

    /// Waits for that until `deadline`, then writes down what is left, and counts what cannot be.
    pub fn finish(&self, deadline: Instant) {
        let mut memory = self.memory();
        while !memory.ended {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            memory = self.woken.wait_timeout(memory, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        drop(memory);
        self.keep(true);
        let mut memory = self.memory();
        memory.in_flight.retain(|waiting| waiting.spooled.is_none());
        let left = memory.in_flight.len() + memory.alerts.len() + memory.events.len();
        if left > 0 {
            tracing::warn!(output = self.name, left, "ended before everything was delivered");
        }
        self.drop_all(&mut memory, DropReason::Ended);
    }

    fn drop_all(&self, memory: &mut Memory, reason: DropReason) {
        let left = memory.in_flight.len() + memory.alerts.len() + memory.events.len();
        self.metrics.outputs().dropped(self.name, reason, left as u64);
        memory.in_flight.clear();
        memory.taken = 0;
        memory.alerts.clear();
        memory.events.clear();
        memory.bytes = 0;
        self.tell_length(memory);
    }

    fn tell_length(&self, memory: &Memory) {
        self.metrics.outputs().queue_length(self.name, memory.taken + memory.alerts.len() + memory.events.len());
    }

    /// How it is, for people.
    pub fn health(&self) -> Health {
        let memory = self.memory();
        let trouble = memory.trouble.as_ref();
        Health {
            output: self.name,
            up: memory.receiver == Receiver::Up,
            waiting: memory.taken + memory.alerts.len() + memory.events.len(),
            down_seconds: trouble.map(|(since, _)| since.elapsed().as_secs()),
            error: trouble.map(|(_, error)| error.clone()),
            counts: self.metrics.outputs().counts(self.name),
        }
    }

    /// A panic elsewhere leaves the memory as it was: each change is complete.
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn spool(&self) -> Option<MutexGuard<'_, Spool>> {
        Some(self.spool.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Memory {
    fn has_room(&self, alert: bool, bytes: usize) -> bool {
        let part = |most: usize| if alert { most } else { most - most / FOR_ALERTS };
        let waiting = self.alerts.len() + self.events.len();
        waiting < part(MAX_MESSAGES) && self.bytes + bytes <= part(MAX_BYTES)
    }

    const fn queue(&mut self, alerts: bool) -> &mut VecDeque<Waiting> {
        if alerts { &mut self.alerts } else { &mut self.events }
    }

    /// Whether the next is an alert.
    fn alert_first(&self) -> bool {
        match (self.alerts.front(), self.events.front()) {
            (Some(alert), Some(event)) => alert.came < event.came,
            (alert, _) => alert.is_some(),
        }
    }

    fn first(&self) -> Option<&Waiting> {
        if self.alert_first() { self.alerts.front() } else { self.events.front() }
    }

    fn pop(&mut self) -> Option<Waiting> {
        if self.alert_first() { self.alerts.pop_front() } else { self.events.pop_front() }
    }

    fn oldest_unspooled(&self) -> Option<Instant> {
        let in_flight = self.in_flight.iter().filter(|each| each.message.alert.is_some() && each.spooled.is_none());
        in_flight.chain(self.alerts.front()).map(|waiting| waiting.since).min()
    }
}
