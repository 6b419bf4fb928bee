use super::*;
use crate::context::digest::Algorithm;
use crate::context::testing::{FakeRoot, md5_hex};
use proptest::prelude::*;

const STATUS_TEXT: &str = "\
Package: dash
Status: install ok installed
Architecture: amd64
Version: 0.5.12-2
Description: a shell
 Version: of something else
Conffiles:
 /etc/dash.conf 11111111111111111111111111111111
 /etc/with space 22222222222222222222222222222222 obsolete
 /etc/new newconffile

Package: libc6
Architecture: amd64
Multi-Arch: same
version: 2.36-9

Package: libc6
Architecture: i386
Version: 2.36-8
";

fn sums(path: &str, content: &str) -> String {
    format!("00000000000000000000000000000000  usr/other\n{}  {path}\n", md5_hex(content))
}

fn root() -> FakeRoot {
    let root = FakeRoot::new();
    root.put(STATUS, STATUS_TEXT)
        .put("/var/lib/dpkg/info/dash.list", "/.\n/bin\n/bin/dash\n/etc\n/etc/dash.conf\n/etc/with space\n/etc/new\n")
        .put("/var/lib/dpkg/info/dash.md5sums", sums("bin/dash", "dash"))
        .put("/var/lib/dpkg/info/libc6:amd64.list", "/.\n/lib\n/lib/libc.so.6\n/usr/share/doc/libc6\n")
        .put("/var/lib/dpkg/info/libc6:amd64.md5sums", sums("lib/libc.so.6", "64"))
        .put("/var/lib/dpkg/info/libc6:i386.list", "/.\n/usr/share/doc/libc6\n")
        .put("/usr/bin/dash", "dash")
        .put("/usr/lib/libc.so.6", "64")
        .link("usr/bin", "/bin")
        .link("usr/lib", "/lib");
    root
}

fn owners(root: &FakeRoot, path: &str) -> Vec<(String, String, bool)> {
    let database = Database::read(&root.root()).unwrap();
    let owners = database.owners(&root.root(), &root.aliases(), path.as_bytes());
    owners.into_iter().map(|one| (one.name, one.version, one.digest.is_some())).collect()
}

fn one(name: &str, version: &str, digest: bool) -> Vec<(String, String, bool)> {
    vec![(name.into(), version.into(), digest)]
}

#[test]
fn a_path_is_found_under_both_spellings_of_a_merged_usr() {
    let root = root();
    assert_eq!(owners(&root, "/usr/bin/dash"), one("dash", "0.5.12-2", true));
    assert_eq!(owners(&root, "/bin/dash"), one("dash", "0.5.12-2", true));
    assert_eq!(owners(&root, "/usr/lib/libc.so.6"), one("libc6", "2.36-9", true));
    assert_eq!(owners(&root, "/usr/bin/other"), []);
    assert_eq!(owners(&root, "/usr/bin"), [], "a directory that holds others is nobody's");
}

#[test]
fn without_a_merged_usr_the_spellings_are_two_files() {
    let root = root();
    std::fs::remove_file(root.real("/bin")).unwrap();
    root.put("/bin/dash", "dash");
    assert_eq!(owners(&root, "/bin/dash"), one("dash", "0.5.12-2", true));
    assert_eq!(owners(&root, "/usr/bin/dash"), []);
}

#[test]
fn configuration_files_have_their_digest_in_status() {
    let root = root();
    let database = Database::read(&root.root()).unwrap();
    let digest = |path: &str| database.owners(&root.root(), &root.aliases(), path.as_bytes()).remove(0).digest;
    assert_eq!(digest("/etc/dash.conf"), Digest::new(Algorithm::Md5, vec![0x11; 16]));
    assert_eq!(digest("/etc/with space"), Digest::new(Algorithm::Md5, vec![0x22; 16]));
    assert_eq!(digest("/etc/new"), None);
}

#[test]
fn architectures_that_share_a_file_both_own_it() {
    let names: Vec<String> = owners(&root(), "/usr/share/doc/libc6").into_iter().map(|one| one.1).collect();
    assert_eq!(names, ["2.36-9", "2.36-8"]);
}

#[test]
fn a_diverted_file_is_whose_it_really_is() {
    let root = root();
    root.put("/var/lib/dpkg/info/bash.list", "/bin/dash\n")
        .put("/var/lib/dpkg/info/bash.md5sums", sums("bin/dash", "bash"))
        .put(DIVERSIONS, "/bin/dash\n/bin/dash.distrib\nbash\n/bin/x\n/bin/x.real\n:\n");
    let names = |path| owners(&root, path).into_iter().map(|one| one.0).collect::<Vec<_>>();
    assert_eq!(names("/usr/bin/dash"), ["bash"]);
    assert_eq!(names("/usr/bin/dash.distrib"), ["dash"]);
    assert_eq!(owners(&root, "/usr/bin/dash.distrib"), one("dash", "0.5.12-2", true));
}

#[test]
fn images_without_dpkg_have_a_file_for_each_package() {
    let root = FakeRoot::new();
    root.put("/var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\n")
        .put("/var/lib/dpkg/status.d/base.md5sums", sums("etc/os-release", "x"));
    assert_eq!(owners(&root, "/etc/os-release"), one("base-files", "12", true));
}

#[test]
fn updates_that_are_not_merged_yet_are_newer() {
    let root = root();
    root.put("/var/lib/dpkg/updates/0001", "Package: dash\nArchitecture: amd64\nVersion: 0.6\n");
    assert_eq!(owners(&root, "/bin/dash"), one("dash", "0.6", true));
}

#[test]
fn links_in_the_database_are_not_followed() {
    let root = root();
    std::fs::remove_file(root.real("/var/lib/dpkg/info/dash.md5sums")).unwrap();
    root.put("/elsewhere", sums("bin/dash", "dash")).link("/elsewhere", "/var/lib/dpkg/info/dash.md5sums");
    assert_eq!(owners(&root, "/bin/dash"), one("dash", "0.5.12-2", false));
    assert!(Database::read(&FakeRoot::new().root()).is_none());
}

proptest! {
    #[test]
    fn any_bytes_are_parsed(text in proptest::collection::vec(any::<u8>(), 0..2000)) {
        let _ = parse::stanzas(&text).count();
        let _ = parse::listed(&text).count();
        let _ = parse::sums(&text).count();
        let _ = parse::diversions(&text, 10);
    }

    /// Lines that are nearly right get further.
    #[test]
    fn broken_texts_are_parsed(text in "((Package|Version|Conffiles|): ?[a-z]{0,3}\n| /[a-z] [0-9a-f]{30,34}( obsolete)?\n|/[a-c]{0,2}(/[a-c])?\n|[0-9a-f]{32}  [a-z]{0,2}\n|\n){0,30}") {
        let text = text.as_bytes();
        for stanza in parse::stanzas(text) {
            prop_assert!(stanza.conffiles.iter().all(|(_, digest)| digest.value.len() == 16));
        }
        for path in parse::listed(text) {
            prop_assert!(!path.is_empty());
        }
        for (path, digits) in parse::sums(text) {
            prop_assert!(!path.is_empty() && digits.len() == 32);
        }
    }
}
