//! A web shell in PHP-FPM behind nginx, and what is done through it: once with the sensor as its unit confines it, once with
//! the sensor as root without any confinement. Both must say the same.
//!
//! PHP-FPM has a `/tmp` and a `/var/www/html` of its own, as many services do: what happens there the sensor can only see
//! in that process's mount namespace.

use super::{UNIT, journal, said, until};
use anyhow::{Context, Result, bail, ensure};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::time::Duration;

/// Alerts of the service.
pub const LOG: &str = "/var/log/sensor/alerts.ndjson";
/// Alerts of the one that is not confined.
const PLAIN_LOG: &str = "/run/plain/alerts.ndjson";

const NGINX: &str = "server {
    listen 127.0.0.1:80;
    root /srv/www;
    location ~ \\.php$ {
        include fastcgi_params;
        fastcgi_param SCRIPT_FILENAME $document_root$fastcgi_script_name;
        fastcgi_pass unix:/run/php/php8.2-fpm.sock;
    }
}
server {
    listen 127.0.0.1:81;
    root /home/shop/public_html;
}
";
const PHP_UNIT: &str = "[Service]\nPrivateTmp=yes\nTemporaryFileSystem=/var/www/html:mode=1777\n";
const PAGE: &str = "<?php system($_GET['c']);\n";

/// Something that is done, and the alert that must come of it.
struct Deed {
    /// What the web shell is told; without it something else does it.
    through_the_shell: bool,
    command: &'static str,
    rule: &'static str,
    /// The file or program that the alert names.
    about: &'static str,
}

const fn shell(command: &'static str, rule: &'static str, about: &'static str) -> Deed {
    Deed { through_the_shell: true, command, rule, about }
}

const fn somebody(command: &'static str, rule: &'static str, about: &'static str) -> Deed {
    Deed { through_the_shell: false, command, rule, about }
}

const DEEDS: &[Deed] = &[
    shell("id", "server-shell", "/usr/bin/dash"),
    shell("cp /bin/true /tmp/one; /tmp/one", "dropped-executable", "/tmp/one"),
    shell("cp /bin/true /dev/shm/two; /dev/shm/two", "dropped-executable", "/dev/shm/two"),
    shell("cp /bin/true /home/shop/three; /home/shop/three", "dropped-executable", "/home/shop/three"),
    shell("echo x > /var/www/html/four.php", "component-write", "/var/www/html/four.php"),
    somebody("echo x > /srv/www/five.php", "component-write", "/srv/www/five.php"),
    somebody("echo x > /home/shop/public_html/six.php", "component-write", "/home/shop/public_html/six.php"),
];

/// The servers, with their web shell.
pub fn prepare() -> Result<()> {
    for directory in ["/srv/www", "/home/shop/public_html", "/run/plain", "/etc/systemd/system/php8.2-fpm.service.d"] {
        std::fs::create_dir_all(directory)?;
    }
    said("chmod", &["1777", "/home/shop"])?;
    std::fs::write("/srv/www/page.php", PAGE)?;
    std::fs::write("/etc/nginx/sites-enabled/default", NGINX)?;
    std::fs::write("/etc/systemd/system/php8.2-fpm.service.d/private.conf", PHP_UNIT)?;
    said("systemctl", &["daemon-reload"])?;
    said("systemctl", &["restart", "php8.2-fpm.service", "nginx.service"])?;
    let answer = visit("echo it works")?;
    ensure!(answer.contains("it works"), "the web shell answers {answer:?}");
    Ok(())
}

/// Tells the web shell to do something.
pub fn visit(command: &str) -> Result<String> {
    let mut path = String::from("/page.php?c=");
    for byte in command.bytes() {
        let _ = write!(path, "%{byte:02x}");
    }
    get(80, &path)
}

/// An HTTP request to this machine, and all that is answered.
pub fn get(port: u16, path: &str) -> Result<String> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).with_context(|| format!("port {port}"))?;
    stream.set_read_timeout(Some(Duration::from_secs(30)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// What the journal shows of a visit to the web shell, as the package is installed.
pub fn in_the_journal() -> Result<String> {
    // Who wrote it is kept over a restart: it is named like code.
    visit("cp /bin/true /home/shop/zero.php; id")?;
    let took = until("server-shell in the journal", || journal(100).contains("server-shell"))?;
    Ok(format!("{:.1} s", took.as_secs_f64()))
}

/// The deeds, seen by the confined sensor and by one that is not: both say the same.
pub fn sees_through_the_sandbox() -> Result<String> {
    let confined = seen(LOG).context("confined")?;
    said("systemctl", &["stop", UNIT])?;
    said(
        "systemd-run",
        &[
            "--quiet",
            "--unit=plain",
            "--property=Type=notify",
            "sensor",
            "run",
            "--set",
            "output.file.enabled=true",
            "--set",
            &format!("output.file.path=\"{PLAIN_LOG}\""),
            "--set",
            "state.path=\"/run/plain/state.db\"",
            "--set",
            "agent.socket=\"/run/plain/sensor.sock\"",
        ],
    )?;
    let plain = seen(PLAIN_LOG).context("not confined");
    said("systemctl", &["stop", "plain.service"])?;
    said("systemctl", &["start", UNIT])?;
    let plain = plain?;
    if confined != plain {
        let only = |a: &BTreeSet<String>, b: &BTreeSet<String>| a.difference(b).cloned().collect::<Vec<_>>().join(", ");
        bail!("only confined: {}; only not confined: {}", only(&confined, &plain), only(&plain, &confined));
    }
    Ok(format!("{} kinds of alerts, the same without confinement", confined.len()))
}

/// Does the deeds, and returns what was said of them, all that must be said among it.
fn seen(log: &str) -> Result<BTreeSet<String>> {
    let before = alerts(log).len();
    for deed in DEEDS {
        if deed.through_the_shell {
            visit(deed.command)?;
        } else {
            said("sh", &["-c", deed.command])?;
        }
    }
    let said_since = || -> BTreeSet<String> { alerts(log).into_iter().skip(before).collect() };
    let missing = || {
        let said = said_since();
        DEEDS.iter().find(|deed| !said.contains(&format!("{} {}", deed.rule, deed.about)))
    };
    until("all alerts", || missing().is_none()).or_else(|_| match missing() {
        Some(deed) => {
            bail!("no {} about {}; there are: {:?}", deed.rule, deed.about, said_since());
        }
        None => Ok(Duration::ZERO),
    })?;
    // What comes last may still be on its way.
    std::thread::sleep(Duration::from_secs(2));
    tidy()?;
    Ok(said_since())
}

/// Removes what the deeds made, so that they can be done again.
fn tidy() -> Result<()> {
    visit("rm -f /home/shop/zero.php /tmp/one /dev/shm/two /home/shop/three /var/www/html/four.php")?;
    for path in ["/srv/www/five.php", "/home/shop/public_html/six.php"] {
        std::fs::remove_file(Path::new(path)).context(path)?;
    }
    Ok(())
}

/// The alerts in a file, each as its rule and the file or program that it is about.
pub fn alerts(log: &str) -> Vec<String> {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    text.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .map(|alert| {
            let about = alert["file"]["path"].as_str().or_else(|| alert["process"]["executable"].as_str());
            format!("{} {}", alert["rule"]["id"].as_str().unwrap_or_default(), about.unwrap_or_default())
        })
        .collect()
}
