//! privilege-change: who becomes root below a server.

use super::*;

fn root(uid: u32, mode: u32, image: Exec) -> Exec {
    Exec { uid, euid: 0, mode, ..image }
}

fn told(image: Exec) -> Vec<&'static str> {
    let (mut scene, worker) = Scene::php();
    let child = scene.fork(worker, 33);
    scene.becomes(child, image);
    scene.told_by("privilege-change")
}

#[test]
fn with_a_set_user_id_program_it_is_high_and_without_one_critical() {
    assert_eq!(told(root(33, 0o104_755, program("/usr/local/bin/backup", "backup"))), ["high"]);
    assert_eq!(told(root(0, 0o100_755, program("/usr/local/bin/backup", "backup"))), ["critical"]);
    assert_eq!(told(program("/usr/local/bin/backup", "backup")), [""; 0]);
}

#[test]
fn what_the_server_starts_by_habit_may_be_set_user_id() {
    let (mut scene, worker) = Scene::php();
    let shell = scene.start(worker, shell("/usr/sbin/sendmail -t -i"));
    scene.start(shell, root(33, 0o104_755, program("/usr/sbin/exim4", "/usr/sbin/sendmail -t -i")));
    assert_eq!(scene.told(), []);
}

#[test]
fn a_master_that_is_root_starts_root_programs() {
    let (mut scene, _) = Scene::php();
    let master = scene.start(INIT, Exec { uid: 0, euid: 0, ..program("/usr/sbin/apache2", "apache2") });
    scene.start(master, root(0, 0o100_755, program("/usr/local/bin/rotate", "rotate")));
    assert_eq!(scene.told_by("privilege-change"), [""; 0]);
}

#[test]
fn capabilities_that_amount_to_root_count() {
    const SYS_ADMIN: u64 = 1 << 21;
    const NET_BIND: u64 = 1 << 10;
    for (capabilities, expected) in [(SYS_ADMIN, true), (NET_BIND, false)] {
        let (mut scene, worker) = Scene::php();
        let story = scene.start(worker, program("/srv/app/bin/a", "a"));
        scene.becomes(story, Exec { cap_effective: capabilities, ..program("/srv/app/bin/b", "b") });
        assert_eq!(!scene.told_by("privilege-change").is_empty(), expected, "{capabilities:x}");
    }
}

#[test]
fn where_starting_programs_is_its_trade_nobody_minds() {
    let (mut scene, runner) = Scene::of("/usr/bin/gitlab-runner", "gitlab-runner run");
    let child = scene.fork(runner, 33);
    scene.becomes(child, root(33, 0o104_755, program("/usr/bin/sudo", "sudo make install")));
    assert_eq!(scene.told_by("privilege-change"), [""; 0]);
}
