//! The answer to `sensor servers`: servers with their directories, and programs that listen and are no servers.
//!
//! The agent's loop answers what it knows ([`running`]); what has to be read from procfs for it is added outside of the
//! loop ([`complete`]), because a busy machine's descriptors take a while to go through.

use super::Facts;
use super::answers::container;
use crate::procfs::{Listening, Procfs, unit};
use crate::tree::lineage::Server;
use serde_json::{Value, json};
use std::collections::HashSet;
use std::path::Path;

/// Most processes in lineages that are told.
const MAX_MEMBERS: usize = 65_536;
/// Key of the processes in lineages, between the two halves of the answer only.
const MEMBERS: &str = "members";

/// What the agent knows.
pub fn running(facts: &Facts<'_>) -> Value {
    let core = facts.core;
    let live = core.servers.iter().filter(|server| server.ended_boottime_ns.is_none());
    let servers: Vec<Value> = live.map(|server| one(server, facts)).collect();
    let in_lineage = core.tree.live_nodes().filter(|(_, node)| node.lineage != 0);
    // The sensor's own.
    let own = facts.serving.map(|serving| serving.pid);
    let members = in_lineage.map(|(_, node)| node.key.tgid).take(MAX_MEMBERS).chain(own);
    let members: Vec<u32> = members.collect();
    json!({"servers": servers, MEMBERS: members})
}

fn one(server: &Server, facts: &Facts<'_>) -> Value {
    let core = facts.core;
    let kind = core.catalogue().server(&server.id);
    let node = core.tree.find(server.root).and_then(|id| core.tree.node(id));
    let noted = facts.noted.get(&server.lineage);
    let directories = server.directories.iter().map(|watch| {
        json!({
            "component": watch.component,
            "path": watch.path.to_string(),
            "origin": noted.and_then(|noted| noted.origin(watch.watch)),
            "inode": watch.inode,
            "watch": watch.watch,
        })
    });
    json!({
        "id": server.id,
        "name": kind.map(|kind| kind.name.clone()),
        "roles": kind.map(|kind| kind.roles.iter().map(|role| role.name()).collect::<Vec<_>>()),
        "instance": server.lineage,
        "pid": server.root.tgid,
        "executable": node.map(|node| node.executable().to_string()),
        "container": node.and_then(|node| container(core, node)),
        "directories": directories.collect::<Vec<_>>(),
        "not_watched": noted.map(|noted| &noted.not_watched),
    })
}

/// Adds each server's unit, and what listens outside of all lineages.
pub fn complete(mut answer: Value, proc_root: &Path) -> Value {
    let members = answer.as_object_mut().and_then(|answer| answer.remove(MEMBERS));
    let members = members.as_ref().and_then(Value::as_array).map_or(&[][..], Vec::as_slice);
    let mut known: HashSet<u32> = members.iter().filter_map(Value::as_u64).map(|pid| pid as u32).collect();
    // The sensor's own.
    known.insert(std::process::id());
    for server in answer["servers"].as_array_mut().into_iter().flatten() {
        let pid = server["pid"].as_u64().unwrap_or(0) as u32;
        server["unit"] = unit(proc_root, pid).into();
    }
    let (listening, cut) = Procfs::new(proc_root).listening(&known);
    answer["unknown"] = listening.iter().map(unknown).collect();
    answer["unknown_cut"] = cut.into();
    answer
}

fn unknown(listening: &Listening) -> Value {
    let addresses = listening.sockets.iter().map(|socket| format!("{} {}", socket.protocol, socket.address));
    let executable = listening.executable.to_string();
    let (id, entry) = match declaration(&executable) {
        Some((id, entry)) => (Some(id), Some(entry)),
        None => (None, None),
    };
    json!({
        "pid": listening.pid,
        "name": listening.comm.to_string(),
        "executable": executable,
        "unit": listening.unit,
        "listens": addresses.collect::<Vec<_>>(),
        "listens_cut": listening.cut,
        "id": id,
        "entry": entry,
    })
}

/// An id for a program, and what declares it a server: `None` for what has no path, such as a memfd.
fn declaration(executable: &str) -> Option<(String, String)> {
    let name = Path::new(executable).file_name().filter(|_| executable.starts_with('/'))?.to_string_lossy();
    // The path of a memfd looks like one, and names nothing.
    if executable.starts_with("/memfd:") || executable.contains('\u{fffd}') {
        return None;
    }
    let name = name.to_lowercase();
    let id: String = name.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).collect();
    let id = id.trim_matches('-');
    let id = if id.is_empty() { "server" } else { id };
    let exe = toml::Value::String(globset::escape(executable));
    Some((id.to_owned(), format!("[[server]]\nid = \"{id}\"\nexe = [{exe}]\nroles = [\"app\"]\n")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::Catalogue;

    #[test]
    fn a_declaration_is_a_catalogue_entry_for_that_program() {
        for path in ["/opt/Acme Server/bin/acme_srv-2.1", "/srv/a[b]*/\"quoted\"", "/usr/bin/...", "/opt/x\u{7f}y"] {
            let (id, entry) = declaration(path).unwrap();
            let catalogue = Catalogue::with([("x.toml", entry.as_str())]).unwrap();
            let image = crate::event::Exec { executable: path.into(), ..crate::event::Exec::default() };
            assert_eq!(catalogue.identify(&image, true).unwrap().id, id, "{entry}");
        }
        assert_eq!(declaration("/memfd:x"), None);
        assert_eq!(declaration(""), None);
    }

    #[test]
    fn members_stay_inside() {
        let proc_root = tempfile::tempdir().unwrap();
        std::fs::create_dir(proc_root.path().join("9")).unwrap();
        let cgroup = "1:name=systemd:/x\n0::/system.slice/nginx.service\n";
        std::fs::write(proc_root.path().join("9/cgroup"), cgroup).unwrap();
        let answer = complete(json!({"servers": [{"pid": 9}], "members": [9]}), proc_root.path());
        assert_eq!(answer["members"], Value::Null);
        assert_eq!(answer["servers"][0]["unit"], "nginx.service");
        assert_eq!(answer["unknown"], json!([]));
    }
}
