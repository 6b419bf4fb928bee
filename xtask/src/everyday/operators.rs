//! What operators and their tools do next to the servers: sessions, deployments, health checks, certificates, cron.

use super::{Work, shell};
use crate::command;
use crate::stories::real::deeds::{prove, prove_file};
use crate::stories::real::login_attacks::ssh;
use crate::stories::real::other_work::sftp;
use crate::stories::real::start::database_socket;
use crate::stories::real::{Hall, Server, hall, web_work};
use anyhow::Result;
use std::io::{Read as _, Write as _};
use std::process::{Command, Stdio};

/// All of this file.
pub const WORK: &[Work] = &[
    Work { name: "health", does: "20 rounds of health checks of five servers, each through `sh -c`", run: health },
    Work { name: "probes", does: "10 probes and a shell for debugging in a container's namespaces", run: probes },
    Work {
        name: "certificates",
        does: "webroot challenge, new certificate, deploy hook that tests and reloads nginx",
        run: certificates,
    },
    Work { name: "cron", does: "session cleaning, an application's own jobs, backups of a document root", run: cron },
    Work { name: "sessions", does: "logins on a terminal, commands, sftp, what Ansible does", run: sessions },
    Work {
        name: "editing",
        does: "pages and configuration edited over ssh with vim, sed and shell redirections",
        run: editing,
    },
    Work {
        name: "git-deploy",
        does: "a push over ssh whose hook checks a site out into a document root",
        run: git_deploy,
    },
    Work {
        name: "copy-deploy",
        does: "a site deployed by rsync, by sftp and by tar over ssh, with a symlink moved at the end",
        run: copy_deploy,
    },
    Work {
        name: "php-tools",
        does: "composer installs a library, a command line tool updates plugins over ssh",
        run: php_tools,
    },
];

fn health(hall: &mut Hall) -> Result<()> {
    let php = hall.need(Server::PhpWithMail)?;
    let (postgres, redis) = (hall.need(Server::Postgres)?, hall.need(Server::Redis)?);
    let (maria, nginx) = (hall.need(Server::MariadbPackaged)?, hall.need(Server::Nginx)?);
    let checks = [
        format!("curl -fsS http://127.0.0.1:{}/index.php > /dev/null || exit 1", php.port),
        format!("wget -q -O /dev/null http://127.0.0.1:{}/index.html || exit 1", nginx.port),
        format!("pg_isready -q -h 127.0.0.1 -p {} || exit 1", postgres.port),
        format!("redis-cli -p {} ping | grep -q PONG", redis.port),
        format!("mariadb-admin --no-defaults --socket={} ping > /dev/null", database_socket(&maria.at)),
    ];
    for _ in 0..20 {
        for check in &checks {
            command::output(Command::new("sh").args(["-c", check]))?;
        }
    }
    Ok(())
}

fn probes(hall: &mut Hall) -> Result<()> {
    let php = hall.need(Server::PhpInNamespaces)?;
    let fpm = std::fs::read_to_string(php.path("fpm.port"))?;
    let script =
        format!("SCRIPT_NAME=/ping SCRIPT_FILENAME=/ping REQUEST_METHOD=GET cgi-fcgi -bind -connect 127.0.0.1:{fpm}");
    let pid = php.pid.to_string();
    for _ in 0..10 {
        let mut probe = Command::new("nsenter");
        probe.args(["--mount", "--pid", "--target", &pid, "sh", "-c", &script]);
        prove(&command::output(&mut probe)?, "pong")?;
    }
    let mut shell = Command::new("nsenter");
    shell.args(["--mount", "--pid", "--target", &pid, "bash", "-c", "ls /proc | head -3; id; env | sort"]);
    prove(&command::output(&mut shell)?, "uid=0")
}

fn certificates(hall: &mut Hall) -> Result<()> {
    let nginx = hall.need(Server::Nginx)?;
    let own = hall.workplace("letsencrypt")?;
    let script = "mkdir -p \"$1/www/.well-known/acme-challenge\"\n\
                  echo answer > \"$1/www/.well-known/acme-challenge/kP3f\"\n\
                  curl -fsS \"http://127.0.0.1:$2/.well-known/acme-challenge/kP3f\"\n\
                  rm -r \"$1/www/.well-known\"\n\
                  mkdir -p archive live renewal-hooks/deploy\n\
                  openssl req -x509 -newkey rsa:2048 -nodes -days 90 -subj /CN=localhost -keyout archive/privkey2.pem \
                  -out archive/cert2.pem 2> /dev/null\n\
                  ln -sf ../archive/privkey2.pem live/privkey.pem; ln -sf ../archive/cert2.pem live/cert.pem\n\
                  printf '#!/bin/sh\\nset -e\\nnginx -q -t -c \"%s\"\\nnginx -c \"%s\" -s reload\\n' \"$1/nginx.conf\" \
                  \"$1/nginx.conf\" > renewal-hooks/deploy/nginx.sh\n\
                  chmod 755 renewal-hooks/deploy/nginx.sh\n\
                  PATH=/usr/sbin:/usr/bin:/sbin:/bin run-parts --regex '.*' renewal-hooks/deploy";
    prove(&shell(&own, script, &[&nginx.path(""), &nginx.port.to_string()])?, "answer")?;
    prove(&nginx.page("index.html")?, "welcome")
}

