//! Databases: MariaDB, PostgreSQL, Redis.

use super::{copy_tree, give, newest, user, write};
use crate::command;
use crate::stories::real::hall::{Hall, await_port, free_port, open_to_all};
use anyhow::{Context, Result};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// MariaDB's socket in its directory.
pub fn socket(at: &Path) -> String {
    at.join("run/socket").display().to_string()
}

/// MariaDB with a new data directory; its plugin directory is one of its own or the packages'.
pub fn mariadb(hall: &mut Hall, at: &Path, own_plugins: bool) -> Result<(u32, u16)> {
    let port = free_port()?;
    for name in ["run", "files", "plugin"] {
        std::fs::create_dir_all(at.join(name))?;
        give(&at.join(name), "mysql")?;
    }
    let data = at.join("data");
    let template = template(hall, "mariadb", |data| {
        let mut install = Command::new("mariadb-install-db");
        let directory = format!("--datadir={}", data.display());
        command::output(install.args(["--no-defaults", "--user=mysql", "--skip-test-db", &directory])).map(drop)
    })?;
    copy_tree(&template, &data)?;
    let mut server = Command::new("/usr/sbin/mariadbd");
    server.args(["--no-defaults", "--user=mysql", "--bind-address=127.0.0.1", "--secure-file-priv="]);
    server.arg(format!("--datadir={}", data.display())).arg(format!("--socket={}", socket(at)));
    server.arg(format!("--port={port}")).arg(format!("--pid-file={}", at.join("run/pid").display()));
    if own_plugins {
        server.arg(format!("--plugin-dir={}", at.join("plugin").display()));
    }
    let pid = hall.launch(at, "mariadbd", &mut server)?;
    await_port(port, &at.join("mariadbd.log"))?;
    Ok((pid, port))
}

/// PostgreSQL with a new cluster, archiving with the command that its manual gives.
pub fn postgres(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    let programs = newest("/usr/lib/postgresql", "")?.join("bin");
    let (uid, gid) = user("postgres")?;
    let port = free_port()?;
    for name in ["run", "wal", "out"] {
        std::fs::create_dir_all(at.join(name))?;
        give(&at.join(name), "postgres")?;
    }
    let initdb = programs.join("initdb");
    let template = template(hall, "postgres", |data| {
        std::fs::create_dir_all(data)?;
        give(data, "postgres")?;
        let mut initdb = Command::new(&initdb);
        initdb.arg("-D").arg(data).args(["-A", "trust", "--no-sync"]).uid(uid).gid(gid).current_dir("/");
        command::output(&mut initdb).map(drop)
    })?;
    let data = at.join("data");
    copy_tree(&template, &data)?;
    let wal = at.join("wal").display().to_string();
    let settings = format!(
        "listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{run}'\nfsync = off\n\
         archive_mode = on\narchive_command = 'test ! -f {wal}/%f && cp %p {wal}/%f'\nshared_buffers = 16MB\n",
        run = at.join("run").display(),
    );
    write(&data, "conf.d.conf", &settings)?;
    let configuration = data.join("postgresql.conf");
    let before = std::fs::read_to_string(&configuration)?;
    std::fs::write(&configuration, format!("{before}\ninclude 'conf.d.conf'\n"))?;
    give(&data, "postgres")?;
    let mut server = Command::new(programs.join("postgres"));
    let pid = hall.launch(at, "postgres", server.arg("-D").arg(&data).uid(uid).gid(gid).current_dir("/"))?;
    await_port(port, &at.join("postgres.log"))?;
    Ok((pid, port))
}

/// Redis as careless people run it: it may set its directory and load modules; and, where a story plants a crontab, with
/// a crontab directory of its own in the place of the machine's.
pub fn redis(hall: &mut Hall, at: &Path, with_crontabs: bool) -> Result<(u32, u16)> {
    let port = free_port()?;
    for name in ["data", "www", "crontabs"] {
        std::fs::create_dir_all(at.join(name))?;
        open_to_all(&at.join(name), 0o777)?;
    }
    let mut server = if with_crontabs {
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$1\" /var/spool/cron/crontabs && shift && exec \"$@\"";
        command.args(["--mount", "bash", "-c", script, "redis"]).arg(at.join("crontabs"));
        command
    } else {
        Command::new("env")
    };
    server.args(["redis-server", "--bind", "127.0.0.1", "--daemonize", "no", "--enable-protected-configs", "yes"]);
    server.args(["--enable-module-command", "yes", "--port", &port.to_string(), "--dir"]).arg(at.join("data"));
    if !with_crontabs {
        let (uid, gid) = user("redis")?;
        server.uid(uid).gid(gid);
    }
    let pid = hall.launch(at, "redis", server.current_dir("/"))?;
    await_port(port, &at.join("redis.log"))?;
    Ok((pid, port))
}

/// A data directory that was made once and is copied for each instance.
fn template(hall: &Hall, name: &str, make: impl FnOnce(&Path) -> Result<()>) -> Result<std::path::PathBuf> {
    let data = hall.make_directory("templates")?.join(name);
    if !data.exists() {
        make(&data).with_context(|| format!("making a data directory for {name}"))?;
    }
    Ok(data)
}
