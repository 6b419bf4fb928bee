//! persistence-handoff: what is run later, and that it is then still the server's.

use super::*;
use crate::pipeline::Request;
use crate::provenance::Provenance;

#[test]
fn each_place_has_its_technique() {
    for (path, technique) in [
        ("/etc/cron.d/x", "T1053.003"),
        ("/var/spool/cron/crontabs/www-data", "T1053.003"),
        ("/etc/systemd/system/x.service", "T1543.002"),
        ("/etc/systemd/system/x.timer", "T1053.006"),
        ("/var/www/.ssh/authorized_keys", "T1098.004"),
        ("/etc/ld.so.preload", "T1574.006"),
        ("/root/.bashrc", "T1546.004"),
        ("/etc/pam.d/sshd", "T1556.003"),
        ("/etc/sudoers.d/x", "T1548.003"),
    ] {
        let (mut scene, worker) = Scene::php();
        let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
        scene.write(tool, path, 500);
        scene.write_over(tool, path, 500);
        assert_eq!(scene.told(), [("persistence-handoff", "critical")], "{path}");
        assert_eq!(scene.alerts[0].techniques[0].id, technique, "{path}");
    }
}

#[test]
fn the_server_itself_does_not_write_there_either_and_others_may() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/etc/cron.d/x", 500);
    assert_eq!(scene.told_by("persistence-handoff"), ["critical"]);
    let (mut scene, _) = Scene::php();
    let admin = scene.start(INIT, program("/usr/bin/crontab", "crontab -e"));
    scene.write(admin, "/var/spool/cron/crontabs/root", 500);
    assert_eq!(scene.told(), []);
}

#[test]
fn of_servers_that_run_programs_by_trade_only_what_they_start_is_told() {
    let (mut scene, runner) = Scene::of("/usr/bin/gitlab-runner", "gitlab-runner run");
    scene.write(runner, "/etc/systemd/system/gitlab-runner.service", 500);
    assert_eq!(scene.told(), []);
    let tool = scene.start(runner, program("/srv/build/tool", "tool"));
    scene.write(tool, "/etc/cron.d/x", 501);
    assert_eq!(scene.told_by("persistence-handoff"), ["high"]);
}

/// A web shell writes a crontab that holds a text; cron then starts a command.
fn cron_runs(written: &str, command: &str) -> Scene {
    let (mut scene, worker) = Scene::php();
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    scene.write(tool, "/etc/cron.d/x", 500);
    scene.answer(Provenance { exists: true, begins: Some(written.to_owned()), ..Provenance::absent() });
    let cron = scene.start(INIT, Exec { uid: 0, euid: 0, ..program("/usr/sbin/cron", "/usr/sbin/cron -f") });
    let of_job = scene.fork(cron, 0);
    scene.later(60_000);
    let shell = scene.start(of_job, shell(command));
    scene.start(shell, program("/usr/bin/curl", "curl http://192.0.2.1"));
    scene
}

#[test]
fn what_cron_runs_of_it_is_still_the_servers_story() {
    let mut scene = cron_runs("* * * * * root /opt/.x/beacon --quiet\n", "/opt/.x/beacon --quiet");
    assert_eq!(scene.told(), [("persistence-handoff", "critical"), ("server-shell", "critical")]);
    assert_eq!(scene.alerts[0].incident.id, scene.alerts[1].incident.id);
    assert_eq!(scene.alerts[1].server.as_ref().unwrap().id, "php-fpm");
    let adopted = |request: &Request| matches!(request, Request::SetLineage { process, lineage: 1, .. } if *process == scene.alerts[1].process.key);
    assert!(scene.requests.iter().any(adopted), "the kernel is told: {:?}", scene.requests);
}

#[test]
fn what_cron_runs_besides_is_its_own() {
    let mut scene = cron_runs("* * * * * root /opt/.x/beacon --quiet\n", "/usr/local/bin/backup");
    assert_eq!(scene.told(), [("persistence-handoff", "critical")]);
}

#[test]
fn the_same_command_of_somebody_else_is_not_the_servers() {
    let (mut scene, worker) = Scene::php();
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    scene.write(tool, "/etc/cron.d/x", 500);
    let text = "* * * * * root /opt/.x/beacon --quiet\n".to_owned();
    scene.answer(Provenance { exists: true, begins: Some(text), ..Provenance::absent() });
    let login = scene.start(INIT, program("/opt/a", "a"));
    let login = scene.start(login, program("/opt/b", "b"));
    let login = scene.start(login, program("/opt/c", "c"));
    let bash = scene.start(login, program("/usr/bin/bash", "bash"));
    scene.start(bash, shell("/opt/.x/beacon --quiet"));
    assert_eq!(scene.told(), [("persistence-handoff", "critical")]);
}