fn cron(hall: &mut Hall) -> Result<()> {
    hall.retire(Server::Cron);
    let cron = hall.need(Server::Cron)?;
    prove_file(&cron.at.join("www/wp-content/cron.txt"), "")?;
    prove_file(&cron.at.join("sessions-cleaned"), "")?;
    let own = hall.workplace("daily")?;
    let script = "mkdir cron.daily\nprintf '#!/bin/sh\\ntar -czf \"%s/site.tar.gz\" -C \"%s\" www\\n' \"$PWD\" \"$1\" > cron.daily/backup\n\
                  printf '#!/bin/sh\\nfind \"%s\" -name \"*.old\" -mtime +7 -delete\\n' \"$PWD\" > cron.daily/clean\n\
                  chmod 755 cron.daily/*; run-parts cron.daily; ls site.tar.gz";
    prove(&shell(&own, script, &[&cron.path("")])?, "site.tar.gz")
}

fn sessions(hall: &mut Hall) -> Result<()> {
    let sshd = hall.need(Server::Sshd)?;
    let own = hall.workplace("sessions")?;
    for _ in 0..2 {
        let mut session = ssh(&sshd, &["-tt", "root@127.0.0.1"]);
        let mut session = session.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let mut keys = session.stdin.take();
        if let Some(keys) = &mut keys {
            keys.write_all(
                b"unset HISTFILE\nid\nwho\nls -la /etc | head\nps -ef | head\ndf -h /\ncurl --version\nexit\n",
            )?;
        }
        let mut said = String::new();
        if let Some(output) = session.stdout.take() {
            output.take(1 << 20).read_to_string(&mut said)?;
        }
        session.wait()?;
        prove(&said, "uid=0")?;
    }
    std::fs::write(own.join("module.py"), "import json; print(json.dumps({\"ok\": True}))")?;
    let remote = own.join("remote");
    for _ in 0..3 {
        let command = format!("/bin/sh -c '( umask 77 && mkdir -p \"{}\" ) && sleep 0'", remote.display());
        command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?;
        sftp(&sshd, &own, &format!("put {} {}\n", own.join("module.py").display(), remote.display()))?;
        let command = format!("/bin/sh -c '/usr/bin/python3 {}/module.py && sleep 0'", remote.display());
        prove(&command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?, "\"ok\": true")?;
    }
    Ok(())
}

fn editing(hall: &mut Hall) -> Result<()> {
    let (php, sshd) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Sshd)?);
    let page = php.path("www/index.php");
    for command in [
        format!("vim -u NONE -es -c '%s/welcome/welcome, friend/' -c wq {page}"),
        format!("sed -i 's/friend/friends/' {page}"),
        format!("echo '<?php echo 1;' > {}", php.path("www/new.php")),
        format!("cp {page} {page}.bak && mv {page}.bak {}", php.path("www/index2.php")),
        format!("echo 'memory_limit = 96M' > {}", php.path("conf.d/90-site.ini")),
        format!("kill -USR2 {}", php.pid),
    ] {
        command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?;
    }
    std::thread::sleep(std::time::Duration::from_millis(500));
    prove(&php.page("index.php")?, "welcome, friends")
}

fn git_deploy(hall: &mut Hall) -> Result<()> {
    let (php, sshd) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Sshd)?);
    let own = hall.workplace("git")?;
    let script = "git init -q --bare site.git\n\
                  printf '#!/bin/sh\\nmkdir -p \"%s/blog\"\\nGIT_WORK_TREE=\"%s/blog\" git checkout -f main\\n' \"$1\" \"$1\" > \
                  site.git/hooks/post-receive\nchmod 755 site.git/hooks/post-receive\n\
                  git init -q -b main work; cd work; echo '<?php echo \"a post\";' > post.php; git add .\n\
                  git -c user.name=a -c user.email=a@localhost commit -qm first";
    shell(&own, script, &[&php.path("www")])?;
    let client = ssh(&sshd, &[]);
    let words: Vec<String> = client.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let mut push = Command::new("git");
    let address = format!("ssh://root@127.0.0.1{}", own.join("site.git").display());
    push.args(["-C", "work", "push", "-q", &address, "main"]).current_dir(&own);
    command::output(push.env("GIT_SSH_COMMAND", format!("ssh {}", words.join(" "))))?;
    prove(&php.page("blog/post.php")?, "a post")
}

fn copy_deploy(hall: &mut Hall) -> Result<()> {
    let (php, sshd) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Sshd)?);
    let own = hall.workplace("deploy")?;
    for number in 0..30 {
        crate::stories::real::start::write(&own, &format!("site/p{number}.php"), "<?php echo 'a page';\n")?;
    }
    let client = ssh(&sshd, &[]);
    let words: Vec<String> = client.get_args().map(|word| word.to_string_lossy().into_owned()).collect();
    let remote = format!("ssh {}", words.join(" "));
    let script = "rsync -a -e \"$1\" site/ \"root@127.0.0.1:$2/by-rsync/\"\n\
                  tar -cf - site | $1 root@127.0.0.1 \"mkdir -p $2/releases && tar -xf - -C $2/releases && \
                  ln -sfn releases/site $2/current\"";
    shell(&own, script, &[&remote, &php.path("www")])?;
    sftp(&sshd, &own, &format!("put {} {}\n", own.join("site/p0.php").display(), php.path("www/by-sftp.php")))?;
    for page in ["by-rsync/p1.php", "current/p2.php", "by-sftp.php"] {
        prove(&php.page(page)?, "a page")?;
    }
    Ok(())
}

fn php_tools(hall: &mut Hall) -> Result<()> {
    let (php, sshd) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Sshd)?);
    web_work::install_by_composer(&hall.workplace("composer")?, php.path("www/vendor").as_ref())?;
    let tool = hall.workplace("tool")?.join("wp");
    std::fs::write(&tool, include_str!("../stories/real/pages/wp.php"))?;
    hall::open_to_all(&tool, 0o755)?;
    let command = format!("cd {} && {} plugin update --all", php.path("www"), tool.display());
    prove(&command::output(&mut ssh(&sshd, &["root@127.0.0.1", &command]))?, "updated 1")
}
