//! Both formats, and what does not fit into JSON.

use super::*;
use crate::catalogue::Catalogue;
use crate::container::Pod;
use crate::event::{Body, Event};
use crate::pipeline::{Core, Settings};
use crate::testing::*;
use bstr::BString;
use expect_test::expect;
use sensor_common::record::Kind;

fn alert(image: Exec) -> Alert {
    let host = Host {
        name: "web1".into(),
        id: "4c4c4544".into(),
        boot_time_unix_ns: 1_790_000_000_000_000_000,
        users: [(33, "www-data".to_owned()), (0, "root".to_owned())].into(),
    };
    let catalogue = Arc::new(Catalogue::embedded().0);
    let mut core =
        Core::new(Settings { catalogue, exceptions: Vec::new(), host, max_processes: 100, learning_hours: 24 });
    let (master, worker, child) = (key(100, 100), key(101, 200), key(102, 3000));
    let mut top = program("/usr/sbin/php-fpm8.2", "php-fpm8.2 --nodaemonize");
    (top.uid, top.euid) = (0, 0);
    let events: [Event; 5] = [
        found(1000, master, ProcessKey::NONE, top),
        fork(1001, master, worker),
        fork(3000, worker, child),
        exec(3001, child, image),
        exit(3002, child),
    ];
    let mut alerts: Vec<Alert> = events.iter().flat_map(|event| core.apply(event).alerts).collect();
    assert_eq!(alerts.len(), 1);
    alerts.remove(0)
}

