//! component-write: who writes where a server loads from.

use super::*;
use sensor_common::record::Kind;

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
        tick(3100),
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
    by_server.extend([fork(3002, SHELL, COMMAND), exec(3003, COMMAND, dpkg()), write(3004), tick(3100)]);
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
        tick(3100),
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
    let alerts = run(&mut core, [exit(3004, WORKER), event, tick(3100)]);
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
    let alerts = run(&mut core, [event, tick(3100)]);
    assert_eq!(alerts[0].file.as_ref().unwrap().path, "/var/www/html/a.php");
    assert!(alerts[0].why.iter().any(|why| why.contains("/mnt/elsewhere")), "{:?}", alerts[0].why);
}

/// Somebody writes a file; what component-write says.
fn written(scene: &mut Scene, who: ProcessKey, path: &str) -> Vec<&'static str> {
    scene.write(who, path, 500);
    scene.told_by("component-write")
}

const PAGE: &str = "/var/www/html/x.php";
const MODULE: &str = "/usr/lib/php/20220829/x.so";

#[test]
fn the_server_itself_installs_nothing() {
    for (path, expected) in [
        (PAGE, Some("high")),
        (MODULE, Some("high")),
        ("/var/www/html/wp-content/uploads/x.php", Some("high")),
        // What it makes itself all day, what it unpacks, and what is not loaded.
        ("/var/www/html/wp-content/cache/x.php", None),
        ("/var/www/html/wp-content/upgrade/x/y.php", Some("info")),
        ("/var/www/html/wp-content/uploads/x.jpg", None),
        ("/usr/lib/php/20220829/x.txt", None),
        ("/tmp/x.php", None),
    ] {
        let (mut scene, worker) = Scene::php();
        assert_eq!(written(&mut scene, worker, path), Vec::from_iter(expected), "{path}");
    }
}

#[test]
fn a_tool_below_the_server_installs_even_less() {
    for (path, expected) in [(PAGE, "critical"), (MODULE, "critical"), ("/var/www/html/wp-content/cache/x.php", "high")]
    {
        let (mut scene, worker) = Scene::php();
        let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
        assert_eq!(written(&mut scene, tool, path), [expected], "{path}");
        assert!(scene.why("component-write").contains("It is in the lineage of PHP-FPM"));
    }
}

#[test]
fn source_that_an_application_reads_at_start_is_less_than_a_page() {
    let (mut scene, worker) = Scene::of("/usr/bin/python3.11", "python3 /usr/bin/gunicorn app:app");
    scene.watch(worker, "python-wsgi", "app_source", "/srv/app");
    assert_eq!(written(&mut scene, worker, "/srv/app/models.py"), ["medium"]);
}

#[test]
fn a_server_of_another_trade_has_no_business_in_a_document_root_watched_or_not() {
    let database = |scene: &mut Scene| {
        let mysqld = scene.start(INIT, program("/usr/sbin/mariadbd", "mariadbd"));
        scene.fork(mysqld, 101)
    };
    let (mut scene, _) = Scene::php();
    let mysqld = database(&mut scene);
    assert_eq!(written(&mut scene, mysqld, PAGE), ["critical"]);
    let mut scene = Scene::new();
    let mysqld = database(&mut scene);
    assert_eq!(written(&mut scene, mysqld, PAGE), ["critical"], "no web server runs");
    let mut scene = Scene::new();
    let mysqld = database(&mut scene);
    assert_eq!(written(&mut scene, mysqld, "/var/lib/mysql/shop/x.php"), [""; 0]);
}

#[test]
fn a_web_server_and_what_it_hands_requests_to_are_one_application() {
    let (mut scene, _) = Scene::php();
    let nginx = scene.start(INIT, program("/usr/sbin/nginx", "nginx"));
    assert_eq!(written(&mut scene, nginx, PAGE), ["high"]);
    assert!(scene.why("component-write").contains("is the server itself"));
}

#[test]
fn a_file_server_writes_for_somebody_who_has_logged_in_and_not_before() {
    for (user, expected) in [(1001, "low"), (0, "critical"), (33, "critical"), (65_534, "critical")] {
        let (mut scene, _) = Scene::php();
        let master = scene.start(INIT, Exec { uid: 0, euid: 0, ..program("/usr/sbin/proftpd", "proftpd") });
        let connection = scene.fork(master, user);
        assert_eq!(written(&mut scene, connection, PAGE), [expected], "user {user}");
    }
}

#[test]
fn what_a_build_job_writes_is_to_look_at() {
    let (mut scene, _) = Scene::php();
    let jenkins = scene.start(INIT, program("/usr/lib/jvm/java-17/bin/java", "java -jar /usr/share/java/jenkins.war"));
    let step = Exec {
        script: Some("/tmp/jenkins123.sh".into()),
        directory: "/var/lib/jenkins/workspace/site".into(),
        ..program("/usr/bin/dash", "sh -xe /tmp/jenkins123.sh")
    };
    let step = scene.start(jenkins, step);
    let tool = scene.start(step, program("/opt/tools/bin/publish", "publish"));
    assert_eq!(written(&mut scene, tool, PAGE), ["medium"]);
    assert!(scene.why("component-write").contains("part of a job that a server runs"));
}

