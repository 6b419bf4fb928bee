//! Ordinary work of web servers.

use super::deeds::{archive, prove, prove_file};
use super::hall::{await_port, open_to_all};
use super::{Hall, Server};
use crate::command;
use crate::setup::packages;
use crate::stories::{RealStory, Seen};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// All of this file.
pub const STORIES: &[RealStory] = &[
    RealStory { id: "B01", run: mail },
    RealStory { id: "B02", run: core_update },
    RealStory { id: "B03", run: plugin },
    RealStory { id: "B05", run: composer },
    RealStory { id: "B06", run: module_upgrade },
    RealStory { id: "B10", run: entrypoint },
    RealStory { id: "B11", run: git_over_http },
    RealStory { id: "B12", run: piped_logs },
    RealStory { id: "B13", run: log_rotation },
    RealStory { id: "B14", run: deploy_hook },
    RealStory { id: "B15", run: challenge },
    RealStory { id: "B16", run: thumbnail },
    RealStory { id: "B17", run: asked_version },
    RealStory { id: "B18", run: twig },
    RealStory { id: "B19", run: laravel },
    RealStory { id: "B46", run: probe },
    RealStory { id: "B47", run: debugging },
    RealStory { id: "B52", run: types },
];

/// B01: `mail()`.
fn mail(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::PhpWithMail)?;
    let story = hall.begin();
    prove(&php.ask("work.php", &[("do", "mail")])?, "mailed")?;
    hall.seen(story)
}

/// A release with this many pages.
pub fn release(directory: &Path, pages: usize) -> Result<std::path::PathBuf> {
    let text = "<?php echo 'about 6.9';\n";
    let names: Vec<String> = (0..pages).map(|number| format!("wordpress/wp-includes/blocks/b{number}.php")).collect();
    let mut files: Vec<(&str, &str)> = names.iter().map(|name| (name.as_str(), text)).collect();
    files.push(("wordpress/wp-admin/about.php", text));
    files.push(("wordpress/wp-includes/version.php", "<?php $wp_version = '6.9';\n"));
    archive(directory, "wordpress-6.9", &files)
}

/// B02: the application updates itself: unpacked below `upgrade`, copied over what is there.
fn core_update(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.need(Server::Apache)?;
    let package = release(&hall.workplace("release")?, 200)?;
    let story = hall.begin();
    prove(&apache.ask("work.php", &[("do", "core"), ("package", &package.display().to_string())])?, "updated 202")?;
    prove(&apache.page("wp-admin/about.php")?, "6.9")?;
    hall.seen(story)
}

/// B03: an administrator installs a plugin.
fn plugin(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::Php)?;
    let own = hall.workplace("plugin")?;
    let text = "<?php\n/* Plugin Name: Akismet */\n";
    let files = [("akismet/akismet.php", text), ("akismet/class.php", "<?php\n"), ("akismet/readme.txt", "read me\n")];
    let package = archive(&own, "akismet", &files)?;
    let story = hall.begin();
    let parameters = [("do", "plugin"), ("name", "akismet"), ("package", &package.display().to_string())];
    prove(&php.ask("work.php", &parameters)?, "installed")?;
    prove_file(php.path("www/wp-content/plugins/akismet/akismet.php").as_ref(), "Akismet")?;
    hall.seen(story)
}

/// B05: composer installs a library from a repository on this machine into a document root.
fn composer(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::Php)?;
    let story = hall.begin();
    install_by_composer(&hall.workplace("library")?, php.path("www/vendor").as_ref())?;
    hall.seen(story)
}

/// Has composer install a library as `vendor`.
pub fn install_by_composer(own: &Path, vendor: &Path) -> Result<()> {
    super::start::write(
        &own.join("library"),
        "composer.json",
        "{\"name\": \"story/library\", \"version\": \"1.0.0\"}",
    )?;
    super::start::write(&own.join("library"), "src/Library.php", "<?php class Library {}\n")?;
    let library = own.join("library");
    let text = serde_json::json!({
        "repositories": [
            {"type": "path", "url": library, "options": {"symlink": false}},
            {"packagist.org": false}
        ],
        "require": {"story/library": "1.0.0"},
        "config": {"vendor-dir": vendor}
    });
    super::start::write(own, "composer.json", &text.to_string())?;
    let mut composer = Command::new("composer");
    composer.args(["install", "--no-dev", "--no-interaction", "--no-progress"]).current_dir(own);
    composer.env("COMPOSER_ALLOW_SUPERUSER", "1").env("COMPOSER_HOME", own.join("home"));
    command::output(&mut composer)?;
    prove_file(&vendor.join("story/library/src/Library.php"), "class Library").map(drop)
}

