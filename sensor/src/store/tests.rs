use super::*;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Stdio};

fn row(key: &str, value: &str) -> Row {
    Row { kind: RowKind::Baseline, key: key.to_owned(), value: value.to_owned() }
}

fn values(rows: &[Row]) -> Vec<(&str, &str)> {
    rows.iter().map(|row| (row.key.as_str(), row.value.as_str())).collect()
}

#[test]
fn rows_outlive_the_store() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("lib/sensor/state.db");
    let (store, rows) = Store::open(&path).unwrap();
    assert!(rows.is_empty());
    assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
    store.put(row("a", "1"));
    store.put(row("b", "1"));
    store.put(Row { kind: RowKind::Ledger, ..row("a", "another kind") });
    store.flush().unwrap();
    store.put(row("a", "2"));
    store.remove(RowKind::Baseline, "b");
    drop(store);
    for file in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let file = file.unwrap();
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o077, 0, "{}", file.path().display());
    }
    let (store, rows) = Store::open(&path).unwrap();
    assert_eq!(values(&rows), [("a", "another kind"), ("a", "2")], "newest last");
    assert_eq!(rows[0].kind, RowKind::Ledger);
    assert_eq!(store.health(), Health { path: Some(path), trouble: None, dropped: 0 });
}

#[test]
fn one_sensor_at_a_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let (_store, _) = Store::open(&path).unwrap();
    let error = format!("{:#}", Store::open(&path).err().unwrap());
    assert!(error.contains("state.db") && error.contains("another sensor uses it"), "{error}");
}

#[test]
fn a_damaged_file_is_moved_aside_and_three_are_kept() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    for round in 1..=5_u32 {
        std::fs::write(&path, format!("no database {round}")).unwrap();
        let (store, rows) = Store::open(&path).unwrap();
        assert!(rows.is_empty());
        let trouble = store.health().trouble.unwrap();
        assert!(trouble.contains(&format!("state.db.damaged-{round}")), "{trouble}");
        store.put(row("a", "1"));
        store.flush().unwrap();
    }
    for round in 1..=5 {
        let aside = directory.path().join(format!("state.db.damaged-{round}"));
        let text = std::fs::read_to_string(aside).ok();
        assert_eq!(text, (round > 2).then(|| format!("no database {round}")));
    }
}

#[test]
fn damage_within_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let (store, _) = Store::open(&path).unwrap();
    for number in 0..2000 {
        store.put(row(&format!("key {number}"), "some value that fills a page or two"));
    }
    store.flush().unwrap();
    drop(store);
    let mut bytes = std::fs::read(&path).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle..middle + 4096].fill(0xa5);
    std::fs::write(&path, bytes).unwrap();
    let (store, rows) = Store::open(&path).unwrap();
    assert!(rows.is_empty());
    assert!(store.health().trouble.unwrap().contains("damaged-1"));
}

#[test]
fn a_newer_version_is_kept_for_the_newer_sensor() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let (store, _) = Store::open(&path).unwrap();
    store.put(row("a", "1"));
    drop(store);
    rusqlite::Connection::open(&path).unwrap().pragma_update(None, "user_version", 99).unwrap();
    let (store, rows) = Store::open(&path).unwrap();
    assert!(rows.is_empty());
    let trouble = store.health().trouble.unwrap();
    assert!(trouble.contains("version 99"), "{trouble}");
    let kept = rusqlite::Connection::open(directory.path().join("state.db.damaged-1")).unwrap();
    let value: String = kept.query_row("SELECT value FROM row", [], |row| row.get(0)).unwrap();
    assert_eq!(value, "1");
}

#[test]
fn what_is_not_ours_stays() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    rusqlite::Connection::open(&path).unwrap().execute_batch("CREATE TABLE precious (x)").unwrap();
    let error = format!("{:#}", Store::open(&path).err().unwrap());
    assert!(error.contains("another program"), "{error}");
    std::fs::remove_file(&path).unwrap();
    std::os::unix::fs::symlink("/etc/hostname", &path).unwrap();
    assert!(Store::open(&path).is_err(), "a link might lead anywhere");
    assert!(path.is_symlink());
}

#[test]
fn a_store_that_cannot_be_opened_forgets_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    // Root may write everywhere, so that a directory without rights would not do.
    let (store, rows) = Store::open_or_forget(Some(&file.join("state.db")));
    assert!(rows.is_empty());
    store.put(row("a", "1"));
    store.flush().unwrap();
    let health = store.health();
    assert_eq!((health.path, health.dropped), (None, 0));
    assert!(health.trouble.unwrap().contains("is no directory"));
    assert!(Store::open_or_forget(None).0.health().trouble.unwrap().contains("off"));
}

