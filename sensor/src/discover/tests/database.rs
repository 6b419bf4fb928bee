//! Databases.

use super::case;

#[test]
fn postgresql_of_debian() {
    let files = [
        (
            "/etc/postgresql/15/main/postgresql.conf",
            "data_directory = '/var/lib/postgresql/15/main'\t\t# use data\nhba_file = '/etc/postgresql/15/main/pg_hba.conf'\n\
             dynamic_library_path = '$libdir:/srv/pglib'\nshared_preload_libraries = 'pg_stat_statements, /srv/pre/a.so'\n\
             include_dir = 'conf.d'\n#include = '/no'\n",
        ),
        ("/etc/postgresql/15/main/conf.d/", ""),
        ("/var/lib/postgresql/15/main/postgresql.auto.conf", "local_preload_libraries = '/srv/auto/b.so'\n"),
        ("/usr/share/postgresql/15/extension/plpgsql.control", ""),
    ];
    let argv = [
        "/usr/lib/postgresql/15/bin/postgres",
        "-D",
        "/var/lib/postgresql/15/main",
        "-c",
        "config_file=/etc/postgresql/15/main/postgresql.conf",
    ];
    let expected = [
        "native_module /usr/lib/postgresql/15/lib (executable)",
        "sql_extension /usr/share/postgresql/15/extension (executable)",
        "config_loader /etc/postgresql/15/main/postgresql.conf (argv: config_file)",
        "config_loader /etc/postgresql/15/main/conf.d (postgresql.conf: include_dir)",
        "config_loader /var/lib/postgresql/15/main/postgresql.auto.conf (argv: -D)",
        "config_loader /var/lib/postgresql/15/main (argv: -D)",
        "config_loader /etc/postgresql/15/main (postgresql.conf: hba_file)",
        "native_module /srv/pglib (postgresql.conf: dynamic_library_path)",
        "native_module /srv/pre (postgresql.conf: shared_preload_libraries)",
        "native_module /srv/auto (postgresql.auto.conf: local_preload_libraries)",
    ];
    let mut found = case(&argv, &files).executable(argv[0]).found("postgresql");
    let mut expected = expected.map(str::to_owned).to_vec();
    found.sort();
    expected.sort();
    assert_eq!(found, expected);
}

#[test]
fn postgresql_of_the_image() {
    let files = [
        ("/usr/local/lib/postgresql/plpgsql.so", ""),
        ("/usr/local/share/postgresql/extension/plpgsql.control", ""),
        ("/data/postgresql.conf", "listen_addresses = '*'\n"),
        ("/data/PG_VERSION", "15\n"),
    ];
    let expected = [
        "native_module /usr/local/lib/postgresql (executable)",
        "sql_extension /usr/local/share/postgresql/extension (executable)",
        "config_loader /data/postgresql.conf (environment: PGDATA)",
        "config_loader /data (environment: PGDATA)",
    ];
    let image = || case(&["postgres"], &files).executable("/usr/local/bin/postgres");
    image().environment("PGDATA=/data\0PGPASSWORD=x\0").check("postgresql", &expected);
    let by_directory = expected.map(|line| line.replace("environment: PGDATA", "working directory"));
    assert_eq!(image().now_in("/data").found("postgresql"), by_directory);
    // A directory that is none of PostgreSQL's.
    assert_eq!(image().now_in("/usr").found("postgresql").len(), 2);
}

