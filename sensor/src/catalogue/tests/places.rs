//! What holds whatever the server: installers, sessions, runners, places, layouts.

use super::shipped;
use crate::catalogue::{ComponentKind, Installer, OwnWrites, overrides};
use crate::event::Exec;
use crate::testing::program;

#[test]
fn who_installs_is_known_by_its_full_path() {
    for (executable, command, expected) in [
        ("/usr/bin/dpkg", "dpkg --unpack x.deb", Some(Installer::PackageManager)),
        ("/usr/bin/apt-get", "apt-get install x", Some(Installer::PackageManager)),
        ("/usr/bin/rpm", "rpm -U x", Some(Installer::PackageManager)),
        ("/usr/bin/python3.11", "/usr/bin/python3 -s /usr/bin/dnf update", Some(Installer::PackageManager)),
        ("/sbin/apk", "apk add x", Some(Installer::PackageManager)),
        ("/usr/lib/snapd/snapd", "snapd", Some(Installer::PackageManager)),
        ("/usr/bin/git", "git pull", Some(Installer::Deployer)),
        ("/usr/bin/php8.2", "php /usr/bin/composer install --no-dev", Some(Installer::Deployer)),
        ("/usr/bin/php8.2", "/usr/bin/env php /usr/local/bin/wp plugin update", None),
        ("/usr/local/bin/php", "php /usr/local/bin/wp plugin update --all", Some(Installer::Deployer)),
        ("/usr/bin/node", "node /usr/bin/npm install", Some(Installer::Deployer)),
        ("/usr/bin/python3.11", "python3 -m pip install x", Some(Installer::Deployer)),
        ("/usr/bin/python3.11", "python3 /usr/bin/ansible-playbook x.yml", Some(Installer::Deployer)),
        ("/usr/bin/python3.11", "python3 /usr/bin/certbot renew", Some(Installer::Deployer)),
        ("/usr/bin/containerd", "containerd", Some(Installer::Deployer)),
        ("/usr/bin/runc", "runc create", Some(Installer::Deployer)),
        ("/usr/bin/kubelet", "kubelet", Some(Installer::Deployer)),
        // Its name alone makes nobody a package manager.
        ("/tmp/dpkg", "dpkg --unpack x.deb", None),
        ("/usr/bin/python3.11", "python3 /tmp/x.py /usr/bin/dnf", None),
        ("/usr/bin/python3.11", "python3 /tmp/pip", None),
        ("/usr/bin/cp", "/usr/bin/dpkg", None),
        ("/usr/bin/vim.basic", "vim /var/www/html/index.php", None),
    ] {
        assert_eq!(shipped().installer(&program(executable, command)), expected, "{command}");
    }
    let script = |script: &str| Exec { script: Some(script.into()), ..program("/usr/bin/python3.11", "python3 x") };
    assert_eq!(shipped().installer(&script("/usr/bin/dnf")), Some(Installer::PackageManager));
    assert_eq!(shipped().installer(&script("/tmp/dnf")), None);
}

#[test]
fn sessions_and_runners_are_known() {
    for (executable, command, expected) in [
        ("/usr/sbin/sshd", "sshd: alice@pts/0", true),
        ("/usr/lib/openssh/sshd-session", "sshd-session: alice@pts/0", true),
        ("/usr/bin/login", "login -p --", true),
        ("/usr/bin/sudo", "sudo -i", true),
        ("/usr/lib/systemd/systemd", "/usr/lib/systemd/systemd --user", true),
        ("/usr/bin/tmux", "tmux", true),
        ("/usr/lib/systemd/systemd", "/sbin/init", false),
        ("/usr/bin/bash", "-bash", false),
        ("/usr/sbin/nginx", "nginx", false),
    ] {
        assert_eq!(shipped().session(&program(executable, command)), expected, "{command}");
    }
    for (executable, command, expected) in [
        ("/usr/sbin/cron", "/usr/sbin/CRON -f", Some("cron")),
        ("/bin/busybox", "crond -f", Some("cron")),
        ("/usr/sbin/atd", "atd", Some("at")),
        ("/usr/lib/systemd/systemd", "/sbin/init", Some("systemd")),
        ("/bin/busybox", "sh -c crond", None),
    ] {
        assert_eq!(shipped().runner(&program(executable, command)), expected, "{command}");
    }
}

