//! A bounded queue before a sink, and the thread that empties it.

use super::Sink;
use crate::metrics::{DropReason, Metrics};
use anyhow::{Context, Result};
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

/// Most texts that wait.
const MAX_TEXTS: usize = 65_536;
/// Most bytes that wait.
const MAX_BYTES: usize = 64 << 20;

/// A queue.
pub struct Queue {
    name: &'static str,
    sender: SyncSender<String>,
    state: Arc<State>,
    metrics: Arc<Metrics>,
}

#[derive(Default)]
struct State {
    bytes: AtomicUsize,
    texts: AtomicUsize,
    /// The sink is gone: a closed pipe.
    closed: AtomicBool,
    reopen: AtomicBool,
    done: AtomicBool,
}

impl Queue {
    pub fn start(name: &'static str, sink: Box<dyn Sink>, metrics: &Arc<Metrics>) -> Result<Self> {
        let (sender, receiver) = sync_channel(MAX_TEXTS);
        let state = Arc::new(State::default());
        let worker = Worker { name, sink, state: Arc::clone(&state), metrics: Arc::clone(metrics) };
        std::thread::Builder::new()
            .name(format!("output-{name}"))
            .spawn(move || worker.run(&receiver))
            .context("starting an output's thread")?;
        metrics.watch_queue(name);
        Ok(Self { name, sender, state, metrics: Arc::clone(metrics) })
    }

    /// Puts a text in, or drops and counts it.
    pub fn push(&self, text: String) {
        if self.state.closed.load(Ordering::Acquire) {
            return self.metrics.output_dropped(self.name, DropReason::Closed);
        }
        let bytes = text.len();
        if self.state.bytes.load(Ordering::Acquire) + bytes > MAX_BYTES {
            return self.metrics.output_dropped(self.name, DropReason::QueueFull);
        }
        self.state.bytes.fetch_add(bytes, Ordering::AcqRel);
        self.state.texts.fetch_add(1, Ordering::AcqRel);
        if let Err(TrySendError::Full(text) | TrySendError::Disconnected(text)) = self.sender.try_send(text) {
            self.state.taken(text.len());
            self.metrics.output_dropped(self.name, DropReason::QueueFull);
        }
        self.metrics.queue_length(self.name, self.state.texts.load(Ordering::Acquire));
    }

    pub fn reopen(&self) {
        self.state.reopen.store(true, Ordering::Release);
    }

    pub fn finish(self, most: Duration) {
        let Self { sender, state, name, metrics } = self;
        drop(sender);
        let begin = Instant::now();
        while !state.done.load(Ordering::Acquire) {
            if begin.elapsed() > most {
                let left = state.texts.load(Ordering::Acquire);
                tracing::warn!(output = name, left, "ended before everything was written");
                (0..left).for_each(|_| metrics.output_dropped(name, DropReason::QueueFull));
                return;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
    }
}

impl State {
    fn taken(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::AcqRel);
        self.texts.fetch_sub(1, Ordering::AcqRel);
    }
}

struct Worker {
    name: &'static str,
    sink: Box<dyn Sink>,
    state: Arc<State>,
    metrics: Arc<Metrics>,
}

impl Worker {
    fn run(mut self, texts: &Receiver<String>) {
        loop {
            match texts.recv_timeout(Duration::from_millis(500)) {
                Ok(text) => {
                    self.write(&text);
                    for text in texts.try_iter().take(1024) {
                        self.write(&text);
                    }
                    let flushed = self.sink.flush();
                    self.note(flushed);
                    self.metrics.queue_length(self.name, self.state.texts.load(Ordering::Acquire));
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => break,
            }
            if self.state.reopen.swap(false, Ordering::AcqRel)
                && let Err(error) = self.sink.reopen()
            {
                tracing::warn!(output = self.name, %error, "cannot be opened anew; the old one stays");
            }
        }
        self.state.done.store(true, Ordering::Release);
    }

    fn write(&mut self, text: &str) {
        self.state.taken(text.len());
        if self.state.closed.load(Ordering::Acquire) {
            return self.metrics.output_dropped(self.name, DropReason::Closed);
        }
        let written = self.sink.write(text);
        if written.is_err() {
            self.metrics.output_dropped(self.name, DropReason::WriteFailed);
        }
        self.note(written);
    }

    /// A closed pipe stays closed; other failures may pass.
    fn note(&self, result: std::io::Result<()>) {
        let Err(error) = result else { return };
        let closed = error.kind() == ErrorKind::BrokenPipe;
        if closed && !self.state.closed.swap(true, Ordering::AcqRel) {
            tracing::warn!(output = self.name, "nobody reads it any more; what it would get is counted as dropped");
        } else if !closed {
            tracing::warn!(output = self.name, %error, "cannot be written");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Mutex;

    #[derive(Clone, Default)]
    struct Memory(Arc<Mutex<String>>, Arc<AtomicBool>);

    impl Sink for Memory {
        fn write(&mut self, text: &str) -> std::io::Result<()> {
            if self.1.load(Ordering::Acquire) {
                return Err(ErrorKind::BrokenPipe.into());
            }
            self.0.lock().unwrap().push_str(text);
            Ok(())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn everything_is_written_before_the_end() {
        let memory = Memory::default();
        let queue = Queue::start("stdout", Box::new(memory.clone()), &Arc::new(Metrics::new())).unwrap();
        (0..1000).for_each(|number| queue.push(format!("{number}\n")));
        queue.finish(Duration::from_secs(5));
        assert_eq!(memory.0.lock().unwrap().lines().count(), 1000);
    }

    #[test]
    fn a_closed_pipe_is_counted_and_nothing_else() {
        let memory = Memory::default();
        memory.1.store(true, Ordering::Release);
        let metrics = Arc::new(Metrics::new());
        let queue = Queue::start("stdout", Box::new(memory), &metrics).unwrap();
        (0..10).for_each(|_| queue.push("x\n".into()));
        queue.finish(Duration::from_secs(5));
        let text = metrics.encode(crate::metrics::Format::Classic);
        let of = |reason: &str| {
            let line = format!("sensor_output_dropped_total{{output=\"stdout\",reason=\"{reason}\"}} ");
            text.lines().find_map(|text| text.strip_prefix(&line)).map_or(0, |count| count.parse::<u64>().unwrap())
        };
        assert_eq!(of("closed") + of("write_failed"), 10, "{text}");
    }
}