/// B06: apt replaces Apache's PHP module, and Apache is restarted.
fn module_upgrade(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.need(Server::Apache)?;
    let module = super::start::newest("/usr/lib/apache2/modules", "libphp")?;
    let name = module.file_stem().and_then(|name| name.to_str()).context("the module's name")?.replace("libphp", "php");
    let story = hall.begin();
    packages::reinstall(&[&format!("libapache2-mod-{name}")])?;
    graceful(&apache)?;
    hall.seen(story)
}

/// Asks Apache to read its configuration anew, in the way of apachectl, and waits until it serves.
fn graceful(apache: &super::hall::Instance) -> Result<()> {
    command::output(Command::new("/usr/sbin/apache2").args(["-f", &apache.path("apache.conf"), "-k", "graceful"]))?;
    std::thread::sleep(std::time::Duration::from_millis(300));
    await_port(apache.port, apache.path("apache.log").as_ref())?;
    prove(&apache.page("index.php")?, "welcome")
}

/// B10: an entrypoint unpacks the application into an empty document root and becomes the server.
fn entrypoint(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::ApacheByEntrypoint);
    let story = hall.begin();
    let apache = hall.need(Server::ApacheByEntrypoint)?;
    prove(&apache.page("index.php")?, "welcome")?;
    hall.seen(story)
}

/// B11: a clone over HTTP from git-http-backend.
fn git_over_http(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.need(Server::Apache)?;
    let own = hall.workplace("clone")?;
    let repository = apache.path("git/site.git");
    publish(&own, &repository)?;
    let story = hall.begin();
    let address = format!("http://127.0.0.1:{}/git/site.git", apache.port);
    command::output(Command::new("git").args(["clone", "-q", &address]).arg(own.join("out")))?;
    prove_file(&own.join("out/readme"), "a site")?;
    hall.seen(story)
}

/// Makes a repository with one commit that Apache's user owns.
pub fn publish(own: &Path, repository: &str) -> Result<()> {
    super::start::write(&own.join("site"), "readme", "a site\n")?;
    let script = "cd \"$1/site\" && git init -q && git add . && \
                  git -c user.name=a -c user.email=a@localhost commit -qm first && git clone -q --bare . \"$2\" && \
                  chown -R www-data \"$2\"";
    command::output(Command::new("sh").args(["-c", script, "sh"]).arg(own).arg(repository)).map(drop)
}

/// B12: Apache starts with its logs piped through rotatelogs, with and without a shell.
fn piped_logs(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::Apache);
    let story = hall.begin();
    let apache = hall.need(Server::Apache)?;
    prove(&apache.page("index.php")?, "welcome")?;
    // Each is made at its first line.
    let year = command::output(Command::new("date").arg("+%Y"))?;
    for name in ["access", "error"] {
        prove_file(&apache.at.join(format!("logs/{name}.{}", year.trim())), "")?;
    }
    hall.seen(story)
}

/// Rotates a log with logrotate, which then runs `after` through a shell.
pub fn rotate(own: &Path, log: &Path, after: &str) -> Result<()> {
    let text = format!("{} {{\nrotate 3\nsize 1\nmissingok\npostrotate\n{after}\nendscript\n}}\n", log.display());
    let configuration = super::start::write(own, "logrotate.conf", &text)?;
    open_to_all(&configuration, 0o644)?;
    let mut rotate = Command::new("/usr/sbin/logrotate");
    command::output(rotate.arg("--force").arg("--state").arg(own.join("state")).arg(configuration))?;
    let rotated = format!("{}.1", log.display());
    if !Path::new(&rotated).exists() {
        bail!("logrotate did not make {rotated}");
    }
    Ok(())
}

/// B13: logrotate rotates a log of Apache's and has it reload.
fn log_rotation(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.need(Server::Apache)?;
    let own = hall.workplace("logrotate")?;
    let log = own.join("other.log");
    std::fs::write(&log, "a line\n")?;
    let story = hall.begin();
    rotate(&own, &log, &format!("/usr/sbin/apache2 -f {} -k graceful > /dev/null", apache.path("apache.conf")))?;
    prove(&apache.page("index.php")?, "welcome")?;
    hall.seen(story)
}

