//! reverse-shell: shells that talk to the network.

use super::*;
use crate::event::Descriptor;

fn socket(peer: &str) -> Descriptor {
    let peer: std::net::SocketAddr = peer.parse().unwrap();
    Descriptor::Socket { inode: 9, family: 2, peer: Some((peer.ip(), peer.port())) }
}

fn on(standard: [Descriptor; 3], image: Exec) -> Exec {
    Exec { standard, ..image }
}

fn told(image: Exec) -> Vec<&'static str> {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, image);
    scene.told_by("reverse-shell")
}

#[test]
fn a_shell_or_interpreter_on_a_connection_is_told() {
    let connection = socket("192.0.2.1:4444");
    let pipe = Descriptor::Pipe(3);
    for (standard, image, expected) in [
        ([connection; 3], program("/usr/bin/bash", "bash -i"), true),
        ([connection, pipe, pipe], program("/usr/bin/dash", "sh"), true),
        ([pipe, connection, pipe], program("/usr/bin/python3.11", "python3 -c x"), true),
        ([socket("[2001:db8::1]:443"); 3], program("/usr/bin/bash", "bash"), true),
        ([pipe; 3], program("/usr/bin/bash", "bash -i"), false),
        ([pipe, pipe, connection], program("/usr/bin/bash", "bash -i"), false),
        ([connection; 3], program("/usr/bin/cat", "cat"), false),
        ([socket("0.0.0.0:0"); 3], program("/usr/bin/bash", "bash -i"), false),
        ([Descriptor::Socket { inode: 9, family: 1, peer: None }; 3], program("/usr/bin/bash", "bash -i"), false),
    ] {
        let command = image.argv.clone();
        assert_eq!(!told(on(standard, image)).is_empty(), expected, "{command:?} on {standard:?}");
    }
}

#[test]
fn the_alert_says_with_whom_it_talks() {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, on([socket("192.0.2.1:4444"); 3], program("/usr/bin/bash", "bash -i")));
    assert_eq!(scene.told_by("reverse-shell"), ["critical"]);
    let alert = scene.alerts.iter().find(|alert| alert.detector.id() == "reverse-shell").unwrap();
    assert_eq!(alert.net.as_ref().unwrap().remote, Some(([192, 0, 2, 1].into(), 4444)));
}

#[test]
fn a_shell_that_connects_itself_is_told_once() {
    let (mut scene, worker) = Scene::php();
    let bash = scene.start(worker, program("/usr/bin/bash", "bash -c exec"));
    scene.connect(bash, "192.0.2.1:4444");
    scene.connect(bash, "192.0.2.1:4445");
    assert_eq!(scene.told_by("reverse-shell"), ["critical"]);
    assert!(scene.why("reverse-shell").contains("The shell itself connected to 192.0.2.1:4444."));
}

#[test]
fn an_applet_of_busybox_is_no_shell() {
    for (command, expected) in [("sh -c x", true), ("wget http://192.0.2.1/x", false)] {
        let (mut scene, worker) = Scene::php();
        let applet = scene.start(worker, program("/bin/busybox", command));
        scene.connect(applet, "192.0.2.1:80");
        assert_eq!(!scene.told_by("reverse-shell").is_empty(), expected, "{command}");
    }
}

#[test]
fn a_shell_on_a_terminal_below_one_that_connected_is_told() {
    let terminal = || on([Descriptor::Tty; 3], program("/usr/bin/bash", "bash"));
    let (mut scene, worker) = Scene::php();
    let python = scene.start(worker, program("/usr/bin/python3.11", "python3 -c pty"));
    scene.connect(python, "192.0.2.1:4444");
    scene.start(python, terminal());
    assert_eq!(scene.told_by("reverse-shell"), ["critical"]);
    assert!(scene.why("reverse-shell").contains("which connected to 192.0.2.1:4444 before"));

    let (mut scene, worker) = Scene::php();
    let python = scene.start(worker, program("/usr/bin/python3.11", "python3 -c pty"));
    scene.start(python, terminal());
    assert_eq!(scene.told_by("reverse-shell"), [""; 0], "nobody connected");
}

#[test]
fn who_hands_connections_to_programs_by_trade_may_do_so() {
    let (mut scene, runner) = Scene::of("/usr/bin/gitlab-runner", "gitlab-runner run");
    scene.start(runner, on([socket("192.0.2.1:22"); 3], program("/usr/bin/bash", "bash")));
    assert_eq!(scene.told_by("reverse-shell"), [""; 0]);
    let (mut scene, _) = Scene::php();
    scene.start(INIT, on([socket("192.0.2.1:22"); 3], program("/usr/bin/bash", "bash")));
    assert_eq!(scene.told(), []);
}
