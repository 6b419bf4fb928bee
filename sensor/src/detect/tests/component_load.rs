//! component-load: what a server loads, and who wrote that.

use super::*;
use crate::provenance::{Content, Manager, Package, Provenance};
use sensor_common::file::file_flags;
use sensor_common::record::Kind;

const MODULE: &str = "/usr/lib/php/20220829/x.so";
const PAGE: &str = "/var/www/html/x.php";

#[test]
fn a_module_that_the_server_or_a_stranger_dropped_is_told_when_it_is_mapped() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, MODULE, 500);
    scene.map(worker, MODULE, 500);
    scene.map(worker, MODULE, 500);
    assert_eq!(scene.told(), [("component-write", "high"), ("component-load", "critical")], "once");
    assert!(scene.why("component-load").contains("was written 0 s ago by /usr/sbin/php-fpm8.2"));

    let (mut scene, worker) = Scene::php();
    let stranger = scene.start(INIT, program("/opt/vendor/bin/setup", "setup"));
    scene.write(stranger, MODULE, 500);
    scene.map(worker, MODULE, 500);
    // High by itself; that it was put there and is loaded is worse.
    assert_eq!(scene.told(), [("component-write", "medium"), ("component-load", "critical")]);
}

#[test]
fn what_a_server_writes_all_day_is_no_module() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/tmp/sess_1", 500);
    scene.map(worker, "/tmp/sess_1", 500);
    assert_eq!(scene.told(), [("component-load", "critical")]);
}

#[test]
fn what_was_deployed_or_edited_is_loaded_quietly_unless_it_was_deleted() {
    let session = |deleted| {
        let (mut scene, worker) = Scene::php();
        let login = scene.start(INIT, program("/usr/bin/login", "login"));
        let vim = scene.start(login, program("/usr/bin/vim.basic", "vim"));
        scene.write(vim, PAGE, 500);
        scene.touch(worker, Kind::MmapExec, PAGE, 500, |file| file.flags = deleted);
        scene.told_by("component-load")
    };
    assert_eq!(session(0), [""; 0]);
    assert_eq!(session(file_flags::DELETED), ["critical"]);
}

#[test]
fn a_script_is_told_when_the_server_opens_it() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, PAGE, 500);
    scene.read(worker, PAGE, 500);
    // Put there and run: together worse than each.
    assert_eq!(scene.told(), [("component-write", "high"), ("component-load", "critical")]);

    let (mut scene, worker) = Scene::php();
    let stranger = scene.start(INIT, program("/opt/vendor/bin/setup", "setup"));
    scene.write(stranger, PAGE, 500);
    scene.read(worker, PAGE, 500);
    assert_eq!(scene.told(), [("component-write", "medium"), ("component-load", "high")]);

    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/var/www/html/wp-content/cache/x.php", 500);
    scene.read(worker, "/var/www/html/wp-content/cache/x.php", 500);
    assert_eq!(scene.told(), [], "its own compiled templates");
}

#[test]
fn configuration_holds_no_code_that_is_loaded() {
    let (mut scene, worker) = Scene::php();
    scene.watch(worker, "php-fpm", "config_loader", "/etc/php");
    scene.write(worker, "/etc/php/8.2/fpm/php.ini", 500);
    scene.read(worker, "/etc/php/8.2/fpm/php.ini", 500);
    assert_eq!(scene.told(), [("config-load-change", "high")]);
}

#[test]
fn reading_by_another_program_is_no_loading() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, PAGE, 500);
    let tool = scene.start(worker, program("/srv/app/bin/scan", "scan"));
    scene.read(tool, PAGE, 500);
    assert_eq!(scene.told_by("component-load"), [""; 0]);
}

