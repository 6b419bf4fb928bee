//! Alerts of an output that is down, on disk, until it takes them.
//!
//! Comes in: alerts, in their order. Goes out: the oldest ones, until they are removed. Always holds: the order stays; what
//! was put in survives the end of the sensor, however it ends; alerts take no more than `spool.max_bytes`, and when that is
//! reached the oldest are dropped and counted; a file that cannot be used is moved aside. While it is empty there is no file.
//!
//! A SQLite file for each output: many alerts in one file survive a kill in the middle of a write, and the oldest can be
//! removed. It does not know who delivers, and when.

use super::message::{Message, Meta};
use crate::detect::Severity;
use crate::metrics::{DropReason, Metrics};
use crate::store::file::{self, Layout};
use anyhow::{Context, Result, bail};
use rusqlite::{Connection, params};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

const LAYOUT: Layout = Layout {
    application: 0x736e_7370,
    version: 1,
    tables: "CREATE TABLE alert (number INTEGER PRIMARY KEY, id TEXT NOT NULL, severity TEXT NOT NULL,
        detector TEXT NOT NULL, time_unix_ns INTEGER NOT NULL, text TEXT NOT NULL)",
    setting: "spool.path",
    then: "the alerts in it are not delivered",
};

/// What a row takes beside its text.
const ROW_BYTES: u64 = 160;
/// How long a file that failed is left alone.
const AGAIN: Duration = Duration::from_secs(5);
/// Most KiB of the file that are kept in memory; negative, because a positive number would be pages.
const CACHE_KIB: i32 = -256;

/// A spool.
pub struct Spool {
    name: &'static str,
    path: PathBuf,
    max_bytes: u64,
    metrics: Arc<Metrics>,
    open: Option<Open>,
    /// There is a file that was not opened yet, or could not be read.
    unread: bool,
    /// What was delivered has this number at most. It may still be in the file, if it could not be removed.
    delivered: i64,
    failing: bool,
    not_before: Option<Instant>,
}

struct Open {
    connection: Connection,
    alerts: u64,
    bytes: u64,
    /// The highest number.
    last: i64,
}

impl Spool {
    /// The spool of an output. A file that an earlier sensor left is opened when it is first asked whether it is empty.
    pub fn new(name: &'static str, directory: &Path, max_bytes: u64, metrics: &Arc<Metrics>) -> Self {
        metrics.outputs().spool_capacity(name, max_bytes);
        let path = directory.join(format!("{name}.db"));
        Self {
            name,
            unread: path.exists(),
            path,
            max_bytes,
            metrics: Arc::clone(metrics),
            open: None,
            delivered: 0,
            failing: false,
            not_before: None,
        }
    }

    /// Whether nothing that could be delivered is in it. A file that cannot be read counts as empty, so that it does not hold
    /// up what comes after; it is tried again some seconds later.
    pub fn is_empty(&mut self) -> bool {
        if self.unread && self.not_before.is_none_or(|instant| Instant::now() >= instant) {
            let opened = self.open().map(|open| open.alerts);
            if let Some(alerts @ 1..) = self.note(opened) {
                tracing::info!(output = self.name, alerts, "alerts on disk are to be delivered");
            }
        }
        self.open.as_ref().is_none_or(|open| open.last <= self.delivered)
    }

    /// Puts alerts in, at the end, all or none. Gives the number of the first; they are consecutive. The oldest make room.
    /// What fails is counted and told, once until it works again.
    pub fn put(&mut self, alerts: &[Message]) -> Option<i64> {
        let put = self.try_put(alerts).with_context(|| format!("writing {}", self.path.display()));
        self.note(put)
    }

    /// The oldest, with their numbers: at most so many and, after the first, so many bytes.
    pub fn oldest(&mut self, most: usize, bytes: usize) -> Vec<(i64, Message)> {
        let read = self.try_oldest(most, bytes).with_context(|| format!("reading {}", self.path.display()));
        self.note(read).unwrap_or_default()
    }

    /// Removes what has this number or a smaller one: it was delivered.
    pub fn remove_through(&mut self, number: i64) {
        self.delivered = self.delivered.max(number);
        let removed = self.try_remove().with_context(|| format!("removing from {}", self.path.display()));
        self.note(removed);
    }

    fn open(&mut self) -> Result<&mut Open> {
        if self.open.is_none() {
            if self.not_before.is_some_and(|instant| Instant::now() < instant) {
                bail!("it failed a moment ago");
            }
            let (open, moved) = file::open(&self.path, &LAYOUT, Open::read)?;
            if moved.is_some() {
                self.metrics.outputs().spool_failed(self.name);
                self.delivered = 0;
            }
            self.unread = false;
            self.open = Some(open);
        }
        self.open.as_mut().context("it is not open")
    }

    fn try_put(&mut self, alerts: &[Message]) -> Result<i64> {
        let most = self.max_bytes;
        let open = self.open()?;
        let first = open.last + 1;
        let dropped = open.insert(alerts, most)?;
        self.metrics.outputs().dropped(self.name, DropReason::SpoolFull, dropped);
        Ok(first)
    }

    fn try_oldest(&mut self, most: usize, bytes: usize) -> Result<Vec<(i64, Message)>> {
        match &self.open {
            Some(open) => Ok(open.oldest(self.delivered, most, bytes)?),
            None => Ok(Vec::new()),
        }
    }

