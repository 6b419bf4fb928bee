//! The workloads: what is started, what loads it, and how its throughput is read.

use super::place::{Clients, Place};
use super::{build, postgres, redis, stress, web};
use crate::daemons::Daemon;
use anyhow::Result;
use serde::{Deserialize, Serialize};

/// One workload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Workload {
    /// nginx and PHP-FPM, a small page, under wrk.
    Web,
    /// nginx, a static file, under wrk.
    File,
    /// Redis under redis-benchmark, SET and GET.
    Redis,
    /// PostgreSQL under pgbench's usual transaction.
    Pgbench,
    /// A parallel compile of many small C files.
    Compile,
    /// stress-ng's stressors of that name.
    Exec,
    /// The same.
    Fork,
    /// The same.
    Open,
}

/// What one load came to.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Requests, transactions, files or operations.
    pub requests: f64,
    /// How many of them per second.
    pub per_second: f64,
    /// The time within which 99 of 100 of them were answered, where the load generator says it.
    pub p99_ms: Option<f64>,
}

/// Puts load on for about so many seconds.
pub type Load = Box<dyn FnMut(f64) -> Result<Sample>>;

/// A workload whose servers run. They are stopped when it is dropped.
pub struct Running {
    daemons: Vec<Daemon>,
    load: Load,
}

impl Workload {
    /// All, in the order of the table.
    pub const ALL: [Self; 8] =
        [Self::Web, Self::File, Self::Redis, Self::Pgbench, Self::Compile, Self::Exec, Self::Fork, Self::Open];

    /// As figures' ids name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Web => "web",
            Self::File => "file",
            Self::Redis => "redis",
            Self::Pgbench => "pgbench",
            Self::Compile => "compile",
            Self::Exec => "exec",
            Self::Fork => "fork",
            Self::Open => "open",
        }
    }

    /// For the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::Web => "nginx + php-fpm, small page (wrk)",
            Self::File => "nginx, static file (wrk)",
            Self::Redis => "redis, SET and GET (redis-benchmark)",
            Self::Pgbench => "PostgreSQL (pgbench)",
            Self::Compile => "parallel compile, 120 C files (make)",
            Self::Exec => "stress-ng --exec",
            Self::Fork => "stress-ng --fork",
            Self::Open => "stress-ng --open",
        }
    }

    /// Starts its servers, if it has any, and waits until they listen.
    pub fn start(self, place: &Place) -> Result<Running> {
        let at = place.room(self.name())?;
        let clients = place.clients;
        let (daemons, load) = match self {
            Self::Web => web::page(&at, clients)?,
            Self::File => web::file(&at, clients)?,
            Self::Redis => redis::start(&at, clients)?,
            Self::Pgbench => postgres::start(&at, place.cluster(), clients)?,
            Self::Compile => (Vec::new(), build::load(&at)?),
            Self::Exec | Self::Fork | Self::Open => (Vec::new(), stress::load(&at, self.name())?),
        };
        Ok(Running { daemons, load })
    }
}

impl Running {
    /// Its servers.
    pub fn servers(&self) -> Vec<u32> {
        self.daemons.iter().map(Daemon::pid).collect()
    }

    /// Puts load on for about so many seconds.
    pub fn throughput(&mut self, seconds: f64) -> Result<Sample> {
        (self.load)(seconds)
    }
}

impl Clients {
    /// `several`, or one.
    pub fn count(self, several: u32) -> String {
        match self {
            Self::One => "1".to_owned(),
            Self::Several => several.to_string(),
        }
    }
}
