//! What is found, and what is not, through the whole core.

use crate::alert::Alert;
use crate::catalogue::Catalogue;
use crate::event::{Event, Exec};
use crate::host::Host;
use crate::pipeline::{Core, Request, Settings};
use crate::testing::*;
use sensor_common::key::ProcessKey;
use sensor_common::record::Kind;
use std::sync::Arc;

const INIT: ProcessKey = key(1, 10);
const MASTER: ProcessKey = key(100, 100);
const WORKER: ProcessKey = key(101, 200);
const SHELL: ProcessKey = key(102, 3000);
const COMMAND: ProcessKey = key(103, 3001);

fn core() -> Core {
    let (catalogue, problems) = Catalogue::embedded();
    assert_eq!(problems, []);
    let users = [(33, "www-data".to_owned())].into();
    Core::new(Settings {
        catalogue: Arc::new(catalogue),
        exceptions: Vec::new(),
        host: Host { name: "host".into(), id: "id".into(), boot_time_unix_ns: 1_700_000_000_000_000_000, users },
        max_processes: 10_000,
    })
}

fn run(core: &mut Core, events: impl IntoIterator<Item = Event>) -> Vec<Alert> {
    events.into_iter().flat_map(|event| core.apply(&event).alerts).collect()
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

#[test]
fn a_web_shells_command_is_one_alert_with_the_whole_lineage() {
    let mut core = php_fpm();
    let mut events = spawn(shell("id"));
    events.extend([
        fork(3002, SHELL, COMMAND),
        exec(3003, COMMAND, program("/usr/bin/id", "id")),
        exit(3004, COMMAND),
        exit(3005, SHELL),
        tick(4000),
    ]);
    let alerts = run(&mut core, events);
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(alerts[0].detector.id(), "server-shell");
    assert_eq!(tgids(&alerts[0]), [100, 101, 102, 103]);
    assert_eq!(alerts[0].process.image.executable, "/usr/bin/id");
    assert_eq!(alerts[0].techniques[0].id, "T1505.003");
    assert_eq!(alerts[0].process.user_name.as_deref(), Some("www-data"));
}

#[test]
fn bash_runs_its_command_in_place_and_the_lineage_still_shows_both() {
    let mut core = php_fpm();
    let mut events = spawn(Exec { executable: "/bin/bash".into(), ..shell("id") });
    events.extend([exec(3002, SHELL, program("/usr/bin/id", "id")), exit(3005, SHELL), tick(4000)]);
    let alerts = run(&mut core, events);
    assert_eq!(alerts.len(), 1);
    assert_eq!(tgids(&alerts[0]), [100, 101, 102, 102]);
    assert_eq!(alerts[0].lineage[2].image.executable, "/bin/bash");
}

#[test]
fn a_shell_that_starts_nothing_is_reported_when_it_ends_or_has_waited_long_enough() {
    let mut ended = php_fpm();
    let mut events = spawn(shell("echo x > /tmp/y"));
    assert!(run(&mut ended, events.clone()).is_empty());
    assert_eq!(run(&mut ended, [exit(3010, SHELL)]).len(), 1);

    let mut waited = php_fpm();
    events.push(tick(3040));
    assert!(run(&mut waited, events).is_empty());
    assert_eq!(run(&mut waited, [tick(3052)]).len(), 1);
    assert_eq!(run(&mut waited, [exit(3060, SHELL)]).len(), 0);
}

#[test]
fn php_mail_is_normal_and_so_is_what_sendmail_is() {
    let mut core = php_fpm();
    let mut events = spawn(shell("/usr/sbin/sendmail -t -i "));
    events.extend([
        fork(3002, SHELL, COMMAND),
        exec(3003, COMMAND, program("/usr/bin/msmtp", "/usr/sbin/sendmail -t -i")),
        exit(3005, SHELL),
        tick(9000),
    ]);
    assert!(run(&mut core, events).is_empty());
}

#[test]
fn nothing_hides_behind_a_normal_command() {
    for command in [
        "/usr/sbin/sendmail -t -i; id",
        "/usr/sbin/sendmail -t -i $(id)",
        "/usr/sbin/sendmail -t -i | sh",
        "/usr/sbin/sendmail -t -i\nid",
        "/usr/sbin/sendmail -t -i `id`",
        "convert x && id",
    ] {
        let mut core = php_fpm();
        let mut events = spawn(shell(command));
        events.push(tick(9000));
        assert_eq!(run(&mut core, events).len(), 1, "{command}");
    }
}

#[test]
fn what_runs_below_a_normal_child_is_judged_too() {
    let mut core = php_fpm();
    let mut events = spawn(shell("/usr/sbin/sendmail -t -i"));
    events.extend([fork(3002, SHELL, COMMAND), exec(3003, COMMAND, program("/usr/bin/curl", "curl http://x"))]);
    let alerts = run(&mut core, events);
    assert_eq!(alerts.len(), 1);
    assert!(alerts[0].why.iter().any(|why| why.contains("not part of that")), "{:?}", alerts[0].why);
}

#[test]
fn an_interpreter_without_a_shell_is_reported_at_once() {
    let mut core = php_fpm();
    let alerts = run(&mut core, spawn(program("/usr/bin/python3.11", "python3 -c import socket")));
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].severity.name(), "high");
}

