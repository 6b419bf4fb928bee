//! Watching a server's component directories: the catalogue's, and those that its own configuration names.

use crate::catalogue::ServerKind;
use crate::discover::{self, discover};
use crate::event::{Exec, Watch};
use crate::kernel::Sensor;
use crate::procfs::Root;
use crate::watch::{Found, NotWatched, Numbers, Wanted, expand};
use bstr::ByteSlice;
use sensor_common::key::ProcessKey;
use std::collections::BTreeMap;
use std::path::Path;

/// Most servers of which is remembered what is not watched.
const MAX_NOTED: usize = 4096;

/// What is watched.
#[derive(Default)]
pub struct Watching {
    numbers: Numbers,
    not_watched: BTreeMap<u32, Vec<NotWatched>>,
}

impl Watching {
    /// How many directories are watched.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// By server number: patterns of which nothing is watched.
    pub const fn not_watched(&self) -> &BTreeMap<u32, Vec<NotWatched>> {
        &self.not_watched
    }

    /// Begins to watch a server's directories; gives those that are watched now, whether they were before or not.
    pub fn begin(&mut self, sensor: &mut Sensor, loading: &Loading<'_>) -> Vec<Watch> {
        let Loading { process, lineage, kind, image, .. } = *loading;
        let mut wanted: Vec<Wanted> =
            kind.components.iter().map(|component| Wanted::new(component.kind.name(), &component.path)).collect();
        wanted.extend(image.map(|image| from_configuration(process, kind, image)).unwrap_or_default());
        let expansion = expand(Path::new("/proc"), process.tgid, &wanted);
        let mut not_watched = expansion.not_watched;
        let mut watches = Vec::new();
        for found in expansion.found {
            match self.install(sensor, loading, &found) {
                Ok(number) => watches.push(watch(number, kind, found)),
                Err(reason) => {
                    not_watched.push(NotWatched {
                        component: found.component,
                        pattern: found.path.to_string(),
                        reason,
                    });
                }
            }
        }
        if self.not_watched.len() < MAX_NOTED || self.not_watched.contains_key(&lineage) {
            self.not_watched.insert(lineage, not_watched);
        }
        watches
    }

    fn install(&mut self, sensor: &mut Sensor, loading: &Loading<'_>, found: &Found) -> Result<u32, String> {
        let Some(numbered) = self.numbers.number(found.key, loading.lineage, loading.runs) else {
            return Err("too many directories are watched already".to_owned());
        };
        if let Some((watch, key)) = numbered.released {
            sensor.unwatch(key, watch);
        }
        // One that is watched already is from now on reached through this process as well.
        sensor.watch(loading.process.tgid, &found.in_root, found.key, numbered.watch).map_err(|error| {
            tracing::warn!(path = %found.path, error = format!("{error:#}"), "directory is not watched");
            format!("{error:#}")
        })?;
        Ok(numbered.watch)
    }
}

/// A server that loads components.
#[derive(Clone, Copy)]
pub struct Loading<'a> {
    /// Its first process.
    pub process: ProcessKey,
    /// Its number.
    pub lineage: u32,
    /// What it is.
    pub kind: &'a ServerKind,
    /// What that process runs.
    pub image: Option<&'a Exec>,
    /// Whether the server of a number runs.
    pub runs: &'a dyn Fn(u32) -> bool,
}

fn from_configuration(process: ProcessKey, kind: &ServerKind, image: &Exec) -> Vec<Wanted> {
    let Ok(root) = Root::of(Path::new("/proc"), process.tgid) else {
        return Vec::new();
    };
    let directory = image.directory.to_path_lossy();
    let facts = discover::Facts {
        root: &root,
        executable: &image.executable,
        argv: &image.argv,
        directory: directory.as_ref(),
    };
    discover(&kind.id, &facts)
}

fn watch(number: u32, kind: &ServerKind, found: Found) -> Watch {
    Watch {
        watch: number,
        server: kind.id.clone(),
        component: found.component,
        path: found.path,
        device: found.key.device,
        inode: found.key.inode,
    }
}
