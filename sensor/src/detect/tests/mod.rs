//! What is found, and what is not, through the whole core: events in, alerts out. A file for each detector.

mod component_load;
mod component_write;
mod config_load_change;
mod credential_access;
mod deployers;
mod dropped_executable;
mod fileless_exec;
mod new_ancestry;
mod persistence_handoff;
mod privilege_change;
mod reverse_shell;
mod server_egress;
mod server_shell;
mod titles;

use crate::alert::Alert;
use crate::event::{Event, Exec};
use crate::pipeline::Core;
use crate::testing::*;
use sensor_common::key::ProcessKey;

const MASTER: ProcessKey = key(100, 100);
const WORKER: ProcessKey = key(101, 200);
const SHELL: ProcessKey = key(102, 3000);
const COMMAND: ProcessKey = key(103, 3001);

fn core() -> Core {
    Core::new(settings())
}

/// What is told of the events; every alert is as its schema says.
fn run(core: &mut Core, events: impl IntoIterator<Item = Event>) -> Vec<Alert> {
    let alerts: Vec<Alert> = events.into_iter().flat_map(|event| core.apply(&event).alerts).collect();
    for alert in &alerts {
        valid(alert);
    }
    alerts
}

/// A server that runs: its master, and one worker that was forked without an exec.
fn server(executable: &str, command: &str) -> Core {
    let mut core = core();
    let alerts = run(
        &mut core,
        [
            found(1000, INIT, ProcessKey::NONE, program("/sbin/init", "init")),
            found(1000, MASTER, INIT, program(executable, command)),
            fork(1001, MASTER, WORKER),
        ],
    );
    assert!(alerts.is_empty());
    core
}

fn php_fpm() -> Core {
    server("/usr/sbin/php-fpm8.2", "php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)")
}

/// The worker starts a program in a child of its own.
fn spawn(exec_image: Exec) -> Vec<Event> {
    vec![fork(3000, WORKER, SHELL), exec(3001, SHELL, exec_image)]
}

fn tgids(alert: &Alert) -> Vec<u32> {
    alert.lineage.iter().map(|program| program.key.tgid).collect()
}
