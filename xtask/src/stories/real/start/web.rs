//! Web servers: nginx with PHP-FPM, nginx alone, Apache httpd with mod_php and CGI, lighttpd.

use super::{age, give, newest, write};
use crate::stories::real::hall::{Hall, await_port, free_port};
use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;
use std::process::Command;

/// A page that runs what it is asked to, as bad pages do: a command, a program without a shell, a write.
const SHELL_PAGE: &str = include_str!("../pages/shell.php");
/// A page that does what good applications do.
const WORK_PAGE: &str = include_str!("../pages/work.php");

/// Where Postfix's sendmail puts what nobody has picked up yet.
const MAILDROP: &str = "/var/spool/postfix/maildrop";

/// How PHP-FPM is started.
#[derive(Default)]
pub struct Php {
    /// `/usr/bin/sh` is busybox, as on Alpine.
    pub busybox: bool,
    /// What it hands to sendmail waits in a queue of its own, in its mount namespace.
    pub mail: bool,
    /// In mount and process namespaces of its own, as in a container.
    pub namespaces: bool,
}

/// The document root of a PHP application that looks like WordPress.
pub fn write_site(at: &Path) -> Result<()> {
    write(at, "www/index.php", "<?php echo 'welcome';\n")?;
    write(at, "www/s.php", SHELL_PAGE)?;
    write(at, "www/work.php", WORK_PAGE)?;
    write(at, "www/wp-load.php", "<?php\n")?;
    write(at, "www/wp-cron.php", "<?php file_put_contents(__DIR__.'/wp-content/cron.txt', time());\n")?;
    write(at, "www/wp-includes/version.php", "<?php $wp_version = '6.8';\n")?;
    write(at, "www/wp-admin/about.php", "<?php echo 'about 6.8';\n")?;
    write(at, "www/wp-content/index.php", "<?php\n")?;
    for name in ["plugins/hello", "themes", "upgrade", "uploads/2026/11"] {
        std::fs::create_dir_all(at.join("www/wp-content").join(name))?;
    }
    write(at, "www/wp-content/plugins/hello/hello.php", "<?php\n/* Plugin Name: Hello */\n")?;
    write(at, "www/uploads/index.html", "")?;
    age(&at.join("www"))?;
    give(&at.join("www"), "www-data")?;
    std::fs::create_dir_all(at.join("tmp"))?;
    give(&at.join("tmp"), "www-data")
}

/// nginx that hands scripts to PHP-FPM; the server is PHP-FPM's master, the port nginx's.
pub fn php(hall: &mut Hall, at: &Path, how: &Php) -> Result<(u32, u16)> {
    write_site(at)?;
    let (fpm, port) = (free_port()?, free_port()?);
    let dir = at.display();
    write(
        at,
        "fpm.conf",
        &format!(
            "[global]\nerror_log = {dir}/fpm-error.log\npid = {dir}/fpm.pid\ndaemonize = no\n[www]\nuser = www-data\n\
             group = www-data\nlisten = 127.0.0.1:{fpm}\npm = static\npm.max_children = 2\nping.path = /ping\n\
             clear_env = no\nphp_admin_value[upload_tmp_dir] = {dir}/tmp\nphp_admin_value[sys_temp_dir] = {dir}/tmp\n"
        ),
    )?;
    std::fs::create_dir_all(at.join("conf.d"))?;
    let program = newest("/usr/sbin", "php-fpm")?;
    let version = program.display().to_string().replace("/usr/sbin/php-fpm", "");
    let fpm_arguments = [program.display().to_string(), "-F".into(), "-y".into(), format!("{dir}/fpm.conf")];
    let mut command = if how.busybox {
        std::fs::create_dir_all(at.join("upper"))?;
        std::fs::create_dir_all(at.join("over"))?;
        std::os::unix::fs::symlink("busybox", at.join("upper/sh"))?;
        let mut command = Command::new("unshare");
        let script = "mount -t overlay overlay -o lowerdir=/usr/bin,upperdir=$1/upper,workdir=$1/over /usr/bin; \
                      shift; exec \"$@\"";
        command.args(["--mount", "bash", "-c", script, "busybox"]).arg(at);
        command
    } else if how.mail && Path::new(MAILDROP).exists() {
        let drop = at.join("maildrop");
        std::fs::create_dir_all(&drop)?;
        crate::command::output(Command::new("chown").arg("--reference").arg(MAILDROP).arg(&drop))?;
        crate::command::output(Command::new("chmod").arg("--reference").arg(MAILDROP).arg(&drop))?;
        let mut command = Command::new("unshare");
        let script = "mount --bind \"$1\" \"$2\" && shift 2 && exec \"$@\"";
        command.args(["--mount", "bash", "-c", script, "mail"]).arg(drop).arg(MAILDROP);
        command
    } else if how.namespaces {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command
    } else {
        Command::new("env")
    };
    command.args(fpm_arguments).env("PHP_INI_SCAN_DIR", format!("/etc/php/{version}/fpm/conf.d:{dir}/conf.d"));
    let started = hall.launch(at, "php-fpm", &mut command)?;
    let nginx = nginx_configuration(at, port, Some(fpm), "");
    write(at, "nginx.conf", &nginx)?;
    hall.launch(at, "nginx", Command::new("/usr/sbin/nginx").arg("-c").arg(at.join("nginx.conf")))?;
    await_port(fpm, &at.join("php-fpm.log"))?;
    await_port(port, &at.join("nginx.log"))?;
    let pid = if how.namespaces { child_of(started).unwrap_or(started) } else { started };
    write(at, "fpm.port", &fpm.to_string())?;
    Ok((pid, port))
}

