//! The distribution's packages, where it is Debian or one of its children.
//!
//! A need that is met in any other way (another package, by hand) is left alone. While packages are installed,
//! services are kept from starting by a temporary policy-rc.d, as in a container build.

use super::apt::Apt;
use crate::{command, workspace};
use anyhow::{Context as _, Result, bail};

/// A package, and how one sees that it is not needed.
#[derive(Clone, Copy)]
pub struct Need {
    package: &'static str,
    evidence: Evidence,
}

#[derive(Clone, Copy)]
enum Evidence {
    Program(&'static str),
    File(&'static str),
    Package,
}

impl Need {
    /// Met if the program is in `PATH`.
    pub const fn program(package: &'static str, program: &'static str) -> Self {
        let evidence = Evidence::Program(program);
        Self { package, evidence }
    }

    /// Met if the file is there; a `*` at its end stands for anything.
    pub const fn file(package: &'static str, file: &'static str) -> Self {
        let evidence = Evidence::File(file);
        Self { package, evidence }
    }

    /// Met if the package is installed.
    pub const fn package(package: &'static str) -> Self {
        let evidence = Evidence::Package;
        Self { package, evidence }
    }

    fn is_met(self) -> bool {
        match self.evidence {
            Evidence::Program(program) => command::find(program).is_some(),
            Evidence::File(pattern) => file_exists(pattern),
            Evidence::Package => is_installed(self.package),
        }
    }
}

/// For the virtual machines.
pub const VM: &[Need] = &[
    Need::program("qemu-system-x86", "qemu-system-x86_64"),
    Need::file("busybox-static", "/bin/busybox"),
    Need::program("bash", "bash"),
    Need::program("dash", "dash"),
    Need::program("xz-utils", "xz"),
    Need::file("debian-archive-keyring", "/usr/share/keyrings/debian-archive-keyring.gpg"),
];

/// For containers in them.
pub const CONTAINERS: &[Need] = &[
    Need::program("crun", "crun"),
    Need::program("nginx-light", "nginx"),
    Need::file("php-fpm", "/usr/sbin/php-fpm*"),
    Need::program("libfcgi-bin", "cgi-fcgi"),
];

/// For building a package: its dependencies are worked out, and its program is stripped.
pub const DIST: &[Need] =
    &[Need::program("dpkg-dev", "dpkg-shlibdeps"), Need::program("binutils", "strip"), Need::program("xz-utils", "xz")];

/// For trying it out.
pub const PACKAGE: &[Need] = &[
    Need::program("lintian", "lintian"),
    Need::program("mmdebstrap", "mmdebstrap"),
    Need::program("e2fsprogs", "mke2fs"),
];

/// For the tests against real servers.
pub const SERVERS: &[Need] = &[
    Need::program("curl", "curl"),
    Need::program("nginx-light", "nginx"),
    Need::file("php-fpm", "/usr/sbin/php-fpm*"),
    Need::program("php-cli", "php"),
    Need::program("apache2", "apache2"),
    Need::file("libapache2-mod-php", "/usr/lib/apache2/modules/libphp*"),
    Need::file("postgresql", "/usr/lib/postgresql/*"),
    Need::program("redis-server", "redis-server"),
    Need::program("redis-tools", "redis-cli"),
    Need::program("nodejs", "node"),
    Need::program("npm", "npm"),
    Need::program("gcc", "cc"),
    Need::program("wget", "wget"),
    Need::file("busybox-static", "/bin/busybox"),
    Need::program("git", "git"),
    Need::program("logrotate", "logrotate"),
    Need::program("imagemagick", "convert-im6.q16"),
    Need::program("vim", "vim"),
    Need::program("composer", "composer"),
    Need::program("libfcgi-bin", "cgi-fcgi"),
    Need::program("openssl", "openssl"),
    Need::program("python3", "python3"),
    Need::program("apache2-utils", "rotatelogs"),
    Need::program("lighttpd", "lighttpd"),
    Need::program("mariadb-server", "mariadbd"),
    Need::program("mariadb-client", "mariadb"),
    Need::package("mariadb-plugin-cracklib-password-check"),
    Need::package("postgresql-plpython3-15"),
    Need::program("gunicorn", "gunicorn"),
    Need::program("puma", "puma"),
    Need::file("tomcat10", "/usr/libexec/tomcat10/tomcat-start.sh"),
    Need::file("tomcat10-admin", "/usr/share/tomcat10-admin/manager"),
    Need::file("rabbitmq-server", "/usr/lib/rabbitmq/bin/rabbitmq-server"),
    Need::program("proftpd-core", "proftpd"),
    Need::program("postfix", "postfix"),
    Need::program("procmail", "procmail"),
    Need::program("openssh-server", "sshd"),
    Need::program("openssh-client", "ssh"),
    Need::program("cron", "cron"),
    Need::program("make", "make"),
    Need::program("rsync", "rsync"),
    Need::package("python3-pip"),
    Need::package("python3-venv"),
    Need::program("zabbix-agent", "zabbix_agentd"),
];

/// What outputs send to.
pub const RECEIVERS: &[Need] = &[
    Need::program("logrotate", "logrotate"),
    Need::program("gzip", "gzip"),
    Need::program("rsyslog", "rsyslogd"),
    Need::package("rsyslog-gnutls"),
    Need::program("nats-server", "nats-server"),
    Need::program("openssl", "openssl"),
];

/// What writes system calls down.
pub const TRACER: &[Need] = &[Need::program("strace", "strace")];

/// For the workloads that are benchmarked.
pub const WORKLOADS: &[Need] = &[
    Need::program("nginx-light", "nginx"),
    Need::file("php-fpm", "/usr/sbin/php-fpm*"),
    Need::program("wrk", "wrk"),
    Need::program("redis-server", "redis-server"),
    Need::program("redis-tools", "redis-benchmark"),
    Need::file("postgresql", "/usr/lib/postgresql/*"),
    Need::program("gcc", "cc"),
    Need::program("make", "make"),
    Need::program("stress-ng", "stress-ng"),
];

/// Others that watch, to compare with.
pub const PEERS: &[Need] =
    &[Need::program("auditd", "auditd"), Need::program("bpftrace", "bpftrace"), Need::program("util-linux", "unshare")];

/// What scrapes the sensor; promtool comes with it.
pub const PROMETHEUS: &[Need] = &[Need::program("prometheus", "prometheus"), Need::program("curl", "curl")];

/// Installs what of `needs` is not met; `purpose` ends the sentence that says so.
pub fn ensure(purpose: &str, needs: &[Need]) -> Result<()> {
    let missing: Vec<&str> = needs.iter().filter(|need| !need.is_met()).map(|need| need.package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if command::find("apt-get").is_none() {
        bail!(
            "needed for {purpose}: {} (names of Debian's packages; install what your system calls them)",
            missing.join(" ")
        );
    }
    println!("Installing packages with apt (for {purpose}; no service is started): {}", missing.join(" "));
    if !missing.iter().all(|package| candidate(package).is_some()) {
        update()?;
    }
    install(&missing).or_else(|_| {
        println!("That failed; the package lists may be old. Once more after an update.");
        update()?;
        install(&missing).or_else(|error| install_backports(&missing).with_context(|| format!("{error:#}")))
    })
}

/// Installs packages of the release's backports: where something is installed from there, what the release itself has
/// may not go with it (the release's QEMU does not with qemu-utils of the backports).
fn install_backports(packages: &[&str]) -> Result<()> {
    let release = std::fs::read_to_string("/etc/os-release")?;
    let Some(name) = release.lines().find_map(|line| line.strip_prefix("VERSION_CODENAME=")) else {
        bail!("/etc/os-release does not name the release, whose backports might have them");
    };
    let backports = format!("{name}-backports");
    println!("That failed as well. Once more with {backports}.");
    let apt = Apt::open(workspace::target().join("apt"), &[name, &backports])?;
    let configuration = apt.configuration_file().display().to_string();
    let options = ["--config-file", &configuration, "--target-release", &backports];
    install(&[&options, packages].concat())
}

/// Reads apt's package lists anew.
fn update() -> Result<()> {
    command::run(command::as_root("apt-get")?.args(["update", "-qq"]))
}

/// The same as [`candidate`], having read the package lists anew: a new machine's are old, or not there.
pub fn newest_candidate(package: &str) -> Option<String> {
    command::find("apt-get")?;
    println!("Reading apt's package lists (to see which {package} can be had).");
    if let Err(error) = update() {
        println!("That failed, the old ones are used: {error:#}");
    }
    candidate(package)
}

/// The version of `package` that apt would install.
pub fn candidate(package: &str) -> Option<String> {
    let policy = command::output(command::command("apt-cache").args(["policy", package]).env("LC_ALL", "C")).ok()?;
    policy
        .lines()
        .find_map(|line| line.trim().strip_prefix("Candidate: "))
        .filter(|version| *version != "(none)")
        .map(str::to_owned)
}

/// Runs as root. Whatever ends it, a policy-rc.d that it made is removed again.
const INSTALL: &str = r#"
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    trap 'exit 1' HUP INT TERM
    printf '#!/bin/sh\nexit 101\n' > "$policy"
    chmod 755 "$policy"
fi
# Nothing that is there is removed for it (one mail server for another, say), and others who use apt are waited for.
DEBIAN_FRONTEND=noninteractive apt-get install --yes -qq --no-install-recommends --no-remove \
    -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" > /dev/null
"#;

/// Installs packages once more, as an upgrade would.
pub fn reinstall(packages: &[&str]) -> Result<()> {
    install(&[&["--reinstall"], packages].concat())
}

fn install(packages: &[&str]) -> Result<()> {
    let mut install = command::as_root("sh")?;
    // What packages say while all goes well is for nobody.
    command::output(install.args(["-c", INSTALL, "install"]).args(packages))
        .map(drop)
        .with_context(|| format!("apt-get install {}", packages.join(" ")))
}

fn is_installed(package: &str) -> bool {
    command::output(command::command("dpkg-query").args(["--show", "--showformat=${db:Status-Status}", package]))
        .is_ok_and(|status| status == "installed")
}

fn file_exists(pattern: &str) -> bool {
    let Some(prefix) = pattern.strip_suffix('*') else {
        return std::path::Path::new(pattern).exists();
    };
    let (directory, start) = prefix.rsplit_once('/').unwrap_or((".", prefix));
    std::fs::read_dir(directory)
        .is_ok_and(|entries| entries.flatten().any(|entry| entry.file_name().to_string_lossy().starts_with(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pattern_matches_beginnings_of_names() {
        assert!(file_exists("/proc/self/stat*"));
        assert!(file_exists("/proc/self/stat"));
        assert!(!file_exists("/proc/self/nonsense*"));
        assert!(!file_exists("/proc/nonsense/x*"));
    }
}