#[test]
fn what_persists_has_a_technique() {
    for (path, expected) in [
        ("/etc/crontab", Some("T1053.003")),
        ("/etc/cron.d/x", Some("T1053.003")),
        ("/var/spool/cron/crontabs/root", Some("T1053.003")),
        ("/var/spool/cron/root", Some("T1053.003")),
        ("/var/spool/cron/crontabs/temp-1.rdb", Some("T1053.003")),
        ("/etc/systemd/system/x.service", Some("T1543.002")),
        ("/etc/systemd/system/x.timer", Some("T1053.006")),
        ("/root/.ssh/authorized_keys", Some("T1098.004")),
        ("/var/lib/redis/.ssh/authorized_keys", Some("T1098.004")),
        ("/etc/ld.so.preload", Some("T1574.006")),
        ("/etc/profile.d/x.sh", Some("T1546.004")),
        ("/home/alice/.bashrc", Some("T1546.004")),
        ("/etc/pam.d/sshd", Some("T1556.003")),
        ("/usr/lib/x86_64-linux-gnu/security/pam_unix.so", Some("T1556.003")),
        ("/usr/lib64/security/pam_unix.so", Some("T1556.003")),
        ("/etc/sudoers.d/x", Some("T1548.003")),
        ("/etc/udev/rules.d/1.rules", Some("T1546.017")),
        ("/etc/rc.local", Some("T1037.004")),
        ("/var/www/html/index.php", None),
        ("/var/log/cron.log", None),
        ("/var/lib/redis/dump.rdb", None),
    ] {
        let found = shipped().persistence(path.as_bytes());
        assert_eq!(found.and_then(|place| place.technique.as_ref()).map(|(id, _)| id.as_str()), expected, "{path}");
        assert_eq!(found.is_some(), expected.is_some(), "{path}");
    }
}

#[test]
fn secrets_are_known_and_can_be_expanded() {
    for path in [
        "/etc/shadow",
        "/etc/gshadow",
        "/etc/ssh/ssh_host_ed25519_key",
        "/root/.ssh/id_rsa",
        "/home/alice/.ssh/id_ed25519",
        "/etc/ssl/private/site.key",
        "/run/secrets/kubernetes.io/serviceaccount/token",
        "/run/secrets/kubernetes.io/serviceaccount/..2026_11_26/token",
        "/home/alice/.aws/credentials",
        "/root/.pgpass",
        "/root/.my.cnf",
        "/etc/mysql/debian.cnf",
        "/root/.docker/config.json",
        "/etc/krb5.keytab",
        "/etc/kubernetes/pki/etcd/server.key",
        "/var/lib/kubelet/pki/kubelet-client-current.pem",
    ] {
        assert!(shipped().secret(path.as_bytes()).is_some(), "{path}");
    }
    for path in [
        "/etc/passwd",
        "/etc/ssh/ssh_host_ed25519_key.pub",
        "/home/alice/.ssh/known_hosts",
        "/run/secrets/kubernetes.io/serviceaccount/ca.crt",
        "/var/www/html/wp-config.php",
    ] {
        assert!(shipped().secret(path.as_bytes()).is_none(), "{path}");
    }
    for place in shipped().secrets() {
        let text = &place.pattern.text;
        assert!(text.starts_with('/') && !text.contains("**"), "{text}");
        for name in text.split('/') {
            assert_eq!(
                name.matches('{').count(),
                name.matches('}').count(),
                "{text}: each name is a pattern of its own"
            );
        }
    }
    assert!(shipped().server("openssh").unwrap().reads_secret(b"/etc/shadow"));
    assert!(shipped().server("nginx").unwrap().reads_secret(b"/etc/ssl/private/site.key"));
    assert!(!shipped().server("nginx").unwrap().reads_secret(b"/etc/shadow"));
}

#[test]
fn applications_are_laid_out_below_document_roots() {
    use ComponentKind::{Cache, Staging, Upload};
    for (path, expected) in [
        ("wp-content/uploads/2026/11/avatar.php", Some((Upload, OwnWrites::Never, "WordPress"))),
        ("/blog/wp-content/uploads/x.php", Some((Upload, OwnWrites::Never, "WordPress"))),
        ("wp-content/upgrade/akismet-5/akismet/akismet.php", Some((Staging, OwnWrites::Deploys, "WordPress"))),
        ("wp-content/cache/x.php", Some((Cache, OwnWrites::Always, "WordPress"))),
        ("wp-content/plugins/akismet/akismet.php", None),
        ("wp-admin/about.php", None),
        ("sites/default/files/php/twig/65a_page.html.twig_x/abc.php", Some((Cache, OwnWrites::Always, "Drupal"))),
        ("sites/default/files/x.php", Some((Upload, OwnWrites::Never, "Drupal"))),
        ("storage/framework/views/3f2a.php", Some((Cache, OwnWrites::Always, "Laravel"))),
        ("var/cache/prod/twig/a.php", Some((Cache, OwnWrites::Always, "Symfony or Magento"))),
        ("generated/code/Magento/X.php", Some((Cache, OwnWrites::Always, "Magento"))),
        ("pub/media/x.php", Some((Upload, OwnWrites::Never, "Magento"))),
        ("about2.php", None),
        ("vendor/autoload.php", None),
    ] {
        let part = shipped().application_part(path.as_bytes());
        assert_eq!(part.map(|part| (part.kind, part.own, part.application.as_str())), expected, "{path}");
    }
}

