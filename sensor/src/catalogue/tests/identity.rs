//! Which programs are which servers.

use super::shipped;
use crate::catalogue::{Egress, ExecPolicy};
use crate::testing::program;

fn id(executable: &str, command: &str, listens: bool) -> Option<&'static str> {
    shipped().identify(&program(executable, command), listens).map(|kind| kind.id.as_str())
}

const JAVA: &str = "/usr/lib/jvm/java-17-openjdk-amd64/bin/java";

#[test]
fn servers_are_known_by_what_they_run() {
    for (executable, command, expected) in [
        ("/usr/sbin/nginx", "nginx: worker process", "nginx"),
        ("/nginx-ingress-controller", "/nginx-ingress-controller --election-id=x", "ingress-nginx"),
        ("/usr/sbin/apache2", "/usr/sbin/apache2 -k start", "apache-httpd"),
        ("/usr/sbin/lighttpd", "/usr/sbin/lighttpd -D", "lighttpd"),
        ("/usr/bin/caddy", "caddy run", "caddy"),
        ("/usr/sbin/haproxy", "haproxy -Ws", "haproxy"),
        ("/usr/sbin/varnishd", "varnishd -j unix", "varnish"),
        ("/usr/sbin/php-fpm8.2", "php-fpm: pool www", "php-fpm"),
        ("/usr/bin/php8.2", "php -S 127.0.0.1:8000", "php"),
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/gunicorn app:app", "python-wsgi"),
        ("/usr/bin/python3.11", "/usr/bin/python3 -u /usr/bin/gunicorn app:app", "python-wsgi"),
        ("/usr/bin/python3.11", "python3 -m uvicorn app:app", "python-wsgi"),
        ("/usr/bin/uwsgi-core", "uwsgi --ini x", "uwsgi"),
        ("/usr/bin/ruby3.1", "ruby /usr/bin/puma -C x", "ruby-app"),
        (JAVA, "java -Xmx1g org.apache.catalina.startup.Bootstrap start", "tomcat"),
        (JAVA, "java -Djetty.home=/x -jar /usr/share/jetty9/start.jar", "jetty"),
        (JAVA, "java -D[Standalone] -jar /opt/jboss/wildfly/jboss-modules.jar", "wildfly"),
        (JAVA, "java -Dweblogic.Name=AdminServer weblogic.Server", "weblogic"),
        (JAVA, "java com.ibm.ws.kernel.boot.cmdline.Bootstrap", "glassfish-websphere"),
        ("/opt/coldfusion2021/jre/bin/java", "java -Dcoldfusion.home=/opt/coldfusion2021/cfusion x", "coldfusion"),
        (JAVA, "java -Dconfluence.home=/x org.apache.catalina.startup.Bootstrap start", "confluence-jira"),
        (JAVA, "java -jar /usr/share/java/jenkins.war", "jenkins"),
        ("/opt/gitlab/embedded/bin/gitlab-workhorse", "gitlab-workhorse -listenNetwork unix", "gitlab"),
        (JAVA, "java -Dkaraf.home=/x org.sonatype.nexus.karaf.NexusMain", "nexus"),
        ("/usr/sbin/mariadbd", "/usr/sbin/mariadbd", "mysql-mariadb"),
        ("/usr/lib/postgresql/15/bin/postgres", "postgres: 15/main: walwriter", "postgresql"),
        ("/u01/app/oracle/product/19c/db/bin/oracle", "oracleORC (LOCAL=NO)", "oracle-db"),
        ("/opt/mssql/bin/sqlservr", "/opt/mssql/bin/sqlservr", "mssql-linux"),
        ("/usr/bin/mongod", "mongod --config x", "mongodb"),
        ("/usr/bin/redis-check-rdb", "/usr/bin/redis-server 127.0.0.1:6379", "redis"),
        ("/usr/bin/memcached", "memcached -m 64", "memcached"),
        (
            "/usr/share/elasticsearch/jdk/bin/java",
            "java org.elasticsearch.bootstrap.Elasticsearch",
            "elasticsearch-opensearch",
        ),
        (JAVA, "java -Djetty.port=8983 -Dsolr.solr.home=/x -jar start.jar", "solr"),
        ("/opt/couchdb/erts-13.2/bin/beam.smp", "beam.smp -root /opt/couchdb", "couchdb"),
        (JAVA, "java org.apache.cassandra.service.CassandraDaemon", "cassandra"),
        ("/usr/bin/clickhouse", "clickhouse-server --config-file=/etc/clickhouse-server/config.xml", "clickhouse"),
        ("/usr/bin/influxd", "influxd", "influxdb"),
        ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "beam.smp -W w -boot /usr/lib/rabbitmq/x", "rabbitmq"),
        (JAVA, "java -Dactivemq.home=/x -jar /x/bin/activemq.jar start", "activemq"),
        (JAVA, "java kafka.Kafka server.properties", "kafka-zookeeper"),
        ("/usr/sbin/exim4", "/usr/sbin/exim4 -bd -q30m", "exim"),
        ("/usr/lib/postfix/sbin/master", "/usr/lib/postfix/sbin/master -w", "postfix"),
        ("/usr/sbin/smtpd", "smtpd -F", "sendmail-opensmtpd"),
        ("/usr/lib/dovecot/imap", "dovecot/imap", "dovecot"),
        ("/opt/zimbra/common/lib/jvm/java/bin/java", "java -Djetty.base=/opt/zimbra/jetty_base x", "zimbra"),
        ("/usr/sbin/slapd", "slapd -h ldap:///", "openldap"),
        ("/usr/sbin/named", "named -f", "bind"),
        ("/usr/sbin/smbd", "smbd -F", "samba"),
        ("/usr/sbin/proftpd", "proftpd: (accepting connections)", "ftp-servers"),
        ("/usr/sbin/sshd", "sshd: alice@pts/0", "openssh"),
        (JAVA, "java -DopenfireHome=/usr/share/openfire -jar startup.jar", "openfire"),
        ("/usr/share/grafana/bin/grafana", "grafana server", "grafana"),
        ("/usr/sbin/zabbix_agentd", "zabbix_agentd -f", "zabbix"),
        ("/usr/sbin/nrpe", "nrpe -c /etc/nagios/nrpe.cfg", "nagios-icinga"),
        ("/usr/bin/etcd", "etcd", "etcd"),
        ("/usr/bin/vault", "vault server -config=x", "vault"),
        ("/usr/sbin/cron", "cron -f", "cron"),
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/supervisord -n", "supervisord"),
        ("/usr/bin/runsv", "runsv nginx", "runit-s6"),
        ("/usr/bin/node", "node /usr/lib/node_modules/pm2/lib/Daemon.js", "pm2"),
    ] {
        assert_eq!(id(executable, command, false), Some(expected), "{command}");
    }
}

