//! Bundles of OCI runtimes: `config.json` with annotations, as containerd and CRI-O write them.

use super::{Facts, json, pod, text};
use crate::container::{Image, Runtime};
use crate::procfs::Root;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// Directories with a directory of bundles for each namespace of containerd: its own, those that come with others, and
/// Docker's own containerd.
const CONTAINERD: &[&str] = &[
    "/run/containerd",
    "/run/k3s/containerd",
    "/run/docker/containerd/daemon",
    "/var/snap/microk8s/common/run/containerd",
    "/run/k0s/containerd",
];

/// Where CRI-O and Podman put the bundle of a container.
const STORAGE: &[&str] = &["/run/containers/storage", "/var/lib/containers/storage"];

/// What containerd knows of a container.
pub fn containerd(root: &Root, home: Option<&Path>, id: &str) -> Option<Facts> {
    let own = CONTAINERD.iter().map(PathBuf::from).chain(home.map(|home| home.join(".local/share/containerd")));
    own.flat_map(|state| root.matches(&state.join("io.containerd.runtime.v2.task/*").join(id).join("config.json")))
        .find_map(|path| json(root, &path))
        .map(|config| facts(Some(Runtime::Containerd), &config["annotations"]))
}

/// What a bundle in containers/storage says: CRI-O writes all there is into annotations, Podman next to nothing.
pub fn storage(root: &Root, id: &str) -> Option<Facts> {
    let paths = STORAGE
        .iter()
        .map(|storage| Path::new(storage).join("overlay-containers").join(id).join("userdata/config.json"));
    let config = paths.into_iter().find_map(|path| json(root, &path))?;
    let annotations = &config["annotations"];
    // Podman's says nothing that its list of containers does not say better.
    text(annotations, "io.kubernetes.cri-o.ContainerType")?;
    Some(facts(Some(Runtime::CriO), annotations))
}

fn facts(runtime: Option<Runtime>, annotations: &Value) -> Facts {
    let first = |keys: &[&str]| keys.iter().find_map(|key| text(annotations, key));
    let name = first(&["io.kubernetes.cri.container-name", "io.kubernetes.container.name", "nerdctl/name"]);
    let image = first(&[
        "io.kubernetes.cri.image-name",
        "io.kubernetes.cri-o.ImageName",
        // Which of the two has the name changed over CRI-O's versions.
        "io.kubernetes.cri-o.Image",
    ]);
    let mut image = image.as_deref().and_then(Image::parse);
    if let Some(image) = &mut image {
        let reference = first(&["io.kubernetes.cri.image-ref", "io.kubernetes.cri-o.ImageRef"]);
        image.hash = image.hash.take().or_else(|| Image::parse(&reference?)?.hash);
    }
    Facts { runtime, name, image, pod: pod(annotations) }
}
