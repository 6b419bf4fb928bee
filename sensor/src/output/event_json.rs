//! One event as one JSON object, in the names that alerts use: what `include = "events"` writes.
//!
//! `event.kind` is `event`, `event.action` the kind of record. `process` is who did it, from the tree; for a fork
//! `sensor.child` is who was made. Ticks are left out.

use crate::alert::schema::SCHEMA_VERSION;
use crate::alert::{ECS_VERSION, Text, container_object, entity_id, orchestrator_object, timestamp};
use crate::event::{Body, Event, Exec, File, Fork, Net};
use crate::host::Host;
use crate::pipeline::Core;
use crate::tree::Node;
use sensor_common::file::file_flags;
use sensor_common::key::ProcessKey;
use sensor_common::process::exec_flags;
use sensor_common::record::Kind;
use serde_json::{Map, Value, json};
use std::net::IpAddr;

/// Longest text of one field, in characters.
const MAX_TEXT: usize = 4096;

/// The line, newline included; `None` for a tick. `core` has taken the event in.
pub fn event_json(event: &Event, core: &Core) -> Option<String> {
    if matches!(event.body, Body::Tick) {
        return None;
    }
    let host = core.host();
    let mut text = Text::with_most(MAX_TEXT);
    let node = core.tree.find(event.process).and_then(|id| core.tree.node(id));
    let mut object = json!({
        "@timestamp": timestamp(host.boot_time_unix_ns + event.time_boottime_ns),
        "ecs": {"version": ECS_VERSION},
        "event": {"kind": "event", "action": event.kind().name(), "category": [category(&event.body)]},
        "host": {"name": host.name, "id": host.id},
    });
    let mut sensor = json!({
        "schema_version": SCHEMA_VERSION,
        "hook": event.hook.name(),
        "lineage_number": node.map_or(event.lineage, |node| node.lineage),
        "kernel_lineage_number": event.lineage,
        "time_boottime_ns": event.time_boottime_ns,
    });
    if event.process.is_some() {
        let (process, more) = acting(event, node, core, &mut text);
        object["process"] = process;
        if !more.is_null() {
            sensor["process"] = more;
        }
    }
    body(&event.body, host, &mut object, &mut sensor, &mut text);
    if let Some(server) = node.and_then(|node| core.servers.by_lineage(node.lineage)) {
        sensor["server"] = json!({"id": server.id, "instance": server.lineage, "pid": server.root.tgid});
    }
    let container = node.and_then(|node| core.containers.of(node.image.as_deref()?));
    if let Some(container) = container {
        object["container"] = container_object(container, MAX_TEXT);
        if let Some(orchestrator) = orchestrator_object(container, MAX_TEXT) {
            object["orchestrator"] = orchestrator;
        }
    }
    if let Some(raw) = text.raw() {
        sensor["raw"] = raw;
    }
    object["sensor"] = sensor;
    Some(object.to_string() + "\n")
}

const fn category(body: &Body) -> &'static str {
    match body {
        Body::Fork(_)
        | Body::Exec(_)
        | Body::Exit(_)
        | Body::Process(_)
        | Body::Title(_)
        | Body::Unit(_)
        | Body::Container(_) => "process",
        Body::File(_) | Body::Inspected(_) => "file",
        Body::Net(_) => "network",
        Body::Watch(_) => "configuration",
        Body::Loss(_) | Body::Healed | Body::Tick | Body::Remembered(_) => "host",
    }
}

/// Who did it, and what of that ECS has no name for. What the event itself says of the program is truer than the tree, which
/// may know it better since.
fn acting(event: &Event, node: Option<&Node>, core: &Core, text: &mut Text) -> (Value, Value) {
    let image = match &event.body {
        Body::Exec(exec) | Body::Process(exec) => Some(exec.as_ref()),
        _ => node.and_then(|node| node.image.as_deref()),
    };
    // A source that knew the pid only is named as the tree knows it.
    let key =
        if event.process.start_boottime_ns == 0 { node.map_or(event.process, |node| node.key) } else { event.process };
    let mut process = process(key, image, core.host(), "process", text);
    process["thread"] = json!({"id": event.thread});
    let mut more = more(image, "sensor.process", text);
    let parent = node.and_then(|node| node.parent).and_then(|id| core.tree.node(id));
    let parents = self::more(parent.and_then(|parent| parent.image.as_deref()), "sensor.process.parent", text);
    if !parents.is_null() {
        more["parent"] = parents;
    }
    match (parent, image.map(|image| image.parent).filter(|key| key.is_some())) {
        (Some(parent), _) => {
            process["parent"] = self::process(parent.key, parent.image.as_deref(), core.host(), "process.parent", text);
        }
        (None, Some(key)) => process["parent"] = self::process(key, None, core.host(), "process.parent", text),
        (None, None) => {}
    }
    (process, more)
}

