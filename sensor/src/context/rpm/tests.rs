use super::*;
use crate::context::digest::{Algorithm, Digest};
use crate::context::testing::FakeRoot;
use proptest::prelude::*;

/// See `fixtures/make.py`.
const RPMDB: &[u8] = include_bytes!("../fixtures/rpmdb.sqlite");

fn header() -> Vec<u8> {
    let reader = Reader::open(RPMDB, None, None).unwrap();
    let mut found = Vec::new();
    reader.scan(reader.table("Packages").unwrap(), |_, row| {
        let blob = column(row, 1).unwrap();
        if blob.len() > found.len() {
            found = blob.to_vec();
        }
    });
    found
}

fn sha256(text: &[u8]) -> Option<Digest> {
    let mut hasher = Algorithm::Sha256.hasher();
    hasher.update(text);
    Digest::new(Algorithm::Sha256, hasher.finalize().to_vec())
}

#[test]
fn a_database_that_rpm_wrote() {
    for place in STAMPED.iter().filter(|path| path.ends_with("rpmdb.sqlite")) {
        let root = FakeRoot::new();
        root.put(place, RPMDB);
        let database = Database::read(&root.root()).unwrap().unwrap();
        assert_eq!(database.counts(), (1, 4));
        let owner = |path: &str| database.owners(&root.root(), &root.aliases(), path.as_bytes()).pop();
        let tiny = owner("/usr/bin/tiny").unwrap();
        assert_eq!((tiny.name.as_str(), tiny.version.as_str()), ("tiny-server", "1:1.2-3"));
        assert_eq!(tiny.digest, sha256(b"#!/bin/sh\necho tiny\n"));
        assert_eq!(owner("/usr/share/tiny/index.php").unwrap().digest, sha256(b"<?php echo 1;\n"));
        assert_eq!(owner("/etc/tiny.conf").unwrap().digest, sha256(b"key = 1\n"));
        assert_eq!(owner("/var/lib/tiny/state").unwrap().digest, None, "a ghost has none");
        assert_eq!(owner("/usr/share/tiny"), None, "a directory");
        assert_eq!(owner("/usr/bin/other"), None);
    }
}

#[test]
fn what_is_not_read_is_named() {
    let error = |path: &str, content: &[u8]| {
        let root = FakeRoot::new();
        root.put(path, content);
        Database::read(&root.root()).unwrap().err().unwrap().to_string()
    };
    let ndb = error("/usr/lib/sysimage/rpm/Packages.db", b"RpmP");
    assert!(ndb.contains("/usr/lib/sysimage/rpm/Packages.db is ndb"), "{ndb}");
    assert!(error("/var/lib/rpm/Packages", b"").contains("unsupported kind"));
    assert!(error("/var/lib/rpm/rpmdb.sqlite", b"nonsense").contains("no SQLite file"));
    assert!(Database::read(&FakeRoot::new().root()).is_none());
}

#[test]
fn one_long_directory_does_not_make_many_long_paths() {
    let (names, directory) = (vec![0; 1000], [vec![b'd'; 1 << 20], vec![0]].concat());
    let indexes = vec![0; 4000];
    let mut tags = Vec::new();
    let mut values = Vec::new();
    for (tag, value, count) in [(1116_u32, &indexes, 1000_u32), (1117, &names, 1000), (1118, &directory, 1)] {
        for number in [tag, 0, values.len() as u32, count] {
            tags.extend(number.to_be_bytes());
        }
        values.extend(value);
    }
    let bytes = [&3_u32.to_be_bytes()[..], &(values.len() as u32).to_be_bytes(), &tags, &values].concat();
    let mut count = 0;
    Header::new(&bytes).unwrap().each_file(|_, _| count += 1);
    assert_eq!(count, 0);
}

proptest! {
    #[test]
    fn a_broken_header_is_parsed(changes in proptest::collection::vec((0_usize..4096, any::<u8>()), 1..30), cut in 0_usize..2000) {
        let mut bytes = header();
        let length = bytes.len();
        for (at, byte) in changes {
            bytes[at % length] = byte;
        }
        bytes.truncate(length - cut % length);
        if let Some(header) = Header::new(&bytes) {
            let _ = (header.name(), header.version(), header.digest_of(b"usr/bin/tiny"));
        }
    }

    #[test]
    fn any_bytes_are_parsed(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        if let Some(header) = Header::new(&bytes) {
            header.each_file(|_, _| {});
        }
    }
}
