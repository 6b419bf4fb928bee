//! What containers are made of: Debian's nginx and PHP-FPM, laid out as two layers of an image.
//!
//! The machine carries the servers and their libraries already: a layer has further names of the same files.

use crate::command;
use crate::daemons::host;
use crate::vm::initramfs::Extra;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

/// Programs that no image has.
const NOT_IN_IMAGES: &[&str] = &["sensor", "xtask", "crun"];

/// nginx: serves nothing but its own document root.
const NGINX: &str = "daemon off; pid /run/nginx.pid; error_log stderr; user root; worker_processes 1;\n\
    events {} http { access_log off; server { listen 80; root /var/www/html; } }\n";
/// PHP-FPM: one child, on a unix socket.
const FPM: &str = "[global]\nerror_log = /dev/stderr\ndaemonize = no\n[www]\nuser = www-data\ngroup = www-data\n\
    listen = /run/fpm.sock\npm = static\npm.max_children = 1\n";
/// A page that runs what it is asked to: what an attacker leaves.
const SHELL: &str = "<?php system($_GET['c']); ?>\n";

/// What the machine has to carry.
pub fn carried() -> Result<Extra> {
    let mut extra = Extra::default();
    for program in ["crun", "nginx", "cgi-fcgi"] {
        extra.keep(&command::find(program).with_context(|| program.to_owned())?);
    }
    extra.keep(&host::newest("/usr/sbin", "php-fpm")?);
    extra.keep(&host::newest("/usr/lib/php", "20")?.join("opcache.so"));
    Ok(extra)
}

/// Where the layers are, once they are made.
const IMAGES: &str = "/images";

/// The layers, uppermost first.
pub fn layers() -> Vec<PathBuf> {
    ["site", "base"].map(|layer| Path::new(IMAGES).join(layer)).to_vec()
}

/// Makes them.
pub fn make() -> Result<()> {
    let [site, base] = ["site", "base"].map(|layer| Path::new(IMAGES).join(layer));
    link_tree(Path::new("/usr"), &base.join("usr"))?;
    for (link, target) in [("bin", "usr/bin"), ("sbin", "usr/sbin"), ("lib", "usr/lib"), ("lib64", "usr/lib64")] {
        symlink(target, base.join(link))?;
    }
    for name in ["dev", "proc", "sys", "run", "tmp", "root", "var/log/nginx", "var/lib/nginx", "etc"] {
        fs::create_dir_all(base.join(name))?;
    }
    for name in ["passwd", "group"] {
        fs::copy(Path::new("/etc").join(name), base.join("etc").join(name))?;
    }
    host::write(&site, "etc/nginx/nginx.conf", NGINX)?;
    host::write(&site, "etc/php/fpm.conf", FPM)?;
    host::write(&site, "var/www/html/index.html", "hello\n")?;
    host::write(&site, "var/www/html/old.php", SHELL)?;
    Ok(())
}

/// Starts nginx.
pub const NGINX_COMMAND: &[&str] = &["/usr/sbin/nginx", "-c", "/etc/nginx/nginx.conf"];

/// Starts PHP-FPM.
pub fn fpm_command() -> Result<Vec<String>> {
    let program = host::newest("/usr/sbin", "php-fpm")?.display().to_string();
    Ok(vec![program, "-F".to_owned(), "-y".to_owned(), "/etc/php/fpm.conf".to_owned()])
}

/// The same files under other names.
fn link_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let name = entry.file_name();
        if NOT_IN_IMAGES.iter().any(|left_out| name == *left_out) {
            continue;
        }
        let (from, to, kind) = (entry.path(), to.join(&name), entry.file_type()?);
        if kind.is_dir() {
            link_tree(&from, &to)?;
        } else if kind.is_symlink() {
            symlink(fs::read_link(&from)?, &to)?;
        } else {
            fs::hard_link(&from, &to).with_context(|| from.display().to_string())?;
        }
    }
    Ok(())
}
