//! credential-access: who reads what holds credentials.

use super::*;

fn reads(scene: &mut Scene, who: ProcessKey, path: &str) -> Vec<&'static str> {
    scene.read_secret(who, path, 500);
    scene.told_by("credential-access")
}

#[test]
fn the_servers_own_reading_is_medium_and_a_tools_high() {
    let (mut scene, worker) = Scene::php();
    assert_eq!(reads(&mut scene, worker, "/etc/shadow"), ["medium"]);
    assert_eq!(scene.alerts[0].techniques[0].id, "T1003.008");
    let (mut scene, worker) = Scene::php();
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    assert_eq!(reads(&mut scene, tool, "/etc/ssh/ssh_host_rsa_key"), ["high"]);
    assert_eq!(scene.alerts[0].techniques[0].id, "T1552.004");
}

#[test]
fn what_a_server_needs_it_may_read_and_what_it_starts_may_not() {
    let (mut scene, worker) = Scene::of("/usr/sbin/nginx", "nginx");
    assert_eq!(reads(&mut scene, worker, "/etc/letsencrypt/live/site/privkey.pem"), [""; 0]);
    let (mut scene, worker) = Scene::of("/usr/sbin/sshd", "sshd -D");
    assert_eq!(reads(&mut scene, worker, "/etc/shadow"), [""; 0]);
    let (mut scene, worker) = Scene::of("/usr/sbin/nginx", "nginx");
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    assert_eq!(reads(&mut scene, tool, "/etc/letsencrypt/live/site/privkey.pem").len(), 1);
    let (mut scene, worker) = Scene::of("/usr/sbin/nginx", "nginx");
    assert_eq!(reads(&mut scene, worker, "/etc/shadow"), ["medium"], "another's");
}

#[test]
fn one_story_and_file_are_told_once_and_another_file_again() {
    let (mut scene, worker) = Scene::php();
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    let child = scene.start(tool, program("/srv/app/bin/part", "part"));
    scene.read_secret(tool, "/etc/shadow", 500);
    scene.read_secret(child, "/etc/shadow", 500);
    assert_eq!(scene.told().len(), 1);
    scene.read_secret(tool, "/etc/gshadow", 501);
    assert_eq!(scene.told().len(), 2);
}

#[test]
fn outside_of_lineages_and_of_builds_nobody_minds() {
    let (mut scene, _) = Scene::php();
    let login = scene.start(INIT, program("/usr/bin/login", "login"));
    assert_eq!(reads(&mut scene, login, "/etc/shadow"), [""; 0]);
    let (mut scene, runner) = Scene::of("/usr/bin/gitlab-runner", "gitlab-runner run");
    let build = scene.start(runner, program("/usr/bin/make", "make"));
    assert_eq!(reads(&mut scene, build, "/root/.netrc"), [""; 0]);
}

#[test]
fn a_file_that_is_no_secret_any_more_is_none() {
    let (mut scene, worker) = Scene::php();
    assert_eq!(reads(&mut scene, worker, "/var/www/html/config.php"), [""; 0]);
}
