use super::*;
use crate::context::testing::{FakeRoot, PID, md5_hex, question};
use crate::provenance::Manager;

fn ask(root: &FakeRoot, question: &Question) -> Provenance {
    Facts::new(&root.proc_root()).of(question, Instant::now())
}

fn with_dpkg(root: &FakeRoot, path: &str, content: &[u8]) {
    let plain = path.trim_start_matches('/');
    root.put("/var/lib/dpkg/status", "Package: p\nArchitecture: all\nVersion: 1\n")
        .put("/var/lib/dpkg/info/p.list", format!("/.\n{path}\n"))
        .put("/var/lib/dpkg/info/p.md5sums", format!("{}  {plain}\n", md5_hex(content)));
}

fn content_of(provenance: &Provenance) -> Option<Content> {
    provenance.package.as_ref().map(|package| package.content)
}

#[test]
fn the_plain_facts_of_a_script() {
    let root = FakeRoot::new();
    root.put("/srv/a.php", "<?php echo 1;\n");
    let provenance = ask(&root, &root.question("/srv/a.php"));
    assert!(provenance.exists && !provenance.elf);
    assert_eq!(provenance.package, None);
    assert_eq!(provenance.sha256.as_deref(), Some("939991e874bf2bb8e22c379223273cd2b91f7369aa86836ecb43046569de591a"));
    assert_eq!((provenance.size, provenance.begins.as_deref()), (14, Some("<?php echo 1;\n")));
    assert!(provenance.modified_unix_ns > 1_600_000_000_000_000_000);
    assert_eq!(provenance.mode & 0o170_000, 0o100_000);
}

#[test]
fn the_package_and_whether_it_changed() {
    let root = FakeRoot::new();
    with_dpkg(&root, "/usr/bin/p", b"right");
    root.put("/usr/bin/p", "right");
    assert_eq!(content_of(&ask(&root, &root.question("/usr/bin/p"))), Some(Content::Same));
    root.put("/usr/bin/p", "wrong");
    assert_eq!(content_of(&ask(&root, &root.question("/usr/bin/p"))), Some(Content::Changed));
    std::fs::remove_file(root.real("/usr/bin/p")).unwrap();
    let gone = ask(&root, &root.question("/usr/bin/p"));
    assert_eq!((gone.exists, content_of(&gone)), (false, Some(Content::Missing)));
}

#[test]
fn rpm_and_apk_are_asked_too() {
    let root = FakeRoot::new();
    root.put("/var/lib/rpm/rpmdb.sqlite", include_bytes!("../fixtures/rpmdb.sqlite"))
        .put("/usr/bin/tiny", "#!/bin/sh\necho tiny\n")
        .put("/lib/apk/db/installed", "P:a\nV:1\nF:etc\nR:a\nZ:Q12jmj7l5rSw0yVb/vlWAYkK/YBwk=\n")
        .put("/etc/a", "");
    let package = |path: &str| ask(&root, &root.question(path)).package.unwrap();
    let tiny = Package {
        manager: Manager::Rpm,
        name: "tiny-server".into(),
        version: "1:1.2-3".into(),
        content: Content::Same,
    };
    assert_eq!(package("/usr/bin/tiny"), tiny);
    let empty = Package { manager: Manager::Apk, name: "a".into(), version: "1".into(), content: Content::Same };
    assert_eq!(package("/etc/a"), empty);
    root.put("/etc/a", "x");
    assert_eq!(package("/etc/a").content, Content::Changed);
}

#[test]
fn another_file_under_the_name_is_not_talked_about() {
    let root = FakeRoot::new();
    with_dpkg(&root, "/usr/bin/p", b"right");
    root.put("/usr/bin/p", "right");
    let mut other = root.question("/usr/bin/p");
    other.inode += 1;
    assert_eq!(ask(&root, &other), Provenance::absent());
    let mut device = root.question("/usr/bin/p");
    device.device = 1;
    assert!(!ask(&root, &device).exists);
    let metadata = std::fs::metadata(root.real("/usr/bin/p")).unwrap();
    let number = std::os::unix::fs::MetadataExt::dev(&metadata);
    device.device = kernel_device(rustix::fs::major(number), rustix::fs::minor(number));
    assert!(ask(&root, &device).exists);
}

#[test]
fn links_end_inside_the_root() {
    let root = FakeRoot::new();
    let outside = tempfile::NamedTempFile::new().unwrap();
    root.put("/in/file", "in").link("/in/file", "/link").link(outside.path().to_str().unwrap(), "/out");
    assert_eq!(ask(&root, &root.question("/link")).begins.as_deref(), Some("in"));
    assert!(!ask(&root, &question(PID, "/out", Path::new("/nothing"))).exists);
    assert!(!ask(&root, &question(PID, "in/file", &root.real("in/file"))).exists, "not absolute");
}

#[test]
fn a_process_that_is_gone_has_the_hosts_root_if_the_very_file_is_there() {
    let root = FakeRoot::new();
    std::fs::create_dir(root.proc_root().join("1")).unwrap();
    std::os::unix::fs::symlink(root.real("/"), root.proc_root().join("1/root")).unwrap();
    root.put("/f", "x");
    let mut question = question(99, "/f", &root.real("/f"));
    assert!(!ask(&root, &question).exists, "no device to compare");
    let number = std::os::unix::fs::MetadataExt::dev(&std::fs::metadata(root.real("/f")).unwrap());
    question.device = kernel_device(rustix::fs::major(number), rustix::fs::minor(number));
    assert!(ask(&root, &question).exists);
    question.inode += 1;
    assert!(!ask(&root, &question).exists);
}

