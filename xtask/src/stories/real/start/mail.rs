//! Mail, files and logins: Postfix, ProFTPD, OpenSSH, cron, and the Zabbix agent.

use super::{give, user, write};
use crate::command;
use crate::stories::real::deeds::library;
use crate::stories::real::hall::{Hall, await_port, free_port, low_port, open_to_all};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::Command;

/// Where OpenSSH keeps its unprivileged part; Debian's service makes it at boot.
pub const SSHD_EMPTY: &str = "/run/sshd";
/// Where Debian has the modules of PAM.
pub const PAM_MODULES: &str = "/lib/x86_64-linux-gnu/security";

/// Postfix with its own queue, aliases and log; local mail is handed to procmail, as Debian sets it up.
pub fn postfix(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    let port = free_port()?;
    let dir = at.display();
    for name in ["queue", "data", "box", "logs"] {
        std::fs::create_dir_all(at.join(name))?;
    }
    give(&at.join("data"), "postfix")?;
    open_to_all(&at.join("box"), 0o777)?;
    let main = format!(
        "compatibility_level = 3.6\nqueue_directory = {dir}/queue\ndata_directory = {dir}/data\n\
         command_directory = /usr/sbin\ndaemon_directory = /usr/lib/postfix/sbin\nmail_owner = postfix\n\
         setgid_group = postdrop\nmyhostname = localhost\nmydestination = localhost\ninet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\nmynetworks = 127.0.0.0/8\nalias_maps = hash:{dir}/aliases\n\
         alias_database = hash:{dir}/aliases\nmaillog_file_prefixes = {dir}\nmaillog_file = {dir}/logs/mail\n\
         mailbox_command = procmail DEFAULT={dir}/box/mail -a \"$EXTENSION\"\nbiff = no\nmeta_directory = /etc/postfix\n\
         default_transport = error\nrelay_transport = error\nsmtpd_recipient_restrictions = permit_mynetworks, reject\n"
    );
    write(at, "main.cf", &main)?;
    let mut master = format!("127.0.0.1:{port} inet n - n - - smtpd\npostlog unix-dgram n - n - 1 postlogd\n");
    // Sockets of the first are public, those of the others private.
    for (name, wake) in [("pickup", "60 1"), ("cleanup", "- 0"), ("qmgr", "300 1"), ("showq", "- -"), ("flush", "- 0")]
    {
        let _ = writeln!(master, "{name} unix n - n {wake} {name}");
    }
    for (name, program) in
        [("rewrite", "trivial-rewrite"), ("bounce", "bounce"), ("defer", "bounce"), ("trace", "bounce")]
    {
        let _ = writeln!(master, "{name} unix - - n - - {program}");
    }
    for name in ["proxymap", "local", "error", "anvil", "scache"] {
        let _ = writeln!(master, "{name} unix - n n - - {name}");
    }
    let _ = writeln!(
        master,
        "archive unix - n n - - pipe user=mail argv=/usr/bin/procmail -m DEFAULT={dir}/box/archive /dev/null"
    );
    write(at, "master.cf", &master)?;
    write(at, "aliases", "somebody: backup\n")?;
    command::output(Command::new("postalias").arg("-c").arg(at).arg(format!("hash:{dir}/aliases")))?;
    let mut server = Command::new("/usr/sbin/postfix");
    hall.launch(at, "postfix", server.arg("-c").arg(at).arg("start-fg").current_dir("/"))?;
    await_port(port, &at.join("postfix.log"))?;
    // The script that was started waits for the master.
    let pid = std::fs::read_to_string(at.join("queue/pid/master.pid"))?.trim().parse()?;
    Ok((pid, port))
}

/// ProFTPD with mod_copy and one account, which is nobody.
pub fn proftpd(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    let port = free_port()?;
    let dir = at.display();
    write(at, "incoming/notes.txt", "<?php echo 'I ran ', 6 * 7;\n")?;
    give(&at.join("incoming"), "nobody")?;
    let mut password = Command::new("openssl");
    let hash = command::output(password.args(["passwd", "-1", "guest"])).context("a password's hash")?;
    let line = format!("guest:{}:65534:65534::{dir}/incoming:/bin/false\n", hash.trim());
    open_to_all(&write(at, "passwd", &line)?, 0o640)?;
    let text = format!(
        "ServerType standalone\nServerName story\nPort {port}\nDefaultAddress 127.0.0.1\nUseIPv6 off\nUser nobody\n\
         Group nogroup\nModulePath /usr/lib/proftpd\nLoadModule mod_copy.c\nAuthUserFile {dir}/passwd\n\
         AuthOrder mod_auth_file.c\nRequireValidShell off\nPidFile {dir}/pid\nScoreboardFile {dir}/scoreboard\n\
         SystemLog {dir}/system.log\nTransferLog none\nWtmpLog off\nDelayTable none\nUseReverseDNS off\n\
         <Limit ALL>\nAllowAll\n</Limit>\nAllowOverwrite on\n"
    );
    write(at, "proftpd.conf", &text)?;
    let mut server = Command::new("/usr/sbin/proftpd");
    let pid = hall.launch(at, "proftpd", server.arg("--nodaemon").arg("--config").arg(at.join("proftpd.conf")))?;
    await_port(port, &at.join("proftpd.log"))?;
    Ok((pid, port))
}

