//! Ordinary work of databases, application servers, mail and logins.

use super::app_attacks::{deploy, war};
use super::database_attacks::{await_archived, mariadb, psql, redis};
use super::deeds::{prove, prove_file};
use super::login_attacks::{send_mail, ssh};
use super::web_work::picture;
use super::{Hall, Server};
use crate::command;
use crate::setup::packages;
use crate::stories::{RealStory, Seen};
use anyhow::{Result, bail};
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::process::CommandExt as _;
use std::process::{Command, Stdio};
use std::time::Duration;

/// All of this file.
pub const STORIES: &[RealStory] = &[
    RealStory { id: "B04", run: wp_cli },
    RealStory { id: "B20", run: planned_deployment },
    RealStory { id: "B21", run: compiled_page },
    RealStory { id: "B22", run: start_scripts },
    RealStory { id: "B28", run: recovery_wrapper },
    RealStory { id: "B29", run: packaged_plugin },
    RealStory { id: "B30", run: plugin_package },
    RealStory { id: "B31", run: export },
    RealStory { id: "B32", run: archiving },
    RealStory { id: "B34", run: extension },
    RealStory { id: "B35", run: control },
    RealStory { id: "B36", run: background_save },
    RealStory { id: "B38", run: disk_monitor },
    RealStory { id: "B43", run: local_delivery },
    RealStory { id: "B44", run: login },
    RealStory { id: "B45", run: automation },
    RealStory { id: "B49", run: poll },
    RealStory { id: "B53", run: npm_start },
    RealStory { id: "B54", run: helpers },
    RealStory { id: "B55", run: edit },
    RealStory { id: "B56", run: cron_jobs },
];

/// B04: an operator updates a plugin with a command line tool, over ssh.
fn wp_cli(hall: &mut Hall) -> Result<Seen> {
    let (php, sshd) = (hall.need(Server::Php)?, hall.need(Server::Sshd)?);
    let tool = hall.workplace("tool")?.join("wp");
    std::fs::write(&tool, include_str!("pages/wp.php"))?;
    super::hall::open_to_all(&tool, 0o755)?;
    let story = hall.begin();
    let command = format!("cd {} && {} plugin update --all", php.path("www"), tool.display());
    prove(&command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?, "updated 1")?;
    hall.seen(story)
}

/// B20: a WAR comes through the manager, and nothing runs afterwards.
fn planned_deployment(hall: &mut Hall) -> Result<Seen> {
    let tomcat = hall.need(Server::Tomcat)?;
    let own = hall.workplace("shop")?;
    let empty_archive = format!("PK\x05\x06{}", "\0".repeat(18));
    let files = [("WEB-INF/web.xml", "<web-app/>"), ("WEB-INF/lib/app.jar", &empty_archive), ("index.html", "a shop")];
    let archive = war(&own, "shop", &files)?;
    let story = hall.begin();
    deploy(&tomcat, &archive, "shop")?;
    prove(&tomcat.page("shop/index.html")?, "a shop")?;
    hall.seen(story)
}

/// B21: a page is compiled at its first request.
fn compiled_page(hall: &mut Hall) -> Result<Seen> {
    let tomcat = hall.need(Server::Tomcat)?;
    let story = hall.begin();
    prove(&tomcat.page("index.jsp")?, "compiled 42")?;
    hall.seen(story)
}

/// B22: Tomcat starts through its scripts.
fn start_scripts(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::Tomcat);
    let story = hall.begin();
    let tomcat = hall.need(Server::Tomcat)?;
    prove(&tomcat.page("index.jsp")?, "compiled 42")?;
    hall.seen(story)
}

/// B28: MariaDB starts behind a script that looks for a position to recover from.
fn recovery_wrapper(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::Mariadb);
    let story = hall.begin();
    let script = "[ ! -e /usr/bin/galera_recovery ] && VAR= || VAR=$(cd /usr/bin/..; /usr/bin/galera_recovery --help); \
                  echo started";
    prove(&command::output(Command::new("/bin/sh").args(["-c", script]))?, "started")?;
    let server = hall.need(Server::Mariadb)?;
    prove(&mariadb(&server, "SELECT 6 * 7;\n")?, "42")?;
    hall.seen(story)
}

/// B29: a plugin of the packages is installed by SQL.
fn packaged_plugin(hall: &mut Hall) -> Result<Seen> {
    let server = hall.need(Server::MariadbPackaged)?;
    let story = hall.begin();
    mariadb(&server, "INSTALL SONAME 'server_audit';\n")?;
    prove(
        &mariadb(&server, "SELECT PLUGIN_STATUS FROM information_schema.PLUGINS WHERE PLUGIN_NAME='SERVER_AUDIT';\n")?,
        "ACTIVE",
    )?;
    hall.seen(story)
}

