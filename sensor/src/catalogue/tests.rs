//! The shipped catalogue is right, and wrong ones are told everything that is wrong.

mod children;
mod identity;
mod places;

use super::*;
use crate::testing::{program, shell};
use std::sync::OnceLock;

fn shipped() -> &'static Catalogue {
    static CATALOGUE: OnceLock<Catalogue> = OnceLock::new();
    CATALOGUE.get_or_init(|| Catalogue::embedded().0)
}

#[test]
fn the_shipped_catalogue_has_no_mistakes() {
    let (catalogue, problems) = Catalogue::embedded();
    assert_eq!(problems, []);
    for server in catalogue.servers() {
        let places: Vec<_> =
            server.components.iter().map(|known| (&known.path, known.kind, patterns(&known.files))).collect();
        for (at, place) in places.iter().enumerate() {
            assert!(!places[..at].contains(place), "{}: {place:?} stands there twice", server.id);
            // A watched directory has one kind.
            let other = places[..at].iter().find(|(path, kind, _)| path == &place.0 && kind != &place.1);
            assert_eq!(other, None, "{}: {place:?}", server.id);
        }
    }
    let counts = [catalogue.installers.iter().len(), catalogue.sessions.iter().len(), catalogue.runners.iter().len()];
    assert!(!counts.contains(&0), "{counts:?}");
}

#[test]
fn a_star_in_a_command_stands_for_nothing_that_a_shell_interprets() {
    let pattern = Pattern::command("sh -c convert *").unwrap();
    assert!(pattern.is_match(b"sh -c convert a.png b.jpg"));
    for hidden in ["a; id", "a | sh", "a && id", "$(id)", "`id`", "a > /etc/x", "a\nid"] {
        assert!(!pattern.is_match(format!("sh -c convert {hidden}").as_bytes()), "{hidden}");
    }
}

fn patterns(patterns: &[Pattern]) -> Vec<&str> {
    patterns.iter().map(|pattern| pattern.text.as_str()).collect()
}

#[test]
fn a_cut_command_line_is_not_normal() {
    let kind = shipped().server("php-fpm").unwrap();
    let mut image = shell("convert a b");
    assert!(kind.normal_child(&image, None).is_some());
    image.argv_cut = true;
    assert!(kind.normal_child(&image, None).is_none());
}

#[test]
fn a_pattern_is_told_by_its_ends_as_by_the_whole() {
    for (text, yes, no) in [
        ("/usr/sbin/nginx", "/usr/sbin/nginx", "/usr/sbin/nginx2"),
        ("**/wp-content/*.php", "wp-content/a.php", "wp-contents/a.php"),
        ("/etc/**/x", "/etc/x", "/etc/y"),
        ("/a/**", "/a/b/c", "/a"),
        ("{,/usr}/bin/sh", "/bin/sh", "/opt/bin/sh"),
        ("/a/[b-c]d", "/a/bd", "/a/dd"),
        ("*.so", "x.so", "x.so.1"),
    ] {
        let pattern = Pattern::path(text).unwrap();
        assert!(pattern.is_match(yes.as_bytes()) && !pattern.is_match(no.as_bytes()), "{text}");
        assert!(pattern.clone().is_match(yes.as_bytes()), "{text}");
    }
}

#[test]
fn however_a_shell_is_started_the_command_line_reads_alike() {
    for (executable, argv) in [
        ("/usr/bin/dash", &["sh", "-c", "convert a b"][..]),
        ("/usr/bin/dash", &["/bin/sh", "-c", "--", "convert a b"]),
        ("/bin/bash", &["bash", "-c", "convert a b"]),
        ("/bin/busybox", &["busybox", "sh", "-c", "convert a b"]),
        ("/bin/busybox", &["ash", "-c", "convert a b"]),
    ] {
        let mut image = program(executable, "");
        image.argv = argv.iter().map(|&argument| argument.into()).collect();
        assert_eq!(plain_command_line(&image), "sh -c convert a b", "{argv:?}");
        assert!(shipped().server("php-fpm").unwrap().normal_child(&image, None).is_some(), "{argv:?}");
    }
    assert_eq!(plain_command_line(&program("/usr/bin/zsh", "zsh -c id")), "zsh -c id");
    assert_eq!(plain_command_line(&program("/bin/busybox", "busybox wget x")), "busybox wget x");
}

#[test]
fn braces_are_alternatives_in_a_command_and_hide_nothing() {
    let pattern = Pattern::plain_command("bash -c {gs,exec gs} *").unwrap();
    assert!(pattern.is_match(b"sh -c exec gs a"));
    assert!(!pattern.is_match(b"sh -c gs a; id") && !pattern.is_match(b"sh -c gs {a}"));
    let escaped = Pattern::plain_command("sh -c \\{ touch * \\}").unwrap();
    assert!(escaped.is_match(b"sh -c { touch x }") && !escaped.is_match(b"sh -c { touch x;}"));
}

