//! The database file: SQLite, because a crash in the middle of a write must not cost what was there before.
//!
//! Comes in: batches of changes. Goes out: the rows. Always holds: one sensor at a time has the file; it is readable for
//! its owner alone; a file that cannot be used is moved aside, and of those the newest [`MAX_ASIDE`] stay.

use super::{Newest, Row, RowKind, make_directory};
use anyhow::{Context, Result, bail};
use rusqlite::{Connection, ErrorCode, Transaction, params};
use std::collections::HashMap;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

/// Marks the file as ours: the letters `snsr`.
const APPLICATION: i32 = 0x736e_7372;
/// The layout below.
const VERSION: i32 = 1;
/// Most damaged files that are kept.
const MAX_ASIDE: u32 = 3;
/// Rows written between two looks at whether there are too many.
const PRUNE_EVERY: usize = 4096;

/// The order of the rows is that in which they were written: REPLACE gives a row a new rowid, above all others. No clock
/// is needed for that, and `updated_unix` is for people who look into the file.
const LAYOUT: &str = "CREATE TABLE row (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
    updated_unix INTEGER NOT NULL, UNIQUE (kind, key))";

/// An open database.
pub struct Database {
    connection: Connection,
    written: usize,
}

/// Why a database cannot be used.
enum Unusable {
    /// It is ours, or was, and is to be moved aside.
    Damaged(String),
    /// Nothing to do with the content of the file.
    Other(anyhow::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Self::Other(anyhow::anyhow!("another sensor uses it; stop that one, or choose another state.path"))
            }
            _ => Self::Other(error.into()),
        }
    }
}

/// Opens the file or makes it. Gives the rows, and a sentence if a damaged file was moved aside.
pub fn open(path: &Path) -> Result<(Database, Vec<Row>, Option<String>)> {
    make_directory(path)?;
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => bail!("it is no regular file; choose another path"),
        _ => {}
    }
    match Database::open(path) {
        Ok((database, rows)) => Ok((database, rows, None)),
        Err(Unusable::Other(error)) => Err(error),
        Err(Unusable::Damaged(why)) => {
            let aside = move_aside(path)?;
            let said = format!("{} could not be used ({why}) and is now {}", path.display(), aside.display());
            tracing::warn!("{said}; the sensor begins with an empty one, and learns again");
            match Database::open(path) {
                Ok((database, rows)) => Ok((database, rows, Some(said))),
                Err(Unusable::Other(error)) => Err(error),
                Err(Unusable::Damaged(why)) => bail!("a new database cannot be used: {why}"),
            }
        }
    }
}

impl Database {
    fn open(path: &Path) -> Result<(Self, Vec<Row>), Unusable> {
        // SQLite would make it readable for all; its journal gets the rights of the file.
        let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
        made.map_err(|error| Unusable::Other(error.into()))?;
        let connection = Connection::open(path)?;
        // Exclusive: two sensors on one file would overwrite each other's rows.
        connection.pragma_update(None, "locking_mode", "exclusive")?;
        connection.query_row("PRAGMA journal_mode = wal", [], |_| Ok(()))?;
        // A power cut may cost the last batches, but never damages the file; a crash of the agent costs nothing.
        connection.pragma_update(None, "synchronous", "normal")?;
        let mut database = Self { connection, written: 0 };
        database.prepare()?;
        database.prune_all()?;
        let rows = database.rows()?;
        Ok((database, rows))
    }

    /// Makes the table in a new file; refuses others.
    fn prepare(&mut self) -> Result<(), Unusable> {
        let number = |name| self.connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
        let (application, version) = (number("application_id")?, number("user_version")?);
        let tables: i64 = self.connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
        if application != APPLICATION && tables != 0 {
            let error = anyhow::anyhow!("it is a database of another program; choose another path");
            return Err(Unusable::Other(error));
        }
        if application == APPLICATION && version > VERSION {
            let why = format!("it has version {version}, and this sensor knows {VERSION}");
            return Err(Unusable::Damaged(why));
        }
        let transaction = self.connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
        if tables == 0 {
            transaction.execute_batch(LAYOUT)?;
            transaction.pragma_update(None, "application_id", APPLICATION)?;
            transaction.pragma_update(None, "user_version", VERSION)?;
        }
        transaction.commit()?;
        let sound: String = self.connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
        if sound == "ok" { Ok(()) } else { Err(Unusable::Damaged(sound)) }
    }

