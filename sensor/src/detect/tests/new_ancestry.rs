//! new-ancestry: what a server never started since its baseline was learned.

use super::*;
use crate::baseline::KindKey;
use crate::event::Body;

fn tool(name: &str) -> Exec {
    program(&format!("/srv/app/bin/{name}"), name)
}

fn kind(scene: &mut Scene) -> KindKey {
    scene.core.baselines().named("php-fpm").unwrap()
}

/// The operator says that all is learned.
fn finish(scene: &mut Scene) {
    let (key, now) = (kind(scene), scene.now_unix_ns());
    scene.core.baselines().finish(&key, now).unwrap();
}

#[test]
fn learning_is_silent_and_then_what_is_new_is_low() {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, tool("report"));
    assert_eq!(scene.told(), []);
    finish(&mut scene);
    scene.start(worker, tool("report"));
    assert_eq!(scene.told(), []);
    scene.start(worker, tool("other"));
    assert_eq!(scene.told(), [("new-ancestry", "low")]);
    assert!(scene.why("new-ancestry").contains("has never started"), "{}", scene.why("new-ancestry"));
}

#[test]
fn learning_ends_by_evidence_and_not_by_time_alone() {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, tool("report"));
    for _ in 0..25 * 60 {
        scene.later(60_000);
    }
    scene.start(worker, tool("other"));
    assert_eq!(scene.told(), [("new-ancestry", "low")], "25 hours of watching, nothing new");

    let mut hurried = settings();
    hurried.learning_hours = 1000;
    let mut scene = Scene::with(hurried);
    let master = scene.start(INIT, program("/usr/sbin/php-fpm8.2", "php-fpm8.2"));
    scene.start(master, tool("report"));
    for _ in 0..25 * 60 {
        scene.later(60_000);
    }
    scene.start(master, tool("other"));
    assert_eq!(scene.told(), []);
}

#[test]
fn what_another_detector_flags_is_never_learned() {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, tool("report"));
    for _ in 0..3 {
        scene.start(worker, program("/usr/bin/id", "id"));
    }
    scene.told();
    let key = kind(&mut scene);
    let kind = scene.core.baselines().kind(&key).unwrap();
    assert_eq!(kind.edge_count, 1, "{:?}", kind.edges);
    assert!(kind.waiting.values().all(|waiting| waiting.flagged) && !kind.waiting.is_empty());
    assert_eq!(scene.core.baselines().approve_all_new(&key).unwrap().0, 0);
}

#[test]
fn what_is_flagged_is_told_by_who_flagged_it() {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, tool("report"));
    finish(&mut scene);
    scene.start(worker, program("/usr/bin/id", "id"));
    assert_eq!(scene.told(), [("server-shell", "high")]);
}

#[test]
fn where_commands_are_for_the_baseline_to_judge_new_ones_are_medium() {
    let (mut scene, archiver) = Scene::of("/usr/lib/postgresql/15/bin/postgres", "postgres -D /data");
    scene.title(archiver, "postgres: archiver archiving 000000010000000000000002");
    let copies = |number: u32| shell(&format!("cp pg_wal/{number:024X} /mnt/wal/{number:024X}"));
    scene.start(archiver, copies(1));
    let (key, now) = (scene.core.baselines().named("postgresql").unwrap(), scene.now_unix_ns());
    scene.core.baselines().finish(&key, now).unwrap();
    scene.start(archiver, copies(2));
    assert_eq!(scene.told(), [], "the same command for another file");
    scene.start(archiver, shell("nc 192.0.2.1 4444"));
    assert_eq!(scene.told(), [("new-ancestry", "medium")]);
}

#[test]
fn instances_of_another_unit_have_a_baseline_of_their_own() {
    let (mut scene, worker) = Scene::php();
    scene.happens(|at| unit(at, worker, "shop.service"));
    scene.start(worker, tool("report"));
    let key = kind(&mut scene);
    assert_eq!(key.unit, "shop.service");
    finish(&mut scene);
    let other = scene.start(INIT, program("/usr/sbin/php-fpm8.2", "php-fpm8.2 -F"));
    scene.happens(|at| unit(at, other, "blog.service"));
    scene.start(other, tool("other"));
    assert_eq!(scene.told(), [], "that one is still learned");
    scene.start(worker, tool("other"));
    assert_eq!(scene.told(), [("new-ancestry", "low")]);
}

fn inside(number: u32, image: Exec) -> Exec {
    Exec { cgroup_id: number.into(), mount_namespace: number, ..image }
}

/// A PHP-FPM in a container of its own.
fn contained_php(scene: &mut Scene, number: u32, image: &str) -> ProcessKey {
    let master = scene.start(INIT, inside(number, program("/usr/local/sbin/php-fpm", "php-fpm")));
    scene.happens(|at| contained(at, master, number.into(), number, "shop", image));
    master
}

#[test]
fn containers_of_one_image_share_a_baseline_whatever_its_tag() {
    let mut scene = Scene::new();
    let first = contained_php(&mut scene, 7, "php:8.2");
    scene.start(first, inside(7, tool("report")));
    assert_eq!(kind(&mut scene).to_string(), "php-fpm:/usr/local/sbin/php-fpm@docker.io/library/php");
    finish(&mut scene);
    let upgraded = contained_php(&mut scene, 8, "php:8.3");
    scene.start(upgraded, inside(8, tool("report")));
    assert_eq!(scene.told(), []);
    let other = contained_php(&mut scene, 9, "registry.example/blog:1");
    scene.start(other, inside(9, tool("other")));
    assert_eq!(scene.told(), [], "another image is still learned");
    scene.start(upgraded, inside(8, tool("other")));
    assert_eq!(scene.told(), [("new-ancestry", "low")]);
}

#[test]
fn nothing_is_learned_before_the_image_is_known() {
    let mut scene = Scene::new();
    let master = scene.start(INIT, inside(7, program("/usr/local/sbin/php-fpm", "php-fpm")));
    scene.happens(|at| {
        let mut event = contained(at, master, 7, 7, "shop", "php:8.2");
        if let Body::Container(contained) = &mut event.body {
            contained.container.as_mut().unwrap().looked_up = false;
        }
        event
    });
    scene.later(20_000);
    scene.start(master, inside(7, tool("report")));
    assert_eq!(scene.core.baselines().kinds().count(), 0);
    scene.happens(|at| contained(at, master, 7, 7, "shop", "php:8.2"));
    scene.start(master, inside(7, tool("report")));
    assert_eq!(kind(&mut scene).unit, "docker.io/library/php");
}
