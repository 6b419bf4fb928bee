//! Watching a server's component directories: the catalogue's, and those that its own configuration names; and again
//! when that may have changed.

mod looking;

pub use looking::Loading;

use crate::catalogue::{ComponentKind, ServerKind};
use crate::event::Watch;
use crate::kernel::Sensor;
use crate::watch::{Found, NotWatched, Noted, Numbered, Numbers, Watched};
use looking::{look, views};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Most servers of which is remembered what is watched and what is not; those that have ended give way.
const MAX_NOTED: usize = 4096;
/// How often a server's configuration is read again at most.
const AGAIN: Duration = Duration::from_secs(10);

/// What is watched.
#[derive(Default)]
pub struct Watching {
    numbers: Numbers,
    noted: BTreeMap<u32, Noted>,
    looks: BTreeMap<u32, Look>,
}

/// When a server was looked at.
struct Look {
    last: Instant,
    /// It was asked to be looked at again, too early.
    asked: bool,
}

impl Watching {
    /// How many directories are watched.
    pub fn len(&self) -> usize {
        self.numbers.len()
    }

    /// By server number: what is watched and what is not, and how each is known.
    pub const fn noted(&self) -> &BTreeMap<u32, Noted> {
        &self.noted
    }

    /// Whether a server is to be looked at again now: [`Self::begin`] is then to be called. At most once in ten seconds;
    /// what is asked for earlier is kept for [`Self::overdue`]. A server that was never looked at is not due.
    pub fn due(&mut self, lineage: u32, now: Instant) -> bool {
        let Some(look) = self.looks.get_mut(&lineage) else {
            return false;
        };
        look.asked = now.duration_since(look.last) < AGAIN;
        if !look.asked {
            look.last = now;
        }
        !look.asked
    }

    /// Servers that were asked to be looked at again too early, and may be now; [`Self::due`] says yes for each.
    pub fn overdue(&self, now: Instant) -> Vec<u32> {
        let over = |look: &Look| look.asked && now.duration_since(look.last) >= AGAIN;
        self.looks.iter().filter(|(_, look)| over(look)).map(|(lineage, _)| *lineage).collect()
    }

    /// Watches a server's directories, at its beginning and again. Gives those that are new for it; what was watched
    /// before stays watched. A directory that another now has the name of (a link to the newest release) is a new one.
    pub fn begin(&mut self, sensor: &mut Sensor, loading: &Loading<'_>) -> Vec<Watch> {
        self.begin_with(loading, &mut |view, found, numbered| {
            if let Some((watch, key)) = numbered.released {
                sensor.unwatch(key, watch);
            }
            // One that is watched already is from now on reached through this process as well.
            // Where a configuration lies, whole data directories may lie below: only the catalogue's are watched deep.
            let deep = found.component != ComponentKind::ConfigLoader.name() || found.origin.starts_with("catalogue");
            sensor.watch(view, &found.in_root, found.key, numbered.watch, deep).map_err(|error| {
                tracing::warn!(path = %found.path, error = format!("{error:#}"), "directory is not watched");
                format!("{error:#}")
            })
        })
    }

    fn begin_with(&mut self, loading: &Loading<'_>, install: &mut Install<'_>) -> Vec<Watch> {
        let Loading { process, lineage, kind, proc_root, .. } = *loading;
        let begun = Instant::now();
        let views = views(proc_root, process.tgid);
        let (found, missing) = look(loading, &views);
        let mut noted = self.noted.remove(&lineage).unwrap_or_default();
        let same_process = noted.process == Some(process);
        noted.process = Some(process);
        noted.not_watched = missing;
        let mut watches = Vec::new();
        for (view, found) in found {
            // Through another process than before it is reached once more: the first may end.
            if let Some(known) = noted.watched.get_mut(&found.key) {
                if known.component != found.component {
                    let reason = format!("it is watched as {} already", known.component);
                    noted.not_watched.push(not_watched(found, reason));
                    continue;
                }
                if same_process {
                    known.origin = found.origin;
                    continue;
                }
            }
            match self.install(loading, view, &found, install) {
                Ok(number) => {
                    let (component, origin) = (found.component.clone(), found.origin.clone());
                    noted.watched.insert(found.key, Watched { number, component, origin });
                    watches.push(watch(number, kind, found));
                }
                Err(reason) => noted.not_watched.push(not_watched(found, reason)),
            }
        }
        self.remember(loading, noted);
        let (took, new) = (begun.elapsed().as_micros(), watches.len());
        tracing::debug!(server = kind.id, pid = process.tgid, new, microseconds = took, "looked for directories");
        watches
    }