#[test]
fn mariadb_of_debian() {
    let files = [
        (
            "/etc/mysql/my.cnf",
            "[client-server]\nsocket = /run/mysqld/mysqld.sock\n!includedir /etc/mysql/mariadb.conf.d/\n",
        ),
        (
            "/etc/mysql/mariadb.conf.d/50-server.cnf",
            "[mysqld]\ndatadir                 = /var/lib/mysql\nplugin-dir = /srv/plugins # ours\n#plugin_dir=/no\nskip-name-resolve\n",
        ),
        ("/etc/my.cnf", "[mysqld]\ninit_file=/srv/init/i.sql\n"),
    ];
    let expected = [
        "config_loader /etc/my.cnf (usual place)",
        "config_loader /etc/mysql/my.cnf (usual place)",
        "config_loader /etc/mysql/mariadb.conf.d (my.cnf: !includedir)",
        "config_loader /srv/init (my.cnf: init_file)",
        "config_loader /var/lib/mysql (50-server.cnf: datadir)",
        "native_module /srv/plugins (50-server.cnf: plugin_dir)",
        "native_module /opt/p (argv: --plugin-dir)",
    ];
    case(&["/usr/sbin/mariadbd", "--plugin-dir=/opt/p"], &files).check("mysql-mariadb", &expected);
    let files = [("/t/my.cnf", "[mysqld]\nplugin_dir=/t/p\n"), ("/etc/my.cnf", "[mysqld]\nplugin_dir=/no\n")];
    let expected = ["config_loader /t/my.cnf (argv: --defaults-file)", "native_module /t/p (my.cnf: plugin_dir)"];
    case(&["mysqld", "--defaults-file=/t/my.cnf"], &files).check("mysql-mariadb", &expected);
    case(&["mysqld", "--no-defaults"], &files).check("mysql-mariadb", &[]);
}

#[test]
fn redis_and_its_titles() {
    let files = [
        (
            "/etc/redis/redis.conf",
            "port 6379\ndir /var/lib/redis\nloadmodule /opt/m/a.so 1\ninclude /etc/redis/more.conf\n",
        ),
        ("/etc/redis/more.conf", "aclfile /srv/acl/users.acl\n"),
    ];
    let expected = |origin: &str| {
        vec![
            format!("config_loader /etc/redis/redis.conf ({origin})"),
            "native_module /var/lib/redis (redis.conf: dir)".to_owned(),
            "native_module /opt/m (redis.conf: loadmodule)".to_owned(),
            "config_loader /srv/acl (more.conf: aclfile)".to_owned(),
        ]
    };
    let named = case(&["/usr/bin/redis-server", "/etc/redis/redis.conf", "--supervised", "systemd"], &files);
    assert_eq!(named.found("redis"), expected("argv"));
    let title = case(&["/usr/bin/redis-server 127.0.0.1:6379"], &files).now_in("/var/lib/redis");
    assert_eq!(title.found("redis"), expected("usual place"));
    // Its arguments say all: there is no file.
    case(&["redis-server", "--port", "1", "--dir", "/d"], &files).check("redis", &["native_module /d (argv: --dir)"]);
    let moved = case(&["redis-server 127.0.0.1:1"], &[]).started_in("/a").now_in("/b");
    moved.check("redis", &["native_module /b (working directory)"]);
    case(&["redis-server"], &[]).started_in("/a").check("redis", &["native_module /a (working directory)"]);
}

#[test]
fn clickhouse_and_mongodb() {
    let files = [(
        "/etc/clickhouse-server/config.xml",
        "<?xml version=\"1.0\"?>\n<!-- <user_scripts_path>/no</user_scripts_path> -->\n<clickhouse>\n\
         <user_scripts_path>/var/lib/clickhouse/user_scripts/</user_scripts_path>\n<tcp_port>9000</tcp_port>\n\
         <dictionaries_lib_path>/srv/dict</dictionaries_lib_path>\n\
         <user_defined_executable_functions_config>*_function.*ml</user_defined_executable_functions_config>\n</clickhouse>\n",
    )];
    let argv = ["clickhouse-server", "--config-file=/etc/clickhouse-server/config.xml"];
    let expected = [
        "config_loader /etc/clickhouse-server/config.xml (argv: --config-file)",
        "exec_script /var/lib/clickhouse/user_scripts (config.xml: user_scripts_path)",
        "native_module /srv/dict (config.xml: dictionaries_lib_path)",
        "config_loader /etc/clickhouse-server (config.xml: user_defined_executable_functions_config)",
    ];
    case(&argv, &files).check("clickhouse", &expected);
    let files = [("/etc/mongod.conf", "storage:\n  dbPath: /var/lib/mongodb\n")];
    let expected = ["config_loader /etc/mongod.conf (argv: --config)"];
    case(&["mongod", "--config", "/etc/mongod.conf"], &files).check("mongodb", &expected);
}