#[test]
fn tools_are_no_servers() {
    for (executable, command) in [
        ("/usr/bin/python3.11", "/usr/bin/python3 /usr/bin/pip install gunicorn"),
        ("/usr/bin/python3.11", "python3 -c pass /usr/bin/gunicorn"),
        (JAVA, "java -jar tool.jar"),
        (JAVA, "java -version"),
        ("/usr/bin/node", "node app.js"),
        ("/usr/bin/dash", "sh"),
        ("/usr/bin/vault", "vault kv get secret/x"),
        ("/usr/bin/clickhouse", "clickhouse-client -q x"),
        ("/usr/bin/redis-check-rdb", "redis-check-rdb dump.rdb"),
        ("/usr/bin/php8.2", "php cron.php"),
        ("/usr/bin/ruby3.1", "ruby /usr/bin/rake db:migrate"),
        ("/opt/gitlab/embedded/bin/ruby", "ruby /opt/gitlab/embedded/bin/chef-client"),
        ("/usr/lib/erlang/erts-13.1.5/bin/beam.smp", "beam.smp -noshell"),
    ] {
        assert_eq!(id(executable, command, false), None, "{command}");
    }
}

#[test]
fn a_runtime_is_a_server_only_when_it_listens_and_a_product_is_known_better() {
    for (executable, command, expected) in [
        ("/usr/bin/node", "node app.js", "nodejs"),
        ("/usr/bin/python3.11", "python3 -m gunicorn x", "python-wsgi"),
        ("/usr/bin/python3.11", "python3 serve.py", "python"),
        ("/usr/bin/ruby3.1", "ruby serve.rb", "ruby"),
        (JAVA, "java -jar /app/app.jar", "spring-boot"),
        (JAVA, "java com.example.Main", "java"),
        (JAVA, "java -jar /usr/share/java/jenkins.war", "jenkins"),
    ] {
        assert_eq!(id(executable, command, true), Some(expected), "{command}");
    }
}

