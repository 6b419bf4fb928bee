//! What a container is called and made of, from what its runtime keeps on disk.
//!
//! Comes in: a container's id, as its control group has it. Goes out: the [`Container`] with name, image and pod as far as
//! they are known. Always holds: files are read below a root that no link leads out of, at most 8 MiB each; they are asked
//! for by the whole id, and one that does not fit is left out. No socket of a runtime is spoken to.
//!
//! The host's files are the root's of process 1, so this works the same in a container that shares the host's processes. A
//! container inside of another is asked for in that one's files, found as the root of an ancestor: whoever may run
//! containers inside of a container says what those are called. The same is true of a user's own containers.

mod docker;
mod oci;
mod storage;

use crate::container::{Contained, Container, Image, Pair, Pod, Runtime};
use crate::procfs::{Named, Root, parse_stat};
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Longest file that is read.
const MAX_FILE: u64 = 8 << 20;
/// Longest text that is taken over: no runtime allows longer names.
const MAX_TEXT: usize = 512;
/// How far up a process of another mount namespace is looked for, and how many of those are asked.
const MAX_ANCESTORS: usize = 64;
const MAX_ROOTS: usize = 4;

/// A question about a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lookup {
    /// The pair that it was found for.
    pub pair: Pair,
    /// A process in it.
    pub pid: u32,
    /// What its control group says.
    pub named: Named,
}

/// What a runtime's files say.
#[derive(Debug, Default, PartialEq, Eq)]
struct Facts {
    runtime: Option<Runtime>,
    name: Option<String>,
    image: Option<Image>,
    pod: Option<Pod>,
}

impl Lookup {
    /// The answer as long as no runtime was asked, or none knew it.
    pub fn unknown(&self, looked_up: bool) -> Contained {
        let Named { id, runtime, .. } = &self.named;
        // Where a name is the id, it is the name.
        let name = (!id.bytes().all(|byte| byte.is_ascii_hexdigit())).then(|| id.clone());
        let container = Container { id: id.clone(), runtime: *runtime, name, looked_up, ..Container::default() };
        Contained { pair: self.pair, container: Some(container) }
    }

    /// Asks the runtimes' files.
    pub fn answer(&self, proc_root: &Path) -> Contained {
        let mut contained = self.unknown(true);
        let facts = roots(proc_root, self).into_iter().find_map(|root| self.below(&root));
        if let (Some(facts), Some(container)) = (facts, &mut contained.container) {
            container.runtime = self.named.runtime.or(facts.runtime);
            container.name = facts.name.or(container.name.take());
            container.image = facts.image;
            container.pod = facts.pod;
        }
        contained
    }

    fn below(&self, root: &Root) -> Option<Facts> {
        let home = self.named.user.and_then(|user| home(root, user));
        let id = &self.named.id;
        let docker = || docker::facts(root, home.as_deref(), id);
        let containerd = || oci::containerd(root, home.as_deref(), id);
        let storage = || oci::storage(root, id).or_else(|| storage::facts(root, home.as_deref(), id));
        match self.named.runtime {
            Some(Runtime::Docker) => docker(),
            Some(Runtime::Containerd) => containerd(),
            Some(Runtime::CriO | Runtime::Podman) => storage(),
            Some(Runtime::SystemdNspawn | Runtime::Lxc) => None,
            Some(Runtime::Crun | Runtime::Runc) | None => docker().or_else(containerd).or_else(storage),
        }
    }
}

/// The roots in which a runtime may keep what it knows of a container: the host's, or, for one inside of another, those of
/// processes above it in other mount namespaces, outermost first.
fn roots(proc_root: &Path, lookup: &Lookup) -> Vec<Root> {
    // The host's do not count for what is inside of another: who may make control groups there could use any id.
    let pids = if lookup.named.nested { above(proc_root, lookup.pid) } else { vec![1] };
    pids.into_iter().filter_map(|pid| Root::of(proc_root, pid).ok()).collect()
}

/// Processes above one, the nearest of each mount namespace that is neither its own nor that of process 1.
fn above(proc_root: &Path, pid: u32) -> Vec<u32> {
    let namespace = |pid: u32| std::fs::read_link(proc_root.join(pid.to_string()).join("ns/mnt")).ok();
    let parent = |pid: u32| {
        let stat = std::fs::read(proc_root.join(pid.to_string()).join("stat")).ok()?;
        parse_stat(&stat).map(|stat| stat.parent).filter(|parent| *parent > 1)
    };
    let mut seen = vec![namespace(pid), namespace(1)];
    let mut found = Vec::new();
    for ancestor in std::iter::successors(parent(pid), |pid| parent(*pid)).take(MAX_ANCESTORS) {
        let its = namespace(ancestor);
        if !seen.contains(&its) && found.len() < MAX_ROOTS {
            seen.push(its);
            found.push(ancestor);
        }
    }
    found.reverse();
    found
}

/// The home of a user, as the root's own list of users has it.
fn home(root: &Root, user: u32) -> Option<PathBuf> {
    let passwd = root.read(Path::new("/etc/passwd"), MAX_FILE)?;
    let passwd = String::from_utf8_lossy(&passwd);
    let user = user.to_string();
    let line = passwd.lines().find(|line| line.split(':').nth(2) == Some(&user))?;
    line.split(':').nth(5).filter(|home| home.starts_with('/')).map(PathBuf::from)
}

/// A file of JSON.
fn json(root: &Root, path: &Path) -> Option<Value> {
    let text = root.read(path, MAX_FILE)?;
    serde_json::from_slice(&text).ok()
}

/// A text of an object, if there is one and it is not too long.
fn text(object: &Value, key: &str) -> Option<String> {
    let text = object.get(key)?.as_str()?;
    (!text.is_empty() && text.len() <= MAX_TEXT).then(|| text.to_owned())
}

/// The pod that labels or annotations name: the kubelet's labels, or containerd's own names.
fn pod(labels: &Value) -> Option<Pod> {
    let either = |one: &str, other: &str| text(labels, one).or_else(|| text(labels, other));
    Some(Pod {
        name: either("io.kubernetes.pod.name", "io.kubernetes.cri.sandbox-name")?,
        namespace: either("io.kubernetes.pod.namespace", "io.kubernetes.cri.sandbox-namespace"),
        uid: either("io.kubernetes.pod.uid", "io.kubernetes.cri.sandbox-uid"),
    })
}

#[cfg(test)]
mod tests;
