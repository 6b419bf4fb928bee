//! Which container a program begins in: read from procfs once for each pair of control group and mount namespace, and
//! handed to the core as a record before the program's own.
//!
//! Always holds: what shares the mount namespace of process 1 is in no container, and costs a comparison; a pair that is
//! known costs a look-up in a hash table; at most [`MAX_READS`] pairs are read in a second. A process that has ended, or
//! is in another namespace by the time it is looked at, tells nothing, and the next of its pair is asked: a
//! pair is never guessed. What the runtime knows of a container comes later, from the inspector's thread.

use super::{Agent, own_event};
use crate::container::{Contained, Pair};
use crate::context::{Asked, Lookup};
use crate::encode::encode;
use crate::event::{Body, Event, Exec};
use crate::procfs::{Named, is_unified, named, namespace};
use anyhow::Result;
use std::collections::HashSet;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Most pairs outside of containers that are remembered; beyond, all of them are asked again.
const MAX_OUTSIDE: usize = 8192;
/// Most reads of procfs in a second.
const MAX_READS: u32 = 256;
/// Longest `/proc/PID/cgroup` that is read.
const MAX_TEXT: u64 = 64 << 10;

/// What is known of pairs beside the core's containers.
pub struct Whereabouts {
    proc_root: PathBuf,
    /// The mount namespace of process 1; 0 if that cannot be seen.
    host_namespace: u32,
    /// Control groups alone tell containers apart: a pair is then never used again.
    unified: bool,
    outside: HashSet<Pair>,
    second: Instant,
    reads: u32,
}

/// What procfs says of a process.
#[derive(Debug, PartialEq, Eq)]
enum Answered {
    Inside(Named),
    Outside,
    /// It is gone, or elsewhere by now, or too many were asked.
    Nothing,
}

impl Whereabouts {
    /// With the procfs there.
    pub fn new(proc_root: &Path) -> Self {
        let own = read(&proc_root.join("self/cgroup")).unwrap_or_default();
        Self {
            proc_root: proc_root.to_owned(),
            host_namespace: namespace(&proc_root.join("1"), "mnt") as u32,
            unified: is_unified(&own),
            outside: HashSet::new(),
            second: Instant::now(),
            reads: 0,
        }
    }

    /// Whether it need not be asked where a program runs. `entered`: it was started from another mount namespace.
    fn is_plain(&self, image: &Exec, entered: bool) -> bool {
        let namespace = image.mount_namespace;
        namespace == 0
            || namespace == self.host_namespace
            || self.outside.contains(&Pair::of(image)) && (self.unified || !entered)
    }

    fn ask(&mut self, pid: u32, pair: Pair, now: Instant) -> Answered {
        if now.duration_since(self.second) >= Duration::from_secs(1) {
            (self.second, self.reads) = (now, 0);
        }
        if self.reads >= MAX_READS {
            return Answered::Nothing;
        }
        self.reads += 1;
        let process = self.proc_root.join(pid.to_string());
        let Some(text) = read(&process.join("cgroup")) else {
            return Answered::Nothing;
        };
        // After it: whoever has the pid now is in that namespace, and so in that container.
        if namespace(&process, "mnt") as u32 != pair.mount_namespace {
            return Answered::Nothing;
        }
        if let Some(named) = named(&text) {
            self.outside.remove(&pair);
            return Answered::Inside(named);
        }
        if self.outside.len() >= MAX_OUTSIDE {
            self.outside.clear();
        }
        self.outside.insert(pair);
        Answered::Outside
    }
}

impl Agent {
    /// The container of a program that begins or was found, unless it is known.
    pub(super) fn read_container(&mut self, event: &Event) -> Result<()> {
        let (Body::Exec(image) | Body::Process(image)) = &event.body else {
            return Ok(());
        };
        let entered = !self.whereabouts.unified && self.entered(image);
        let pair = Pair::of(image);
        let known = self.core.containers.at(pair);
        if self.whereabouts.is_plain(image, entered) || known.is_some() && !entered {
            return Ok(());
        }
        let known = known.map(|container| container.id.clone());
        let pid = event.process.tgid;
        let (contained, lookup) = match self.whereabouts.ask(pid, pair, Instant::now()) {
            Answered::Inside(named) if known.as_ref() != Some(&named.id) => {
                let lookup = Lookup { pair, pid, named };
                (lookup.unknown(false), Some(lookup))
            }
            Answered::Outside if known.is_some() => (Contained { pair, container: None }, None),
            _ => return Ok(()),
        };
        self.apply(&encode(&own_event(event.time_boottime_ns, Body::Container(Box::new(contained)), event.process)))?;
        let Some(lookup) = lookup else {
            return Ok(());
        };
        // No room: then its image stays unknown, which is said, for something waits to hear it.
        let unknown = lookup.unknown(true);
        if self.inspector.ask(Asked::Container(Box::new(lookup))).is_err() {
            self.push(Body::Container(Box::new(unknown)), event.process);
        }
        Ok(())
    }