#[test]
fn a_program_that_calls_itself_something_is_known_by_that() {
    let mut image = program("/usr/bin/python3.11", "x");
    image.argv = vec!["gunicorn: master [app:app]   ".into(), "".into(), "".into()];
    assert_eq!(shipped().identify(&image, false).unwrap().id, "python-wsgi");
    let mut image = program("/usr/bin/node", "x");
    image.argv = vec!["PM2 v5.3.0: God Daemon (/root/.pm2)".into()];
    assert_eq!(shipped().identify(&image, false).unwrap().id, "pm2");
}

#[test]
fn strict_servers_start_nothing_and_some_live_from_starting_programs() {
    let policy = |id: &str| shipped().server(id).unwrap_or_else(|| panic!("{id}")).exec_policy;
    for id in [
        "nginx",
        "haproxy",
        "varnish",
        "redis",
        "memcached",
        "mysql-mariadb",
        "postgresql",
        "mongodb",
        "caddy",
        "etcd",
        "vault",
        "elasticsearch-opensearch",
        "activemq",
        "kafka-zookeeper",
        "cassandra",
        "influxdb",
        "openldap",
        "bind",
        "tomcat",
        "jetty",
        "wildfly",
        "weblogic",
        "openfire",
        "nexus",
        "grafana",
        "couchdb",
        "rabbitmq",
        "clickhouse",
        "mssql-linux",
        "oracle-db",
        "ingress-nginx",
        "ftp-servers",
        "postfix",
        "solr",
        "glassfish-websphere",
    ] {
        assert_eq!(policy(id), ExecPolicy::Never, "{id}");
    }
    for id in [
        "php-fpm",
        "apache-httpd",
        "lighttpd",
        "jenkins",
        "gitlab",
        "exim",
        "dovecot",
        "sendmail-opensmtpd",
        "zimbra",
        "nodejs",
        "python-wsgi",
        "uwsgi",
        "ruby-app",
        "spring-boot",
        "coldfusion",
        "confluence-jira",
        "samba",
        "openssh",
        "nagios-icinga",
    ] {
        assert_eq!(policy(id), ExecPolicy::Common, "{id}");
    }
    for id in ["cron", "zabbix", "supervisord", "runit-s6", "pm2", "monit"] {
        assert_eq!(policy(id), ExecPolicy::Any, "{id}");
    }
    assert!(shipped().server("cron").unwrap().supervisor && shipped().server("runit-s6").unwrap().supervisor);
    assert!(shipped().server("postgresql").unwrap().titles && shipped().server("openssh").unwrap().titles);
    assert_eq!(shipped().server("haproxy").unwrap().egress, Egress::Any);
    assert_eq!(shipped().server("redis").unwrap().egress, Egress::Learned);
    // The two applications in document roots complete the list.
    let applications: Vec<&str> = shipped().applications().map(|known| known.id.as_str()).collect();
    assert_eq!(applications, ["php-apps-other", "wordpress"]);
}
