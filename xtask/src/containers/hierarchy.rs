//! How a machine's control groups are mounted.

use crate::command;
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

const MOUNTED: &str = "/sys/fs/cgroup";

/// Which versions of control groups a machine uses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Hierarchy {
    /// Version 2 alone, as it is mounted when the machine starts.
    Unified,
    /// Version 1 with all controllers, and version 2 without any, as older distributions have it.
    Hybrid,
}

impl Hierarchy {
    /// As it is written on a command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Unified => "unified",
            Self::Hybrid => "hybrid",
        }
    }

    /// Mounts it, before anything uses control groups.
    pub fn prepare(self) -> Result<()> {
        match self {
            Self::Unified => {
                // Controllers are handed down, as systemd does; what a kernel lacks is left out.
                for controller in ["cpu", "memory", "pids", "io"] {
                    let _ = fs::write(Path::new(MOUNTED).join("cgroup.subtree_control"), format!("+{controller}"));
                }
                Ok(())
            }
            Self::Hybrid => hybrid(),
        }
    }
}

fn hybrid() -> Result<()> {
    command::output(command::command("umount").arg(MOUNTED))?;
    mount("tmpfs", "mode=755", MOUNTED)?;
    // A line for each: name, hierarchy, number of groups, whether it is enabled.
    let controllers = fs::read_to_string("/proc/cgroups").context("/proc/cgroups")?;
    let enabled = controllers.lines().filter(|line| !line.starts_with('#') && line.ends_with('1'));
    for controller in enabled.filter_map(|line| line.split_whitespace().next()) {
        mount("cgroup", controller, &format!("{MOUNTED}/{controller}"))?;
    }
    mount("cgroup", "none,name=systemd", &format!("{MOUNTED}/systemd"))?;
    mount("cgroup2", "rw", &format!("{MOUNTED}/unified"))
}

fn mount(kind: &str, options: &str, place: &str) -> Result<()> {
    fs::create_dir_all(place)?;
    command::output(command::command("mount").args(["-t", kind, "-o", options, kind, place])).map(drop)
}
