//! Made-up state of each runtime, as it writes it.

use super::*;
use std::os::unix::fs::symlink;
use std::path::PathBuf;

const ID: &str = "4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f4f";
const HASH: &str = "sha256:abababababababababababababababababababababababababababababababab";

/// A procfs in which process 1 has the host's root.
struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        let host = Self(tempfile::tempdir().unwrap());
        host.process(1, 0, 1, "host");
        host
    }

    fn process(&self, pid: u32, parent: u32, namespace: u32, root: &str) {
        let (directory, root) = (self.proc().join(pid.to_string()), self.0.path().join(root));
        std::fs::create_dir_all(directory.join("ns")).unwrap();
        std::fs::create_dir_all(&root).unwrap();
        symlink(root, directory.join("root")).unwrap();
        symlink(format!("mnt:[{namespace}]"), directory.join("ns/mnt")).unwrap();
        let stat = format!("{pid} (x) S {parent} 1 1 0 -1 0 1 2 3 4 5 6 7 8 20 0 1 0 1 10\n");
        std::fs::write(directory.join("stat"), stat).unwrap();
    }

    fn proc(&self) -> PathBuf {
        self.0.path().join("proc")
    }

    fn put(&self, root: &str, path: &str, text: &str) {
        let path = self.0.path().join(root).join(path.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text.replace("THEID", ID).replace("HASH", HASH)).unwrap();
    }

    fn ask(&self, named: Named) -> Container {
        let pair = Pair { cgroup_id: 1, mount_namespace: 2 };
        let answer = Lookup { pair, pid: 70, named }.answer(&self.proc());
        assert_eq!(answer.pair, pair);
        let container = answer.container.unwrap();
        assert!(container.looked_up);
        container
    }
}

fn of(runtime: Option<Runtime>) -> Named {
    Named { id: ID.to_owned(), runtime, nested: false, user: None }
}

/// Runtime, name, image, tag, whether the image's hash is known, pod.
fn said(container: &Container) -> String {
    let image = container.image.as_ref();
    format!(
        "{} {} {}:{}{} {}",
        container.runtime.map_or("-", Runtime::name),
        container.name.as_deref().unwrap_or("-"),
        container.image_name().unwrap_or("-"),
        image.and_then(|image| image.tag.as_deref()).unwrap_or("-"),
        if image.is_some_and(|image| image.hash.as_deref() == Some(HASH)) { "@" } else { "" },
        container
            .pod
            .as_ref()
            .map_or_else(|| "-".to_owned(), |pod| format!("{}/{}", pod.namespace.as_deref().unwrap_or("-"), pod.name)),
    )
}

const DOCKER: &str =
    r#"{"ID": "THEID", "Name": "/shop", "Image": "HASH", "Config": {"Image": "nginx:1.25", "Labels": {}}}"#;
const DOCKER_POD: &str = r#"{"ID": "THEID", "Name": "/k8s_web_shop-1_prod_u_0", "Image": "HASH", "Config": {"Image": "HASH", "Labels":
    {"io.kubernetes.container.name": "web", "io.kubernetes.pod.name": "shop-1", "io.kubernetes.pod.namespace": "prod"}}}"#;
const CRI: &str = r#"{"ociVersion": "1.1.0", "annotations": {"io.kubernetes.cri.container-name": "web",
    "io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.image-name": "docker.io/library/nginx:1.25",
    "io.kubernetes.cri.sandbox-id": "x", "io.kubernetes.cri.sandbox-name": "shop-1",
    "io.kubernetes.cri.sandbox-namespace": "prod", "io.kubernetes.cri.sandbox-uid": "u"}}"#;
const NERDCTL: &str = r#"{"annotations": {"nerdctl/name": "shop", "nerdctl/namespace": "default"}}"#;
const CRIO: &str = r#"{"annotations": {"io.kubernetes.cri-o.ContainerType": "container", "io.kubernetes.container.name": "web",
    "io.kubernetes.cri-o.ImageName": "quay.io/shop/web:2", "io.kubernetes.cri-o.ImageRef": "quay.io/shop/web@HASH",
    "io.kubernetes.pod.name": "shop-1", "io.kubernetes.pod.namespace": "prod", "io.kubernetes.pod.uid": "u"}}"#;
const PODMAN: &str = r#"[{"id": "other", "names": ["no"]}, {"id": "THEID", "names": ["shop"], "image": "HASH", "layer": "x",
    "metadata": "{\"image-name\":\"quay.io/shop/web:2\",\"image-id\":\"x\",\"name\":\"shop\",\"created-at\":1711141}"}]"#;