#[test]
fn what_is_no_regular_file_is_not_read() {
    let root = FakeRoot::new();
    rustix::fs::mknodat(rustix::fs::CWD, root.real("/fifo"), FileType::Fifo, 0o600.into(), 0).unwrap();
    let fifo = ask(&root, &root.question("/fifo"));
    assert!(fifo.exists && fifo.sha256.is_none() && fifo.begins.is_none());
    std::fs::create_dir(root.real("/dir")).unwrap();
    let mut directory = root.question("/dir");
    directory.directory = true;
    assert!(ask(&root, &directory).exists);
    directory.path = "/fifo".into();
    assert!(!ask(&root, &directory).exists);
}

#[test]
fn a_big_file_is_known_but_not_read() {
    let root = FakeRoot::new();
    with_dpkg(&root, "/big", b"");
    root.put("/big", "#!/bin/sh\n");
    let file = File::options().write(true).open(root.real("/big")).unwrap();
    file.set_len(MAX_CONTENT + 1).unwrap();
    let big = ask(&root, &root.question("/big"));
    assert_eq!((big.sha256.as_ref(), content_of(&big)), (None, Some(Content::Unknown)));
    assert_eq!(big.size, MAX_CONTENT + 1);
    file.set_len(MAX_CONTENT).unwrap();
    assert!(ask(&root, &root.question("/big")).sha256.is_some());
}

#[test]
fn a_package_installed_since_is_seen() {
    let root = FakeRoot::new();
    with_dpkg(&root, "/a", b"a");
    root.put("/a", "a").put("/b", "b");
    let mut facts = Facts::new(&root.proc_root());
    assert_eq!(content_of(&facts.of(&root.question("/a"), Instant::now())), Some(Content::Same));
    assert_eq!(content_of(&facts.of(&root.question("/b"), Instant::now())), None);
    root.put("/var/lib/dpkg/info/q.list", "/b\n").put("/var/lib/dpkg/info/q.md5sums", format!("{}  b\n", md5_hex("b")));
    assert_eq!(content_of(&facts.of(&root.question("/b"), Instant::now())), Some(Content::Same));
}

#[test]
fn what_counts_as_text() {
    assert_eq!(text(b"a\tb\r\n"), Some("a\tb\r\n".to_owned()));
    assert_eq!(text(b""), Some(String::new()));
    assert_eq!(text(b"a\0"), None);
    assert_eq!(text(b"caf\xe9"), Some("caf\u{fffd}".to_owned()));
    let mut cut = vec![b'a'; BEGINS - 1];
    cut.push(0xc3);
    assert_eq!(text(&cut).map(|text| text.len()), Some(BEGINS - 1));
}

#[test]
fn a_database_that_changes_all_the_time_is_read_once_for_all_that_was_asked() {
    let root = FakeRoot::new();
    with_dpkg(&root, "/a", b"a");
    root.put("/a", "a");
    let mut facts = Facts::new(&root.proc_root());
    let asked = Instant::now();
    assert_eq!(content_of(&facts.of(&root.question("/a"), asked)), Some(Content::Same));
    std::fs::remove_file(root.real("/var/lib/dpkg/info/p.list")).unwrap();
    assert_eq!(content_of(&facts.of(&root.question("/a"), asked)), Some(Content::Same), "asked before it was read");
    assert_eq!(content_of(&facts.of(&root.question("/a"), Instant::now())), None);
}

/// This machine's own packages, if it is a Debian.
#[test]
fn the_shell_of_this_machine_is_its_packages() {
    let Ok(mut shell) = std::fs::read("/usr/bin/dash") else { return };
    if !Path::new("/var/lib/dpkg/info/dash.list").exists() {
        return;
    }
    let here = question(std::process::id(), "/usr/bin/dash", Path::new("/usr/bin/dash"));
    let provenance = Facts::new(Path::new("/proc")).of(&here, Instant::now());
    let package = provenance.package.unwrap();
    assert_eq!((package.manager, package.name.as_str(), package.content), (Manager::Dpkg, "dash", Content::Same));
    assert!(provenance.elf && provenance.begins.is_none() && !package.version.is_empty());

    // The same, one byte changed, with the same database.
    let root = FakeRoot::new();
    for name in ["status", "info/dash.list", "info/dash.md5sums"] {
        let path = format!("/var/lib/dpkg/{name}");
        root.put(&path, std::fs::read(&path).unwrap());
    }
    root.put("/usr/bin/dash", &shell).link("usr/bin", "/bin");
    assert_eq!(content_of(&ask(&root, &root.question("/usr/bin/dash"))), Some(Content::Same));
    *shell.last_mut().unwrap() ^= 1;
    root.put("/usr/bin/dash", &shell);
    assert_eq!(content_of(&ask(&root, &root.question("/usr/bin/dash"))), Some(Content::Changed));
}