    fn install(
        &mut self,
        loading: &Loading<'_>,
        view: u32,
        found: &Found,
        install: &mut Install<'_>,
    ) -> Result<u32, String> {
        let Some(numbered) = self.numbers.number(found.key, loading.lineage, loading.runs) else {
            return Err("too many directories are watched already".to_owned());
        };
        if let Some((_, key)) = numbered.released {
            self.noted.values_mut().for_each(|noted| drop(noted.watched.remove(&key)));
        }
        install(view, found, numbered)?;
        Ok(numbered.watch)
    }

    fn remember(&mut self, loading: &Loading<'_>, noted: Noted) {
        if self.noted.len() >= MAX_NOTED {
            self.noted.retain(|lineage, _| (loading.runs)(*lineage));
            self.looks.retain(|lineage, _| (loading.runs)(*lineage));
        }
        if self.noted.len() < MAX_NOTED {
            self.noted.insert(loading.lineage, noted);
            self.looks.insert(loading.lineage, Look { last: Instant::now(), asked: false });
        }
    }
}

/// Puts a directory into the kernel, as the process of that pid reaches it.
type Install<'a> = dyn FnMut(u32, &Found, Numbered) -> Result<(), String> + 'a;

fn not_watched(found: Found, reason: String) -> NotWatched {
    NotWatched { component: found.component, pattern: found.path.to_string(), origin: found.origin, reason }
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;
    use crate::event::Exec;
    use sensor_common::key::ProcessKey;
    use std::fs;
    use std::os::unix::fs::symlink;
    use std::path::PathBuf;

    /// A procfs with one process, 7, that is nginx, and whose root is beside it.
    struct Stage {
        proc_root: tempfile::TempDir,
        kind: ServerKind,
        image: Exec,
    }

    impl Stage {
        fn new() -> Self {
            let proc_root = tempfile::tempdir().unwrap();
            fs::create_dir_all(proc_root.path().join("7")).unwrap();
            let stage = Self {
                kind: Catalogue::embedded().0.server("nginx").unwrap().clone(),
                image: Exec {
                    executable: "/usr/sbin/nginx".into(),
                    argv: vec!["nginx".into()],
                    directory: "/".into(),
                    ..Exec::default()
                },
                proc_root,
            };
            stage.directory("srv/one");
            symlink(stage.root(), stage.proc_root.path().join("7/root")).unwrap();
            stage.configure("root /srv/one; include conf.d/*;");
            stage
        }

        fn root(&self) -> PathBuf {
            self.proc_root.path().join("root")
        }

        fn directory(&self, path: &str) {
            fs::create_dir_all(self.root().join(path)).unwrap();
        }

        fn configure(&self, text: &str) {
            self.directory("etc/nginx");
            fs::write(self.root().join("etc/nginx/nginx.conf"), text).unwrap();
        }

        /// What is new for the process that started then, and what was put into the kernel.
        fn begin(&self, watching: &mut Watching, start: u64) -> (Vec<String>, usize) {
            let loading = Loading {
                proc_root: self.proc_root.path(),
                process: ProcessKey::new(7, start),
                lineage: 1,
                kind: &self.kind,
                image: Some(&self.image),
                runs: &|_| true,
            };
            let mut installed = 0;
            let watches = watching.begin_with(&loading, &mut |_, _, _| {
                installed += 1;
                Ok(())
            });
            let root = self.root().display().to_string();
            let path = |watch: Watch| watch.path.to_string().replace(&root, "");
            (watches.into_iter().map(path).collect(), installed)
        }
    }

    #[test]
    fn again_only_what_is_new_is_installed() {
        let stage = Stage::new();
        let mut watching = Watching::default();
        let first = stage.begin(&mut watching, 100);
        assert_eq!(first, (vec!["/etc/nginx".to_owned(), "/srv/one".to_owned()], 2));
        assert_eq!(stage.begin(&mut watching, 100), (vec![], 0), "nothing changed");
        stage.directory("srv/two");
        stage.directory("etc/nginx/conf.d");
        fs::write(stage.root().join("etc/nginx/conf.d/two"), "root /srv/two; root /srv/missing;").unwrap();
        assert_eq!(stage.begin(&mut watching, 100), (vec!["/srv/two".to_owned()], 1));
        let noted = &watching.noted()[&1];
        let mut origins: Vec<&str> = noted.watched.values().map(|watched| watched.origin.as_str()).collect();
        origins.sort_unstable();
        assert_eq!(origins, ["catalogue, usual place", "nginx.conf: root", "two: root"]);
        let missing = noted.not_watched.iter().find(|not| not.pattern == "/srv/missing").unwrap();
        assert_eq!((missing.origin.as_str(), missing.reason.as_str()), ("two: root", "does not exist yet"));
    }

    #[test]
    fn a_directory_of_two_kinds_is_watched_as_one_and_that_is_said() {
        let stage = Stage::new();
        let mut watching = Watching::default();
        stage.configure("root /etc/nginx;");
        for start in [100, 100, 200] {
            stage.begin(&mut watching, start);
            let noted = &watching.noted()[&1];
            assert_eq!(noted.watched.values().next().unwrap().component, "config_loader");
            let said = noted.not_watched.iter().filter(|not| not.reason == "it is watched as config_loader already");
            assert_eq!(said.count(), 1);
        }
    }

    #[test]
    fn what_is_no_longer_named_stays_watched() {
        let stage = Stage::new();
        let mut watching = Watching::default();
        stage.begin(&mut watching, 100);
        stage.directory("srv/two");
        stage.configure("root /srv/two;");
        assert_eq!(stage.begin(&mut watching, 100), (vec!["/srv/two".to_owned()], 1));
        assert_eq!((watching.len(), watching.noted()[&1].watched.len()), (3, 3));
    }

    #[test]
    fn a_link_to_another_release_is_another_directory() {
        let stage = Stage::new();
        let mut watching = Watching::default();
        stage.directory("srv/releases/1");
        stage.directory("srv/releases/2");
        symlink("releases/1", stage.root().join("srv/now")).unwrap();
        stage.configure("root /srv/now;");
        let first = stage.begin(&mut watching, 100).0;
        assert_eq!(first[1], "/srv/releases/1");
        fs::remove_file(stage.root().join("srv/now")).unwrap();
        symlink("releases/2", stage.root().join("srv/now")).unwrap();
        assert_eq!(stage.begin(&mut watching, 100).0, ["/srv/releases/2"]);
    }

    #[test]
    fn another_first_process_reaches_all_of_them_once_more() {
        let stage = Stage::new();
        let mut watching = Watching::default();
        stage.begin(&mut watching, 100);
        assert_eq!(stage.begin(&mut watching, 200).1, 2);
        assert_eq!(stage.begin(&mut watching, 200).1, 0);
        assert_eq!(watching.len(), 2, "the same numbers");
    }

    #[test]
    fn at_most_once_in_ten_seconds_and_then_for_sure() {
        let stage = Stage::new();
        let mut watching = Watching::default();
        let now = Instant::now();
        assert!(!watching.due(1, now), "never looked at");
        stage.begin(&mut watching, 100);
        let begun = watching.looks[&1].last;
        let after = |seconds| begun + Duration::from_secs(seconds);
        assert!(watching.overdue(after(60)).is_empty(), "nobody asked");
        assert!(!watching.due(1, after(3)));
        assert!(watching.overdue(after(9)).is_empty());
        assert_eq!(watching.overdue(after(10)), [1]);
        assert!(watching.due(1, after(10)));
        assert!(watching.overdue(after(60)).is_empty());
        assert!(!watching.due(1, after(11)));
    }
}