/// The only child of a process.
fn child_of(pid: u32) -> Option<u32> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    text.split_whitespace().next()?.parse().ok()
}

fn nginx_configuration(at: &Path, port: u16, fpm: Option<u16>, first: &str) -> String {
    let dir = at.display();
    let mut text = format!(
        "{first}daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log; user www-data; worker_processes 1;\n\
         events {{}}\nhttp {{ access_log {dir}/access.log; client_max_body_size 8m;\n"
    );
    for kind in ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"] {
        let _ = writeln!(text, "{kind}_temp_path {dir}/tmp;");
    }
    let _ = writeln!(text, "server {{ listen 127.0.0.1:{port}; root {dir}/www;");
    if let Some(fpm) = fpm {
        let _ = writeln!(
            text,
            "location ~ \\.php$ {{ include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME \
             $document_root$fastcgi_script_name; fastcgi_pass 127.0.0.1:{fpm}; }}"
        );
    }
    text.push_str("} }\n");
    text
}

/// nginx with static files, a modules directory of its own and an included file that may load from there.
pub fn nginx_alone(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    write(at, "www/index.html", "welcome")?;
    std::fs::create_dir_all(at.join("modules"))?;
    std::fs::create_dir_all(at.join("modules-enabled"))?;
    std::fs::create_dir_all(at.join("tmp"))?;
    give(&at.join("tmp"), "www-data")?;
    let port = free_port()?;
    let include = format!("include {}/modules-enabled/*.conf;\n", at.display());
    write(at, "nginx.conf", &nginx_configuration(at, port, None, &include))?;
    let pid = hall.launch(at, "nginx", Command::new("/usr/sbin/nginx").arg("-c").arg(at.join("nginx.conf")))?;
    await_port(port, &at.join("nginx.log"))?;
    Ok((pid, port))
}

