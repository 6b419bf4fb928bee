//! server-egress: where a server connects to.

use super::*;
use crate::baseline::KindKey;

const METADATA: &str = "169.254.169.254:80";

fn egress(scene: &mut Scene, who: ProcessKey, remotes: &[&str]) -> Vec<&'static str> {
    for remote in remotes {
        scene.connect(who, remote);
    }
    scene.told_by("server-egress")
}

/// The operator says that all is learned.
fn finish(scene: &mut Scene, server: &str) {
    let now = scene.now_unix_ns();
    let kinds: Vec<KindKey> = scene.core.baselines().kinds().map(|(key, _)| key.clone()).collect();
    for key in kinds.iter().filter(|key| key.server.starts_with(server)) {
        scene.core.baselines().finish(key, now).unwrap();
    }
}

#[test]
fn the_metadata_service_hands_out_credentials() {
    let (mut scene, worker) = Scene::php();
    assert_eq!(egress(&mut scene, worker, &[METADATA]), ["info"], "while it is learned");
    let (mut scene, worker) = Scene::php();
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    assert_eq!(egress(&mut scene, tool, &[METADATA]), ["high"]);
    let (mut scene, worker) = Scene::php();
    egress(&mut scene, worker, &["192.0.2.1:443"]);
    finish(&mut scene, "php-fpm");
    assert_eq!(egress(&mut scene, worker, &[METADATA]), ["medium"], "it never did");
    let (mut scene, worker) = Scene::php();
    egress(&mut scene, worker, &[METADATA]);
    finish(&mut scene, "php-fpm");
    assert_eq!(egress(&mut scene, worker, &[METADATA]), ["info"], "it always did: nothing more");
}

#[test]
fn many_internal_targets_in_a_minute_are_a_sweep_and_told_once() {
    let ports: Vec<String> = (1..=40).map(|port| format!("10.0.0.5:{port}")).collect();
    let ports: Vec<&str> = ports.iter().map(String::as_str).collect();
    let (mut scene, worker) = Scene::php();
    assert_eq!(egress(&mut scene, worker, &ports[..24]), [""; 0]);
    assert_eq!(egress(&mut scene, worker, &ports), ["high"]);
    assert_eq!(scene.alerts[0].techniques[0].id, "T1046");

    let (mut scene, worker) = Scene::php();
    egress(&mut scene, worker, &ports[..20]);
    scene.later(60_000);
    assert_eq!(egress(&mut scene, worker, &ports[20..]), [""; 0], "a slow one is none");
}

#[test]
fn a_new_public_address_is_told_when_learning_is_over() {
    let (mut scene, worker) = Scene::php();
    assert_eq!(egress(&mut scene, worker, &["198.51.100.7:443", "203.0.113.9:443"]), [""; 0], "learned");
    finish(&mut scene, "php-fpm");
    assert_eq!(egress(&mut scene, worker, &["198.51.100.99:443"]), [""; 0], "the same network");
    assert_eq!(egress(&mut scene, worker, &["10.1.2.3:443", "[fd00::1]:443"]), [""; 0], "internal");
    assert_eq!(egress(&mut scene, worker, &["192.0.2.1:443"]), ["low"]);
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    assert_eq!(egress(&mut scene, tool, &["[2001:db8::1]:443"]).last(), Some(&"medium"));
}

#[test]
fn to_itself_it_may_connect_in_whatever_writing() {
    let (mut scene, worker) = Scene::php();
    egress(&mut scene, worker, &["198.51.100.7:443"]);
    finish(&mut scene, "php-fpm");
    let itself = ["127.0.0.1:9000", "[::1]:9000", "[::ffff:127.0.0.1]:9000", "0.0.0.0:9000", "[::]:9000"];
    assert_eq!(egress(&mut scene, worker, &itself), [""; 0]);
    assert_eq!(egress(&mut scene, worker, &["[::ffff:192.0.2.1]:443"]), ["low"], "that is another");
}

#[test]
fn who_connects_wherever_it_is_told_to_is_left_alone_and_what_it_starts_is_not() {
    let (mut scene, worker) = Scene::of("/usr/sbin/nginx", "nginx");
    assert_eq!(egress(&mut scene, worker, &[METADATA, "192.0.2.1:443"]), [""; 0]);
    let tool = scene.start(worker, program("/usr/bin/curl", "curl x"));
    assert_eq!(egress(&mut scene, tool, &[METADATA]).len(), 1);
}