#[test]
fn an_update_puts_there_what_it_unpacked_before_and_nothing_else() {
    let unpacked = "/var/www/html/wp-content/upgrade/w-6/wordpress/wp-admin/about.php";
    let (mut scene, worker) = Scene::php();
    scene.write(worker, unpacked, 600);
    scene.write(worker, "/var/www/html/wp-admin/about.php", 601);
    assert_eq!(scene.told_by("component-write"), ["info", "info"]);
    scene.write(worker, "/var/www/html/wp-admin/shell.php", 602);
    assert_eq!(scene.told_by("component-write"), ["info", "info", "high"]);

    let (mut scene, worker) = Scene::php();
    scene.rename(worker, unpacked, "/var/www/html/wp-content/plugins/x/x.php", 600);
    assert_eq!(scene.told_by("component-write"), ["info"], "moved out of where it was unpacked");

    let (mut scene, worker) = Scene::php();
    let tool = scene.start(worker, program("/srv/app/bin/tool", "tool"));
    scene.write(worker, unpacked, 600);
    scene.write(tool, "/var/www/html/wp-admin/about.php", 601);
    assert_eq!(scene.told_by("component-write"), ["info", "critical"], "no update is done by another program");
}

#[test]
fn an_archive_that_was_deployed_explains_its_own_directory() {
    let (mut scene, tomcat) = Scene::of(
        "/usr/lib/jvm/java-17/bin/java",
        "java -Dcatalina.base=/srv/shop org.apache.catalina.startup.Bootstrap",
    );
    scene.watch(tomcat, "tomcat", "webapp", "/srv/shop/webapps");
    scene.write(tomcat, "/srv/shop/webapps/shop.war", 600);
    scene.write(tomcat, "/srv/shop/webapps/shop/index.jsp", 601);
    scene.write(tomcat, "/srv/shop/webapps/shop/WEB-INF/web.xml", 602);
    assert_eq!(scene.told_by("component-write"), ["info"; 3]);
    scene.write(tomcat, "/srv/shop/webapps/ROOT/x.jsp", 603);
    assert_eq!(scene.told_by("component-write").last(), Some(&"high"));
}

#[test]
fn an_inode_number_that_was_used_before_excuses_nothing() {
    let (mut scene, worker) = Scene::php();
    scene.write(worker, "/var/www/html/wp-content/upgrade/x/readme.php", 600);
    // It was deleted; a dropped page got its number.
    scene.write(worker, PAGE, 600);
    assert_eq!(scene.told_by("component-write"), ["info", "high"]);
    scene.read(worker, PAGE, 600);
    assert_eq!(scene.told_by("component-load").len(), 1);
}

#[test]
fn a_directory_that_is_moved_in_brings_what_it_holds() {
    let (mut scene, worker) = Scene::php();
    scene.touch(worker, Kind::Rename, "/var/www/html/new", 600, |file| {
        (file.other, file.mode) = (Some("/tmp/new".into()), 0o040_755);
    });
    assert_eq!(scene.told(), [("component-write", "high")]);
    let (mut scene, worker) = Scene::php();
    scene.rename(worker, "/tmp/new", "/var/www/html/new", 600);
    assert_eq!(scene.told(), [], "a file of that name is not run");
}

#[test]
fn every_way_to_put_a_file_there_counts() {
    let deeds: [(Kind, &str); 5] = [
        (Kind::Rename, "was renamed into place from /tmp/x"),
        (Kind::Link, "was linked into place from /tmp/x"),
        (Kind::Symlink, "was made as a symbolic link to /tmp/x"),
        (Kind::Truncate, "was truncated"),
        (Kind::Chmod, "was made executable (mode 755)"),
    ];
    for (operation, said) in deeds {
        let (mut scene, worker) = Scene::php();
        scene.touch(worker, operation, PAGE, 500, |file| {
            file.other = matches!(operation, Kind::Rename | Kind::Link | Kind::Symlink).then(|| "/tmp/x".into());
            file.argument = if operation == Kind::Chmod { 0o755 } else { 0 };
        });
        assert_eq!(scene.told(), [("component-write", "high")], "{operation:?}");
        assert!(scene.why("component-write").contains(said), "{}", scene.why("component-write"));
    }
    let (mut scene, worker) = Scene::php();
    scene.touch(worker, Kind::Chmod, PAGE, 500, |file| file.argument = 0o600);
    scene.touch(worker, Kind::Open, PAGE, 500, |_| {});
    assert_eq!(scene.told(), [], "neither taking rights away nor reading");
}
