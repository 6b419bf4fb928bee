//! How each engine calls control groups, and what it writes about a container: laid down by the test, because no engine
//! runs in the machine.

use crate::daemons::host;
use anyhow::Result;
use serde_json::{Value, json};
use std::path::Path;

const IMAGE_ID: &str = "sha256:abababababababababababababababababababababababababababababababab";
const POD: &str = "11111111-2222-3333-4444-555555555555";

/// An engine, with one of its ways to name control groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Form {
    /// For people.
    pub name: &'static str,
    /// Its name in `container.runtime`.
    pub runtime: &'static str,
    /// The control group; `ID` and `POD` stand for those.
    cgroup: &'static str,
    state: State,
}

/// Whose files tell about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Docker,
    Containerd,
    CriO,
    Podman,
}

/// All of them.
pub const FORMS: &[Form] = &[
    form("docker, systemd", "docker", "/system.slice/docker-ID.scope", State::Docker),
    form("docker, cgroupfs", "docker", "/docker/ID", State::Docker),
    form(
        "kubernetes with containerd, systemd",
        "containerd",
        "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-podPOD.slice/cri-containerd-ID.scope",
        State::Containerd,
    ),
    form("kubernetes with containerd, cgroupfs", "containerd", "/kubepods/besteffort/podPOD/ID", State::Containerd),
    form("cri-o, systemd", "cri-o", "/kubepods.slice/kubepods-podPOD.slice/crio-ID.scope", State::CriO),
    form("podman, systemd", "podman", "/machine.slice/libpod-ID.scope/container", State::Podman),
    form("podman, cgroupfs", "podman", "/libpod_parent/libpod-ID", State::Podman),
];

const fn form(name: &'static str, runtime: &'static str, cgroup: &'static str, state: State) -> Form {
    Form { name, runtime, cgroup, state }
}

/// What a container is called.
#[derive(Clone, Debug)]
pub struct Called {
    /// How it is run.
    pub form: Form,
    /// Its id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// Its image, without tag.
    pub image: String,
}

impl Called {
    /// The `number`th container of a machine.
    pub fn new(form: Form, number: usize, image: &str) -> Self {
        let name = format!("shop-{number}");
        Self { form, id: format!("{:064x}", 0xc0de_0000 + number), name, image: image.to_owned() }
    }

    /// Its control group.
    pub fn cgroup(&self) -> String {
        self.form.cgroup.replace("POD", POD).replace("ID", &self.id)
    }

    /// The same image with a tag.
    fn reference(&self) -> String {
        format!("{}:1.2", self.image)
    }

    /// Whether the engine runs it as part of a pod.
    pub fn in_pod(&self) -> bool {
        matches!(self.form.state, State::Containerd | State::CriO)
    }

    /// Writes what its engine would, below the host's root.
    pub fn write_state(&self) -> Result<()> {
        let id = &self.id;
        let (path, content) = match self.form.state {
            State::Docker => (format!("var/lib/docker/containers/{id}/config.v2.json"), self.docker()),
            State::Containerd => {
                (format!("run/containerd/io.containerd.runtime.v2.task/k8s.io/{id}/config.json"), self.containerd())
            }
            State::CriO => {
                (format!("run/containers/storage/overlay-containers/{id}/userdata/config.json"), self.crio())
            }
            State::Podman => return self.podman(),
        };
        host::write(Path::new("/"), &path, &content.to_string()).map(drop)
    }

    fn docker(&self) -> Value {
        json!({
            "ID": self.id, "Name": format!("/{}", self.name), "Image": IMAGE_ID,
            "State": {"Running": true}, "Config": {"Image": self.reference(), "Labels": {}},
        })
    }

    fn containerd(&self) -> Value {
        json!({"ociVersion": "1.1.0", "annotations": {
            "io.kubernetes.cri.container-name": self.name,
            "io.kubernetes.cri.container-type": "container",
            "io.kubernetes.cri.image-name": self.reference(),
            "io.kubernetes.cri.sandbox-id": "0",
            "io.kubernetes.cri.sandbox-name": format!("{}-pod", self.name),
            "io.kubernetes.cri.sandbox-namespace": "prod",
            "io.kubernetes.cri.sandbox-uid": POD,
        }})
    }

    fn crio(&self) -> Value {
        json!({"ociVersion": "1.1.0", "annotations": {
            "io.kubernetes.cri-o.ContainerType": "container",
            "io.kubernetes.cri-o.ImageName": self.reference(),
            "io.kubernetes.container.name": self.name,
            "io.kubernetes.pod.name": format!("{}-pod", self.name),
            "io.kubernetes.pod.namespace": "prod",
            "io.kubernetes.pod.uid": POD,
        }})
    }

    /// One list has all of them.
    fn podman(&self) -> Result<()> {
        let path = "var/lib/containers/storage/overlay-containers/containers.json";
        let list = std::fs::read(Path::new("/").join(path)).unwrap_or_default();
        let mut list: Vec<Value> = serde_json::from_slice(&list).unwrap_or_default();
        let metadata = json!({"image-name": self.reference(), "name": self.name});
        let image = IMAGE_ID.trim_start_matches("sha256:");
        list.push(json!({"id": self.id, "names": [self.name], "image": image, "metadata": metadata.to_string()}));
        host::write(Path::new("/"), path, &Value::from(list).to_string()).map(drop)
    }
}
