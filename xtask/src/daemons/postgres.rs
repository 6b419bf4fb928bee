//! PostgreSQL with a cluster of its own.

use super::{Daemon, host};
use crate::command;
use anyhow::Result;
use rustix::process::Signal;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// PostgreSQL's programs, and who may run them: not root.
pub struct Cluster {
    /// The directory of its programs.
    pub programs: PathBuf,
    uid: u32,
    gid: u32,
}

impl Cluster {
    /// The newest version that is installed.
    pub fn newest() -> Result<Self> {
        let programs = host::newest("/usr/lib/postgresql", "")?.join("bin");
        let (uid, gid) = host::user("postgres")?;
        Ok(Self { programs, uid, gid })
    }

    /// One of the programs, as the user postgres.
    pub fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.programs.join(name));
        command.uid(self.uid).gid(self.gid).current_dir("/");
        command
    }

    /// Makes a cluster that trusts everybody; `arguments` are added.
    pub fn create(&self, data: &Path, arguments: &[&str]) -> Result<()> {
        let mut initdb = self.program("initdb");
        command::output(initdb.arg("-D").arg(data).args(["-A", "trust", "--no-sync"]).args(arguments)).map(drop)
    }
}

/// PostgreSQL on a cluster in `pg/data`, its socket in `pg`; `arguments` are added.
pub fn postgres(at: &Path, port: u16, arguments: &[&str]) -> Result<Daemon> {
    let run = at.join("pg");
    let mut command = Cluster::newest()?.program("postgres");
    command.arg("-D").arg(run.join("data")).args(["-p", &port.to_string(), "-h", "127.0.0.1", "-k"]).arg(&run);
    // INT: disconnect everybody and end at once, in order.
    Daemon::start("postgres", at, command.args(arguments), Signal::INT)
}