/// What is wrong with an sshd.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Hole {
    /// Nothing.
    None,
    /// PAM's modules are a copy of its own, in its mount namespace, so that a story may replace one.
    Modules,
    /// A library in it serves strangers.
    Library,
}

/// OpenSSH with its own host key, and a key for root that lies beside it.
pub fn sshd(hall: &mut Hall, at: &Path, hole: Hole) -> Result<(u32, u16)> {
    let port = free_port()?;
    let dir = at.display();
    if !Path::new(SSHD_EMPTY).exists() {
        std::fs::create_dir(SSHD_EMPTY)?;
        hall.remove_at_end(SSHD_EMPTY.into());
    }
    for name in ["hostkey", "key"] {
        let mut keygen = Command::new("ssh-keygen");
        command::output(keygen.args(["-q", "-t", "ed25519", "-N", "", "-f"]).arg(at.join(name)))?;
    }
    let text = format!(
        "Port {port}\nListenAddress 127.0.0.1\nHostKey {dir}/hostkey\nAuthorizedKeysFile {dir}/key.pub\nStrictModes no\n\
         UsePAM yes\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\n\
         PidFile {dir}/pid\nPrintMotd no\nUseDNS no\nMaxStartups 100\nSubsystem sftp /usr/lib/openssh/sftp-server\n"
    );
    write(at, "sshd_config", &text)?;
    let mut server = Command::new(if hole == Hole::Modules { "unshare" } else { "/usr/sbin/sshd" });
    if hole == Hole::Modules {
        let modules = at.join("security");
        command::output(Command::new("cp").arg("-a").arg(PAM_MODULES).arg(&modules))?;
        let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
        server.args(["--mount", "bash", "-c", script, "sshd"]).arg(&modules).args([PAM_MODULES, "/usr/sbin/sshd"]);
    }
    if hole == Hole::Library {
        let library = library(at, "liblzma", include_str!("../code/sshd.c"), &at.join("mark"))?;
        server.env("LD_PRELOAD", library);
    }
    let pid = hall.launch(at, "sshd", server.args(["-D", "-e", "-f"]).arg(at.join("sshd_config")))?;
    await_port(port, &at.join("sshd.log"))?;
    Ok((pid, port))
}

/// cron with tables of its own in the place of the machine's, in its own mount namespace; its jobs run at once.
///
/// It does not listen; the port is 0.
pub fn cron(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    super::web::write_site(at)?;
    let dir = at.display();
    for name in ["empty", "sessions", "spool"] {
        std::fs::create_dir_all(at.join(name))?;
    }
    let text = format!(
        "SHELL=/bin/sh\nMAILTO=\"\"\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\n\
         @reboot root [ -x /usr/lib/php/sessionclean ] && /usr/lib/php/sessionclean; touch {dir}/sessions-cleaned\n\
         @reboot www-data php {dir}/www/wp-cron.php\n"
    );
    write(at, "crontab", &text)?;
    let script = "mount --bind \"$1/crontab\" /etc/crontab && mount --bind \"$1/empty\" /etc/cron.d && \
                  mount --bind \"$1/spool\" /var/spool/cron && mount --bind \"$1/sessions\" /var/lib/php/sessions && \
                  mount -t tmpfs tmpfs /run && exec /usr/sbin/cron -f";
    let mut server = Command::new("unshare");
    let pid = hall.launch(at, "cron", server.args(["--mount", "bash", "-c", script, "cron"]).arg(at))?;
    Ok((pid, 0))
}

/// The Zabbix agent with a check of this site.
pub fn zabbix(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    let port = low_port()?;
    let dir = at.display();
    let text = format!(
        "LogType=console\nPidFile={dir}/run/pid\nServer=127.0.0.1\nListenIP=127.0.0.1\nListenPort={port}\nStartAgents=2\n\
         UserParameter=story.load,cut -d ' ' -f 1 /proc/loadavg\n"
    );
    std::fs::create_dir_all(at.join("run"))?;
    give(&at.join("run"), "zabbix")?;
    write(at, "zabbix.conf", &text)?;
    let (uid, gid) = user("zabbix")?;
    let mut server = Command::new("/usr/sbin/zabbix_agentd");
    server.arg("--foreground").arg("--config").arg(at.join("zabbix.conf"));
    let pid = hall.launch(at, "zabbix", server.uid(uid).gid(gid).current_dir("/"))?;
    await_port(port, &at.join("zabbix.log"))?;
    Ok((pid, port))
}