#[test]
fn a_strict_server_starts_nothing_and_a_common_one_starts_unknown_tools_quietly() {
    let unknown = || program("/opt/vendor/bin/convert-report", "convert-report");
    let mut nginx = server("/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx");
    assert_eq!(run(&mut nginx, spawn(unknown())).len(), 1);
    assert_eq!(run(&mut php_fpm(), spawn(unknown())).len(), 0);
}

#[test]
fn the_servers_own_programs_are_normal() {
    let mut core = server("/usr/sbin/nginx", "nginx: master process /usr/sbin/nginx");
    assert!(run(&mut core, spawn(program("/usr/sbin/nginx", "nginx -t"))).is_empty());
}

#[test]
fn a_postgres_backend_that_runs_a_program_is_a_stored_procedure() {
    let mut core = server("/usr/lib/postgresql/15/bin/postgres", "postgres -D /data");
    let mut events = spawn(shell("id"));
    events.push(tick(9000));
    let alerts = run(&mut core, events);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].techniques[0].id, "T1505.001");
}

#[test]
fn redis_on_debian_is_known_although_its_executable_is_redis_check_rdb() {
    let mut core = server("/usr/bin/redis-check-rdb", "/usr/bin/redis-server 127.0.0.1:6379");
    assert_eq!(run(&mut core, spawn(program("/usr/bin/id", "id"))).len(), 1);
    let mut tool = server("/usr/bin/redis-check-rdb", "redis-check-rdb dump.rdb");
    assert!(run(&mut tool, spawn(program("/usr/bin/id", "id"))).is_empty());
}

#[test]
fn node_is_a_server_when_it_listens_and_not_before() {
    let mut events = spawn(shell("id"));
    events.push(tick(9000));
    let mut tool = server("/usr/bin/node", "node build.js");
    assert!(run(&mut tool, events.clone()).is_empty());
    let mut serving = server("/usr/bin/node", "node server.js");
    assert!(run(&mut serving, [listen(2000, MASTER)]).is_empty());
    assert_eq!(run(&mut serving, events).len(), 1);
}

#[test]
fn a_shell_of_nobodys_lineage_is_nobodys_business() {
    let mut core = php_fpm();
    let events = [
        fork(3000, INIT, SHELL),
        exec(3001, SHELL, shell("id")),
        fork(3002, SHELL, COMMAND),
        exec(3003, COMMAND, program("/usr/bin/id", "id")),
        tick(9000),
    ];
    assert!(run(&mut core, events).is_empty());
}

