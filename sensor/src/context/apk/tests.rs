use super::*;
use crate::context::testing::FakeRoot;
use proptest::prelude::*;

/// As apk writes it, but for the digests: SHA-1 of `musl`, SHA-256 of `conf`.
const INSTALLED: &str = "\
C:Q1AAAAAAAAAAAAAAAAAAAAAAAAAAA=
P:musl
V:1.2.5-r0
A:x86_64
F:lib
R:ld-musl-x86_64.so.1
a:0:0:755
Z:Q1RjJ5p6TnwGXTeE7XvFRjDbSkgHU=
R:libc.musl-x86_64.so.1
F:
R:.top

C:Q1BBBBBBBBBBBBBBBBBBBBBBBBBBB=
P:app
V:2
F:etc
M:0:0:755
R:app.conf
Z:Q2WM7R/EYGhBgJHBSExgfWxTaRBGO5s1pRBdX/DD8uD98=
";

fn digest(algorithm: Algorithm, content: &[u8]) -> Option<Digest> {
    let mut hasher = algorithm.hasher();
    hasher.update(content);
    Digest::new(algorithm, hasher.finalize().to_vec())
}

fn installed() -> String {
    let sum = |mark: &str, algorithm, content| {
        format!("{mark}{}", STANDARD.encode(digest(algorithm, content).unwrap().value))
    };
    INSTALLED
        .replace("Q1RjJ5p6TnwGXTeE7XvFRjDbSkgHU=", &sum("Q1", Algorithm::Sha1, b"musl"))
        .replace("Q2WM7R/EYGhBgJHBSExgfWxTaRBGO5s1pRBdX/DD8uD98=", &sum("Q2", Algorithm::Sha256, b"conf"))
}

fn owner(root: &FakeRoot, path: &str) -> Option<(String, String, Option<Digest>)> {
    let database = Database::read(&root.root()).unwrap();
    let mut owners = database.owners(&root.root(), &root.aliases(), path.as_bytes());
    assert!(owners.len() < 2);
    owners.pop().map(|one| (one.name, one.version, one.digest))
}

#[test]
fn files_their_packages_and_digests() {
    for place in STAMPED {
        let root = FakeRoot::new();
        root.put(place, installed());
        let musl = |digest| Some(("musl".to_owned(), "1.2.5-r0".to_owned(), digest));
        assert_eq!(owner(&root, "/lib/ld-musl-x86_64.so.1"), musl(digest(Algorithm::Sha1, b"musl")));
        assert_eq!(owner(&root, "/lib/libc.musl-x86_64.so.1"), musl(None));
        assert_eq!(owner(&root, "/.top"), musl(None));
        let app = ("app".to_owned(), "2".to_owned(), digest(Algorithm::Sha256, b"conf"));
        assert_eq!(owner(&root, "/etc/app.conf"), Some(app));
        assert_eq!(owner(&root, "/etc/other"), None);
    }
}

#[test]
fn a_database_that_shrank_meanwhile_gives_no_digest() {
    let root = FakeRoot::new();
    root.put(STAMPED[0], installed());
    let database = Database::read(&root.root()).unwrap();
    root.put(STAMPED[0], "P:x\n");
    let owners = database.owners(&root.root(), &root.aliases(), b"/etc/app.conf");
    assert_eq!(owners[0].digest, None);
}

#[test]
fn one_long_directory_does_not_make_many_long_paths() {
    let text = format!("P:a\nF:{}\n{}", "d".repeat(1 << 20), "R:f\n".repeat(10_000));
    assert_eq!(Database::parse(STAMPED[0], text.as_bytes()).counts(), (1, 0));
}

proptest! {
    #[test]
    fn any_bytes_are_parsed(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
        Database::parse(STAMPED[0], &text);
    }

    #[test]
    fn broken_texts_are_parsed(text in "([PVFRZ]:[a-z/]{0,4}\n|Z:Q[12][A-Za-z0-9]{0,8}=?\n|[FR]\n|\n){0,40}") {
        let database = Database::parse(STAMPED[0], text.as_bytes());
        prop_assert_eq!(database.packages.len(), blocks(text.as_bytes()).count());
        for package in &database.packages {
            prop_assert!(package.offset as usize + package.length <= text.len());
        }
    }
}
