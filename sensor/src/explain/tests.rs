//! The suggested exception, as the configuration reads it, silences that attack and no other.

use super::*;
use crate::config::Config;
use crate::event::{Descriptor, Exec};
use crate::exception::Exception;
use crate::testing::*;
use sensor_common::key::ProcessKey;
use sensor_common::process::exec_flags;

/// What somebody does below PHP-FPM's worker.
type Deed = Box<dyn Fn(&mut Scene, ProcessKey)>;

fn starts(image: Exec) -> Deed {
    Box::new(move |scene, worker| {
        scene.start(worker, image.clone());
    })
}

fn writes(path: &'static str) -> Deed {
    Box::new(move |scene, worker| scene.write(worker, path, 500))
}

fn read(toml: &str) -> Vec<Exception> {
    match Config::parse("sensor.toml", toml, &[]) {
        Ok(config) => config.exceptions,
        Err(problems) => panic!("{problems:#?}\n{toml}"),
    }
}

/// A machine on which PHP-FPM runs, these exceptions are in force, and that was started so many days later than others.
fn played(exceptions: &[Exception], days: u64, deed: &Deed) -> Scene {
    let mut with = settings();
    with.exceptions = exceptions.to_vec();
    with.host.boot_time_unix_ns += days * 86_400_000_000_000;
    let mut scene = Scene::with(with);
    let master = scene.start(INIT, program("/usr/sbin/php-fpm8.2", "php-fpm8.2 -F"));
    let worker = scene.fork(master, 33);
    scene.watch(worker, "php-fpm", "script_docroot", "/var/www");
    deed(&mut scene, worker);
    scene.told();
    scene
}

/// The exceptions that are suggested for all that is told of a deed.
fn suggested(deed: &Deed) -> String {
    let scene = played(&[], 0, deed);
    assert!(!scene.alerts.is_empty());
    scene.alerts.iter().map(exception).collect()
}

/// The deed is silenced by what is suggested for it, counted, and the others are not.
fn only(deed: &Deed, others: &[Deed]) {
    let toml = suggested(deed);
    let exceptions = read(&toml);
    let mut silenced = played(&exceptions, 0, deed);
    assert_eq!(silenced.told(), [], "{toml}");
    assert!(silenced.core.exceptions(0).all(|(_, hits, expired)| hits > 0 && !expired), "{toml}");
    for (number, other) in others.iter().enumerate() {
        let mut told = played(&exceptions, 0, other);
        assert_ne!(told.told(), [], "variation {number} of\n{toml}");
    }
}

#[test]
fn a_command_and_nothing_like_it() {
    only(
        &starts(shell("id -u")),
        &[
            starts(shell("id")),
            starts(shell("id -u; curl http://192.0.2.1")),
            starts(shell("id -u\nid")),
            starts(Exec { executable: "/tmp/dash".into(), ..shell("id -u") }),
            starts(program("/usr/bin/id", "id -u")),
        ],
    );
}

#[test]
fn a_command_by_whatever_shell_ran_it() {
    for executable in ["/usr/bin/bash", "/usr/bin/dash"] {
        for argv in [&["bash", "-c", "id"][..], &["sh", "-c", "--", "id"], &["/bin/ash", "-c", "id"]] {
            let image = Exec {
                executable: executable.into(),
                argv: argv.iter().map(|word| (*word).into()).collect(),
                ..Exec::default()
            };
            only(&starts(image.clone()), &[starts(Exec { argv: vec!["sh".into(), "-c".into(), "w".into()], ..image })]);
        }
    }
}

#[test]
fn what_patterns_and_shells_treat_specially_is_plain_text() {
    for (command, other) in [
        ("echo *", "echo x"),
        ("ls [a-z]?", "ls ab"),
        ("echo {a,b}", "echo a"),
        ("cd /srv\nls", "cd /srv ls"),
        ("awk '{print $1}' x | sort", "awk '{print $2}' x | sort"),
        ("test ! -f x && cp a b", "test -f x && cp a b"),
        ("printf 'a\\tb' > /tmp/x", "printf 'atb' > /tmp/x"),
        ("echo \"quoted\" 'twice'", "echo quoted 'twice'"),
        ("find . -name '*.php' -exec rm {} \\;", "find . -name 'a.php' -exec rm {} \\;"),
    ] {
        only(&starts(shell(command)), &[starts(shell(other)), starts(shell(&format!("{command} x")))]);
    }
}

#[test]
fn bytes_that_are_no_text_are_left_open_and_nothing_else() {
    let given = |command: &[u8]| {
        let mut image = shell("x");
        image.argv[2] = command.into();
        starts(image)
    };
    only(&given(b"ls \xff\xfe/a"), &[given(b"ls /b"), given(b"ls \xff;id/a"), given(b"id \xff/a")]);
}

