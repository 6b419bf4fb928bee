//! What is kept outlives a restart: the ledger, and what was learned.

use super::*;
use crate::decode::decode;
use crate::encode::encode;
use std::sync::Arc;

const MODULE: &str = "/usr/lib/php/20220829/x.so";

/// What the store would hold.
fn kept(scene: &Scene, kind: Memory) -> BTreeMap<String, Remembered> {
    let mut kept = BTreeMap::new();
    for request in &scene.requests {
        match request {
            Request::Remember(one) if one.kind == kind => drop(kept.insert(one.key.clone(), one.clone())),
            Request::Forget { kind: of, key } if *of == kind => drop(kept.remove(key)),
            _ => {}
        }
    }
    kept
}

/// Another run of the sensor, which is told what the store holds, as records.
fn restarted(kept: &BTreeMap<String, Remembered>) -> (Scene, ProcessKey) {
    let mut scene = Scene::new();
    for one in kept.values() {
        scene.happens(|at| decode(&encode(&remembered(at, one))).unwrap());
    }
    let master = scene.start(INIT, program("/usr/sbin/php-fpm8.2", "php-fpm8.2 -F"));
    scene.watch(master, "php-fpm", "native_module", "/usr/lib/php/20220829");
    let worker = scene.fork(master, 33);
    (scene, worker)
}

#[test]
fn what_was_dropped_before_a_restart_is_told_when_it_is_loaded_with_its_writer() {
    let (mut before, worker) = Scene::php();
    before.write(worker, MODULE, 500);
    assert_eq!(before.told(), [("component-write", "high")]);
    let (mut after, worker) = restarted(&kept(&before, Memory::Ledger));
    let noted = Request::NoteFile { device: 1, inode: 500, generation: 0 };
    assert!(after.requests.contains(&noted), "the kernel is to report its reading again");
    after.map(worker, MODULE, 500);
    assert_eq!(after.told(), [("component-load", "critical")]);
    let why = after.why("component-load");
    assert!(why.contains("by /usr/sbin/php-fpm8.2 (pid 102, user 33) in the lineage of php-fpm."), "{why}");
    let entry = after.alerts[0].entry.as_ref().unwrap();
    assert_eq!(entry.writer.lineage, ["php-fpm8.2 -F", "php-fpm8.2 -F"].map(Arc::from));
    assert_eq!(after.alerts[0].incident.id, before.alerts[0].incident.id, "one story");
}

#[test]
fn what_a_package_manager_wrote_anew_is_not_kept() {
    let (mut before, worker) = Scene::php();
    before.write(worker, MODULE, 500);
    before.told();
    let dpkg = before.start(INIT, program("/usr/bin/dpkg", "dpkg --unpack x.deb"));
    before.write_over(dpkg, MODULE, 500);
    let kept = kept(&before, Memory::Ledger);
    assert_eq!(kept, BTreeMap::new());
    let (mut after, worker) = restarted(&kept);
    after.map(worker, MODULE, 500);
    assert_eq!(after.told(), []);
}

#[test]
fn what_a_server_writes_all_day_is_not_kept_but_programs_are() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/tmp/sess_1", 500);
    scene.write(worker, "/var/www/html/wp-content/cache/x.php", 501);
    scene.write(worker, "/tmp/x.sh", 502);
    assert_eq!(kept(&scene, Memory::Ledger).into_keys().collect::<Vec<_>>(), ["1:502"]);
}

#[test]
fn what_was_learned_stays_learned() {
    let tool = |name: &str| program(&format!("/srv/app/bin/{name}"), name);
    let (mut before, worker) = Scene::php();
    before.start(worker, tool("report"));
    let key = before.core.baselines().named("php-fpm").unwrap();
    let now = before.now_unix_ns();
    let finished = before.core.baselines().finish(&key, now).unwrap();
    before.requests.push(super::super::kept(finished));
    let (mut after, worker) = restarted(&kept(&before, Memory::Baseline));
    after.start(worker, tool("report"));
    assert_eq!(after.told(), []);
    after.start(worker, tool("other"));
    assert_eq!(after.told(), [("new-ancestry", "low")]);
}

#[test]
fn what_cannot_be_read_is_left_out() {
    let mut scene = Scene::new();
    for kind in [Memory::Ledger, Memory::Baseline] {
        scene.happens(|at| remembered(at, &Remembered { kind, key: "x".into(), value: "{nonsense".into() }));
    }
    assert!(scene.core.ledger.is_empty() && scene.core.baselines().kinds().next().is_none());
}