/// What of a program ECS has no name for; null if nothing is known.
fn more(image: Option<&Exec>, field: &str, text: &mut Text) -> Value {
    let Some(image) = image else {
        return Value::Null;
    };
    let mut object = json!({"group": {"id": image.egid.to_string()}});
    if let Some(script) = &image.script {
        object["script"] = text.of(&format!("{field}.script"), script);
    }
    object
}

fn process(key: ProcessKey, image: Option<&Exec>, host: &Host, field: &str, text: &mut Text) -> Value {
    let mut object = Map::new();
    object.insert("pid".into(), key.tgid.into());
    if key.start_boottime_ns != 0 {
        object.insert("entity_id".into(), entity_id(host, key).into());
        object.insert("start".into(), timestamp(host.boot_time_unix_ns + key.start_boottime_ns).into());
    }
    let Some(image) = image else {
        return Value::Object(object);
    };
    object.insert("executable".into(), text.of(&format!("{field}.executable"), &image.executable));
    object.insert("name".into(), text.of(&format!("{field}.name"), &image.comm));
    let args =
        image.argv.iter().enumerate().map(|(index, argument)| text.of(&format!("{field}.args.{index}"), argument));
    object.insert("args".into(), args.collect::<Vec<Value>>().into());
    object.insert("working_directory".into(), text.of(&format!("{field}.working_directory"), &image.directory));
    let mut user = json!({"id": image.euid.to_string()});
    if let Some(name) = host.users.get(&image.euid) {
        user["name"] = name.clone().into();
    }
    object.insert("user".into(), user);
    object.insert("real_user".into(), json!({"id": image.uid.to_string()}));
    Value::Object(object)
}

fn body(body: &Body, host: &Host, object: &mut Value, sensor: &mut Value, text: &mut Text) {
    match body {
        Body::Fork(fork) => sensor["child"] = child(fork, host),
        Body::Exec(exec) | Body::Process(exec) => sensor["exec"] = exec_details(exec),
        Body::Exit(exit) => {
            object["process"]["exit_code"] = json!(exit.exit_code >> 8 & 0xff);
            sensor["exit"] = json!({"wait_status": exit.exit_code, "signal": exit.exit_code & 0x7f});
        }
        Body::File(file) => {
            object["file"] = file_details(file, text);
            sensor["file"] = json!({
                "watch": file.watch,
                "watch_depth": file.watch_depth,
                "argument": file.argument,
                "flags": file_flag_names(file.flags),
            });
            if let Some(old) = file.other.as_ref().filter(|_| file.operation != Kind::Symlink) {
                sensor["file"]["origin_path"] = text.of("sensor.file.origin_path", old);
            }
        }
        Body::Net(net) => net_details(net, object, text),
        Body::Watch(watch) => {
            sensor["watch"] = json!({
                "number": watch.watch,
                "server": watch.server,
                "component": watch.component,
                "path": text.of("sensor.watch.path", &watch.path),
                "device": device(watch.device),
                "inode": watch.inode.to_string(),
            });
        }
        Body::Loss(loss) => {
            sensor["loss"] = json!({
                "ring": loss.ring.name(),
                "reason": loss.reason.name(),
                "kind": loss.kind.map(Kind::name),
                "count": loss.count,
            });
        }
        Body::Title(title) => sensor["title"] = text.of("sensor.title", title),
        Body::Unit(unit) => sensor["unit"] = text.of("sensor.unit", unit),
        Body::Container(contained) => sensor["contained"] = json!(contained),
        Body::Inspected(inspected) => {
            sensor["inspected"] = json!({"question": inspected.question, "provenance": inspected.provenance});
        }
        Body::Remembered(remembered) => sensor["remembered"] = json!(remembered),
        Body::Healed | Body::Tick => {}
    }
}