#[test]
fn what_a_cut_command_line_hides_is_covered_by_nothing() {
    let cut = starts(Exec { argv_cut: true, ..shell("/opt/report aaaa") });
    let toml = suggested(&cut);
    assert!(toml.starts_with("# None: ") && read(&toml).is_empty(), "{toml}");
    let whole = read(&suggested(&starts(shell("/opt/report aaaa"))));
    assert_eq!(played(&whole, 0, &cut).told().len(), 1);
}

#[test]
fn a_story_of_two_programs_is_one_exception() {
    let both = |tool: &'static str| -> Deed {
        Box::new(move |scene, worker| {
            let shell = scene.start(worker, shell(tool));
            scene.start(shell, program(&format!("/usr/bin/{tool}"), tool));
        })
    };
    only(&both("uptime"), &[both("id")]);
}

#[test]
fn a_file_and_no_other() {
    only(&writes("/var/www/html/x.php"), &[writes("/var/www/html/y.php"), writes("/var/www/html/a/x.php")]);
    only(
        &writes("/var/www/html/[id]{a,b}*.php"),
        &[writes("/var/www/html/iab.php"), writes("/var/www/html/[id]a.php")],
    );
    let by_tool: Deed = Box::new(|scene, worker| {
        let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
        scene.write(tool, "/var/www/html/x.php", 500);
    });
    only(&writes("/var/www/html/x.php"), &[by_tool]);
}

#[test]
fn what_other_detectors_tell() {
    let socket = Descriptor::Socket { inode: 9, family: 2, peer: Some(([192, 0, 2, 1].into(), 4444)) };
    let on = |standard, command: &str| starts(Exec { standard, ..program("/usr/bin/bash", command) });
    only(&on([socket; 3], "bash -i"), &[on([socket; 3], "bash -il")]);
    let memory = |name: &str| starts(Exec { flags: exec_flags::MEMFD, ..program("/memfd:x", name) });
    only(&memory("worker"), &[memory("other")]);
    let secret = |path: &'static str| -> Deed {
        Box::new(move |scene, worker| {
            let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
            scene.read_secret(tool, path, 500);
        })
    };
    only(&secret("/etc/shadow"), &[secret("/etc/gshadow")]);
    let cloud = |executable: &'static str| -> Deed {
        Box::new(move |scene, worker| {
            let tool = scene.start(worker, program(executable, "tool"));
            scene.connect(tool, "169.254.169.254:80");
        })
    };
    only(&cloud("/srv/app/bin/tool"), &[cloud("/srv/app/bin/other")]);
}

#[test]
fn an_exception_may_name_the_arguments_alone_where_it_names_the_program() {
    let written = |exe: &str| {
        let text =
            format!("[[exception]]\ndetector = \"server-shell\"\n{exe}args = \"-c /opt/report *\"\nreason = \"x\"\n");
        let mut scene = played(&read(&text), 0, &starts(shell("/opt/report -t")));
        scene.told().len()
    };
    assert_eq!(written("exe = \"/usr/bin/dash\"\n"), 0);
    assert_eq!(written(""), 1);
    assert_eq!(written("exe = \"/usr/bin/bash\"\n"), 1);
}

#[test]
fn it_is_for_that_server() {
    let mut with = settings();
    with.exceptions = read(&suggested(&starts(program("/usr/bin/id", "id"))));
    let mut scene = Scene::with(with);
    let nginx = scene.start(INIT, program("/usr/sbin/nginx", "nginx"));
    scene.start(nginx, program("/usr/bin/id", "id"));
    assert_eq!(scene.told(), [("server-shell", "critical")]);
}

#[test]
fn it_ends_after_half_a_year_and_that_is_said() {
    let deed = starts(shell("id"));
    let exceptions = read(&suggested(&deed));
    let counted = |days| {
        let mut scene = played(&exceptions, days, &deed);
        let told = scene.told().len();
        let (_, hits, expired) = scene.core.exceptions(0).next().unwrap();
        (told, hits, expired)
    };
    assert_eq!(counted(0), (0, 1, false));
    assert_eq!(counted(178), (0, 1, false));
    assert_eq!(counted(181), (1, 0, true));
}

#[test]
fn the_text_for_people_has_the_reasons_the_incident_and_the_exception() {
    let scene = played(&[], 0, &starts(shell("id")));
    let said = text(&explain(&scene.alerts[0]));
    for part in [
        "server-shell (high) at 2023-11-14T",
        "\u{201c}sh -c id\u{201d}",
        "1 findings",
        "[[exception]]",
        "args = \"sh -c id\"",
        "expires = \"2024-05-12\"",
    ] {
        assert!(said.contains(part), "{part:?} is not in\n{said}");
    }
    let mut hostile = scene.alerts[0].clone();
    hostile.why.push("\u{1b}[31m".into());
    assert!(!text(&explain(&hostile)).contains('\u{1b}'), "nothing that a terminal obeys");
}
