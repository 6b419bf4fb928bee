//! The database file: SQLite, because a crash in the middle of a write must not cost what was there before.
//!
//! Comes in: batches of changes. Goes out: the rows. Always holds: what [`file`] says.

use super::file::{self, Layout};
use super::{Newest, Row, RowKind};
use anyhow::Result;
use rusqlite::{Connection, Transaction, params};
use std::collections::HashMap;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Rows written between two looks at whether there are too many.
const PRUNE_EVERY: usize = 4096;

/// The order of the rows is that in which they were written: REPLACE gives a row a new rowid, above all others. No clock
/// is needed for that, and `updated_unix` is for people who look into the file.
const LAYOUT: Layout = Layout {
    application: 0x736e_7372,
    version: 1,
    tables: "CREATE TABLE row (kind TEXT NOT NULL, key TEXT NOT NULL, value TEXT NOT NULL,
        updated_unix INTEGER NOT NULL, UNIQUE (kind, key))",
    setting: "state.path",
    then: "the sensor begins with an empty one, and learns again",
};

/// An open database.
pub struct Database {
    connection: Connection,
    written: usize,
}

impl Database {
    /// Opens the file or makes it. Gives the rows, and a sentence if a damaged file was moved aside.
    pub fn open(path: &Path) -> Result<(Self, Vec<Row>, Option<String>)> {
        let ((database, rows), moved) = file::open(path, &LAYOUT, |connection| {
            let mut database = Self { connection, written: 0 };
            database.prune_all()?;
            let rows = database.rows()?;
            Ok((database, rows))
        })?;
        Ok((database, rows, moved))
    }

    /// All rows, newest last.
    fn rows(&self) -> rusqlite::Result<Vec<Row>> {
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