fn child(fork: &Fork, host: &Host) -> Value {
    json!({
        "pid": fork.child.tgid,
        "entity_id": entity_id(host, fork.child),
        "start": timestamp(host.boot_time_unix_ns + fork.child.start_boottime_ns),
        "kernel_parent_pid": fork.kernel_parent_tgid,
        "pid_in_namespace": fork.pid_in_namespace,
        "pid_namespace": fork.pid_namespace,
    })
}

fn exec_details(exec: &Exec) -> Value {
    const FLAGS: [(u32, &str); 8] = [
        (exec_flags::MEMFD, "memfd"),
        (exec_flags::DELETED, "deleted"),
        (exec_flags::OVERLAY_UPPER, "overlay_upper"),
        (exec_flags::EXECUTABLE_CUT, "executable_cut"),
        (exec_flags::DIRECTORY_CUT, "directory_cut"),
        (exec_flags::PARENT_FROM_KERNEL, "parent_from_kernel"),
        (exec_flags::ARGV_UNREADABLE, "argv_unreadable"),
        (exec_flags::OVERLAY, "overlay"),
    ];
    json!({
        "argv_cut": exec.argv_cut,
        "session": exec.session,
        "cgroup_id": exec.cgroup_id,
        "pid_namespace": exec.pid_namespace,
        "mount_namespace": exec.mount_namespace,
        "pid_in_namespace": exec.pid_in_namespace,
        "device": device(exec.device),
        "inode": exec.inode.to_string(),
        "cap_effective": format!("{:016x}", exec.cap_effective),
        "cap_permitted": format!("{:016x}", exec.cap_permitted),
        "flags": names(exec.flags, &FLAGS),
        "standard": exec.standard.map(|descriptor| format!("{descriptor:?}")),
    })
}

fn file_flag_names(flags: u32) -> Vec<&'static str> {
    const FLAGS: [(u32, &str); 8] = [
        (file_flags::WRITE, "write"),
        (file_flags::CREATED, "created"),
        (file_flags::PATH_CUT, "path_cut"),
        (file_flags::OTHER_CUT, "other_cut"),
        (file_flags::OVERLAY_UPPER, "overlay_upper"),
        (file_flags::OVERLAY, "overlay"),
        (file_flags::DELETED, "deleted"),
        (file_flags::OTHER_WATCHED, "other_watched"),
    ];
    names(flags, &FLAGS)
}

fn names(flags: u32, all: &[(u32, &'static str)]) -> Vec<&'static str> {
    all.iter().filter(|(bit, _)| flags & bit != 0).map(|(_, name)| *name).collect()
}

fn file_details(file: &File, text: &mut Text) -> Value {
    let mut object = json!({
        "path": text.of("file.path", &file.path),
        "inode": file.inode.to_string(),
        "device": device(file.device),
        "mode": format!("{:04o}", file.mode & 0o7777),
        "uid": file.owner.to_string(),
    });
    if let Some(target) = file.other.as_ref().filter(|_| file.operation == Kind::Symlink) {
        object["target_path"] = text.of("file.target_path", target);
    }
    object
}

fn net_details(net: &Net, object: &mut Value, text: &mut Text) {
    let (destination, source) = match net.operation {
        Kind::Connect => (net.remote, net.local),
        Kind::Accept => (net.local, net.remote),
        _ => (None, net.local),
    };
    if let Some(endpoint) = destination {
        object["destination"] = address(endpoint);
    }
    if let Some(endpoint) = source {
        object["source"] = address(endpoint);
    }
    if let Some(path) = &net.path {
        let end = if net.operation == Kind::Connect { "destination" } else { "source" };
        object[end]["address"] = text.of(&format!("{end}.address"), path);
    }
    object["network"] = json!({"type": match net.family { 1 => "unix", 2 => "ipv4", 10 => "ipv6", _ => "other" }});
}

fn address((ip, port): (IpAddr, u16)) -> Value {
    json!({"ip": ip.to_string(), "address": ip.to_string(), "port": port})
}

fn device(device: u32) -> String {
    format!("{}:{}", device >> 20, device & 0xf_ffff)
}