    fn try_remove(&mut self) -> Result<()> {
        let delivered = self.delivered;
        match &mut self.open {
            Some(open) if open.last > delivered => Ok(open.remove_through(delivered)?),
            Some(_) => {
                // Closed, it has no journal, and may be removed.
                self.open = None;
                std::fs::remove_file(&self.path)?;
                self.delivered = 0;
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Tells of failures, and of their end. After a failure the file is opened anew, which moves it aside if it is damaged.
    fn note<T>(&mut self, result: Result<T>) -> Option<T> {
        let (alerts, bytes) = self.open.as_ref().map_or((0, 0), |open| (open.alerts, open.bytes));
        self.metrics.outputs().spool(self.name, alerts, bytes);
        match result {
            Ok(value) => {
                if std::mem::take(&mut self.failing) {
                    tracing::info!(output = self.name, "the spool works again");
                }
                Some(value)
            }
            Err(error) => {
                self.metrics.outputs().spool_failed(self.name);
                self.open = None;
                self.unread = true;
                self.not_before = Some(Instant::now() + AGAIN);
                if !std::mem::replace(&mut self.failing, true) {
                    let error = format!("{error:#}");
                    tracing::warn!(
                        output = self.name,
                        error,
                        "the spool fails; alerts stay in memory as far as they fit"
                    );
                }
                None
            }
        }
    }
}

impl Open {
    fn read(connection: Connection) -> rusqlite::Result<Self> {
        connection.pragma_update(None, "cache_size", CACHE_KIB)?;
        let all = "SELECT count(*), coalesce(sum(octet_length(text)), 0), coalesce(max(number), 0) FROM alert";
        let (alerts, bytes, last) = connection.query_row(all, [], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned(), row.get(2)?))
        })?;
        Ok(Self { connection, alerts, bytes: bytes + alerts * ROW_BYTES, last })
    }

    /// All or none. Gives how many of the oldest were dropped for it.
    fn insert(&mut self, alerts: &[Message], max_bytes: u64) -> rusqlite::Result<u64> {
        let transaction = self.connection.transaction()?;
        let (mut count, mut bytes, mut last, mut dropped) = (self.alerts, self.bytes, self.last, 0);
        {
            let mut insert = transaction.prepare("INSERT INTO alert VALUES (?1, ?2, ?3, ?4, ?5, ?6)")?;
            for (message, meta) in alerts.iter().filter_map(|message| Some((message, message.alert.as_ref()?))) {
                last += 1;
                let (severity, time) = (meta.severity.name(), meta.time_unix_ns.cast_signed());
                insert.execute(params![last, &*meta.id, severity, &*meta.detector, time, &*message.text])?;
                (count, bytes) = (count + 1, bytes + size(message.text.len()));
            }
        }
        while bytes > max_bytes && count > 0 {
            let oldest = "SELECT number, octet_length(text) FROM alert ORDER BY number LIMIT 1";
            let (number, length) = transaction
                .query_row(oldest, [], |row| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?.cast_unsigned())))?;
            transaction.execute("DELETE FROM alert WHERE number = ?1", [number])?;
            (count, bytes, dropped) = (count - 1, bytes - size(length as usize), dropped + 1);
        }
        transaction.commit()?;
        (self.alerts, self.bytes, self.last) = (count, bytes, last);
        Ok(dropped)
    }

    fn oldest(&self, after: i64, most: usize, bytes: usize) -> rusqlite::Result<Vec<(i64, Message)>> {
        let mut select = self.connection.prepare(
            "SELECT number, id, severity, detector, time_unix_ns, text FROM alert WHERE number > ?1
             ORDER BY number LIMIT ?2",
        )?;
        let mut rows = select.query(params![after, most.cast_signed() as i64])?;
        let (mut found, mut taken) = (Vec::new(), 0);
        while let Some(row) = rows.next()? {
            let text: String = row.get(5)?;
            taken += text.len();
            if !found.is_empty() && taken > bytes {
                break;
            }
            let severity: String = row.get(2)?;
            let meta = Meta {
                id: row.get::<_, String>(1)?.into(),
                severity: Severity::ALL.into_iter().find(|known| known.name() == severity).unwrap_or(Severity::High),
                time_unix_ns: row.get::<_, i64>(4)?.cast_unsigned(),
                detector: row.get::<_, String>(3)?.into(),
            };
            found.push((row.get(0)?, Message { text: text.into(), alert: Some(meta) }));
        }
        Ok(found)
    }

    fn remove_through(&mut self, number: i64) -> rusqlite::Result<()> {
        let transaction = self.connection.transaction()?;
        let these = "SELECT count(*), coalesce(sum(octet_length(text)), 0) FROM alert WHERE number <= ?1";
        let (alerts, bytes) = transaction.query_row(these, [number], |row| {
            Ok((row.get::<_, i64>(0)?.cast_unsigned(), row.get::<_, i64>(1)?.cast_unsigned()))
        })?;
        transaction.execute("DELETE FROM alert WHERE number <= ?1", [number])?;
        transaction.commit()?;
        self.alerts -= alerts;
        self.bytes -= bytes + alerts * ROW_BYTES;
        Ok(())
    }
}

fn size(text: usize) -> u64 {
    text as u64 + ROW_BYTES
}