#[test]
fn document_roots_are_those_of_all_servers() {
    for path in [
        "/var/www/html/s.php",
        "/home/alice/public_html/x.php",
        "/usr/local/tomcat/webapps/ROOT/x.jsp",
        "/var/lib/tomcat10/webapps/ROOT/x.jsp",
        "/opt/zimbra/jetty_base/webapps/zimbra/public/x.jsp",
        "/opt/coldfusion2021/cfusion/wwwroot/CFIDE/x.cfm",
    ] {
        assert!(shipped().in_docroot(path.as_bytes()), "{path}");
    }
    for path in ["/var/lib/mysql-files/report.csv", "/tmp/x.php", "/var/www", "/home/alice/x/public_html/x.php"] {
        assert!(!shipped().in_docroot(path.as_bytes()), "{path}");
    }
    assert!(overrides(b".htaccess") && overrides(b"/var/www/html/.user.ini") && !overrides(b"index.php"));
}

#[test]
fn what_a_server_writes_itself_means_different_things() {
    let own = |id: &str, path: &str| {
        let component = shipped().server(id).unwrap().component(path.as_bytes());
        component.map(|known| known.own)
    };
    for (id, path, expected) in [
        ("tomcat", "/var/lib/tomcat10/webapps/shop.war", Some(OwnWrites::Deploys)),
        ("tomcat", "/var/lib/tomcat10/webapps/ROOT/x.jsp", Some(OwnWrites::Never)),
        ("tomcat", "/var/cache/tomcat10/Catalina/localhost/ROOT/org/apache/jsp/x_jsp.class", Some(OwnWrites::Always)),
        ("wildfly", "/opt/jboss/wildfly/standalone/deployments/x.war", Some(OwnWrites::Deploys)),
        ("wildfly", "/opt/jboss/wildfly/standalone/data/content/ab/cdef/content", Some(OwnWrites::Deploys)),
        (
            "weblogic",
            "/u01/oracle/user_projects/domains/base/servers/AdminServer/tmp/_WL_internal/x/9j/war/x.jsp",
            Some(OwnWrites::Never),
        ),
        ("weblogic", "/u01/oracle/user_projects/domains/base/config/config.xml", Some(OwnWrites::Deploys)),
        ("weblogic", "/u01/oracle/user_projects/domains/base/servers/AdminServer/logs/x.log", None),
        ("confluence-jira", "/var/atlassian/application-data/confluence/attachments/x.jar", None),
        ("jenkins", "/var/jenkins_home/plugins/git.jpi.tmp", Some(OwnWrites::Deploys)),
        ("openfire", "/usr/share/openfire/plugins/tool.jar", Some(OwnWrites::Deploys)),
        ("ingress-nginx", "/etc/nginx/nginx.conf", Some(OwnWrites::Always)),
        ("varnish", "/var/lib/varnish/host/vcl_boot/vgc.so", Some(OwnWrites::Always)),
        ("mysql-mariadb", "/usr/lib/mysql/plugin/udf.so", Some(OwnWrites::Never)),
        ("mysql-mariadb", "/var/lib/mysql-files/report.csv", None),
        ("nginx", "/usr/lib/nginx/modules/ngx_http_x_module.so", Some(OwnWrites::Never)),
        ("nginx", "/etc/nginx/modules-enabled/99-x.conf", Some(OwnWrites::Never)),
        ("apache-httpd", "/etc/apache2/mods-enabled/x.load", Some(OwnWrites::Never)),
        ("php-fpm", "/etc/php/8.2/fpm/conf.d/15-x.ini", Some(OwnWrites::Never)),
        ("php-fpm", "/usr/lib/php/20220829/x.so", Some(OwnWrites::Never)),
        ("openssh", "/lib/x86_64-linux-gnu/security/pam_unix.so", Some(OwnWrites::Never)),
        ("postfix", "/etc/postfix/master.cf", Some(OwnWrites::Never)),
        ("clickhouse", "/var/lib/clickhouse/user_scripts/x.py", Some(OwnWrites::Never)),
        ("clickhouse", "/etc/clickhouse-server/x_function.xml", Some(OwnWrites::Never)),
        ("redis", "/var/lib/redis/dump.rdb", None),
        ("coldfusion", "/opt/coldfusion2021/cfusion/wwwroot/CFIDE/w.cfm", Some(OwnWrites::Never)),
    ] {
        assert_eq!(own(id, path), expected, "{id} {path}");
    }
}