#[test]
fn the_kernel_is_told_of_a_server_and_of_children_it_missed() {
    let mut core = php_fpm();
    let requests: Vec<Request> = spawn(shell("id")).iter().flat_map(|event| core.apply(event).requests).collect();
    assert!(requests.contains(&Request::SetLineage { process: SHELL, parent: WORKER, lineage: 1 }), "{requests:?}");
}

fn watched() -> Core {
    let mut core = php_fpm();
    run(&mut core, [watch(2000, MASTER, 5, "php-fpm", "script_docroot", "/var/www")]);
    core
}

#[test]
fn a_script_that_a_worker_moves_into_the_docroot_is_reported_once() {
    let mut core = watched();
    let events = [
        file(3000, WORKER, Kind::Rename, "/var/www/html/a.php", 5),
        file(3001, WORKER, Kind::Open, "/var/www/html/a.php", 5),
        file(3002, WORKER, Kind::Open, "/var/www/html/a.jpg", 5),
    ];
    let alerts = run(&mut core, events);
    assert_eq!(alerts.len(), 1);
    assert_eq!((alerts[0].detector.id(), alerts[0].severity.name()), ("component-write", "high"));
    assert_eq!(alerts[0].file.as_ref().unwrap().path, "/var/www/html/a.php");
}

#[test]
fn a_package_manager_installs_quietly_but_not_out_of_a_web_shell() {
    let dpkg = || program("/usr/bin/dpkg", "dpkg --unpack x.deb");
    let write = |at| file(at, COMMAND, Kind::Rename, "/var/www/html/a.php", 5);
    let mut core = watched();
    let by_admin = [
        fork(3000, INIT, SHELL),
        exec(3001, SHELL, program("/usr/bin/apt-get", "apt-get install x")),
        fork(3002, SHELL, COMMAND),
        exec(3003, COMMAND, dpkg()),
        write(3004),
    ];
    assert!(run(&mut core, by_admin).is_empty());
    let mut core = watched();
    let mut by_server = spawn(program("/usr/bin/apt-get", "apt-get install x"));
    by_server.extend([fork(3002, SHELL, COMMAND), exec(3003, COMMAND, dpkg()), write(3004)]);
    let alerts = run(&mut core, by_server);
    assert!(alerts.iter().any(|alert| alert.detector.id() == "component-write"), "{alerts:?}");
}

#[test]
fn an_unknown_writer_outside_lineages_is_medium() {
    let mut core = watched();
    let events = [
        fork(3000, INIT, SHELL),
        exec(3001, SHELL, program("/usr/bin/cp", "cp a.php /var/www/html/")),
        file(3002, SHELL, Kind::Open, "/var/www/html/a.php", 5),
    ];
    let alerts = run(&mut core, events);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].severity.name(), "medium");
}

#[test]
fn a_file_event_that_knows_only_the_pid_finds_the_process_even_after_its_end() {
    let mut core = watched();
    let mut event = file(3005, WORKER, Kind::Open, "/var/www/html/a.php", 5);
    event.process = ProcessKey::new(101, 0);
    let alerts = run(&mut core, [exit(3004, WORKER), event]);
    assert_eq!(alerts.len(), 1);
    assert_eq!(alerts[0].process.key, WORKER);
}

#[test]
fn a_file_reached_through_a_bind_mount_is_named_by_the_watched_directory() {
    let mut core = watched();
    let mut event = file(3000, WORKER, Kind::Open, "/mnt/elsewhere/html/a.php", 5);
    if let crate::event::Body::File(file) = &mut event.body {
        file.watch_depth = 2;
    }
    let alerts = run(&mut core, [event]);
    assert_eq!(alerts[0].file.as_ref().unwrap().path, "/var/www/html/a.php");
    assert!(alerts[0].why.iter().any(|why| why.contains("/mnt/elsewhere")), "{:?}", alerts[0].why);
}
