use super::*;
use proptest::prelude::*;

const RPMDB: &[u8] = include_bytes!("../fixtures/rpmdb.sqlite");
const LOGGED: &[u8] = include_bytes!("../fixtures/logged.sqlite");
const LOG: &[u8] = include_bytes!("../fixtures/logged.sqlite-wal");

fn rows(reader: &Reader<&[u8]>) -> (Vec<(Place, Vec<u8>)>, bool) {
    let mut rows = Vec::new();
    let whole = reader.scan(reader.table("Packages").unwrap(), |place, row| {
        rows.push((place, column(row, 1).unwrap().to_vec()));
    });
    (rows, whole)
}

#[test]
fn all_rows_in_order_and_each_found_again() {
    let reader = Reader::open(RPMDB, None, None).unwrap();
    let (rows, whole) = rows(&reader);
    assert!(whole);
    assert_eq!(rows.len(), 121);
    assert!(rows.iter().enumerate().all(|(at, (_, row))| at == 60 || *row == format!("no header {at}").into_bytes()));
    assert!(rows[60].1.len() > 1000, "it lies on overflow pages");
    for (place, row) in rows {
        assert_eq!(column(&reader.at(place).unwrap(), 1), Some(row.as_slice()));
    }
    assert_eq!(reader.table("Nothing"), None);
}

#[test]
fn what_the_log_has_committed_is_seen() {
    let read = |log: &'static [u8]| {
        let reader = Reader::open(LOGGED, Some(log), None).unwrap();
        rows(&reader).0.into_iter().map(|row| row.1).collect::<Vec<_>>()
    };
    assert!(rows(&Reader::open(LOGGED, None, None).unwrap()).0.is_empty());
    assert_eq!(read(LOG), [b"first".to_vec(), b"second".repeat(300)]);
    // Its last frames are not whole: what was committed before them stays.
    assert_eq!(read(&LOG[..LOG.len() - 1]), [b"first".to_vec()]);
    assert!(read(&LOG[..40]).is_empty());
}

#[test]
fn a_tree_that_bites_its_tail_ends() {
    let mut bytes = RPMDB.to_vec();
    let root = Reader::open(RPMDB, None, None).unwrap().table("Packages").unwrap();
    let page = (root as usize - 1) * 512;
    assert_eq!(bytes[page], 5, "an interior page");
    bytes[page + 8..page + 12].copy_from_slice(&root.to_be_bytes());
    let reader = Reader::open(bytes.as_slice(), None, None).unwrap();
    assert!(!reader.scan(root, |_, _| {}));
}

proptest! {
    #[test]
    fn a_broken_file_is_read(changes in proptest::collection::vec((0..RPMDB.len(), any::<u8>()), 1..40), cut in 0..RPMDB.len()) {
        let mut bytes = RPMDB.to_vec();
        for (at, byte) in changes {
            bytes[at] = byte;
        }
        bytes.truncate(bytes.len() - cut / 4);
        if let Some(reader) = Reader::open(bytes.as_slice(), Some(LOG), None)
            && let Some(table) = reader.table("Packages")
        {
            let mut count = 0;
            reader.scan(table, |_, row| {
                let _ = column(row, 1);
                count += 1;
            });
        }
    }

    #[test]
    fn any_log_is_read(changes in proptest::collection::vec((0..LOG.len(), any::<u8>()), 1..4)) {
        let mut log = LOG.to_vec();
        for (at, byte) in changes {
            log[at] = byte;
        }
        wal::pages(&log.as_slice(), 512);
    }

    #[test]
    fn any_row_has_columns(row in proptest::collection::vec(any::<u8>(), 0..60), number in 0_usize..10) {
        let _ = column(&row, number);
    }
}
