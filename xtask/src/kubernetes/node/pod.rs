//! From a rendered DaemonSet to what the runtime is told: what a kubelet would make of it, for this one container.

use super::oci::Image;
use super::seccomp;
use crate::containers::crun::Spec;
use crate::kubernetes::chart::{Rendered, list};
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};

/// Its control group, as the kubelet with containerd and systemd has it.
const CGROUP: &str = "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod22222222-3333-4444-5555-666666666666.slice/\
                      cri-containerd-ID.scope";

/// What a container does not see unless `procMount` says otherwise (containerd's defaults).
const MASKED: &[&str] = &[
    "/proc/acpi",
    "/proc/asound",
    "/proc/kcore",
    "/proc/keys",
    "/proc/latency_stats",
    "/proc/sched_debug",
    "/proc/scsi",
    "/proc/timer_list",
    "/proc/timer_stats",
    "/sys/devices/virtual/powercap",
    "/sys/firmware",
];
/// What it cannot write to.
const READ_ONLY: &[&str] = &["/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"];

/// The runtime's orders; files of volumes are put below `volumes`.
pub fn spec(rendered: &Rendered, image: &Image, profile: &Value, volumes: &Path, id: &str) -> Result<Spec> {
    let (pod, container) = (&rendered.pod()?["spec"], rendered.container()?);
    let context = &container["securityContext"];
    let texts = |value: &Value| -> Vec<String> {
        list(value).iter().filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    ensure!(context["capabilities"]["drop"] == json!(["ALL"]), "capabilities are not dropped");
    ensure!(context["privileged"] == false, "it is privileged");
    let mut arguments = image.entry_point.clone();
    arguments.extend(texts(&container["args"]));
    let mut spec = Spec::new(id, &CGROUP.replace("ID", id), std::slice::from_ref(&image.layer), &[]);
    spec.arguments = arguments;
    spec.capabilities = texts(&context["capabilities"]["add"]).iter().map(|name| format!("CAP_{name}")).collect();
    spec.read_only = context["readOnlyRootFilesystem"] == true;
    spec.namespaces.retain(|kind| !(*kind == "pid" && pod["hostPID"] == true));
    spec.namespaces.retain(|kind| !(*kind == "network" && pod["hostNetwork"] == true));
    spec.mounts = mounts(rendered, volumes)?;
    spec.process = object(json!({
        "env": image.environment,
        "noNewPrivileges": context["allowPrivilegeEscalation"] == false,
    }));
    spec.linux = object(json!({
        "maskedPaths": MASKED,
        "readonlyPaths": READ_ONLY,
        "seccomp": match context["seccompProfile"]["type"].as_str() {
            Some("RuntimeDefault") => seccomp::resolve(profile, &spec.capabilities),
            other => bail!("the profile for system calls is {other:?}"),
        },
    }));
    Ok(spec)
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

/// What every container gets, and its volumes.
fn mounts(rendered: &Rendered, volumes: &Path) -> Result<Vec<Value>> {
    let mut mounts = vec![
        json!({"destination": "/dev/pts", "type": "devpts", "source": "devpts",
            "options": ["nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"]}),
        json!({"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["nosuid", "noexec", "nodev", "ro"]}),
        json!({"destination": "/sys/fs/cgroup", "type": "cgroup", "source": "cgroup",
            "options": ["nosuid", "noexec", "nodev", "relatime", "ro"]}),
    ];
    for mount in list(&rendered.container()?["volumeMounts"]) {
        let volume = list(&rendered.pod()?["spec"]["volumes"]).iter().find(|volume| volume["name"] == mount["name"]);
        let mut source = volume_source(rendered, volume.context("no such volume")?, volumes)?;
        source.extend(mount["subPath"].as_str());
        let access = if mount["readOnly"] == true { "ro" } else { "rw" };
        mounts.push(json!({
            "destination": mount["mountPath"], "type": "bind", "source": source, "options": ["rbind", "rprivate", access],
        }));
    }
    Ok(mounts)
}

/// Makes what a volume stands for.
fn volume_source(rendered: &Rendered, volume: &Value, volumes: &Path) -> Result<PathBuf> {
    if let Some(path) = volume["hostPath"]["path"].as_str() {
        ensure!(volume["hostPath"]["type"] == "DirectoryOrCreate", "hostPath of another type");
        fs::create_dir_all(path)?;
        return Ok(PathBuf::from(path));
    }
    let directory = volumes.join(volume["name"].as_str().context("a volume without a name")?);
    fs::create_dir_all(&directory)?;
    if let Some(name) = volume["configMap"]["name"].as_str() {
        let map = rendered.of_kind("ConfigMap").find(|map| map["metadata"]["name"] == name).context("no ConfigMap")?;
        for (file, text) in map["data"].as_object().context("an empty ConfigMap")? {
            fs::write(directory.join(file), text.as_str().unwrap_or_default())?;
        }
    } else {
        ensure!(volume.get("emptyDir").is_some(), "a volume of another kind: {volume}");
    }
    Ok(directory)
}
