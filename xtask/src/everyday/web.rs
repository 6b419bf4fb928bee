//! Web servers and the PHP applications behind them.

use super::{Work, shell};
use crate::command;
use crate::setup::packages;
use crate::stories::real::deeds::{archive, prove, prove_file};
use crate::stories::real::hall::await_port;
use crate::stories::real::{Hall, Server, start, system, web_work};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::process::Command;
use std::time::Duration;

/// All of this file.
pub const WORK: &[Work] = &[
    Work { name: "pages", does: "200 pages of a PHP application, static files, uploads of 10 pictures", run: pages },
    Work { name: "pictures", does: "5 thumbnails that PHP has ImageMagick make, through a shell", run: pictures },
    Work { name: "mails", does: "5 mails by PHP's `mail()`, and the version of the command line's PHP", run: mails },
    Work { name: "caches", does: "template caches of two PHP frameworks", run: caches },
    Work { name: "plugins", does: "3 plugins that a PHP application installs by its own updater", run: plugins },
    Work {
        name: "update",
        does: "a PHP application that updates itself: 200 files, staged and copied over",
        run: update,
    },
    Work { name: "cgi", does: "20 requests to a CGI script under bash", run: cgi },
    Work { name: "git-http", does: "3 clones through git-http-backend", run: git_http },
    Work {
        name: "packages",
        does: "apt replaces PHP, Apache and MariaDB modules while their servers run",
        run: upgrade,
    },
    Work { name: "reloads", does: "Apache, nginx, PHP-FPM: 3 reloads each, then a restart each", run: reloads },
    Work {
        name: "nginx-upgrade",
        does: "nginx replaces its own program: USR2, then QUIT for the old",
        run: new_program,
    },
    Work {
        name: "log-rotation",
        does: "logrotate of Apache's, nginx's and PHP-FPM's logs, each reopened after",
        run: logs,
    },
];

fn pages(hall: &mut Hall) -> Result<()> {
    let (php, apache, nginx) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Apache)?, hall.need(Server::Nginx)?);
    for number in 0..50 {
        prove(&php.page("index.php")?, "welcome")?;
        prove(&apache.page("index.php")?, "welcome")?;
        prove(&nginx.page("index.html")?, "welcome")?;
        prove(&php.page(&format!("index.php?page={number}"))?, "welcome")?;
    }
    let picture = web_work::picture(&hall.workplace("pictures")?)?;
    for _ in 0..10 {
        let form = format!("file=@{}", picture.display());
        prove(&php.curl("work.php?do=upload", &["--form", &form])?, "moved")?;
    }
    Ok(())
}

fn pictures(hall: &mut Hall) -> Result<()> {
    let php = hall.need(Server::PhpWithMail)?;
    let picture = web_work::picture(&hall.workplace("picture")?)?.display().to_string();
    for _ in 0..5 {
        prove(&php.ask("work.php", &[("do", "thumbnail"), ("from", &picture)])?, "made")?;
    }
    Ok(())
}

fn mails(hall: &mut Hall) -> Result<()> {
    let php = hall.need(Server::PhpWithMail)?;
    for _ in 0..5 {
        prove(&php.ask("work.php", &[("do", "mail")])?, "mailed")?;
    }
    prove(&php.ask("work.php", &[("do", "version")])?, ".")
}

fn caches(hall: &mut Hall) -> Result<()> {
    let php = hall.need(Server::PhpWithMail)?;
    for kind in ["twig", "laravel"] {
        prove(&php.ask("work.php", &[("do", kind)])?, "compiled")?;
    }
    Ok(())
}

fn plugins(hall: &mut Hall) -> Result<()> {
    let (php, apache) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Apache)?);
    for (server, name) in [(&php, "akismet"), (&php, "seo"), (&apache, "forms")] {
        let own = hall.workplace(name)?;
        let (first, second) = (format!("{name}/{name}.php"), format!("{name}/inc/class.php"));
        let files = [(first.as_str(), "<?php\n/* Plugin */\n"), (&second, "<?php\nclass Plugin {}\n")];
        let package = archive(&own, name, &files)?.display().to_string();
        prove(&server.ask("work.php", &[("do", "plugin"), ("name", name), ("package", &package)])?, "installed")?;
    }
    Ok(())
}

fn update(hall: &mut Hall) -> Result<()> {
    let php = hall.need(Server::PhpWithMail)?;
    let package = web_work::release(&hall.workplace("release")?, 198)?.display().to_string();
    prove(&php.ask("work.php", &[("do", "core"), ("package", &package)])?, "updated 200")
}

fn cgi(hall: &mut Hall) -> Result<()> {
    let apache = hall.need(Server::Apache)?;
    for _ in 0..20 {
        prove(&apache.page("cgi-bin/status.sh")?, "up since")?;
    }
    Ok(())
}

