//! config-load-change: files that say what a server loads.

use super::*;
use sensor_common::record::Kind;

#[test]
fn a_file_by_which_a_directory_changes_what_is_run_is_configuration() {
    for name in ["/var/www/html/.htaccess", "/var/www/html/uploads/.user.ini"] {
        let (mut scene, worker) = Scene::php();
        scene.write(worker, name, 500);
        scene.write_over(worker, name, 500);
        assert_eq!(scene.told(), [("config-load-change", "high")], "once, and not as a component");
        assert!(scene.why("config-load-change").contains("says what PHP-FPM loads"));
    }
}

#[test]
fn who_changes_it_decides() {
    let at = |writer: &dyn Fn(&mut Scene, ProcessKey) -> ProcessKey| {
        let (mut scene, worker) = Scene::php();
        scene.watch(worker, "php-fpm", "config_loader", "/etc/php");
        let who = writer(&mut scene, worker);
        scene.write_over(who, "/etc/php/8.2/fpm/php.ini", 500);
        scene.told_by("config-load-change")
    };
    assert_eq!(at(&|scene, _| scene.start(INIT, program("/usr/bin/dpkg", "dpkg --configure php"))), [""; 0]);
    assert_eq!(
        at(&|scene, _| {
            let login = scene.start(INIT, program("/usr/bin/login", "login"));
            scene.start(login, program("/usr/bin/vim.basic", "vim php.ini"))
        }),
        ["info"]
    );
    assert_eq!(at(&|scene, _| scene.start(INIT, program("/usr/bin/sed", "sed -i x php.ini"))), ["medium"]);
    assert_eq!(at(&|scene, worker| scene.start(worker, program("/srv/app/tool", "tool"))), ["critical"]);
}

#[test]
fn other_files_there_are_no_configuration() {
    let (mut scene, worker) = Scene::php();
    scene.watch(worker, "php-fpm", "config_loader", "/etc/php");
    let stranger = scene.start(INIT, program("/usr/bin/sed", "sed -i x"));
    scene.write(stranger, "/etc/php/8.2/README", 500);
    assert_eq!(scene.told(), []);
}

#[test]
fn alter_system_is_to_know_and_the_data_beside_it_nobodys_business() {
    let (mut scene, backend) = Scene::of("/usr/lib/postgresql/15/bin/postgres", "postgres -D /srv/pg");
    scene.watch(backend, "postgresql", "config_loader", "/srv/pg");
    for (inode, path) in (600..).zip([
        "/srv/pg/postmaster.pid",
        "/srv/pg/base/5/16384",
        "/srv/pg/global/pg_internal.init",
        "/srv/pg/pg_wal/000000010000000000000001",
        "/srv/pg/base/pgsql_tmp/plugin.conf",
    ]) {
        scene.write(backend, path, inode);
    }
    assert_eq!(scene.told(), []);
    scene.write(backend, "/srv/pg/postgresql.auto.conf.tmp", 700);
    scene.rename(backend, "/srv/pg/postgresql.auto.conf.tmp", "/srv/pg/postgresql.auto.conf", 700);
    assert_eq!(scene.told(), [("config-load-change", "info")]);
    let (mut scene, backend) = Scene::of("/usr/lib/postgresql/15/bin/postgres", "postgres -D /srv/pg");
    scene.watch(backend, "postgresql", "config_loader", "/srv/pg");
    let tool = scene.start(backend, program("/usr/bin/sed", "sed -i x postgresql.auto.conf"));
    scene.rename(tool, "/srv/pg/sedx", "/srv/pg/postgresql.auto.conf", 701);
    assert_eq!(scene.told_by("config-load-change"), ["critical"], "not by another program");
}

#[test]
fn a_link_to_configuration_counts_as_well() {
    let (mut scene, worker) = Scene::of("/usr/sbin/apache2", "apache2 -DFOREGROUND");
    scene.watch(worker, "apache-httpd", "config_loader", "/etc/apache2");
    let stranger = scene.start(INIT, program("/usr/bin/ln", "ln -s"));
    scene.touch(stranger, Kind::Symlink, "/etc/apache2/mods-enabled/x.load", 0, |file| {
        file.other = Some("../mods-available/x.load".into());
    });
    assert_eq!(scene.told(), [("config-load-change", "medium")]);
}