/// B30: apt installs a plugin's package while the server runs.
fn plugin_package(hall: &mut Hall) -> Result<Seen> {
    hall.need(Server::MariadbPackaged)?;
    let story = hall.begin();
    packages::reinstall(&["mariadb-plugin-cracklib-password-check"])?;
    hall.seen(story)
}

/// B31: a table is exported.
fn export(hall: &mut Hall) -> Result<Seen> {
    let server = hall.need(Server::Mariadb)?;
    let story = hall.begin();
    let file = server.path("files/report.csv");
    mariadb(&server, &format!("SELECT 1, 2 INTO OUTFILE '{file}' FIELDS TERMINATED BY ',';\n"))?;
    prove_file(file.as_ref(), "1,2")?;
    hall.seen(story)
}

/// B32: write-ahead log is archived by the command of PostgreSQL's manual.
fn archiving(hall: &mut Hall) -> Result<Seen> {
    let server = hall.need(Server::Postgres)?;
    let story = hall.begin();
    let before = std::fs::read_dir(server.at.join("wal"))?.count();
    for number in 0..3 {
        psql(&server, &format!("SELECT pg_create_restore_point('b{number}')"))?;
        psql(&server, "SELECT pg_switch_wal()")?;
    }
    await_archived(&server, before + 3)?;
    hall.seen(story)
}

/// B34: an extension of the packages is created; it loads a library of theirs.
fn extension(hall: &mut Hall) -> Result<Seen> {
    let server = hall.need(Server::Postgres)?;
    let story = hall.begin();
    psql(&server, "CREATE EXTENSION IF NOT EXISTS pgcrypto")?;
    prove(&psql(&server, "SELECT encode(digest('x', 'sha1'), 'hex')")?, "11f6ad8ec52a2984abaafd7c3b516503785c2072")?;
    hall.seen(story)
}

/// B35: an operator restarts a cluster with `pg_ctl`, whose shell is above the server.
fn control(hall: &mut Hall) -> Result<Seen> {
    let server = hall.need(Server::Postgres)?;
    let programs = super::start::newest("/usr/lib/postgresql", "")?.join("bin");
    let (uid, gid) = super::start::user("postgres")?;
    let story = hall.begin();
    for words in [&["-m", "fast", "stop"][..], &["start"], &["reload"], &["-m", "fast", "stop"]] {
        let mut control = Command::new(programs.join("pg_ctl"));
        control.args(["-w", "-s", "-D", &server.path("data"), "-l", &server.path("out/log")]).args(words);
        // The server that it starts would keep a pipe open.
        control.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let status = control.uid(uid).gid(gid).current_dir("/").status()?;
        if !status.success() {
            bail!("pg_ctl {words:?}: {status}");
        }
    }
    let seen = hall.seen(story);
    hall.retire(Server::Postgres);
    seen
}

/// B36: Redis saves in the background, under its own name.
fn background_save(hall: &mut Hall) -> Result<Seen> {
    let server = hall.need(Server::Redis)?;
    let story = hall.begin();
    prove(&redis(&server, &["set", "x", "y"])?, "OK")?;
    prove(&redis(&server, &["bgsave"])?, "started")?;
    prove_file(&server.at.join("data/dump.rdb"), "REDIS")?;
    hall.seen(story)
}

/// B38: RabbitMQ looks how full its disk is, while it starts and then every few seconds.
fn disk_monitor(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::Rabbit);
    let story = hall.begin();
    hall.need(Server::Rabbit)?;
    hall.seen(story)
}

/// B43: Postfix hands mail to a program of the packages, through a shell and by a pipe transport.
fn local_delivery(hall: &mut Hall) -> Result<Seen> {
    let postfix = hall.need(Server::Postfix)?;
    let story = hall.begin();
    send_mail(postfix.port, "somebody")?;
    prove_file(&postfix.at.join("box/mail"), "Subject: story")?;
    hall.seen(story)
}

/// B44: somebody logs in on a terminal, with the message of the day, and works.
fn login(hall: &mut Hall) -> Result<Seen> {
    let sshd = hall.need(Server::Sshd)?;
    let story = hall.begin();
    let mut session = ssh(&sshd, &["-tt", "root@127.0.0.1"]);
    let mut session = session.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
    if let Some(mut keys) = session.stdin.take() {
        keys.write_all(b"unset HISTFILE\nid\nls /\nps -ef | head -3\ndf -h /\nexit\n")?;
        // Closing it would end the terminal before the commands ran; the session ends by itself.
        let output = session.stdout.take();
        let mut said = String::new();
        if let Some(output) = output {
            output.take(1 << 20).read_to_string(&mut said)?;
        }
        prove(&said, "uid=0")?;
    }
    session.wait()?;
    hall.seen(story)
}

