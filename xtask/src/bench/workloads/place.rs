//! Where workloads keep their files.

use super::postgres;
use crate::daemons::host;
use anyhow::{Context, Result};
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// How many clients a server has at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clients {
    /// One that waits for each answer: where instructions are counted.
    One,
    /// As many as keep two processors busy.
    Several,
}

/// A temporary directory, removed when dropped, and what is made once for all rounds.
pub struct Place {
    directory: PathBuf,
    cluster: PathBuf,
    /// How many clients its servers get.
    pub clients: Clients,
}

impl Place {
    /// Makes the directory, and PostgreSQL's cluster with pgbench's tables: while nobody watches.
    pub fn new(clients: Clients) -> Result<Self> {
        let place = Self::empty(clients)?;
        postgres::make_cluster(&place.directory, clients).context("making a PostgreSQL cluster for pgbench")?;
        Ok(place)
    }

    /// With a cluster that was made before.
    pub fn with_cluster(clients: Clients, cluster: &Path) -> Result<Self> {
        let mut place = Self::empty(clients)?;
        cluster.clone_into(&mut place.cluster);
        Ok(place)
    }

    fn empty(clients: Clients) -> Result<Self> {
        // Servers run as users that may not enter a developer's home.
        let directory = std::env::temp_dir().join(format!("sensor-workloads-{}", std::process::id()));
        make(&directory)?;
        let cluster = directory.join("pg/data");
        Ok(Self { directory, cluster, clients })
    }

    /// PostgreSQL's cluster; each start gets a copy.
    pub fn cluster(&self) -> &Path {
        &self.cluster
    }

    /// An empty directory below it that everybody may enter; what it had before is removed.
    pub fn room(&self, name: &str) -> Result<PathBuf> {
        let at = self.directory.join(name);
        if at.exists() {
            fs::remove_dir_all(&at)?;
        }
        make(&at)?;
        Ok(at)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary directory.
        let _ = fs::remove_dir_all(&self.directory);
    }
}

fn make(directory: &Path) -> Result<()> {
    fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    fs::set_permissions(directory, fs::Permissions::from_mode(0o755))?;
    Ok(())
}

/// Makes directories in a room for a user.
pub fn directories(at: &Path, names: &[&str], user: &str) -> Result<()> {
    for name in names {
        make(&at.join(name))?;
        host::give(&at.join(name), user)?;
    }
    Ok(())
}