/// B14: what certbot does after a renewal: tests nginx's configuration and reloads it, through a shell.
fn deploy_hook(hall: &mut Hall) -> Result<Seen> {
    let nginx = hall.need(Server::Nginx)?;
    let story = hall.begin();
    let configuration = nginx.path("nginx.conf");
    let hook = format!("/usr/sbin/nginx -q -t -c {configuration} && /usr/sbin/nginx -c {configuration} -s reload");
    command::output(
        Command::new("/usr/bin/python3").args(["-c", "import os, sys; sys.exit(os.system(sys.argv[1]))"]).arg(hook),
    )?;
    prove(&nginx.page("index.html")?, "welcome")?;
    hall.seen(story)
}

/// B15: a challenge of certbot's in the document root.
fn challenge(hall: &mut Hall) -> Result<Seen> {
    let nginx = hall.need(Server::Nginx)?;
    let story = hall.begin();
    let code = "import os, sys; d = sys.argv[1] + '/.well-known/acme-challenge'; os.makedirs(d); \
                open(d + '/kP3f', 'w').write('kP3f.answer')";
    command::output(Command::new("/usr/bin/python3").args(["-c", code]).arg(nginx.path("www")))?;
    prove(&nginx.page(".well-known/acme-challenge/kP3f")?, "answer")?;
    std::fs::remove_dir_all(nginx.path("www/.well-known"))?;
    hall.seen(story)
}

/// Makes a picture.
pub fn picture(own: &Path) -> Result<std::path::PathBuf> {
    let picture = own.join("photo.jpg");
    command::output(Command::new("/usr/bin/convert").args(["-size", "640x480", "gradient:blue-red"]).arg(&picture))?;
    Ok(picture)
}

/// B16: a thumbnail by ImageMagick.
fn thumbnail(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::Php)?;
    let picture = picture(&hall.workplace("picture")?)?;
    let story = hall.begin();
    prove(&php.ask("work.php", &[("do", "thumbnail"), ("from", &picture.display().to_string())])?, "made")?;
    hall.seen(story)
}

/// B17: a control panel asks for the version of the command line's PHP.
fn asked_version(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::Php)?;
    let story = hall.begin();
    prove(&php.ask("work.php", &[("do", "version")])?, ".")?;
    hall.seen(story)
}

/// B18: a template cache of PHP files.
fn twig(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::Php)?;
    let story = hall.begin();
    prove(&php.ask("work.php", &[("do", "twig")])?, "compiled")?;
    hall.seen(story)
}

/// B19: another.
fn laravel(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::Php)?;
    let story = hall.begin();
    prove(&php.ask("work.php", &[("do", "laravel")])?, "compiled")?;
    hall.seen(story)
}

/// B46: a container runtime runs a probe in the server's namespaces.
fn probe(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::PhpInNamespaces)?;
    let fpm = std::fs::read_to_string(php.path("fpm.port"))?;
    let story = hall.begin();
    let script =
        format!("SCRIPT_NAME=/ping SCRIPT_FILENAME=/ping REQUEST_METHOD=GET cgi-fcgi -bind -connect 127.0.0.1:{fpm}");
    let mut probe = Command::new("nsenter");
    probe.args(["--mount", "--pid", "--target", &php.pid.to_string(), "sh", "-c", &script]);
    prove(&command::output(&mut probe)?, "pong")?;
    hall.seen(story)
}

/// B47: an operator looks around in the server's namespaces with a shell.
fn debugging(hall: &mut Hall) -> Result<Seen> {
    let php = hall.need(Server::PhpInNamespaces)?;
    let story = hall.begin();
    let mut shell = Command::new("nsenter");
    shell.args([
        "--mount",
        "--pid",
        "--target",
        &php.pid.to_string(),
        "bash",
        "-c",
        "ls /proc | head -3; id; cat /etc/hostname",
    ]);
    prove(&command::output(&mut shell)?, "uid=0")?;
    hall.seen(story)
}

/// B52: lighttpd asks a script for its table of types when it starts.
fn types(hall: &mut Hall) -> Result<Seen> {
    hall.retire(Server::Lighttpd);
    let story = hall.begin();
    let lighttpd = hall.need(Server::Lighttpd)?;
    prove(&lighttpd.curl("index.html", &["--include"])?, "text/html")?;
    hall.seen(story)
}