#[test]
fn every_mistake_is_told() {
    let text = r#"
        [[server]]
        id = "Bad Id"
        roles = ["web"]
        exe = []
        [[server.component]]
        path = "relative"
        kind = "native_module"
        [[server.normal_child]]
        exe = ["*"]
        args = ["[z-a]"]
        reason = " "
    "#;
    let problems = Catalogue::with([("x.toml", text)]).unwrap_err();
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 5, "{all:#?}");
    assert!(all.iter().all(|message| message.starts_with("x.toml: ")));
    for (text, told) in [
        ("[[server]]\nid='a'\nroles=[]\nexe=['/a']", "roles is empty"),
        (
            "[[server]]\nid='a'\nroles=['web']\nexe=['/a']\n[[server.normal_child]]\nexe=['/b']\ntitle=['x']\nreason='r'",
            "titles = true",
        ),
        (
            "[[server]]\nid='a'\nroles=['web']\nexe=['/a']\n[[server.normal_child]]\nargs=['id']\nreason='r'",
            "exe is missing",
        ),
        ("[[server]]\nid='a'\nroles=['webb']\nexe=['/a']", "webb"),
        ("[[server]]\nid='a'\nroles=['web']\nexe=['/a']\n[[server.component]]\npath='/a/**/b'\nkind='plugin'", "'**'"),
        ("[[secret]]\nwhat='x'\npath='x'", "absolute"),
        ("[[installer]]\nkind='deployer'\nexe=[]", "installer: exe is empty"),
        ("[[application]]\nid='A'\npart=[]", "application.id"),
    ] {
        let problems = Catalogue::with([("x.toml", text)]).unwrap_err();
        assert!(problems.iter().any(|problem| problem.message.contains(told)), "{told}: {problems:?}");
    }
    let unknown = Catalogue::with([("y.toml", "[[server]]\nid = 'a'\nroles = ['web']\nexe = ['/a']\nexes = 1")]);
    assert!(unknown.unwrap_err()[0].message.contains("exes"));
}

#[test]
fn versions_in_names_do_not_hide_an_interpreter() {
    for (path, expected) in [
        ("/usr/bin/python3.11", Some(Suspicion::Interpreter)),
        ("/usr/bin/php8.2", Some(Suspicion::Interpreter)),
        ("/usr/bin/dash", Some(Suspicion::Shell)),
        ("/usr/bin/nc.openbsd", Some(Suspicion::Transfer)),
        ("/usr/bin/id", Some(Suspicion::Discovery)),
        ("/usr/bin/convert-im6", None),
    ] {
        assert_eq!(suspicion(path.into()), expected, "{path}");
    }
}

#[test]
fn a_command_line_is_short_and_whole() {
    for (command, expected) in [("/usr/bin/sh -c id", "sh -c id"), ("-bash", "-bash")] {
        assert_eq!(command_line(&program("/x", command)), expected);
    }
    let mut title = program("/usr/sbin/php-fpm8.2", "x");
    title.argv = vec!["php-fpm: master process (/etc/php-fpm.conf)    ".into()];
    assert_eq!(command_line(&title), "php-fpm: master process (/etc/php-fpm.conf)");
}

#[test]
fn three_lines_make_a_server() {
    let text = "[[server]]\nid = 'billing'\nexe = ['/opt/billing/bin/billingd']\nroles = ['app']";
    let catalogue = Catalogue::with([("x.toml", text)]).unwrap();
    let known = catalogue.identify(&program("/opt/billing/bin/billingd", "billingd"), false).unwrap();
    assert_eq!((known.id.as_str(), known.exec_policy, known.egress), ("billing", ExecPolicy::Never, Egress::Learned));
}

#[test]
fn the_examples_in_the_documentation_can_be_used() {
    let page = include_str!("../../../docs/catalogue.md");
    let examples: Vec<&str> = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next()).collect();
    assert!(examples.len() >= 4);
    for example in examples {
        assert_eq!(Catalogue::with([("docs/catalogue.md", example)]).err(), None, "{example}");
    }
}

#[test]
fn the_documentation_names_every_word() {
    let page = include_str!("../../../docs/catalogue.md");
    for kind in ComponentKind::ALL {
        assert!(page.contains(&format!("| `{}` |", kind.name())), "{}", kind.name());
        assert_eq!(ComponentKind::from_name(kind.name()), Some(kind));
    }
}

#[test]
fn what_another_catalogue_changes_is_named() {
    let more = "[[server]]\nid = \"nginx\"\nroles = [\"web\"]\nexe = [\"/opt/nginx\"]\nexec_policy = \"never\"\n\
        [[server]]\nid = \"own\"\nroles = [\"app\"]\nexe = [\"/opt/own\"]\nexec_policy = \"never\"\n";
    let new = Catalogue::with([("more.toml", more)]).unwrap();
    let changes: Vec<_> = shipped().changes(&new).collect();
    assert_eq!(changes, [("nginx", "changed"), ("own", "added")]);
    assert_eq!(new.changes(shipped()).collect::<Vec<_>>(), [("nginx", "changed"), ("own", "removed")]);
    assert_eq!(shipped().changes(&Catalogue::embedded().0).count(), 0);
}
