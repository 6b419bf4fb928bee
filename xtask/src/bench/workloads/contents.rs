//! What the virtual machine has to carry for the workloads.

use crate::command;
use crate::daemons::{Cluster, host};
use crate::vm::initramfs::Extra;
use anyhow::{Context, Result};
use std::path::Path;

/// Where PostgreSQL's cluster is in the machine.
pub const CLUSTER: &str = "/var/lib/cluster";

/// Servers, load generators, and what they read.
pub fn of(cluster: &Path) -> Result<Extra> {
    let mut extra = Extra::default();
    extra.users.push("postgres");
    for program in ["nginx", "wrk", "redis-server", "redis-benchmark"] {
        extra.keep(&command::find(program).with_context(|| program.to_owned())?);
    }
    extra.keep(&host::newest("/usr/sbin", "php-fpm")?);
    extra.keep(&host::newest("/usr/lib/php", "20")?.join("opcache.so"));
    extra.keep(Path::new("/etc/nginx/fastcgi_params"));
    let postgres = Cluster::newest()?;
    for name in ["postgres", "pgbench"] {
        extra.keep(&postgres.programs.join(name));
    }
    // It does not start where its directory of libraries is missing.
    extra.keep(&host::newest("/usr/lib/postgresql", "")?.join("lib/plpgsql.so"));
    extra.keep(&host::newest("/usr/share/postgresql", "")?.join("timezonesets"));
    extra.put(cluster, CLUSTER);
    Ok(extra)
}
