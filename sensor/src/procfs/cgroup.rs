//! What a process belongs to, by its control group: a unit of systemd, or a container.

use bstr::ByteSlice;
use std::path::Path;

/// How much of a container's id is told, as its own tools do.
const SHORT_ID: usize = 12;

/// The unit or container that a process is in, shortened for people; `None` if it is in none or cannot be read.
pub fn unit(proc_root: &Path, pid: u32) -> Option<String> {
    let text = std::fs::read(proc_root.join(pid.to_string()).join("cgroup")).ok()?;
    // The unified hierarchy, or else the one that systemd uses, or else any (`fs/proc`: `ID:CONTROLLERS:PATH`).
    let groups = || text.lines().filter_map(|line| line.split_once_str(":")?.1.split_once_str(":"));
    let of = |wanted: &[u8]| groups().filter(|(hierarchy, _)| *hierarchy == wanted).find_map(|(_, path)| unit_of(path));
    of(b"").or_else(|| of(b"name=systemd")).or_else(|| groups().find_map(|(_, path)| unit_of(path)))
}

/// The last part of a control group's path. Ids of containers are shortened, and named by what runs them.
fn unit_of(path: &[u8]) -> Option<String> {
    let mut parts = path.rsplit_str("/").filter(|part| !part.is_empty());
    let last = parts.next()?.to_str_lossy();
    let name = last.strip_suffix(".scope").unwrap_or(&last);
    let (before, id) = name.rsplit_once('-').map_or(("", name), |(before, id)| (before, id));
    let is_id = id.len() >= 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    if !is_id {
        return Some(last.into_owned());
    }
    let id = &id[..SHORT_ID];
    if !before.is_empty() {
        return Some(format!("{before}-{id}"));
    }
    // `/docker/ID`, `/kubepods/burstable/podUID/ID`.
    let by = parts.map(|part| part.to_str_lossy()).find(|part| !part.starts_with("pod"));
    let by = if path.contains_str("kubepods") { Some("kube".into()) } else { by };
    Some(by.map_or_else(|| id.to_owned(), |by| format!("{by}-{id}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_and_containers() {
        let id = "4f".repeat(32);
        for (path, expected) in [
            ("/system.slice/nginx.service".to_owned(), Some("nginx.service")),
            (
                "/system.slice/system-postgresql.slice/postgresql@15-main.service".to_owned(),
                Some("postgresql@15-main.service"),
            ),
            (format!("/system.slice/docker-{id}.scope"), Some("docker-4f4f4f4f4f4f")),
            (format!("/docker/{id}"), Some("docker-4f4f4f4f4f4f")),
            (format!("/kubepods/burstable/pod1-2/{id}"), Some("kube-4f4f4f4f4f4f")),
            (
                format!("/kubepods.slice/kubepods-pod1.slice/cri-containerd-{id}.scope"),
                Some("cri-containerd-4f4f4f4f4f4f"),
            ),
            ("/user.slice/user-0.slice/session-3.scope".to_owned(), Some("session-3.scope")),
            ("/".to_owned(), None),
        ] {
            assert_eq!(unit_of(path.as_bytes()).as_deref(), expected, "{path}");
        }
    }

    #[test]
    fn the_unified_hierarchy_comes_first_and_systemds_next() {
        let proc_root = tempfile::tempdir().unwrap();
        let of = |text: &str| {
            std::fs::create_dir_all(proc_root.path().join("1")).unwrap();
            std::fs::write(proc_root.path().join("1/cgroup"), text).unwrap();
            unit(proc_root.path(), 1)
        };
        assert_eq!(of("2:cpu:/other\n0::/a.service\n").as_deref(), Some("a.service"));
        assert_eq!(of("2:cpu:/other\n1:name=systemd:/b.service\n0::/\n").as_deref(), Some("b.service"));
        assert_eq!(of("2:cpu,cpuacct:/c\n0::/\n").as_deref(), Some("c"));
        assert_eq!(of("0::/\n"), None);
        assert_eq!(unit(proc_root.path(), 2), None);
    }
}
