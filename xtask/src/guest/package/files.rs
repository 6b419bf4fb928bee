//! What is on the disk before the package came, after it was removed, and after it was purged.

use super::{CONFIG, UNIT, refused, said};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Where the list of files is kept from the beginning to the end.
const LIST: &str = "/run/files-before";

/// What others write meanwhile: logs, the package manager's own books.
const OTHERS: &[&str] =
    &["/var/log", "/var/lib/dpkg", "/var/lib/systemd", "/var/cache", "/var/tmp", "/var/lib/logrotate"];

/// Writes down which files there are.
pub fn remember() -> Result<()> {
    let list: Vec<String> = all()?.into_iter().collect();
    std::fs::write(LIST, list.join("\n")).context(LIST)
}

/// `dpkg --remove`: it stops, its program is gone; configuration, state and alerts stay.
pub fn removes() -> Result<String> {
    said("dpkg", &["--remove", "sensor"])?;
    refused("systemctl", &["is-active", "--quiet", UNIT])?;
    for gone in ["/usr/bin/sensor", "/run/sensor/sensor.sock"] {
        if Path::new(gone).exists() {
            bail!("{gone} is still there");
        }
    }
    for kept in [CONFIG, "/var/lib/sensor/state.db", "/var/log/sensor/alerts.ndjson"] {
        if !Path::new(kept).exists() {
            bail!("{kept} is gone");
        }
    }
    Ok("configuration, state and alerts are there".to_owned())
}

/// `dpkg --purge`: nothing is there that was not there before.
pub fn purges() -> Result<String> {
    said("dpkg", &["--purge", "sensor"])?;
    let before: BTreeSet<String> = std::fs::read_to_string(LIST)?.lines().map(str::to_owned).collect();
    let left: Vec<String> = all()?.into_iter().filter(|path| !before.contains(path)).collect();
    if !left.is_empty() {
        bail!("left behind: {}", left.join(" "));
    }
    refused("systemctl", &["cat", UNIT])?;
    Ok(format!("the same {} files as before", before.len()))
}

/// Every file of the disk that others do not write, or that has the package's name.
fn all() -> Result<BTreeSet<String>> {
    let device = std::fs::metadata("/")?.dev();
    let mut found = BTreeSet::new();
    let mut directories = vec![PathBuf::from("/")];
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            let entry = entry?;
            let metadata = entry.metadata()?;
            if metadata.dev() != device {
                continue;
            }
            let path = entry.path();
            let is_others = OTHERS.iter().any(|other| path.starts_with(other));
            let text = path.to_string_lossy().into_owned();
            if !is_others || text.contains("sensor") {
                found.insert(text);
            }
            if metadata.is_dir() {
                directories.push(path);
            }
        }
    }
    Ok(found)
}