#[test]
fn what_is_too_long_is_counted() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(&directory.path().join("state.db")).unwrap();
    store.put(row("a", &"x".repeat(MAX_VALUE_BYTES + 1)));
    store.put(row(&"x".repeat(MAX_KEY_BYTES + 1), "1"));
    assert_eq!(store.dropped(), 2);
}

#[test]
fn the_newest_rows_stay() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    drop(Store::open(&path).unwrap());
    let most = RowKind::Ledger.most();
    let mut connection = rusqlite::Connection::open(&path).unwrap();
    let transaction = connection.transaction().unwrap();
    for number in 0..most + 10 {
        transaction.execute("INSERT INTO row VALUES ('ledger', ?1, '1', 0)", [number.to_string()]).unwrap();
    }
    transaction.commit().unwrap();
    drop(connection);
    let (_store, rows) = Store::open(&path).unwrap();
    assert_eq!(rows.len(), most);
    assert_eq!(rows[0].key, "10");
}

#[test]
fn a_full_disk_costs_only_what_does_not_fit_in_memory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let dropped = Arc::new(AtomicU64::new(0));
    let (database, ..) = Database::open(&path).unwrap();
    database.limit(8);
    let mut writer =
        Writer { database, waiting: HashMap::new(), taken: 0, dropped: Arc::clone(&dropped), failing: false };
    for number in 0..MAX_WAITING + 5 {
        writer.take(Message::Put(row(&number.to_string(), "1")));
    }
    writer.take(Message::Put(row("0", "the newest")));
    let error = writer.write().unwrap_err();
    assert!(format!("{error:#}").contains("full"), "{error:#}");
    writer.failed(&error);
    assert_eq!((writer.waiting.len(), dropped.load(Ordering::Relaxed)), (MAX_WAITING, 5));
    writer.database.limit(100_000);
    writer.write().unwrap();
    assert!(writer.waiting.is_empty() && !writer.failing);
    drop(writer);
    let (_store, rows) = Store::open(&path).unwrap();
    assert_eq!(rows.len(), MAX_WAITING);
    assert_eq!(values(&rows).last(), Some(&("0", "the newest")));
}

/// What the next test kills.
#[test]
fn child_that_writes_until_it_is_killed() {
    let Some(path) = std::env::var_os("SENSOR_TEST_STORE") else {
        return;
    };
    let (store, rows) = Store::open(Path::new(&path)).unwrap();
    for number in rows.len()..1_000_000 {
        store.put(row(&format!("{number:09}"), &"x".repeat(number % 300)));
        if number % 50 == 0 {
            store.flush().unwrap();
            std::fs::write(Path::new(&path).with_extension("flushed"), number.to_string()).unwrap();
            // So that the rounds together stay below the number at which the oldest rows make room.
            std::thread::sleep(Duration::from_millis(3));
        }
    }
}

#[test]
fn a_killed_agent_loses_nothing_that_was_flushed() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("state.db");
    let mut before = 0;
    let mut flushed_before = 0;
    for round in 0..5 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "store::tests::child_that_writes_until_it_is_killed"])
            .env("SENSOR_TEST_STORE", &path)
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(400 + 37 * round));
        // A busy machine may not have let it write yet.
        let begin = Instant::now();
        let told = || std::fs::read_to_string(path.with_extension("flushed")).ok().and_then(|text| text.parse().ok());
        while told().is_none_or(|now: usize| now <= flushed_before) && begin.elapsed() < Duration::from_secs(20) {
            std::thread::sleep(Duration::from_millis(20));
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let flushed: usize =
            std::fs::read_to_string(path.with_extension("flushed")).unwrap_or_default().parse().unwrap_or(0);
        let (store, rows) = Store::open(&path).unwrap();
        assert_eq!(store.health().trouble, None, "damaged by a kill");
        let keys: std::collections::HashSet<usize> = rows.iter().map(|row| row.key.parse().unwrap()).collect();
        assert!((0..=flushed).all(|number| keys.contains(&number)), "round {round}: a flushed row is missing");
        assert!(rows.len() > before, "round {round}: nothing was written");
        assert!(rows.len() < RowKind::Baseline.most(), "round {round}: the oldest rows have made room");
        before = rows.len();
        flushed_before = flushed;
    }
}