/// Apache httpd: prefork, mod_php, CGI through mod_cgid, logs piped through rotatelogs, `.htaccess` allowed;
/// started by itself, or by a script that unpacks the site into an empty document root first.
pub fn apache(hall: &mut Hall, at: &Path, by_entrypoint: bool) -> Result<(u32, u16)> {
    write_site(at)?;
    let port = free_port()?;
    let dir = at.display();
    for name in ["cgi-bin", "modules", "mods-enabled", "logs", "git"] {
        std::fs::create_dir_all(at.join(name))?;
    }
    let status =
        "#!/bin/bash\necho 'Content-Type: text/plain'\necho\necho \"up since $(cut -d ' ' -f 1 /proc/uptime)\"\n";
    let script = write(at, "cgi-bin/status.sh", status)?;
    crate::stories::real::hall::open_to_all(&script, 0o755)?;
    let modules = "/usr/lib/apache2/modules";
    let mut text = format!(
        "ServerRoot /etc/apache2\nServerName localhost\nPidFile {dir}/apache.pid\nListen 127.0.0.1:{port}\n\
         ErrorLog \"|/usr/bin/rotatelogs {dir}/logs/error.%Y 86400\"\n"
    );
    for name in ["mpm_prefork", "authz_core", "cgid", "alias", "mime", "env", "dir", "setenvif", "log_config"] {
        // Debian builds some of them in.
        if Path::new(modules).join(format!("mod_{name}.so")).exists() {
            let _ = writeln!(text, "LoadModule {name}_module {modules}/mod_{name}.so");
        }
    }
    let php = newest(modules, "libphp")?;
    let _ = writeln!(
        text,
        "LoadModule php_module {php}\nTypesConfig /etc/mime.types\nIncludeOptional {dir}/mods-enabled/*.load\n\
         ScriptSock {dir}/cgid.sock\nCustomLog \"|$/usr/bin/rotatelogs {dir}/logs/access.%Y 86400\" \"%h %r %s\"\n\
         User www-data\nGroup www-data\nStartServers 2\nMinSpareServers 1\nDocumentRoot {dir}/www\n\
         <Directory {dir}>\nRequire all granted\nAllowOverride All\nOptions +ExecCGI +FollowSymLinks\n</Directory>\n\
         ScriptAlias /cgi-bin/ {dir}/cgi-bin/\nScriptAlias /git/ /usr/lib/git-core/git-http-backend/\n\
         ScriptAlias /traversal/ /\n<Directory />\nRequire all granted\nOptions +ExecCGI +FollowSymLinks\n</Directory>\n\
         SetEnv GIT_PROJECT_ROOT {dir}/git\nSetEnv GIT_HTTP_EXPORT_ALL 1\n\
         <FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n</FilesMatch>",
        php = php.display(),
    );
    write(at, "apache.conf", &text)?;
    let mut command = Command::new("/usr/sbin/apache2");
    if by_entrypoint {
        command = Command::new("/bin/bash");
        let script = "#!/bin/bash\nset -e\ntar --create --file - --directory \"$1/www\" . | \
                      tar --extract --file - --directory \"$1/html\"\nshift\nexec /usr/sbin/apache2 \"$@\"\n";
        std::fs::create_dir_all(at.join("html"))?;
        command.arg(write(at, "docker-entrypoint.sh", script)?).arg(at);
        let moved = text.replace(&format!("{dir}/www"), &format!("{dir}/html"));
        write(at, "apache.conf", &moved)?;
    }
    let pid = hall.launch(at, "apache", command.args(["-D", "FOREGROUND", "-f"]).arg(at.join("apache.conf")))?;
    await_port(port, &at.join("apache.log"))?;
    Ok((pid, port))
}

/// lighttpd with Debian's helper that makes the table of types, run by a shell when the configuration is read.
pub fn lighttpd(hall: &mut Hall, at: &Path) -> Result<(u32, u16)> {
    write(at, "www/index.html", "welcome")?;
    let port = free_port()?;
    let dir = at.display();
    let text = format!(
        "server.document-root = \"{dir}/www\"\nserver.bind = \"127.0.0.1\"\nserver.port = {port}\n\
         server.username = \"www-data\"\nserver.groupname = \"www-data\"\nindex-file.names = (\"index.html\")\n\
         include_shell \"/usr/share/lighttpd/create-mime.conf.pl\"\n"
    );
    write(at, "lighttpd.conf", &text)?;
    let mut command = Command::new("/usr/sbin/lighttpd");
    let pid = hall.launch(at, "lighttpd", command.arg("-D").arg("-f").arg(at.join("lighttpd.conf")))?;
    await_port(port, &at.join("lighttpd.log"))?;
    Ok((pid, port))
}