    /// All rows, newest last.
    fn rows(&self) -> Result<Vec<Row>, Unusable> {
        let mut statement = self.connection.prepare("SELECT kind, key, value FROM row ORDER BY rowid")?;
        let found = statement
            .query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?, row.get::<_, String>(2)?)))?;
        let mut rows = Vec::new();
        for row in found {
            let (name, key, value) = row?;
            let kind = RowKind::ALL.into_iter().find(|kind| kind.name() == name);
            rows.extend(kind.map(|kind| Row { kind, key, value }));
        }
        Ok(rows)
    }

    /// Writes the changes in the order in which they came, all or none.
    pub fn write(&mut self, changes: &HashMap<(RowKind, String), Newest>) -> Result<()> {
        let mut ordered: Vec<_> = changes.iter().collect();
        ordered.sort_unstable_by_key(|(_, newest)| newest.number);
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs()).cast_signed();
        let transaction = self.connection.transaction()?;
        {
            let mut put = transaction.prepare("REPLACE INTO row VALUES (?1, ?2, ?3, ?4)")?;
            let mut remove = transaction.prepare("DELETE FROM row WHERE kind = ?1 AND key = ?2")?;
            for ((kind, key), newest) in ordered {
                match &newest.value {
                    Some(value) => put.execute(params![kind.name(), key, value, now])?,
                    None => remove.execute(params![kind.name(), key])?,
                };
            }
        }
        transaction.commit()?;
        self.written += changes.len();
        if self.written >= PRUNE_EVERY {
            self.prune_all()?;
        }
        Ok(())
    }

    /// Lets the disk be full: of so many pages of 4 KiB.
    #[cfg(test)]
    pub fn limit(&self, pages: u32) {
        self.connection.query_row(&format!("PRAGMA max_page_count = {pages}"), [], |_| Ok(())).unwrap();
    }

    fn prune_all(&mut self) -> rusqlite::Result<()> {
        self.written = 0;
        let transaction = self.connection.transaction()?;
        for kind in RowKind::ALL {
            prune(&transaction, kind, kind.most())?;
        }
        transaction.commit()
    }
}

/// Keeps the newest rows of a kind.
fn prune(transaction: &Transaction<'_>, kind: RowKind, most: usize) -> rusqlite::Result<()> {
    let oldest = "DELETE FROM row WHERE rowid IN
        (SELECT rowid FROM row WHERE kind = ?1 ORDER BY rowid DESC LIMIT -1 OFFSET ?2)";
    let removed = transaction.execute(oldest, params![kind.name(), most.cast_signed() as i64])?;
    if removed > 0 {
        tracing::debug!(kind = kind.name(), removed, "the oldest rows of the state made room");
    }
    Ok(())
}

/// Renames the file, and its journal with it, to the next `.damaged-N`; of those the oldest above three goes.
fn move_aside(path: &Path) -> Result<PathBuf> {
    let numbers = aside_numbers(path);
    let next = numbers.iter().max().map_or(1, |last| last + 1);
    let to = aside(path, next);
    for suffix in ["", "-wal", "-shm"] {
        let (from, to) = (with(path, suffix), with(&to, suffix));
        if suffix.is_empty() || from.exists() {
            std::fs::rename(&from, &to).with_context(|| format!("moving {} to {}", from.display(), to.display()))?;
        }
    }
    for old in numbers.into_iter().filter(|number| number + MAX_ASIDE <= next) {
        let gone = aside(path, old);
        tracing::warn!("{} is removed: {MAX_ASIDE} damaged files are kept", gone.display());
        for suffix in ["", "-wal", "-shm"] {
            // Not being able to is no reason to stop: it only takes room.
            let _ = std::fs::remove_file(with(&gone, suffix));
        }
    }
    Ok(to)
}

fn aside(path: &Path, number: u32) -> PathBuf {
    with(path, &format!(".damaged-{number}"))
}

fn with(path: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(suffix);
    PathBuf::from(name)
}

/// The numbers that are taken.
fn aside_numbers(path: &Path) -> Vec<u32> {
    let Some((directory, name)) = path.parent().zip(path.file_name()) else {
        return Vec::new();
    };
    let lead = format!("{}.damaged-", name.to_string_lossy());
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_string_lossy().strip_prefix(&lead)?.parse().ok()).collect()
}
