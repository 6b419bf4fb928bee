//! The machine's root file system: a Debian 12 with systemd as its first process, nginx and PHP-FPM, as an ext4 image.
//!
//! Made once, by mmdebstrap from the mirror that the system uses, and kept in `target/vm`; made anew when its recipe here
//! changes. Machines change a snapshot of it. What is tried out comes on a disk of its own ([`payload`]).

use crate::setup::apt::Apt;
use crate::{command, workspace};
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

/// The release.
const SUITE: &str = "bookworm";

/// Beside what is essential. No D-Bus, udev or login: systemctl speaks to systemd itself.
const PACKAGES: &str = "systemd-sysv,nginx-light,php8.2-fpm,logrotate,curl";

/// Of these directories nothing is unpacked.
const LEFT_OUT: &[&str] = &["/usr/share/man/*", "/usr/share/locale/*", "/usr/share/doc/*", "/usr/share/icons/*"];

/// Starts what is on the other disk, and ends the machine when that has ended.
const UNIT: &str = "\
[Unit]
Description=tries out what is on the other disk
After=nginx.service php8.2-fpm.service
SuccessAction=poweroff-force
FailureAction=poweroff-force

[Service]
Type=exec
ExecStartPre=/bin/mount -o ro /dev/nvme1n1 /mnt
ExecStart=/mnt/start
StandardOutput=file:/dev/ttyS0
StandardError=file:/dev/ttyS0
";

/// Run by mmdebstrap with the directory as its argument.
const CUSTOMIZE: &[&str] = &[
    // Nobody logs in.
    r#"ln -sf /dev/null "$1/etc/systemd/system/getty@.service""#,
    r#"ln -sf /dev/null "$1/etc/systemd/system/getty-static.service""#,
    r#"ln -sf /lib/systemd/system/multi-user.target "$1/etc/systemd/system/default.target""#,
    r#"mkdir -p "$1/etc/systemd/system/multi-user.target.wants""#,
    r#"ln -sf ../try.service "$1/etc/systemd/system/multi-user.target.wants/try.service""#,
];

/// Room for what is installed while it is tried out.
const SIZE: &str = "640M";

/// The image, made if it is not there or another recipe made it.
pub fn root() -> Result<PathBuf> {
    let image = workspace::vm().join("debian.ext4");
    let stamp = workspace::vm().join("debian.recipe");
    let recipe = recipe();
    if image.exists() && std::fs::read_to_string(&stamp).is_ok_and(|made| made == recipe) {
        return Ok(image);
    }
    println!("Making a Debian {SUITE} with systemd for a virtual machine, in {} (once).", image.display());
    let tree = workspace::vm().join("debian");
    remove(&tree)?;
    let made = make(&tree, &image);
    remove(&tree)?;
    made?;
    std::fs::write(stamp, recipe)?;
    Ok(image)
}

/// All that decides what is in the image, but for the versions of packages.
fn recipe() -> String {
    let mut recipe = format!("{SUITE}\n{PACKAGES}\n{SIZE}\n{UNIT}");
    for line in LEFT_OUT.iter().chain(CUSTOMIZE) {
        let _ = writeln!(recipe, "{line}");
    }
    recipe
}

fn make(tree: &Path, image: &Path) -> Result<()> {
    let apt = Apt::open(workspace::vm().join("apt-debian"), &[SUITE])?;
    let unit = workspace::vm().join("try.service");
    std::fs::write(&unit, UNIT)?;
    let mut mmdebstrap = command::as_root("mmdebstrap")?;
    mmdebstrap.args(["--quiet", "--mode=root", "--variant=essential", "--format=directory"]);
    mmdebstrap.arg(format!("--include={PACKAGES}")).arg("--aptopt=Acquire::Languages \"none\"");
    for pattern in LEFT_OUT {
        mmdebstrap.arg(format!("--dpkgopt=path-exclude={pattern}"));
    }
    mmdebstrap.arg(format!("--customize-hook=copy-in {} /etc/systemd/system", unit.display()));
    for hook in CUSTOMIZE {
        mmdebstrap.arg(format!("--customize-hook={hook}"));
    }
    command::output(mmdebstrap.arg(SUITE).arg(tree).arg(apt.sources_file())).context("making a Debian system")?;
    ext4(tree, image, SIZE)
}

/// A disk with the files of a directory.
pub fn payload(directory: &Path, image: &Path) -> Result<()> {
    ext4(directory, image, "200M")
}

/// An image of that size, sparse, with all that is in a directory.
fn ext4(directory: &Path, image: &Path, size: &str) -> Result<()> {
    // Whoever boots it need not be root; it has no secrets.
    let mut mke2fs = command::as_root("mke2fs")?;
    mke2fs.args(["-q", "-F", "-t", "ext4", "-O", "^has_journal", "-d"]).arg(directory).arg(image).arg(size);
    command::output(&mut mke2fs).map(drop)
}

fn remove(directory: &Path) -> Result<()> {
    command::output(command::as_root("rm")?.args(["-rf", "--one-file-system", "--"]).arg(directory)).map(drop)
}
