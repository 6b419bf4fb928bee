//! What outlives the agent: rows of a small database at `state.path`.
//!
//! Comes in: rows to keep and keys to remove, from the agent's loop. Goes out: all rows that an earlier agent kept, once,
//! at the start. Always holds: the loop never waits for the disk (but in [`Store::flush`]); a later row of the same kind
//! and key replaces the earlier; what could not be kept is counted; a file that cannot be read is moved aside, never
//! removed or overwritten. It does not know what the values mean.
//!
//! Bounds: [`MAX_WAITING`] changes wait for the disk, and what comes then is dropped and counted; of each kind of row the
//! newest [`RowKind::most`] stay.

mod database;
pub mod file;

use anyhow::{Context, Result, anyhow};
use database::Database;
use serde::Serialize;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

/// Most changes that wait for the disk, and most again in the queue before.
pub const MAX_WAITING: usize = 16_384;
/// Longest key, in bytes.
pub const MAX_KEY_BYTES: usize = 4096;
/// Longest value, in bytes.
pub const MAX_VALUE_BYTES: usize = 16_384;

/// Most changes in one transaction.
const BATCH: usize = 1024;
/// How long changes are collected before they are written.
const COLLECT: Duration = Duration::from_millis(200);
/// How long a failed write waits.
const RETRY: Duration = Duration::from_secs(1);
/// How long a flush may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Whose row it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum RowKind {
    /// Files that were written, and by whom.
    Ledger,
    /// Learned ancestry.
    Baseline,
}

impl RowKind {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::Ledger, Self::Baseline];

    /// Its name in the database.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ledger => "ledger",
            Self::Baseline => "baseline",
        }
    }

    /// Most rows of the kind; the newest stay.
    pub const fn most(self) -> usize {
        match self {
            Self::Ledger => 65_536,
            // As many as `crate::baseline` keeps: 65,536 edges and 1,024 kinds.
            Self::Baseline => 65_536 + 1024,
        }
    }
}

/// Something to keep.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// Whose.
    pub kind: RowKind,
    /// Unique among its kind; at most [`MAX_KEY_BYTES`].
    pub key: String,
    /// JSON; at most [`MAX_VALUE_BYTES`].
    pub value: String,
}

/// How the store is, for `sensor status`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Health {
    /// The file; `None` if nothing is kept on disk.
    pub path: Option<PathBuf>,
    /// Why nothing is kept on disk, or what is wrong with the file.
    pub trouble: Option<String>,
    /// Changes that were not kept since the start.
    pub dropped: u64,
}

enum Message {
    Put(Row),
    Remove(RowKind, String),
    Flush(SyncSender<Result<()>>),
}

/// The store. Dropping it writes what waits.
pub struct Store {
    path: Option<PathBuf>,
    trouble: Option<String>,
    sender: Option<SyncSender<Message>>,
    writer: Option<JoinHandle<()>>,
    dropped: Arc<AtomicU64>,
}

impl Store {
    /// Opens the database, or makes an empty one, with its directory (0700). Gives all rows, newest last.
    ///
    /// A damaged database, or one of a newer sensor, is moved aside to `NAME.damaged-N` with a warning, and an empty one
    /// is begun. Fails if the directory cannot be written, if another sensor uses the file, or if the file is something
    /// else.
    pub fn open(path: &Path) -> Result<(Self, Vec<Row>)> {
        let doing = || format!("opening state.path = {}", path.display());
        let (database, rows, moved) = Database::open(path).with_context(doing)?;
        let (sender, messages) = sync_channel(MAX_WAITING);
        let dropped = Arc::new(AtomicU64::new(0));
        let writer =
            Writer { database, waiting: HashMap::new(), taken: 0, dropped: Arc::clone(&dropped), failing: false };
        let writer = std::thread::Builder::new()
            .name("store".to_owned())
            .spawn(move || writer.run(&messages))
            .context("starting the store's thread")?;
        let store =
            Self { path: Some(path.to_owned()), trouble: moved, sender: Some(sender), writer: Some(writer), dropped };
        Ok((store, rows))
    }

    /// The same, but a store that cannot be opened is a warning, and then nothing is kept on disk.
    pub fn open_or_forget(path: Option<&Path>) -> (Self, Vec<Row>) {
        let Some(path) = path else {
            return (Self::forgetful("state.path is \"off\"".to_owned()), Vec::new());
        };
        Self::open(path).unwrap_or_else(|error| {
            let trouble = format!("{error:#}");
            tracing::warn!("{trouble}; what is learned now is forgotten when the sensor ends");
            (Self::forgetful(trouble), Vec::new())
        })
    }

