//! Losses, exceptions, servers that go on; what is kept, and whole stories.

mod memory;
mod stories;

use super::*;
use crate::catalogue::Pattern;
use crate::detect::Detector;
use crate::event::Exec;
use crate::testing::*;

const MASTER: ProcessKey = key(100, 100);
const WORKER: ProcessKey = key(101, 200);
const SHELL: ProcessKey = key(102, 3000);

fn excepting(exceptions: Vec<Exception>) -> Settings {
    let host = Host { boot_time_unix_ns: 5, ..settings().host };
    Settings { exceptions, host, ..settings() }
}

fn attack() -> Vec<Event> {
    vec![
        found(1000, MASTER, ProcessKey::NONE, program("/usr/sbin/php-fpm8.2", "php-fpm8.2")),
        fork(1001, MASTER, WORKER),
        fork(3000, WORKER, SHELL),
        exec(3001, SHELL, shell("id \u{fffd}")),
        tick(3100),
    ]
}

fn exception(args: &str, expires_unix_ns: Option<u64>) -> Exception {
    Exception {
        detector: Detector::ServerShell,
        server: Some("php-fpm".into()),
        exe: None,
        args: Some(Pattern::command(args).unwrap()),
        path: None,
        reason: "test".into(),
        expires_unix_ns,
    }
}

fn alerts(core: &mut Core, events: &[Event]) -> Vec<String> {
    events.iter().flat_map(|event| core.apply(event).alerts).map(|alert| alert.to_json()).collect()
}

#[test]
fn an_exception_silences_and_counts_until_it_expires() {
    let mut core = Core::new(excepting(vec![exception("sh -c id *", None)]));
    assert!(alerts(&mut core, &attack()).is_empty());
    assert_eq!(core.exception_hits()["server-shell"], 1);
    // A counter of the metrics never goes back, whatever exceptions come into force.
    core.reconfigure(settings().catalogue, Vec::new());
    assert_eq!(core.exception_hits()["server-shell"], 1);
    let mut other = Core::new(excepting(vec![exception("sh -c uptime", None)]));
    assert_eq!(alerts(&mut other, &attack()).len(), 1);
    let mut expired = Core::new(excepting(vec![exception("sh -c id *", Some(100))]));
    assert_eq!(alerts(&mut expired, &attack()).len(), 1);
}

#[test]
fn alerts_while_losses_are_not_healed_say_so() {
    let mut core = Core::new(excepting(Vec::new()));
    let mut events = attack();
    events.insert(2, loss(2000, 3));
    assert!(core.apply(&events[2]).requests.contains(&Request::Reconcile));
    let told = alerts(&mut core, &events);
    assert!(told[0].contains("\"blind\":true"), "{told:?}");
    core.apply(&healed(4000));
    assert_eq!(core.blind(5000 * MS), (2000 * MS, false));
}

const DAEMON: ProcessKey = key(103, 150);

/// A server that makes itself a daemon: its first process forks and ends.
fn daemonised() -> Vec<Event> {
    vec![
        exec(1000, MASTER, program("/usr/sbin/php-fpm8.2", "php-fpm8.2 --daemonize")),
        fork(1010, MASTER, DAEMON),
        fork(1020, DAEMON, WORKER),
        exit(1030, MASTER),
    ]
}

#[test]
fn a_server_that_makes_itself_a_daemon_goes_on() {
    let mut core = Core::new(excepting(Vec::new()));
    let requests: Vec<Request> = daemonised().iter().flat_map(|event| core.apply(event).requests).collect();
    assert_eq!(core.servers.iter().next().unwrap().root, MASTER, "who goes on is not clear yet");
    core.apply(&tick(3100));
    let server = core.servers.iter().next().unwrap();
    assert_eq!((server.root, server.ended_boottime_ns), (DAEMON, None));
    assert!(requests.contains(&Request::WatchServer { process: DAEMON, server: "php-fpm".into() }));
    // Its lineage begins at the process that goes on.
    let told = alerts(&mut core, &[fork(4000, WORKER, SHELL), exec(4001, SHELL, shell("id")), tick(4100)]);
    let alert: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    let pids: Vec<u64> =
        alert["sensor"]["lineage"].as_array().unwrap().iter().filter_map(|one| one["pid"].as_u64()).collect();
    assert_eq!(pids, [103, 101, 102]);
}

#[test]
fn a_server_has_ended_with_its_last_process_whatever_else_it_left() {
    let mut core = Core::new(excepting(Vec::new()));
    let mut events = daemonised();
    events.extend([fork(3000, WORKER, SHELL), exec(3001, SHELL, shell("sleep 1000")), tick(3050), exit(3100, DAEMON)]);
    alerts(&mut core, &events);
    core.apply(&tick(5100));
    assert_eq!(core.servers.iter().next().unwrap().root, WORKER, "a worker outlives its master");
    core.apply(&exit(5200, WORKER));
    assert!(core.servers.iter().next().unwrap().ended_boottime_ns.is_some());
    assert_ne!(core.tree.node(core.tree.live(102).unwrap()).unwrap().lineage, 0, "the shell stays in the lineage");
}

#[test]
fn a_server_whose_end_was_lost_has_ended_when_procfs_was_read() {
    let mut core = Core::new(excepting(Vec::new()));
    let mut events = daemonised();
    events.extend([
        loss(2000, 1),
        found(2001, key(1, 10), ProcessKey::NONE, program("/sbin/init", "init")),
        healed(2002),
    ]);
    alerts(&mut core, &events);
    assert!(core.servers.iter().next().unwrap().ended_boottime_ns.is_some());
}

#[test]
fn a_child_that_is_about_to_run_a_shell_is_no_server() {
    let mut core = Core::new(excepting(Vec::new()));
    let events = [
        exec(1000, MASTER, program("/usr/sbin/php-fpm8.2", "php-fpm8.2")),
        fork(1010, MASTER, WORKER),
        exit(1020, MASTER),
        tick(1100),
        exec(1300, WORKER, shell("id")),
        tick(4000),
    ];
    let told = alerts(&mut core, &events);
    let alert: serde_json::Value = serde_json::from_str(&told[0]).unwrap();
    assert_eq!(alert["sensor"]["server"]["pid"], MASTER.tgid);
    assert_eq!(alert["sensor"]["lineage"][0]["pid"], MASTER.tgid);
    assert!(core.servers.iter().next().unwrap().ended_boottime_ns.is_some());
}

#[test]
fn a_persons_runtime_that_listens_to_its_own_machine_is_no_server() {
    let (sshd, shell_key, node) = (key(50, 50), key(60, 60), key(70, 70));
    let begin = |session: bool| {
        let mut core = Core::new(settings());
        let above =
            if session { program("/usr/sbin/sshd", "sshd: alice@pts/0") } else { program("/sbin/init", "init") };
        for event in [
            found(1000, sshd, ProcessKey::NONE, above),
            found(1000, shell_key, sshd, program("/usr/bin/bash", "-bash")),
            healed(1001),
            fork(1100, shell_key, node),
            exec(1101, node, program("/usr/bin/node", "node preview.js")),
            listen(1200, node),
        ] {
            core.apply(&event);
        }
        core.servers.iter().filter(|server| server.id == "nodejs").count()
    };
    assert_eq!((begin(true), begin(false)), (0, 1));
}