/// B45: what Ansible does, and a transfer of files.
fn automation(hall: &mut Hall) -> Result<Seen> {
    let sshd = hall.need(Server::Sshd)?;
    let own = hall.workplace("ansible")?;
    let story = hall.begin();
    let code = "import json, platform; print(json.dumps({\"ok\": True, \"system\": platform.system()}))";
    std::fs::write(own.join("module.py"), code)?;
    let remote = own.join("remote");
    for command in [
        "/bin/sh -c 'echo ~root && sleep 0'".to_owned(),
        format!("/bin/sh -c '( umask 77 && mkdir -p \"{}\" ) && sleep 0'", remote.display()),
    ] {
        command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?;
    }
    sftp(&sshd, &own, &format!("put {} {}\n", own.join("module.py").display(), remote.display()))?;
    let command = format!("/bin/sh -c '/usr/bin/python3 {}/module.py && sleep 0'", remote.display());
    prove(&command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?, "\"ok\": true")?;
    hall.seen(story)
}

/// Runs commands of sftp.
pub fn sftp(sshd: &super::hall::Instance, own: &std::path::Path, commands: &str) -> Result<()> {
    let batch = own.join("batch");
    std::fs::write(&batch, commands)?;
    let mut client = Command::new("sftp");
    client.args(["-F", "/dev/null", "-q", "-i", &sshd.path("key"), "-P", &sshd.port.to_string(), "-b"]).arg(batch);
    client.args(["-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR"]);
    command::output(client.arg("root@127.0.0.1")).map(drop)
}

/// B49: the Zabbix server asks for a value that a command of the site gives.
fn poll(hall: &mut Hall) -> Result<Seen> {
    let zabbix = hall.need(Server::Zabbix)?;
    let story = hall.begin();
    for _ in 0..3 {
        prove(&ask_zabbix(zabbix.port, "story.load")?, ".")?;
    }
    hall.seen(story)
}

/// Asks a Zabbix agent for an item, in its own protocol.
pub fn ask_zabbix(port: u16, item: &str) -> Result<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut request = b"ZBXD\x01".to_vec();
    request.extend_from_slice(&(item.len() as u64).to_le_bytes());
    request.extend_from_slice(item.as_bytes());
    stream.write_all(&request)?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    let text = answer.get(13..).unwrap_or_default();
    Ok(String::from_utf8_lossy(text).into_owned())
}

/// B53: `npm start` runs a shell, which runs the server.
fn npm_start(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::NodeByNpm);
    let story = hall.begin();
    let node = hall.need(Server::NodeByNpm)?;
    prove(&node.page("")?, "welcome")?;
    hall.seen(story)
}

/// B54: helpers of a Rails application: a picture, and a script under Node.js.
fn helpers(hall: &mut Hall) -> Result<Seen> {
    let puma = hall.need(Server::Puma)?;
    let own = hall.workplace("assets")?;
    let picture = picture(&own)?;
    let small = puma.path("tmp/small.jpg");
    let story = hall.begin();
    prove(&puma.ask("", &[("helper", "console.log('compiled ' + 6 * 7)")])?, "compiled 42")?;
    puma.ask("", &[("thumbnail", &picture.display().to_string()), ("to", &small)])?;
    prove_file(small.as_ref(), "JFIF")?;
    hall.seen(story)
}

/// B55: an operator edits a page over ssh.
fn edit(hall: &mut Hall) -> Result<Seen> {
    let (php, sshd) = (hall.need(Server::Php)?, hall.need(Server::Sshd)?);
    let story = hall.begin();
    let page = php.path("www/index.php");
    let command = format!("vim -u NONE -es -c '%s/welcome/good day/' -c wq {page}");
    command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?;
    prove(&php.page("index.php")?, "good day")?;
    hall.seen(story)
}

/// B56: cron cleans sessions and runs an application's own jobs.
fn cron_jobs(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::Cron);
    let story = hall.begin();
    let cron = hall.need(Server::Cron)?;
    prove_file(&cron.at.join("www/wp-content/cron.txt"), "")?;
    prove_file(&cron.at.join("sessions-cleaned"), "")?;
    hall.seen(story)
}