    /// A store that keeps nothing, because of `trouble`.
    fn forgetful(trouble: String) -> Self {
        Self { path: None, trouble: Some(trouble), sender: None, writer: None, dropped: Arc::new(AtomicU64::new(0)) }
    }

    /// Keeps a row, soon.
    pub fn put(&self, row: Row) {
        if row.key.len() > MAX_KEY_BYTES || row.value.len() > MAX_VALUE_BYTES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.send(Message::Put(row));
    }

    /// Removes a row, soon.
    pub fn remove(&self, kind: RowKind, key: &str) {
        self.send(Message::Remove(kind, key.to_owned()));
    }

    /// Changes that were not kept: no room in the queue, too long, or the disk refused them for too long.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// How the store is.
    pub fn health(&self) -> Health {
        Health { path: self.path.clone(), trouble: self.trouble.clone(), dropped: self.dropped() }
    }

    /// Waits until all that was given is in the database; ten seconds at most.
    pub fn flush(&self) -> Result<()> {
        let Some(sender) = &self.sender else {
            return Ok(());
        };
        let (reply, done) = sync_channel(1);
        sender.send(Message::Flush(reply)).map_err(|_| anyhow!("the store's thread has ended"))?;
        done.recv_timeout(PATIENCE).context("the disk is too slow for the state")?
    }

    fn send(&self, message: Message) {
        if self.sender.as_ref().is_some_and(|sender| sender.try_send(message).is_err()) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        self.sender = None;
        if self.writer.take().is_some_and(|writer| writer.join().is_err()) {
            tracing::error!("the store's thread panicked");
        }
    }
}

/// The newest value of a key.
struct Newest {
    /// Grows with every change.
    number: u64,
    /// `None` removes.
    value: Option<String>,
}

/// The thread's side: collects changes, so that a row that changes often is written once a batch.
struct Writer {
    database: Database,
    waiting: HashMap<(RowKind, String), Newest>,
    taken: u64,
    dropped: Arc<AtomicU64>,
    failing: bool,
}

impl Writer {
    fn run(mut self, messages: &Receiver<Message>) {
        let mut ended = false;
        while !ended {
            // With nothing to write there is nothing to wake up for.
            if self.waiting.is_empty() {
                match messages.recv() {
                    Ok(message) => self.take(message),
                    Err(_) => break,
                }
            }
            ended = self.collect(messages);
            if let Err(error) = self.write() {
                self.failed(&error);
            }
        }
        self.dropped.fetch_add(self.waiting.len() as u64, Ordering::Relaxed);
    }

    /// Takes what comes for a while, or until it is enough for a transaction. True if nobody sends any more.
    fn collect(&mut self, messages: &Receiver<Message>) -> bool {
        let until = Instant::now() + if self.failing { RETRY } else { COLLECT };
        while self.failing || self.waiting.len() < BATCH {
            match messages.recv_timeout(until.saturating_duration_since(Instant::now())) {
                Ok(message) => self.take(message),
                Err(RecvTimeoutError::Timeout) => return false,
                Err(RecvTimeoutError::Disconnected) => return true,
            }
        }
        false
    }

    fn take(&mut self, message: Message) {
        let (key, value) = match message {
            Message::Put(row) => ((row.kind, row.key), Some(row.value)),
            Message::Remove(kind, key) => ((kind, key), None),
            Message::Flush(reply) => {
                // Who asked may have lost patience.
                let _ = reply.try_send(self.write());
                return;
            }
        };
        if self.waiting.len() >= MAX_WAITING && !self.waiting.contains_key(&key) {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            return;
        }
        self.taken += 1;
        self.waiting.insert(key, Newest { number: self.taken, value });
    }

    /// Writes all that waits. What fails goes on waiting.
    fn write(&mut self) -> Result<()> {
        if self.waiting.is_empty() {
            return Ok(());
        }
        self.database.write(&self.waiting).context("writing the state")?;
        self.waiting.clear();
        if std::mem::take(&mut self.failing) {
            tracing::info!("the state can be written again");
        }
        Ok(())
    }

    /// Says so once, until it works again.
    fn failed(&mut self, error: &anyhow::Error) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::warn!(error = format!("{error:#}"), waiting = self.waiting.len(), "the state cannot be written");
        }
    }
}

#[cfg(test)]
mod tests;
