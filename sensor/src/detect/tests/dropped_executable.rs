//! dropped-executable: what a server wrote is run.

use super::*;
use sensor_common::file::file_flags;
use sensor_common::record::Kind;

fn run_by_inode(image: Exec) -> Exec {
    Exec { inode: 500, ..image }
}

#[test]
fn a_program_is_known_by_its_inode_whatever_it_is_called_by_now() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/srv/app/data/report", 500);
    scene.start(worker, run_by_inode(program("/srv/app/bin/helper", "helper")));
    assert_eq!(scene.told(), [("dropped-executable", "critical")]);
    assert!(scene.why("dropped-executable").contains("/srv/app/data/report was written"));
}

#[test]
fn a_script_is_known_when_its_interpreter_opens_it() {
    for (image, told) in [
        (program("/usr/bin/python3.11", "python3 /srv/app/x.py"), true),
        (program("/usr/bin/python3.11", "python3 /srv/app/other.py"), false),
        // What is no interpreter reads data.
        (program("/srv/app/bin/tool", "tool /srv/app/x.py"), false),
    ] {
        let (mut scene, worker) = Scene::php();
        scene.write(worker, "/srv/app/x.py", 500);
        let command = image.argv.clone();
        let child = scene.start(worker, image);
        scene.read(child, "/srv/app/x.py", 500);
        assert_eq!(!scene.told_by("dropped-executable").is_empty(), told, "{command:?}");
    }
}

#[test]
fn a_script_that_names_its_interpreter_is_known_too() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/srv/app/x", 500);
    let image = Exec { script: Some("/srv/app/x".into()), ..program("/usr/bin/perl", "perl ./x") };
    let child = scene.start(worker, image);
    scene.read(child, "/srv/app/x", 500);
    assert_eq!(scene.told_by("dropped-executable"), ["critical"]);
}

#[test]
fn what_the_server_deployed_or_somebody_else_wrote_is_not_dropped() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/var/www/html/wp-content/upgrade/x/tool.php", 500);
    scene.start(worker, run_by_inode(program("/srv/app/bin/helper", "helper")));
    assert_eq!(scene.told_by("dropped-executable"), [""; 0], "deployed");

    let (mut scene, worker) = Scene::php();
    let stranger = scene.start(INIT, program("/opt/vendor/bin/setup", "setup"));
    scene.write(stranger, "/var/www/html/x.php", 500);
    scene.start(worker, run_by_inode(program("/srv/app/bin/helper", "helper")));
    assert_eq!(scene.told_by("dropped-executable"), [""; 0], "another's");
}

#[test]
fn a_normal_child_may_run_what_its_server_wrote() {
    let (mut scene, archiver) = Scene::of("/usr/lib/postgresql/15/bin/postgres", "postgres -D /data");
    scene.title(archiver, "postgres: archiver archiving 000000010000000000000002");
    scene.write(archiver, "/data/archive.sh", 500);
    let child = scene.start(archiver, program("/usr/bin/dash", "sh /data/archive.sh"));
    scene.read(child, "/data/archive.sh", 500);
    assert_eq!(scene.told(), []);
}

#[test]
fn a_server_that_replaced_its_own_program_runs_it_again() {
    let (mut scene, worker) = Scene::of("/usr/bin/caddy", "caddy run");
    scene.write(worker, "/usr/bin/caddy", 500);
    scene.start(worker, run_by_inode(program("/usr/bin/caddy", "caddy run")));
    assert_eq!(scene.told_by("dropped-executable"), [""; 0]);
}

#[test]
fn the_same_inode_of_a_later_file_is_another() {
    let (mut scene, worker) = Scene::php();
    scene.touch(worker, Kind::Open, "/srv/app/x", 500, |file| {
        (file.flags, file.generation) = (file_flags::WRITE | file_flags::CREATED, 7);
    });
    scene.start(worker, Exec { generation: 8, ..run_by_inode(program("/srv/app/bin/helper", "helper")) });
    assert_eq!(scene.told(), []);
}