#[test]
fn each_runtime_s_files() {
    let bundle = "/run/containerd/io.containerd.runtime.v2.task";
    for (path, text, runtime, expected) in [
        (
            "/var/lib/docker/containers/ID/config.v2.json",
            DOCKER,
            Runtime::Docker,
            "docker shop docker.io/library/nginx:1.25@ -",
        ),
        ("/var/lib/docker/containers/ID/config.v2.json", DOCKER_POD, Runtime::Docker, "docker web -:-@ prod/shop-1"),
        (
            &format!("{bundle}/k8s.io/ID/config.json"),
            CRI,
            Runtime::Containerd,
            "containerd web docker.io/library/nginx:1.25 prod/shop-1",
        ),
        (
            "/run/k3s/containerd/io.containerd.runtime.v2.task/k8s.io/ID/config.json",
            CRI,
            Runtime::Containerd,
            "containerd web docker.io/library/nginx:1.25 prod/shop-1",
        ),
        (&format!("{bundle}/default/ID/config.json"), NERDCTL, Runtime::Containerd, "containerd shop -:- -"),
        (
            "/run/containers/storage/overlay-containers/ID/userdata/config.json",
            CRIO,
            Runtime::CriO,
            "cri-o web quay.io/shop/web:2@ prod/shop-1",
        ),
        (
            "/var/lib/containers/storage/overlay-containers/containers.json",
            PODMAN,
            Runtime::Podman,
            "podman shop quay.io/shop/web:2@ -",
        ),
        (
            "/var/lib/containers/storage/overlay-containers/volatile-containers.json",
            PODMAN,
            Runtime::Podman,
            "podman shop quay.io/shop/web:2@ -",
        ),
    ] {
        let host = Host::new();
        host.put("host", &path.replace("ID", ID), text);
        assert_eq!(said(&host.ask(of(Some(runtime)))), expected, "{path}");
        // A plain control group such as /kubepods/podUID/ID does not say who made it: whoever knows the id.
        assert_eq!(said(&host.ask(of(None))), expected, "{path}");
    }
}

#[test]
fn podman_has_a_bundle_beside_its_list() {
    let host = Host::new();
    let bundle = format!("/var/lib/containers/storage/overlay-containers/{ID}/userdata/config.json");
    host.put("host", &bundle, r#"{"annotations": {"org.opencontainers.image.stopSignal": "3"}}"#);
    host.put("host", "/var/lib/containers/storage/overlay-containers/containers.json", PODMAN);
    assert_eq!(said(&host.ask(of(Some(Runtime::Podman)))), "podman shop quay.io/shop/web:2@ -");
}

#[test]
fn docker_s_data_may_be_elsewhere() {
    let host = Host::new();
    host.put("host", "/etc/docker/daemon.json", r#"{"data-root": "/data/docker"}"#);
    host.put("host", &format!("/data/docker/containers/{ID}/config.v2.json"), DOCKER);
    assert_eq!(host.ask(of(Some(Runtime::Docker))).name.as_deref(), Some("shop"));
}

#[test]
fn a_user_s_containers_are_in_the_user_s_home() {
    let user = |runtime| Named { user: Some(1000), ..of(Some(runtime)) };
    let host = Host::new();
    host.put("host", "/etc/passwd", "root:x:0:0::/root:/bin/sh\nshop:x:1000:1000::/srv/shop:/bin/sh\n");
    host.put("host", "/srv/shop/.local/share/containers/storage/overlay-containers/containers.json", PODMAN);
    host.put("host", &format!("/srv/shop/.local/share/docker/containers/{ID}/config.v2.json"), DOCKER);
    assert_eq!(said(&host.ask(user(Runtime::Podman))), "podman shop quay.io/shop/web:2@ -");
    assert_eq!(said(&host.ask(user(Runtime::Docker))), "docker shop docker.io/library/nginx:1.25@ -");
    // Not what the system's own say of that id.
    host.put("host", "/etc/passwd", "root:x:0:0::/root:/bin/sh\n");
    assert_eq!(said(&host.ask(user(Runtime::Podman))), "podman - -:- -");
}

#[test]
fn a_container_inside_of_another_is_known_there_and_only_there() {
    let nested = || Named { nested: true, ..of(Some(Runtime::Containerd)) };
    let host = Host::new();
    host.process(50, 1, 1, "host");
    host.process(60, 50, 5, "node");
    host.process(61, 60, 5, "node");
    host.process(70, 61, 7, "pod");
    let bundle = format!("/run/containerd/io.containerd.runtime.v2.task/k8s.io/{ID}/config.json");
    host.put("host", &bundle, CRI);
    host.put("pod", &bundle, CRI);
    assert_eq!(said(&host.ask(nested())), "containerd - -:- -");
    host.put("node", &bundle, CRI);
    assert_eq!(said(&host.ask(nested())), "containerd web docker.io/library/nginx:1.25 prod/shop-1");
}

#[test]
fn what_is_broken_or_foreign_or_leads_out_is_not_known() {
    let path = format!("/var/lib/docker/containers/{ID}/config.v2.json");
    let long = format!(r#"{{"ID": "THEID", "Name": "/{}"}}"#, "x".repeat(MAX_TEXT));
    for text in ["", "{", "[]", "null", r#"{"ID": "other", "Name": "/no"}"#, r#"{"ID": "THEID", "Name": 7}"#, &long] {
        let host = Host::new();
        host.put("host", &path, text);
        assert_eq!(said(&host.ask(of(Some(Runtime::Docker)))), "docker - -:- -", "{text}");
    }
    let host = Host::new();
    host.put("outside", "config.v2.json", DOCKER);
    host.put("host", "/var/lib/docker/containers/x", "");
    let link = host.0.path().join("host/var/lib/docker/containers").join(ID);
    symlink(host.0.path().join("outside"), link).unwrap();
    assert_eq!(said(&host.ask(of(Some(Runtime::Docker)))), "docker - -:- -");
}

#[test]
fn a_machine_is_called_what_it_is() {
    let host = Host::new();
    let named = Named { id: "web-1".into(), ..of(Some(Runtime::SystemdNspawn)) };
    assert_eq!(said(&host.ask(named)), "systemd-nspawn web-1 -:- -");
}
