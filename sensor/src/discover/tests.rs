use super::*;
use std::fs;

/// A procfs with one process, 7, whose root holds these files.
fn fake(files: &[(&str, &str)]) -> (tempfile::TempDir, Root) {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("7")).unwrap();
    let root = directory.path().join("root");
    fs::create_dir_all(&root).unwrap();
    for (path, text) in files {
        let path = root.join(path.trim_start_matches('/'));
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }
    std::os::unix::fs::symlink(&root, directory.path().join("7/root")).unwrap();
    let root = Root::of(directory.path(), 7).unwrap();
    (directory, root)
}

fn found(server: &str, files: &[(&str, &str)], command: &[&str], directory: &str) -> Vec<String> {
    let (_kept, root) = fake(files);
    let argv: Vec<BString> = command.iter().map(|word| BString::from(*word)).collect();
    let facts =
        Facts { root: &root, executable: b"/opt/pg/bin/postgres", argv: &argv, directory: Path::new(directory) };
    let wanted = discover(server, &facts);
    wanted.iter().map(|wanted| format!("{} {}", wanted.component, wanted.pattern.display())).collect()
}

#[test]
fn nginx_roots_through_includes() {
    let files = [
        (
            "/t/nginx.conf",
            "# root /no;\nhttp { include conf.d/*.conf; server { root \"/srv/a b\"; location / { alias /srv/x/$host/y; } } }",
        ),
        ("/t/conf.d/one.conf", "server { root html; }\n"),
        ("/t/conf.d/loop.conf", "include conf.d/loop.conf;"),
    ];
    let expected = ["script_docroot /t/html", "script_docroot /srv/a b", "script_docroot /srv/x"];
    assert_eq!(found("nginx", &files, &["nginx", "-p", "/t", "-c", "nginx.conf"], "/"), expected);
    let title = ["nginx: master process /usr/sbin/nginx -p /t/ -c /t/nginx.conf"];
    assert_eq!(found("nginx", &files, &title, "/"), expected);
}

#[test]
fn apache_document_roots() {
    let files = [
        (
            "/etc/apache2/apache2.conf",
            "ServerRoot /etc/apache2\nIncludeOptional sites-enabled/*.conf\nLoadModule x modules/x.so\n",
        ),
        (
            "/etc/apache2/sites-enabled/a.conf",
            "<VirtualHost *:80>\n  DocumentRoot \"/srv/site\"\n  ScriptAlias /cgi/ /srv/cgi/\n</VirtualHost>\n",
        ),
    ];
    let expected = ["exec_script /srv/cgi", "native_module /etc/apache2/modules", "script_docroot /srv/site"];
    assert_eq!(found("apache-httpd", &files, &["/usr/sbin/apache2", "-k", "start"], "/"), expected);
}

#[test]
fn others_by_argument_or_directory() {
    assert_eq!(
        found("php-fpm", &[], &["php", "-S", "127.0.0.1:1", "-t", "pub"], "/srv/a"),
        ["script_docroot /srv/a/pub"]
    );
    assert_eq!(found("nodejs", &[], &["node", "--inspect", "app/server.js"], "/srv/a"), ["app_source /srv/a/app"]);
    assert_eq!(found("python-wsgi", &[], &["gunicorn", "--chdir=/srv/b", "m:app"], "/"), ["app_source /srv/b"]);
    assert_eq!(found("python-wsgi", &[], &["gunicorn", "m:app"], "/srv/c"), ["app_source /srv/c"]);
    let redis = [("/t/redis.conf", "port 1\ndir /var/x/redis\n")];
    assert_eq!(found("redis", &redis, &["redis-server", "/t/redis.conf"], "/"), ["native_module /var/x/redis"]);
    assert_eq!(found("redis", &[], &["redis-server 127.0.0.1:1"], "/var/lib/redis"), ["native_module /var/lib/redis"]);
    let lighttpd = [("/t/l.conf", "server.document-root = \"/srv/l\"\n")];
    assert_eq!(found("lighttpd", &lighttpd, &["lighttpd", "-f", "/t/l.conf"], "/"), ["script_docroot /srv/l"]);
    assert_eq!(found("postgresql", &[], &["postgres", "-D", "/data"], "/data"), ["native_module /opt/pg/lib"]);
    let java = ["java", "-Dcatalina.base=/t/base", "-Dcatalina.home=/t/home"];
    assert_eq!(
        found("tomcat", &[], &java, "/"),
        ["webapp /t/base/webapps", "webapp /t/base/lib", "webapp /t/home/lib"]
    );
}

#[test]
fn missing_and_odd_files_give_nothing() {
    assert!(found("nginx", &[], &["nginx"], "/").is_empty());
    assert!(found("nginx", &[("/etc/nginx/nginx.conf", "root;{{{}}}\"unclosed")], &["nginx"], "/").is_empty());
}
