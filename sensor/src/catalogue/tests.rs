//! The shipped catalogue is right, and wrong ones are told everything that is wrong.

use super::*;
use crate::testing::{program, shell};

#[test]
fn the_shipped_catalogue_has_no_mistakes() {
    let (catalogue, problems) = Catalogue::embedded();
    assert_eq!(problems, []);
    assert!(catalogue.servers().count() >= 12);
    for server in catalogue.servers() {
        assert!(!server.roles.is_empty(), "{}", server.id);
    }
}

fn id(executable: &str, command: &str, listens: bool) -> Option<String> {
    let (catalogue, _) = Catalogue::embedded();
    catalogue.identify(&program(executable, command), listens).map(|kind| kind.id.clone())
}

#[test]
fn servers_are_known_by_what_they_run() {
    for (executable, command, expected) in [
        ("/usr/sbin/nginx", "nginx: worker process", Some("nginx")),
        ("/usr/sbin/apache2", "/usr/sbin/apache2 -k start", Some("apache-httpd")),
        ("/usr/sbin/php-fpm8.2", "php-fpm: pool www", Some("php-fpm")),
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/gunicorn app:app", Some("python-wsgi")),
        ("/usr/bin/python3.11", "python3 -m uvicorn app:app", Some("python-wsgi")),
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/pip install gunicorn", None),
        (
            "/usr/lib/jvm/java-17-openjdk-amd64/bin/java",
            "java -Xmx1g org.apache.catalina.startup.Bootstrap start",
            Some("tomcat"),
        ),
        ("/usr/lib/jvm/java-17-openjdk-amd64/bin/java", "java -jar tool.jar", None),
        ("/usr/sbin/mariadbd", "/usr/sbin/mariadbd", Some("mysql-mariadb")),
        ("/usr/lib/postgresql/15/bin/postgres", "postgres: 15/main: walwriter", Some("postgresql")),
        ("/usr/bin/redis-check-rdb", "/usr/bin/redis-server 127.0.0.1:6379", Some("redis")),
        ("/usr/sbin/exim4", "/usr/sbin/exim4 -bd -q30m", Some("exim")),
        ("/usr/lib/postfix/sbin/master", "/usr/lib/postfix/sbin/master -w", Some("postfix")),
        ("/usr/sbin/lighttpd", "/usr/sbin/lighttpd -D", Some("lighttpd")),
        ("/usr/bin/node", "node app.js", None),
        ("/usr/bin/dash", "sh", None),
    ] {
        assert_eq!(id(executable, command, false).as_deref(), expected, "{command}");
    }
}

#[test]
fn a_runtime_is_a_server_only_when_it_listens_and_a_product_is_known_better() {
    assert_eq!(id("/usr/bin/node", "node app.js", true).as_deref(), Some("nodejs"));
    assert_eq!(id("/usr/bin/python3.11", "python3 -m gunicorn x", true).as_deref(), Some("python-wsgi"));
    assert_eq!(id("/usr/bin/python3.11", "python3 serve.py", true).as_deref(), Some("python"));
}

#[test]
fn a_star_in_a_command_stands_for_nothing_that_a_shell_interprets() {
    let pattern = Pattern::command("sh -c convert *").unwrap();
    assert!(pattern.is_match(b"sh -c convert a.png b.jpg"));
    for hidden in ["a; id", "a | sh", "a && id", "$(id)", "`id`", "a > /etc/x", "a\nid"] {
        assert!(!pattern.is_match(format!("sh -c convert {hidden}").as_bytes()), "{hidden}");
    }
}

#[test]
fn a_cut_command_line_is_not_normal() {
    let (catalogue, _) = Catalogue::embedded();
    let kind = catalogue.server("php-fpm").unwrap();
    let mut image = shell("convert a b");
    assert!(kind.normal_child(&image).is_some());
    image.argv_cut = true;
    assert!(kind.normal_child(&image).is_none());
}

#[test]
fn every_mistake_is_told() {
    let text = r#"
        [[server]]
        id = "Bad Id"
        roles = ["web"]
        exe = []
        [[server.component]]
        path = "relative"
        kind = "native_module"
        [[server.normal_child]]
        exe = ["*"]
        args = ["[z-a]"]
        reason = " "
    "#;
    let problems = Catalogue::with([("x.toml", text)]).unwrap_err();
    let all: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 5, "{all:#?}");
    assert!(all.iter().all(|message| message.starts_with("x.toml: ")));
    let unknown = Catalogue::with([("y.toml", "[[server]]\nid = 'a'\nroles = ['web']\nexe = ['/a']\nexes = 1")]);
    assert!(unknown.unwrap_err()[0].message.contains("exes"));
}

#[test]
fn versions_in_names_do_not_hide_an_interpreter() {
    for (path, expected) in [
        ("/usr/bin/python3.11", Some(Suspicion::Interpreter)),
        ("/usr/bin/php8.2", Some(Suspicion::Interpreter)),
        ("/usr/bin/dash", Some(Suspicion::Shell)),
        ("/usr/bin/nc.openbsd", Some(Suspicion::Transfer)),
        ("/usr/bin/id", Some(Suspicion::Discovery)),
        ("/usr/bin/convert-im6", None),
    ] {
        assert_eq!(suspicion(path.into()), expected, "{path}");
    }
}

#[test]
fn a_command_line_is_short_and_whole() {
    for (command, expected) in [("/usr/bin/sh -c id", "sh -c id"), ("-bash", "-bash")] {
        assert_eq!(command_line(&program("/x", command)), expected);
    }
    let mut title = program("/usr/sbin/php-fpm8.2", "x");
    title.argv = vec!["php-fpm: master process (/etc/php-fpm.conf)    ".into()];
    assert_eq!(command_line(&title), "php-fpm: master process (/etc/php-fpm.conf)");
}