#[test]
fn a_cgi_program_that_was_dropped_is_told_when_it_is_started() {
    let (mut scene, worker) = Scene::of("/usr/sbin/apache2", "apache2 -DFOREGROUND");
    scene.watch(worker, "apache-httpd", "exec_script", "/usr/lib/cgi-bin");
    scene.write(worker, "/usr/lib/cgi-bin/x", 500);
    scene.start(worker, Exec { inode: 500, ..program("/usr/lib/cgi-bin/x", "x") });
    assert_eq!(scene.told_by("component-load"), ["critical"]);

    let (mut scene, worker) = Scene::of("/usr/sbin/apache2", "apache2 -DFOREGROUND");
    scene.watch(worker, "apache-httpd", "exec_script", "/usr/lib/cgi-bin");
    let stranger = scene.start(INIT, program("/opt/vendor/bin/setup", "setup"));
    scene.write(stranger, "/usr/lib/cgi-bin/x.sh", 501);
    let script =
        Exec { script: Some("/usr/lib/cgi-bin/x.sh".into()), ..program("/usr/bin/dash", "sh /usr/lib/cgi-bin/x.sh") };
    scene.start(worker, script);
    assert_eq!(scene.told_by("component-load"), ["critical"], "by the script's path");
}

#[test]
fn what_a_package_manager_wrote_anew_is_forgotten() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, MODULE, 500);
    let dpkg = scene.start(INIT, program("/usr/bin/dpkg", "dpkg --unpack x.deb"));
    scene.write_over(dpkg, MODULE, 500);
    scene.map(worker, MODULE, 500);
    assert_eq!(scene.told(), [("component-write", "high")]);
}

#[test]
fn another_file_with_the_same_inode_number_is_another_file() {
    let (mut scene, worker) = Scene::php();
    scene.touch(worker, Kind::Open, MODULE, 500, |file| {
        (file.flags, file.generation) = (file_flags::WRITE | file_flags::CREATED, 7);
    });
    scene.touch(worker, Kind::MmapExec, "/usr/lib/x86_64-linux-gnu/libz.so.1", 500, |file| file.generation = 8);
    assert_eq!(scene.told(), [("component-write", "high")]);
}

fn package(content: Content) -> Package {
    Package { manager: Manager::Dpkg, name: "php8.2-x".into(), version: "8.2-1".into(), content }
}

/// What is told when a module of which nothing is known is mapped, and this is found out about it.
fn asked(answer: impl FnOnce(u64) -> Provenance) -> Vec<&'static str> {
    let (mut scene, worker) = Scene::php();
    scene.map(worker, MODULE, 500);
    let now = scene.now_unix_ns();
    scene.answer(answer(now));
    scene.told_by("component-load")
}

fn there() -> Provenance {
    Provenance { exists: true, elf: true, ..Provenance::absent() }
}

#[test]
fn of_a_module_that_nobody_is_known_to_have_written_packages_are_asked() {
    assert_eq!(asked(|_| Provenance { package: Some(package(Content::Changed)), ..there() }), ["high"]);
    assert_eq!(asked(|_| Provenance { package: Some(package(Content::Same)), ..there() }), [""; 0]);
    assert_eq!(asked(|_| Provenance { package: Some(package(Content::Unknown)), ..there() }), [""; 0]);
    assert_eq!(asked(|now| Provenance { modified_unix_ns: now, ..there() }), ["high"], "younger than the server");
    assert_eq!(asked(|now| Provenance { born_unix_ns: Some(now), ..there() }), ["high"], "its owner set the time back");
    assert_eq!(asked(|now| Provenance { modified_unix_ns: now - 3_600_000_000_000, ..there() }), [""; 0]);
    assert_eq!(
        asked(|now| Provenance { modified_unix_ns: now, upper_layer: Some(false), ..there() }),
        [""; 0],
        "part of the container's image"
    );
    assert_eq!(asked(|_| Provenance::absent()), [""; 0]);
}

#[test]
fn of_libraries_of_the_system_and_of_its_own_program_nothing_is_asked() {
    let (mut scene, worker) = Scene::php();
    scene.map(worker, "/usr/lib/x86_64-linux-gnu/libz.so.1", 501);
    scene.map(worker, "/usr/sbin/php-fpm8.2", 502);
    assert!(!scene.requests.iter().any(|request| matches!(request, crate::pipeline::Request::Inspect { .. })));
    scene.map(worker, "/srv/own/x.so", 503);
    assert!(scene.requests.iter().any(|request| matches!(request, crate::pipeline::Request::Inspect { .. })));
}
