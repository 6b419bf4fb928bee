//! Losses, exceptions, replay.

use super::*;
use crate::catalogue::Pattern;
use crate::detect::Detector;
use crate::testing::*;

const MASTER: ProcessKey = key(100, 100);
const WORKER: ProcessKey = key(101, 200);
const SHELL: ProcessKey = key(102, 3000);

fn settings(exceptions: Vec<Exception>) -> Settings {
    let host = Host { name: "host".into(), id: "id".into(), boot_time_unix_ns: 5, users: BTreeMap::new() };
    Settings { catalogue: Arc::new(Catalogue::embedded().0), exceptions, host, max_processes: 1000 }
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
    let mut core = Core::new(settings(vec![exception("sh -c id *", None)]));
    assert!(alerts(&mut core, &attack()).is_empty());
    assert_eq!(core.exception_hits()["server-shell"], 1);
    let mut other = Core::new(settings(vec![exception("sh -c uptime", None)]));
    assert_eq!(alerts(&mut other, &attack()).len(), 1);
    let mut expired = Core::new(settings(vec![exception("sh -c id *", Some(100))]));
    assert_eq!(alerts(&mut expired, &attack()).len(), 1);
}

#[test]
fn alerts_while_losses_are_not_healed_say_so() {
    let mut core = Core::new(settings(Vec::new()));
    let mut events = attack();
    events.insert(2, loss(2000, 3));
    assert!(core.apply(&events[2]).requests.contains(&Request::Reconcile));
    let told = alerts(&mut core, &events);
    assert!(told[0].contains("\"blind\":true"), "{told:?}");
    core.apply(&healed(4000));
    assert_eq!(core.blind(5000 * MS), (2000 * MS, false));
}