    /// Whether a program was started from another mount namespace: a number of one may then be that of a former one.
    fn entered(&self, image: &Exec) -> bool {
        let parent = self.core.tree.find(image.parent).and_then(|id| self.core.tree.node(id));
        let above = parent.and_then(|parent| parent.image.as_deref());
        above.is_none_or(|above| above.mount_namespace != image.mount_namespace)
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path).ok()?.take(MAX_TEXT).read_to_end(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Runtime;
    use std::os::unix::fs::symlink;

    const ID: &str = "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f";

    struct Stage(tempfile::TempDir);

    impl Stage {
        fn new(own: &str) -> Self {
            let stage = Self(tempfile::tempdir().unwrap());
            stage.process("1", 1, "0::/init.scope\n");
            stage.process("self", 1, own);
            stage
        }

        fn process(&self, pid: &str, namespace: u32, cgroup: &str) {
            let directory = self.0.path().join(pid);
            std::fs::create_dir_all(directory.join("ns")).unwrap();
            std::fs::write(directory.join("cgroup"), cgroup).unwrap();
            let link = directory.join("ns/mnt");
            let _ = std::fs::remove_file(&link);
            symlink(format!("mnt:[{namespace}]"), link).unwrap();
        }

        fn whereabouts(&self) -> Whereabouts {
            Whereabouts::new(self.0.path())
        }
    }

    fn pair(number: u32) -> Pair {
        Pair { cgroup_id: number.into(), mount_namespace: number }
    }

    fn image(number: u32) -> Exec {
        Exec { cgroup_id: number.into(), mount_namespace: number, ..Exec::default() }
    }

    #[test]
    fn what_shares_the_first_process_namespace_is_not_asked() {
        let stage = Stage::new("0::/system.slice/sensor.service\n");
        let whereabouts = stage.whereabouts();
        assert!(whereabouts.is_plain(&image(1), true));
        assert!(whereabouts.is_plain(&image(0), true));
        assert!(!whereabouts.is_plain(&image(2), false));
    }

    #[test]
    fn a_pair_is_asked_once_unless_its_numbers_may_be_another_ones() {
        for (own, again) in [("0::/\n", false), ("1:name=systemd:/\n0::/\n", true)] {
            let stage = Stage::new(own);
            stage.process("7", 2, "0::/system.slice/nginx.service\n");
            let mut whereabouts = stage.whereabouts();
            assert_eq!(whereabouts.ask(7, pair(2), Instant::now()), Answered::Outside);
            assert!(whereabouts.is_plain(&image(2), false));
            assert_eq!(whereabouts.is_plain(&image(2), true), !again);
        }
    }

    #[test]
    fn who_is_gone_or_elsewhere_tells_nothing_and_the_next_is_asked() {
        let stage = Stage::new("0::/\n");
        let mut whereabouts = stage.whereabouts();
        let now = Instant::now();
        assert_eq!(whereabouts.ask(7, pair(2), now), Answered::Nothing);
        // Somebody else has the pid by now.
        stage.process("7", 3, &format!("0::/docker/{ID}\n"));
        assert_eq!(whereabouts.ask(7, pair(2), now), Answered::Nothing);
        assert!(!whereabouts.is_plain(&image(2), false));
        stage.process("8", 2, &format!("0::/docker/{ID}\n"));
        let Answered::Inside(named) = whereabouts.ask(8, pair(2), now) else { panic!("a container") };
        assert_eq!((named.id.as_str(), named.runtime), (ID, Some(Runtime::Docker)));
    }

    #[test]
    fn so_many_are_asked_in_a_second() {
        let stage = Stage::new("0::/\n");
        stage.process("7", 2, "0::/a\n");
        let mut whereabouts = stage.whereabouts();
        let now = Instant::now();
        for _ in 0..MAX_READS {
            assert_eq!(whereabouts.ask(7, pair(2), now), Answered::Outside);
        }
        assert_eq!(whereabouts.ask(7, pair(2), now), Answered::Nothing);
        assert_eq!(whereabouts.ask(7, pair(2), now + Duration::from_secs(1)), Answered::Outside);
    }
}
