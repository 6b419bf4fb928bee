//! Containers, and which processes are in which.
//!
//! Comes in: what the agent found out about a [`Pair`] (`Body::Container`). Goes out: the container of a program that
//! began in such a pair. Always holds: what is not known is `None`; what was said last of a pair counts; at most
//! [`MAX_PAIRS`] pairs, of which those without a running process give way first, then the oldest. It reads nothing: who is
//! in a container is the control group's word, what it is called its runtime's ([`crate::context`]).

use crate::event::Exec;
use foldhash::fast::RandomState;
use serde::{Deserialize, Serialize};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// Most pairs that are known.
pub const MAX_PAIRS: usize = 4096;

/// What a process has in common with the others of its container: control group and mount namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Pair {
    /// Id in the unified hierarchy; the same for all where that is not used.
    pub cgroup_id: u64,
    /// Inode of the mount namespace; used again when a namespace has ended.
    pub mount_namespace: u32,
}

impl Pair {
    /// That of a program, when it began.
    pub const fn of(image: &Exec) -> Self {
        Self { cgroup_id: image.cgroup_id, mount_namespace: image.mount_namespace }
    }
}

/// What manages containers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Runtime {
    /// Docker.
    Docker,
    /// containerd, by itself or below Kubernetes.
    Containerd,
    /// CRI-O.
    CriO,
    /// Podman.
    Podman,
    /// crun without a manager above it.
    Crun,
    /// runc without a manager above it.
    Runc,
    /// `systemd-nspawn(1)`.
    SystemdNspawn,
    /// LXC.
    Lxc,
}

impl Runtime {
    /// As it stands in `container.runtime`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Docker => "docker",
            Self::Containerd => "containerd",
            Self::CriO => "cri-o",
            Self::Podman => "podman",
            Self::Crun => "crun",
            Self::Runc => "runc",
            Self::SystemdNspawn => "systemd-nspawn",
            Self::Lxc => "lxc",
        }
    }
}

/// A container, as far as it is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// Its id: 64 hexadecimal digits for most runtimes, a name for systemd-nspawn and LXC.
    pub id: String,
    /// What runs it; `None` where the control group does not say and no runtime knew the id.
    pub runtime: Option<Runtime>,
    /// What people call it.
    pub name: Option<String>,
    /// What it was made of.
    pub image: Option<Image>,
    /// The Kubernetes pod that it is part of.
    pub pod: Option<Pod>,
    /// Its runtime was asked: what is `None` now stays so.
    pub looked_up: bool,
}

/// A container's image.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Image {
    /// Registry and repository, without tag: `docker.io/library/nginx`. Empty where only a digest or an id is known.
    pub name: String,
    /// Its tag, if it was named by one.
    pub tag: Option<String>,
    /// Digest or id, `sha256:HEX`.
    pub hash: Option<String>,
}

/// A Kubernetes pod.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pod {
    /// Its name.
    pub name: String,
    /// The namespace it is in.
    pub namespace: Option<String>,
    /// Its uid.
    pub uid: Option<String>,
}

/// What was found out about a pair.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contained {
    /// Which.
    pub pair: Pair,
    /// The container; `None` for none.
    pub container: Option<Container>,
}

impl Container {
    /// What its image is called, without tag and digest: the same after an upgrade.
    pub fn image_name(&self) -> Option<&str> {
        self.image.as_ref().map(|image| image.name.as_str()).filter(|name| !name.is_empty())
    }

    /// Short for people: its name, or the beginning of its id.
    pub fn label(&self) -> &str {
        const SHORT: usize = 12;
        self.name.as_deref().unwrap_or_else(|| self.id.get(..SHORT).unwrap_or(&self.id))
    }
}

impl Image {
    /// From how people and runtimes write it: `nginx`, `registry:5000/shop/web:1.2@sha256:HEX`, `sha256:HEX`. What
    /// Docker leaves out (`docker.io/library`) is added, so that an image has one name whoever runs it.
    pub fn parse(reference: &str) -> Option<Self> {
        let reference = reference.trim();
        if reference.is_empty() {
            return None;
        }
        if let Some(hash) = digest(reference) {
            return Some(Self { name: String::new(), tag: None, hash: Some(hash) });
        }
        let (rest, hash) = reference.split_once('@').map_or((reference, None), |(rest, hash)| (rest, digest(hash)));
        // A colon before the last slash is a port's.
        let (repository, tag) = match rest.rsplit_once(':') {
            Some((before, tag)) if !tag.contains('/') => (before, Some(tag.to_owned())),
            _ => (rest, None),
        };
        let first = repository.split('/').next().unwrap_or_default();
        let has_registry = repository.contains('/') && (first.contains(['.', ':']) || first == "localhost");
        let name = match (has_registry, repository.contains('/')) {
            (true, _) => repository.to_owned(),
            (false, true) => format!("docker.io/{repository}"),
            (false, false) => format!("docker.io/library/{repository}"),
        };
        Some(Self { name, tag, hash })
    }
}

