//! Which container a process is in, by the path of its control group.
//!
//! Comes in: the text of `/proc/PID/cgroup`, of cgroup v1, v2 or both. Goes out: the innermost container that a path
//! names. Always holds: who is inside cannot rename the control groups above; only the shapes below count, and what has
//! another shape is no container. Paths that are relative to the reader's own control group (`/../../..`, where that is
//! in a namespace of its own) still end in the same names.

use crate::container::Runtime;
use bstr::ByteSlice;

/// Digits of an id, as all engines make them.
const ID: usize = 64;

/// What managers put before an id, in names of scopes (`docker-ID.scope`) and of plain control groups (`libpod-ID`).
const PREFIXES: &[(&str, Runtime)] = &[
    ("docker", Runtime::Docker),
    ("cri-containerd", Runtime::Containerd),
    ("containerd", Runtime::Containerd),
    ("nerdctl", Runtime::Containerd),
    ("crio", Runtime::CriO),
    ("libpod", Runtime::Podman),
    ("libpod-payload", Runtime::Podman),
    ("crun", Runtime::Crun),
    ("runc", Runtime::Runc),
];

/// What managers call the control group above plain ids: `/docker/ID`.
const ABOVE: &[(&str, Runtime)] =
    &[("docker", Runtime::Docker), ("libpod_parent", Runtime::Podman), ("k8s.io", Runtime::Containerd)];

/// What a control group says of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// Its id, or its name where the manager has no other.
    pub id: String,
    /// What made it, if the path says so.
    pub runtime: Option<Runtime>,
    /// It is inside of another container, as far as the reader sees.
    pub nested: bool,
    /// The user whose slice it is in: a container without root.
    pub user: Option<u32>,
}

/// The container that this text of `/proc/PID/cgroup` names; `None` for none.
pub fn named(text: &[u8]) -> Option<Named> {
    // The unified hierarchy, or else the one that systemd uses, or else any (`fs/proc`: `ID:CONTROLLERS:PATH`).
    let groups = || text.lines().filter_map(|line| line.split_once_str(":")?.1.split_once_str(":"));
    let of = |wanted: &[u8]| groups().filter(|(hierarchy, _)| *hierarchy == wanted).find_map(|(_, path)| of_path(path));
    of(b"").or_else(|| of(b"name=systemd")).or_else(|| groups().find_map(|(_, path)| of_path(path)))
}

/// Whether processes are told apart by the unified hierarchy alone: then its ids are never used again.
pub fn is_unified(text: &[u8]) -> bool {
    text.lines().all(|line| line.starts_with(b"0::"))
}

fn of_path(path: &[u8]) -> Option<Named> {
    let path = path.to_str_lossy();
    let parts: Vec<&str> = path.split('/').filter(|part| !part.is_empty()).collect();
    let mut found = (0..parts.len()).rev().filter_map(|at| of_part(&parts, at));
    let (id, runtime) = found.next()?;
    let nested = found.next().is_some();
    let user = parts.iter().find_map(|part| part.strip_prefix("user-")?.strip_suffix(".slice")?.parse().ok());
    Some(Named { id, runtime, nested, user })
}

fn of_part(parts: &[&str], at: usize) -> Option<(String, Option<Runtime>)> {
    let part = parts[at];
    // `kubepods-podUID.slice:cri-containerd:ID`: a path for systemd that was taken as it is.
    if let Some((before, id)) = part.rsplit_once(':') {
        let manager = before.rsplit(':').next().unwrap_or_default();
        return is_id(id).then(|| (id.to_owned(), named_by(PREFIXES, manager)));
    }
    let name = part.strip_suffix(".scope").unwrap_or(part);
    if is_id(name) {
        let above = at.checked_sub(1).and_then(|above| named_by(ABOVE, parts[above]));
        return Some((name.to_owned(), above));
    }
    if let Some((prefix, id)) = name.rsplit_once('-').filter(|(_, id)| is_id(id)) {
        // Others, such as `crio-conmon` and `libpod-conmon`, watch a container from outside.
        return named_by(PREFIXES, prefix).map(|runtime| (id.to_owned(), Some(runtime)));
    }
    machine(part)
}

