//! nginx in front of PHP-FPM.

use super::{Daemon, host};
use anyhow::Result;
use rustix::process::Signal;
use std::path::Path;
use std::process::Command;

/// nginx with one worker: the document root is `www`, scripts there go to PHP-FPM's port. `tmp` is for its
/// temporary files, and the user www-data must be able to enter it.
pub fn nginx(at: &Path, port: u16, fpm: u16) -> Result<Daemon> {
    let dir = at.display();
    let temporary = ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"];
    let temporary = temporary.map(|kind| format!("{kind}_temp_path {dir}/tmp;"));
    let text = format!(
        "daemon off; pid {dir}/nginx.pid; error_log {dir}/nginx-error.log; user www-data; worker_processes 1;\n\
         events {{}}\nhttp {{ access_log off; {}\nserver {{ listen 127.0.0.1:{port}; root {dir}/www;\n\
         location ~ \\.php$ {{ include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME \
         $document_root$fastcgi_script_name; fastcgi_pass 127.0.0.1:{fpm}; }} }} }}\n",
        temporary.join(" ")
    );
    let conf = host::write(at, "nginx.conf", &text)?;
    Daemon::start("nginx", at, Command::new("/usr/sbin/nginx").arg("-c").arg(conf), Signal::TERM)
}

/// PHP-FPM with two children, which run as www-data; `arguments` are added.
pub fn php_fpm(at: &Path, port: u16, arguments: &[&str]) -> Result<Daemon> {
    let text = format!(
        "[global]\nerror_log = {}/fpm-error.log\ndaemonize = no\n[www]\nuser = www-data\ngroup = www-data\n\
         listen = 127.0.0.1:{port}\npm = static\npm.max_children = 2\n",
        at.display()
    );
    let conf = host::write(at, "fpm.conf", &text)?;
    let mut command = Command::new(host::newest("/usr/sbin", "php-fpm")?);
    Daemon::start("php-fpm", at, command.arg("-F").arg("-y").arg(conf).args(arguments), Signal::TERM)
}