/// `sha256:HEX` of that, or of the digits alone.
fn digest(text: &str) -> Option<String> {
    let digits = text.strip_prefix("sha256:").unwrap_or(text);
    let fits = digits.len() == 64 && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    fits.then(|| format!("sha256:{digits}"))
}

/// The containers of running programs.
#[derive(Default)]
pub struct Containers {
    known: HashMap<Pair, (u64, Arc<Container>), RandomState>,
    last: u64,
}

impl Containers {
    /// The container of a program; `None` if it is in none, or that is not known.
    pub fn of(&self, image: &Exec) -> Option<&Arc<Container>> {
        self.known.get(&Pair::of(image)).map(|(_, container)| container)
    }

    /// The container of a pair.
    pub fn at(&self, pair: Pair) -> Option<&Arc<Container>> {
        self.known.get(&pair).map(|(_, container)| container)
    }

    /// How many pairs are known.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Takes in what was found out. `running` are the programs that run: asked for only when there is no room.
    pub fn learn<'a, I: Iterator<Item = &'a Exec>>(&mut self, told: &Contained, running: impl FnOnce() -> I) {
        let Some(container) = &told.container else {
            self.known.remove(&told.pair);
            return;
        };
        if self.known.len() >= MAX_PAIRS && !self.known.contains_key(&told.pair) {
            let running: HashSet<Pair, RandomState> = running().map(Pair::of).collect();
            self.known.retain(|pair, _| running.contains(pair));
            let oldest = self.known.iter().min_by_key(|(_, (number, _))| *number).map(|(pair, _)| *pair);
            if let Some(oldest) = oldest.filter(|_| self.known.len() >= MAX_PAIRS) {
                self.known.remove(&oldest);
            }
        }
        self.last += 1;
        self.known.insert(told.pair, (self.last, Arc::new(container.clone())));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn images_have_one_name_whoever_runs_them() {
        let hex = "4f".repeat(32);
        for (reference, name, tag, hashed) in [
            ("nginx", "docker.io/library/nginx", None, false),
            ("nginx:1.25", "docker.io/library/nginx", Some("1.25"), false),
            ("bitnami/redis:7", "docker.io/bitnami/redis", Some("7"), false),
            ("docker.io/library/nginx:1.25", "docker.io/library/nginx", Some("1.25"), false),
            ("localhost/shop", "localhost/shop", None, false),
            ("registry:5000/shop/web", "registry:5000/shop/web", None, false),
            ("registry:5000/shop/web:2", "registry:5000/shop/web", Some("2"), false),
            (&format!("quay.io/a/b@sha256:{hex}"), "quay.io/a/b", None, true),
            (&format!("quay.io/a/b:1@sha256:{hex}"), "quay.io/a/b", Some("1"), true),
            (&format!("sha256:{hex}"), "", None, true),
            (&hex, "", None, true),
        ] {
            let image = Image::parse(reference).unwrap();
            assert_eq!((image.name.as_str(), image.tag.as_deref()), (name, tag), "{reference}");
            assert_eq!(image.hash.is_some(), hashed, "{reference}");
        }
        assert_eq!(Image::parse(" "), None);
    }

    fn contained(number: u64) -> Contained {
        let pair = Pair { cgroup_id: number, mount_namespace: 9 };
        Contained { pair, container: Some(Container { id: number.to_string(), ..Container::default() }) }
    }

    fn image(number: u64) -> Exec {
        Exec { cgroup_id: number, mount_namespace: 9, ..Exec::default() }
    }

    #[test]
    fn what_was_said_last_counts() {
        let mut containers = Containers::default();
        containers.learn(&contained(1), || [].into_iter());
        assert_eq!(containers.of(&image(1)).unwrap().id, "1");
        assert!(containers.of(&image(2)).is_none());
        let gone = Contained { container: None, ..contained(1) };
        containers.learn(&gone, || [].into_iter());
        assert!(containers.is_empty());
    }

    #[test]
    fn at_the_maximum_what_runs_stays() {
        let mut containers = Containers::default();
        let most = MAX_PAIRS as u64;
        for number in 0..most {
            containers.learn(&contained(number), || [].into_iter());
        }
        let running = image(0);
        containers.learn(&contained(most), || [&running].into_iter());
        assert_eq!(containers.len(), 2);
        assert!(containers.of(&running).is_some());
    }

    #[test]
    fn where_all_run_the_oldest_goes() {
        let mut containers = Containers::default();
        let most = MAX_PAIRS as u64;
        let running: Vec<Exec> = (0..most).map(image).collect();
        for number in 0..=most {
            containers.learn(&contained(number), || running.iter());
        }
        assert_eq!(containers.len(), MAX_PAIRS);
        assert!(containers.of(&image(0)).is_none());
        assert!(containers.of(&image(1)).is_some());
    }
}