fn is_id(text: &str) -> bool {
    text.len() == ID && text.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'a'..=b'f'))
}

fn named_by(known: &[(&str, Runtime)], name: &str) -> Option<Runtime> {
    known.iter().find(|(known, _)| *known == name).map(|(_, runtime)| *runtime)
}

/// Containers that have a name and no other id.
fn machine(part: &str) -> Option<(String, Option<Runtime>)> {
    if let Some(name) = part.strip_prefix("lxc.payload.").filter(|name| is_name(name)) {
        return Some((name.to_owned(), Some(Runtime::Lxc)));
    }
    let unit = part.strip_prefix("systemd-nspawn@").and_then(|rest| rest.strip_suffix(".service"));
    let scope = part.strip_prefix("machine-").and_then(|rest| rest.strip_suffix(".scope"));
    let name = unescape(unit.or(scope)?)?;
    // libvirt's are machines as well, and no containers: QEMU itself is in there.
    let is_machine = name.starts_with("qemu-") || !is_name(&name);
    (!is_machine).then_some((name, Some(Runtime::SystemdNspawn)))
}

/// Whether that may be the name of a machine: that of a host.
fn is_name(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    (1..=ID).contains(&text.len()) && text.bytes().all(fits)
}

/// A name as systemd writes it into one of a unit's: `\x2d` is a hyphen.
fn unescape(name: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(name.len());
    let mut rest = name;
    while let Some((before, after)) = rest.split_once("\\x") {
        bytes.extend_from_slice(before.as_bytes());
        bytes.push(u8::from_str_radix(after.get(..2)?, 16).ok()?);
        rest = &after[2..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    const OUTER: &str = "0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e";

    /// What is said of a path in which `ID` and `OUTER` stand for ids: the runtime, whether it is nested, and the user.
    fn said(path: &str) -> Option<(Option<Runtime>, bool, Option<u32>)> {
        let id = "4f".repeat(32);
        let named = of_path(path.replace("OUTER", OUTER).replace("ID", &id).as_bytes())?;
        assert_eq!(named.id, id, "{path}");
        Some((named.runtime, named.nested, named.user))
    }

    #[test]
    fn managers_and_drivers() {
        let (docker, containerd) = (Some(Runtime::Docker), Some(Runtime::Containerd));
        for (path, runtime) in [
            ("/system.slice/docker-ID.scope", docker),
            ("/docker/ID", docker),
            ("/system.slice/docker-ID.scope/system.slice/nginx.service", docker),
            ("/system.slice/nerdctl-ID.scope", containerd),
            ("/default/ID", None),
            ("/k8s.io/ID", containerd),
            (
                "/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1_2.slice/cri-containerd-ID.scope",
                containerd,
            ),
            ("/kubepods.slice/kubepods-pod1.slice/crio-ID.scope", Some(Runtime::CriO)),
            ("/kubepods.slice/kubepods-pod1.slice/docker-ID.scope", docker),
            ("/kubepods/burstable/pod1-2/ID", None),
            ("/system.slice/containerd.service/kubepods-burstable-pod1.slice:cri-containerd:ID", containerd),
            ("/machine.slice/libpod-ID.scope", Some(Runtime::Podman)),
            ("/machine.slice/libpod-ID.scope/container", Some(Runtime::Podman)),
            ("/libpod_parent/libpod-ID", Some(Runtime::Podman)),
            ("/system.slice/shop.service/libpod-payload-ID", Some(Runtime::Podman)),
            ("/system.slice/crun-ID.scope", Some(Runtime::Crun)),
            ("/system.slice/runc-ID.scope", Some(Runtime::Runc)),
        ] {
            assert_eq!(said(path), Some((runtime, false, None)), "{path}");
        }
    }

    #[test]
    fn without_root_inside_others_and_seen_from_a_namespace() {
        let podman = Some(Runtime::Podman);
        for (path, expected) in [
            (
                "/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-ID.scope/container",
                (podman, false, Some(1000)),
            ),
            (
                "/user.slice/user-1000.slice/user@1000.service/app.slice/shop.service/libpod-payload-ID",
                (podman, false, Some(1000)),
            ),
            ("/docker/OUTER/kubelet/kubepods/besteffort/pod1/ID", (None, true, None)),
            (
                "/system.slice/docker-OUTER.scope/kubelet.slice/kubelet-kubepods.slice/kubelet-kubepods-pod1.slice/cri-containerd-ID.scope",
                (Some(Runtime::Containerd), true, None),
            ),
            ("/../cri-containerd-ID.scope", (Some(Runtime::Containerd), false, None)),
            ("/../../kubepods-besteffort-pod1.slice/crio-ID.scope", (Some(Runtime::CriO), false, None)),
            ("/../../../../docker/ID", (Some(Runtime::Docker), false, None)),
        ] {
            assert_eq!(said(path), Some(expected), "{path}");
        }
    }

    #[test]
    fn what_is_no_container() {
        for path in [
            "/",
            "/../..",
            "/system.slice/nginx.service",
            "/user.slice/user-0.slice/session-3.scope",
            "/system.slice/libpod-conmon-ID.scope",
            "/kubepods.slice/crio-conmon-ID.scope",
            "/system.slice/backup-ID.scope",
            "/machine.slice/machine-qemu\\x2d1\\x2dweb.scope/libvirt/emulator",
            "/machine.slice/machine-\\xzz.scope",
        ] {
            assert_eq!(said(path), None, "{path}");
        }
        // Its monitor is outside of it, but may be inside of another.
        let outer = of_path(format!("/docker/{OUTER}/libpod-conmon-{OUTER}.scope").as_bytes()).unwrap();
        assert_eq!((outer.id.as_str(), outer.runtime, outer.nested), (OUTER, Some(Runtime::Docker), false));
    }

    #[test]
    fn machines_have_names() {
        for (path, id, runtime) in [
            ("/machine.slice/systemd-nspawn@web\\x2d1.service/payload/init.scope", "web-1", Runtime::SystemdNspawn),
            ("/machine.slice/machine-web\\x2d1.scope/payload", "web-1", Runtime::SystemdNspawn),
            ("/lxc.payload.web-1/system.slice/nginx.service", "web-1", Runtime::Lxc),
        ] {
            let named = of_path(path.as_bytes()).unwrap();
            assert_eq!((named.id.as_str(), named.runtime), (id, Some(runtime)), "{path}");
        }
    }

    #[test]
    fn every_hierarchy_is_looked_at() {
        let docker = format!("docker/{OUTER}");
        for text in [
            format!("0::/{docker}\n"),
            format!("12:cpu,cpuacct:/{docker}\n1:name=systemd:/{docker}\n"),
            // Both are used, and the engine only made groups in the old ones.
            format!("3:pids:/{docker}\n1:name=systemd:/{docker}\n0::/system.slice/containerd.service\n"),
            format!("4:devices:/{docker}\n1:name=systemd:/\n0::/\n"),
        ] {
            let named = named(text.as_bytes()).unwrap();
            assert_eq!((named.id.as_str(), named.runtime), (OUTER, Some(Runtime::Docker)), "{text}");
        }
        assert_eq!(named(b"0::/system.slice/nginx.service\n"), None);
        assert!(is_unified(b"0::/a\n") && !is_unified(b"1:name=systemd:/\n0::/a\n"));
    }

    proptest::proptest! {
        #[test]
        fn no_text_makes_it_panic(text in proptest::collection::vec(proptest::prelude::any::<u8>(), 0..200)) {
            let _ = named(&text);
        }
    }
}
