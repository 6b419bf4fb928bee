//! Databases: backups, exports, archiving, extensions, maintenance, restarts.

use super::{Work, shell};
use crate::command;
use crate::stories::real::database_attacks::{await_archived, mariadb, psql, redis};
use crate::stories::real::deeds::{prove, prove_file};
use crate::stories::real::start::{self, database_socket};
use crate::stories::real::{Hall, Server};
use anyhow::{Result, bail};
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};

/// All of this file.
pub const WORK: &[Work] = &[
    Work {
        name: "postgres-use",
        does: "tables, an index, VACUUM, COPY to a file, two extensions of the packages",
        run: postgres_use,
    },
    Work {
        name: "postgres-archive",
        does: "5 segments of write-ahead log, archived by the manual's command",
        run: postgres_archive,
    },
    Work {
        name: "postgres-backup",
        does: "pg_dump, pg_dumpall, pg_basebackup, each packed by gzip",
        run: postgres_backup,
    },
    Work { name: "postgres-restart", does: "pg_ctl: stop, start, reload, stop", run: postgres_restart },
    Work {
        name: "mariadb-use",
        does: "tables, a CSV export, two plugins of the packages installed by SQL",
        run: mariadb_use,
    },
    Work {
        name: "mariadb-backup",
        does: "mariadb-dump of all databases, packed by gzip; check and upgrade of tables",
        run: mariadb_backup,
    },
    Work {
        name: "mariadb-restart",
        does: "logs flushed, then a restart behind the recovery script",
        run: mariadb_restart,
    },
    Work {
        name: "redis",
        does: "1,000 keys, 3 background saves, a rewrite of its log, a copy of the dump, a restart",
        run: redis_work,
    },
];

fn postgres_use(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::Postgres)?;
    psql(
        &server,
        "CREATE TABLE IF NOT EXISTS work AS SELECT g AS id, md5(g::text) AS text FROM generate_series(1, 5000) g",
    )?;
    psql(&server, "CREATE INDEX IF NOT EXISTS work_text ON work (text)")?;
    psql(&server, "VACUUM ANALYZE work")?;
    psql(&server, &format!("COPY work TO '{}'", server.path("out/work.tsv")))?;
    prove_file(server.path("out/work.tsv").as_ref(), "5000\t")?;
    psql(&server, "CREATE EXTENSION IF NOT EXISTS pgcrypto; CREATE EXTENSION IF NOT EXISTS hstore")?;
    prove(&psql(&server, "SELECT encode(digest('x', 'sha1'), 'hex'), 'a=>1'::hstore")?, "11f6ad8e")
}

fn postgres_archive(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::Postgres)?;
    let before = std::fs::read_dir(server.at.join("wal"))?.count();
    for number in 0..5 {
        psql(&server, &format!("SELECT pg_create_restore_point('e{number}')"))?;
        psql(&server, "SELECT pg_switch_wal()")?;
    }
    await_archived(&server, before + 5)
}

fn postgres_backup(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::Postgres)?;
    let own = hall.workplace("backup")?;
    let script = "pg_dump -h 127.0.0.1 -p \"$1\" -U postgres postgres | gzip > dump.sql.gz\n\
                  pg_dumpall -h 127.0.0.1 -p \"$1\" -U postgres | gzip > all.sql.gz\n\
                  pg_basebackup -h 127.0.0.1 -p \"$1\" -U postgres -c fast -D base -Ft -z -X fetch\n\
                  find . -name '*.gz' -size +0 | wc -l";
    prove(&shell(&own, script, &[&server.port.to_string()])?, "3")
}

fn postgres_restart(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::Postgres)?;
    let programs = start::newest("/usr/lib/postgresql", "")?.join("bin");
    let (uid, gid) = start::user("postgres")?;
    for words in [&["-m", "fast", "stop"][..], &["start"], &["reload"], &["-m", "fast", "stop"]] {
        let mut control = Command::new(programs.join("pg_ctl"));
        control.args(["-w", "-s", "-D", &server.path("data"), "-l", &server.path("out/log")]).args(words);
        control.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = control.uid(uid).gid(gid).current_dir("/").status()?;
        if !status.success() {
            bail!("pg_ctl {words:?}: {status}");
        }
    }
    hall.retire(Server::Postgres);
    hall.need(Server::Postgres).map(drop)
}

fn mariadb_use(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::MariadbPackaged)?;
    let file = server.path("files/work.csv");
    let sql = format!(
        "CREATE DATABASE work; USE work; CREATE TABLE t (id INT, text TEXT);\n\
         INSERT INTO t SELECT seq, MD5(seq) FROM seq_1_to_5000;\n\
         SELECT * FROM t INTO OUTFILE '{file}' FIELDS TERMINATED BY ',';\n\
         INSTALL SONAME 'server_audit'; INSTALL SONAME 'simple_password_check'; UNINSTALL SONAME 'server_audit';\n"
    );
    mariadb(&server, &sql)?;
    prove_file(file.as_ref(), "5000,").map(drop)
}

fn mariadb_backup(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::MariadbPackaged)?;
    let own = hall.workplace("backup")?;
    let script = "mariadb-dump --no-defaults --socket=\"$1\" --all-databases --single-transaction | gzip > all.sql.gz\n\
                  mariadb-check --no-defaults --socket=\"$1\" --all-databases > check.log\n\
                  mariadb-upgrade --no-defaults --socket=\"$1\" --force > upgrade.log 2>&1\n\
                  find . -name '*.gz' -size +0 | wc -l";
    prove(&shell(&own, script, &[&database_socket(&server.at)])?, "1")
}

fn mariadb_restart(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::MariadbPackaged)?;
    let own = hall.workplace("logrotate")?;
    let log = own.join("mariadb.log");
    std::fs::write(&log, "a line\n")?;
    let flush = format!("mariadb-admin --no-defaults --socket={} flush-logs", database_socket(&server.at));
    crate::stories::real::web_work::rotate(&own, &log, &flush)?;
    hall.retire(Server::MariadbPackaged);
    let script = "[ ! -e /usr/bin/galera_recovery ] && VAR= || VAR=$(cd /usr/bin/..; /usr/bin/galera_recovery --help)";
    command::output(Command::new("/bin/sh").args(["-c", script]))?;
    hall.need(Server::MariadbPackaged).map(drop)
}

fn redis_work(hall: &mut Hall) -> Result<()> {
    let server = hall.need(Server::Redis)?;
    redis(&server, &["eval", "for i = 1, 1000 do redis.call('set', 'key' .. i, i) end", "0"])?;
    let dump = server.at.join("data/dump.rdb");
    for _ in 0..3 {
        prove(&redis(&server, &["bgsave"])?, "started")?;
        prove_file(&dump, "REDIS")?;
        std::thread::sleep(std::time::Duration::from_millis(300));
    }
    redis(&server, &["bgrewriteaof"])?;
    let own = hall.workplace("backup")?;
    shell(&own, "cp \"$1\" dump.rdb && gzip dump.rdb", &[&dump.display().to_string()])?;
    hall.retire(Server::Redis);
    hall.need(Server::Redis).map(drop)
}
