//! A SQLite file of our own: of the state, of an output's spool.
//!
//! Comes in: a path, and what is in the file. Goes out: an open connection. Always holds: one sensor at a time has the file;
//! it is readable for its owner alone; a database of another program is left alone; one of ours that cannot be used is moved
//! aside, never removed or overwritten, and of those the newest [`MAX_ASIDE`] stay.

use anyhow::{Context, Result, bail};
use rusqlite::{Connection, ErrorCode};
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

/// Most damaged files that are kept.
const MAX_ASIDE: u32 = 3;

/// What is in the file.
pub struct Layout {
    /// Marks the file as ours: `PRAGMA application_id`.
    pub application: i32,
    /// Of the tables: `PRAGMA user_version`.
    pub version: i32,
    /// SQL that makes them.
    pub tables: &'static str,
    /// The key that says where the file is, for errors.
    pub setting: &'static str,
    /// What happens once a damaged file was moved aside, for the warning.
    pub then: &'static str,
}

/// Why a database cannot be used.
enum Unusable {
    /// It is ours, or was, and is to be moved aside.
    Damaged(String),
    /// Another sensor has it.
    Busy,
    /// Nothing to do with the content of the file.
    Other(anyhow::Error),
}

impl From<rusqlite::Error> for Unusable {
    fn from(error: rusqlite::Error) -> Self {
        match error.sqlite_error_code() {
            _ if is_damage(&error) => Self::Damaged(error.to_string()),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Self::Busy,
            _ => Self::Other(error.into()),
        }
    }
}

/// Whether the content of the file is broken.
pub fn is_damage(error: &rusqlite::Error) -> bool {
    matches!(error.sqlite_error_code(), Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase))
}

/// Opens the file or makes it, and lets `read` take from it what is needed. Gives what that gave, and a sentence if a
/// damaged file was moved aside.
///
/// Fails if the directory cannot be written, if another sensor uses the file, or if the file is something else.
pub fn open<T>(
    path: &Path,
    layout: &Layout,
    read: impl Fn(Connection) -> rusqlite::Result<T>,
) -> Result<(T, Option<String>)> {
    make_directory(path)?;
    match std::fs::symlink_metadata(path) {
        Ok(found) if !found.is_file() => bail!("it is no regular file; choose another path"),
        _ => {}
    }
    let attempt = || Ok(read(connect(path, layout)?)?);
    let failed = |unusable| match unusable {
        Unusable::Other(error) => error,
        Unusable::Busy => {
            anyhow::anyhow!("another sensor uses it; stop that one, or choose another {}", layout.setting)
        }
        Unusable::Damaged(why) => anyhow::anyhow!("a new database cannot be used: {why}"),
    };
    let why = match attempt() {
        Ok(opened) => return Ok((opened, None)),
        Err(Unusable::Damaged(why)) => why,
        Err(unusable) => return Err(failed(unusable)),
    };
    let aside = move_aside(path)?;
    let said = format!("{} could not be used ({why}) and is now {}", path.display(), aside.display());
    tracing::warn!("{said}; {}", layout.then);
    attempt().map(|opened| (opened, Some(said))).map_err(failed)
}

fn connect(path: &Path, layout: &Layout) -> Result<Connection, Unusable> {
    // SQLite would make it readable for all; its journal gets the rights of the file.
    let made = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(path);
    made.map_err(|error| Unusable::Other(error.into()))?;
    let mut connection = Connection::open(path)?;
    // Exclusive: two sensors on one file would overwrite each other's rows.
    connection.pragma_update(None, "locking_mode", "exclusive")?;
    connection.query_row("PRAGMA journal_mode = wal", [], |_| Ok(()))?;
    // A power cut may cost the last batches, but never damages the file; a crash of the agent costs nothing.
    connection.pragma_update(None, "synchronous", "normal")?;
    prepare(&mut connection, layout)?;
    Ok(connection)
}

/// Makes the tables in a new file; refuses others.
fn prepare(connection: &mut Connection, layout: &Layout) -> Result<(), Unusable> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let (application, version) = (number("application_id")?, number("user_version")?);
    let tables: i64 = connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    if application != layout.application && tables != 0 {
        let error = anyhow::anyhow!("it is a database of another program; choose another path");
        return Err(Unusable::Other(error));
    }
    if application == layout.application && version > layout.version {
        let why = format!("it has version {version}, and this sensor knows {}", layout.version);
        return Err(Unusable::Damaged(why));
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    if tables == 0 {
        transaction.execute_batch(layout.tables)?;
        transaction.pragma_update(None, "application_id", layout.application)?;
        transaction.pragma_update(None, "user_version", layout.version)?;
    }
    transaction.commit()?;
    let sound: String = connection.query_row("PRAGMA quick_check(1)", [], |row| row.get(0))?;
    if sound == "ok" { Ok(()) } else { Err(Unusable::Damaged(sound)) }
}

/// The directory of the file, made for its owner alone if it is not there.
fn make_directory(path: &Path) -> Result<()> {
    use std::os::unix::fs::DirBuilderExt;
    let directory = path.parent().unwrap_or(Path::new("/"));
    match std::fs::metadata(directory) {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(_) => bail!("{} is no directory", directory.display()),
        Err(_) => std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(directory)
            .with_context(|| format!("making {}", directory.display())),
    }
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