fn git_http(hall: &mut Hall) -> Result<()> {
    let apache = hall.need(Server::Apache)?;
    for number in 0..3 {
        let own = hall.workplace("clone")?;
        web_work::publish(&own, &apache.path(&format!("git/site{number}.git")))?;
        let address = format!("http://127.0.0.1:{}/git/site{number}.git", apache.port);
        command::output(Command::new("git").args(["clone", "-q", &address]).arg(own.join("out")))?;
        prove_file(&own.join("out/readme"), "a site")?;
    }
    Ok(())
}

fn upgrade(hall: &mut Hall) -> Result<()> {
    for server in [Server::PhpWithMail, Server::Apache, Server::MariadbPackaged] {
        hall.need(server)?;
    }
    let module = start::newest("/usr/lib/apache2/modules", "libphp")?;
    let name = module.file_stem().and_then(|name| name.to_str()).context("the module's name")?.replace("libphp", "php");
    packages::reinstall(&[
        &format!("libapache2-mod-{name}"),
        &format!("{name}-opcache"),
        "mariadb-plugin-cracklib-password-check",
    ])?;
    reloads(hall)
}

fn reloads(hall: &mut Hall) -> Result<()> {
    let (php, apache, nginx) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Apache)?, hall.need(Server::Nginx)?);
    let fpm = std::fs::read_to_string(php.path("fpm.port"))?.parse()?;
    for _ in 0..3 {
        shell(&apache.at, "/usr/sbin/apache2 -f apache.conf -k graceful", &[]).or_else(|_| {
            shell(&apache.at, "/usr/sbin/apache2 -f \"$1\" -k graceful", &[&apache.path("apache.conf")])
        })?;
        shell(
            &nginx.at,
            "/usr/sbin/nginx -q -t -c \"$1\" && /usr/sbin/nginx -c \"$1\" -s reload",
            &[&nginx.path("nginx.conf")],
        )?;
        system::signal(php.pid, Signal::USR2);
        std::thread::sleep(Duration::from_millis(400));
        await_port(fpm, php.path("php-fpm.log").as_ref())?;
        prove(&apache.page("index.php")?, "welcome")?;
        prove(&nginx.page("index.html")?, "welcome")?;
        prove(&php.page("index.php")?, "welcome")?;
    }
    for server in [Server::Apache, Server::Nginx, Server::PhpWithMail] {
        hall.retire(server);
        hall.need(server)?;
    }
    Ok(())
}

fn new_program(hall: &mut Hall) -> Result<()> {
    let nginx = hall.need(Server::Nginx)?;
    // A service runs in the background, which is what its replacement needs.
    let configuration = std::fs::read_to_string(nginx.path("nginx.conf"))?;
    let own = hall.workplace("nginx")?;
    let port = crate::stories::real::hall::free_port()?;
    let text = configuration
        .replace("daemon off;", "")
        .replace(&nginx.path("nginx.pid"), &own.join("nginx.pid").display().to_string())
        .replace(&format!(":{};", nginx.port), &format!(":{port};"));
    std::fs::write(own.join("nginx.conf"), text)?;
    shell(&own, "/usr/sbin/nginx -c \"$PWD/nginx.conf\"", &[])?;
    await_port(port, &own.join("nginx.log"))?;
    let old: u32 = prove_file(&own.join("nginx.pid"), "\n")?.trim().parse()?;
    system::signal(old, Signal::USR2);
    prove_file(&own.join("nginx.pid.oldbin"), "\n")?;
    std::thread::sleep(Duration::from_millis(300));
    system::signal(old, Signal::QUIT);
    std::thread::sleep(Duration::from_millis(300));
    await_port(port, &own.join("nginx.log"))?;
    let new: u32 = prove_file(&own.join("nginx.pid"), "\n")?.trim().parse()?;
    system::signal(new, Signal::TERM);
    Ok(())
}

fn logs(hall: &mut Hall) -> Result<()> {
    let (php, apache, nginx) = (hall.need(Server::PhpWithMail)?, hall.need(Server::Apache)?, hall.need(Server::Nginx)?);
    let own = hall.workplace("logrotate")?;
    let log = own.join("apache.log");
    std::fs::write(&log, "a line\n")?;
    let reload = format!("/usr/sbin/apache2 -f {} -k graceful > /dev/null", apache.path("apache.conf"));
    web_work::rotate(&own, &log, &reload)?;
    nginx.page("index.html")?;
    web_work::rotate(&own, nginx.path("access.log").as_ref(), &format!("kill -USR1 {}", nginx.pid))?;
    web_work::rotate(&own, php.path("fpm-error.log").as_ref(), &format!("kill -USR1 {}", php.pid))?;
    prove_file(nginx.path("access.log").as_ref(), "")?;
    prove(&php.page("index.php")?, "welcome")
}