#[test]
fn people_read_this() {
    expect![[r"
        HIGH  server-shell  php-fpm (app, pid 100)  T1505.003 T1059.004
          2026-09-21T14:13:23.001Z  web1
          “sh -c id” (pid 102) runs in the lineage of PHP-FPM: a shell.
          It is none of the 5 commands that PHP-FPM is known to start.
          100  php-fpm8.2 --nodaemonize  root
          101    └─ php-fpm8.2 --nodaemonize  root
          102      └─ sh -c id  www-data
          seen by sched_process_exec, event 4c6d3d8cb26cf4b5d1c4a3e21b2df5ab

    "]]
    .assert_eq(&redact(&alert(shell("id")).to_pretty(false)));
}

/// The event's id is stable, but not for reading.
fn redact(text: &str) -> String {
    match text.split_once("event ") {
        Some((before, _)) => format!("{before}event 4c6d3d8cb26cf4b5d1c4a3e21b2df5ab\n\n"),
        None => text.to_owned(),
    }
}

#[test]
fn the_json_has_the_names_of_the_contract() {
    let json: serde_json::Value = serde_json::from_str(&alert(shell("id")).to_json()).unwrap();
    for (pointer, expected) in [
        ("/event/kind", "\"alert\""),
        ("/event/severity", "75"),
        ("/rule/id", "\"server-shell\""),
        ("/threat/technique/id/0", "\"T1505.003\""),
        ("/host/name", "\"web1\""),
        ("/process/pid", "102"),
        ("/process/executable", "\"/usr/bin/dash\""),
        ("/process/args/2", "\"id\""),
        ("/process/command_line", "\"sh -c id\""),
        ("/process/user/name", "\"www-data\""),
        ("/process/parent/pid", "101"),
        ("/sensor/server/id", "\"php-fpm\""),
        ("/sensor/server/role", "\"app\""),
        ("/sensor/lineage/0/pid", "100"),
        ("/sensor/lineage/2/args/2", "\"id\""),
        ("/sensor/blind", "false"),
        ("/sensor/hook", "\"sched_process_exec\""),
        ("/sensor/severity", "\"high\""),
    ] {
        assert_eq!(json.pointer(pointer).map(ToString::to_string).as_deref(), Some(expected), "{pointer}");
    }
    assert!(json.pointer("/sensor/raw").is_none());
}

#[test]
fn bytes_that_are_no_utf_8_are_kept() {
    let mut image = shell("id");
    image.argv.push(BString::from(&b"a\xffb"[..]));
    let json: serde_json::Value = serde_json::from_str(&alert(image).to_json()).unwrap();
    assert_eq!(json["process"]["args"][3], "a\u{fffd}b");
    assert_eq!(json["sensor"]["raw"]["process.args.3"], "Yf9i");
}

#[test]
fn an_alert_is_at_most_four_kibibytes_whatever_it_tells() {
    let mut image = shell(&"x\u{1F980}\"\\".repeat(900));
    image.argv.extend((0..300).map(|number| BString::from(format!("{number}").repeat(9))));
    let line = alert(image).to_json();
    assert!(line.len() <= 4096, "{}", line.len());
    let json: serde_json::Value = serde_json::from_str(&line).unwrap();
    assert_eq!(json["sensor"]["cut"], true);
}

#[test]
fn a_terminal_gets_no_control_characters() {
    let pretty = alert(shell("id\u{1b}[2J\nfake line")).to_pretty(false);
    assert!(!pretty.contains('\u{1b}'));
    assert!(!pretty.contains("\nfake"));
}

#[test]
fn a_file_alert_names_the_file() {
    let (worker, master) = (key(101, 200), key(100, 100));
    let host = Host::default();
    let catalogue = Arc::new(Catalogue::embedded().0);
    let mut core =
        Core::new(Settings { catalogue, exceptions: Vec::new(), host, max_processes: 100, learning_hours: 24 });
    let events = [
        found(1000, master, ProcessKey::NONE, program("/usr/sbin/php-fpm8.2", "php-fpm8.2")),
        fork(1001, master, worker),
        watch(1002, master, 1, "php-fpm", "script_docroot", "/var/www"),
        file(1003, worker, Kind::Rename, "/var/www/a.php", 1),
        tick(1100),
    ];
    let alerts: Vec<Alert> = events.iter().flat_map(|event| core.apply(event).alerts).collect();
    let json: serde_json::Value = serde_json::from_str(&alerts[0].to_json()).unwrap();
    assert_eq!(json["file"]["path"], "/var/www/a.php");
    assert_eq!(json["event"]["action"], "rename");
    assert!(alerts[0].to_pretty(false).contains("/var/www/a.php was renamed into place"));
}

fn inside(number: u32, image: Exec) -> Exec {
    Exec { cgroup_id: number.into(), mount_namespace: number, ..image }
}

/// A web shell in PHP-FPM in container 7, and a stranger in container 8 that writes into its document root.
fn in_containers(name: &str) -> Vec<Alert> {
    let mut scene = Scene::new();
    let master = scene.start(INIT, inside(7, program("/usr/local/sbin/php-fpm", "php-fpm")));
    scene.happens(|at| {
        let mut event = contained(at, master, 7, 7, name, "php:8.2");
        if let Body::Container(contained) = &mut event.body {
            let uid = Some("0-1-2".to_owned());
            let pod = Pod { name: format!("{name}-1"), namespace: Some("prod".into()), uid };
            contained.container.as_mut().unwrap().pod = Some(pod);
        }
        event
    });
    scene.watch(master, "php-fpm", "script_docroot", "/var/www");
    scene.start(master, inside(7, shell("id")));
    let stranger = scene.start(INIT, inside(8, program("/usr/bin/curl", "curl -o a.php")));
    scene.happens(|at| contained(at, stranger, 8, 8, "helper", "registry:5000/tools@sha256:00"));
    scene.write(stranger, "/var/www/a.php", 77);
    scene.told();
    scene.alerts
}

#[test]
fn a_process_is_told_with_its_container_and_the_server_with_another_one() {
    let alerts = in_containers("shop");
    let json = |alert: &Alert| serde_json::from_str::<serde_json::Value>(&alert.to_json()).unwrap();
    let of = |detector: &str| json(alerts.iter().find(|alert| alert.detector.id() == detector).unwrap());
    let shell = of("server-shell");
    expect![[r#"
        {"id":"0000000000000000000000000000000000000000000000000000000000000007","image":{"name":"docker.io/library/php","tag":["8.2"]},"name":"shop","runtime":"docker"}
        {"namespace":"prod","resource":{"id":"0-1-2","name":"shop-1","type":"pod"},"type":"kubernetes"}"#]]
    .assert_eq(&format!("{}\n{}", shell["container"], shell["orchestrator"]));
    assert!(shell["sensor"]["server"].get("container").is_none(), "the same");
    let write = of("component-write");
    assert_eq!(write["container"]["name"], "helper");
    assert_eq!(write["container"]["image"]["name"], "registry:5000/tools");
    assert!(write.get("orchestrator").is_none());
    assert_eq!(write["sensor"]["server"]["container"]["id"], format!("{:064x}", 7));
    let pretty = alerts[0].to_pretty(false);
    assert!(pretty.contains("\n  container shop, docker.io/library/php:8.2, pod prod/shop-1\n"), "{pretty}");
}

#[test]
fn long_names_of_containers_are_cut_like_others() {
    for alert in in_containers(&"x\u{1F980}\u{1}".repeat(400)) {
        let line = alert.to_json();
        assert!(line.len() <= 4096, "{}", line.len());
        assert!(!alert.to_pretty(false).contains('\u{1}'));
    }
}
