//! An alert as one JSON object in ECS names, at most 4 KiB.

use super::fields::{Text, cut, timestamp};
use super::room::{MAX_BYTES, ROOMS, Room};
use super::schema::SCHEMA_VERSION;
use super::{Alert, Process, container_object, orchestrator_object};
use crate::catalogue::command_line;
use crate::event::File;
use crate::ledger::Entry;
use crate::provenance::Provenance;
use sensor_common::file::file_flags;
use sensor_common::record::Kind;
use serde_json::{Map, Value, json};

/// The version of ECS whose names are used.
pub const ECS_VERSION: &str = "8.17";

impl Alert {
    /// One line, without the newline. Where everything would be longer than 4 KiB, texts, arguments and the lineage's
    /// middle are cut, and `sensor.cut` is true.
    pub fn to_json(&self) -> String {
        let mut line = String::new();
        for (index, room) in ROOMS.into_iter().enumerate() {
            let mut object = self.object(room);
            if index > 0 {
                object["sensor"]["cut"] = Value::Bool(true);
            }
            line = object.to_string();
            if line.len() <= MAX_BYTES {
                break;
            }
        }
        line
    }

    fn object(&self, room: Room) -> Value {
        let mut text = Text::with_most(room.text);
        let mut process = process(&self.process, "process", room, &mut text);
        if let Some(parent) = &self.parent {
            process["parent"] = self::process(parent, "process.parent", room, &mut text);
        }
        let file = self.file.as_ref().map(|file| {
            let mut object = file_object(file, &mut text);
            if let Some(provenance) = &self.provenance {
                object["size"] = provenance.size.into();
                if let Some(sha256) = &provenance.sha256 {
                    object["hash"] = json!({"sha256": sha256});
                }
            }
            object
        });
        let scripts = self.scripts(&mut text);
        let old_name = self.file.as_ref().and_then(|file| old_name(file, &mut text));
        let mut object = json!({
            "@timestamp": timestamp(self.time_unix_ns),
            "ecs": {"version": ECS_VERSION},
            "event": self.event(),
            "rule": {
                "id": self.detector.id(),
                "name": self.detector.name(),
                "description": self.detector.description(),
            },
            "threat": self.threat(),
            "host": {"name": self.host_name, "id": self.host_id},
            "process": process,
            "sensor": self.sensor(room, text),
        });
        if let Some(file) = file {
            object["file"] = file;
        }
        // What ECS has no name for stands under `sensor`, where ECS would have it.
        for (name, value) in [("process", scripts), ("file", old_name)] {
            if let Some(value) = value {
                object["sensor"][name] = value;
            }
        }
        if let Some(container) = &self.container {
            object["container"] = container_object(container, room.text);
            if let Some(orchestrator) = orchestrator_object(container, room.text) {
                object["orchestrator"] = orchestrator;
            }
        }
        let end = |(address, port): (std::net::IpAddr, u16)| json!({"ip": address.to_string(), "port": port});
        if let Some(net) = &self.net {
            if let Some(remote) = net.remote {
                object["destination"] = end(remote);
            }
            if let Some(local) = net.local.filter(|(address, _)| !address.is_unspecified()) {
                object["source"] = end(local);
            }
        }
        object
    }

    fn scripts(&self, text: &mut Text) -> Option<Value> {
        let of = |process: &Process, field: &str, text: &mut Text| {
            process.image.script.as_ref().map(|script| text.of(field, script))
        };
        let mut object = Map::new();
        if let Some(script) = of(&self.process, "sensor.process.script", text) {
            object.insert("script".into(), script);
        }
        let parent = self.parent.as_ref().and_then(|parent| of(parent, "sensor.process.parent.script", text));
        if let Some(script) = parent {
            object.insert("parent".into(), json!({"script": script}));
        }
        (!object.is_empty()).then_some(Value::Object(object))
    }

    fn incident(&self, room: Room) -> Value {
        let lines = self.incident.timeline.len();
        let shown = self.incident.timeline.iter().skip(lines.saturating_sub(room.lines()));
        let line = |line: &str| cut(line, room.sentence());
        // Times of the timeline are those of the clock that the alert's own time is of.
        let unix =
            |boottime_ns: u64| timestamp((self.time_unix_ns + boottime_ns).saturating_sub(self.time_boottime_ns));
        json!({
            "id": self.incident.id,
            "score": self.incident.score,
            "severity": self.incident.severity.name(),
            "findings": self.incident.findings,
            "first_seen": unix(self.incident.first_seen_boottime_ns),
            "last_seen": unix(self.incident.last_seen_boottime_ns),
            "detectors": self.incident.detectors.iter().map(|detector| detector.id()).collect::<Vec<_>>(),
            "timeline": shown.map(|(when, what)| format!("{} {}", unix(*when), line(what))).collect::<Vec<_>>(),
        })
    }

    fn event(&self) -> Value {
        json!({
            "id": self.id,
            "kind": "alert",
            "category": [self.category()],
            "type": [self.kind_of_event()],
            "action": self.action(),
            "severity": self.severity.number(),
            "risk_score": self.incident.score,
            "sequence": self.sequence,
        })
    }

    fn category(&self) -> &'static str {
        match (&self.file, &self.net) {
            (Some(_), _) => "file",
            (None, Some(_)) => "network",
            (None, None) => "process",
        }
    }

    fn kind_of_event(&self) -> &'static str {
        match (&self.file, &self.net) {
            (Some(file), _) => match file.operation {
                Kind::Open if file.flags & file_flags::CREATED != 0 => "creation",
                Kind::Open if file.flags & file_flags::WRITE == 0 => "access",
                Kind::MmapExec | Kind::Exec => "access",
                _ => "change",
            },
            (None, Some(_)) => "connection",
            (None, None) => "start",
        }
    }

    fn action(&self) -> &'static str {
        match (&self.file, &self.net) {
            (Some(file), _) => file.operation.name(),
            (None, Some(net)) => net.operation.name(),
            (None, None) => "exec",
        }
    }

    fn threat(&self) -> Value {
        let column =
            |pick: fn(&super::Technique) -> &'static str| -> Vec<&str> { self.techniques.iter().map(pick).collect() };
        json!({
            "framework": "MITRE ATT&CK",
            "tactic": {
                "id": self.techniques.iter().map(|technique| technique.tactic.0).collect::<Vec<_>>(),
                "name": self.techniques.iter().map(|technique| technique.tactic.1).collect::<Vec<_>>(),
            },
            "technique": {"id": column(|technique| technique.id), "name": column(|technique| technique.name)},
        })
    }

    fn sensor(&self, room: Room, mut text: Text) -> Value {
        let skip = self.lineage.len().saturating_sub(room.programs);
        // The server itself is always shown.
        let head = (room.programs / 4).max(1);
        let shown = self.lineage.iter().enumerate().filter(|(at, _)| skip == 0 || *at < head || *at >= head + skip);
        let lineage: Vec<Value> = shown
            .map(|(at, program)| {
                let field = format!("sensor.lineage.{at}");
                json!({
                    "pid": program.key.tgid,
                    "executable": text.of(&format!("{field}.executable"), &program.image.executable),
                    "args": args(program, &field, room, &mut text),
                    "start": timestamp(program.start_unix_ns),
                })
            })
            .collect();
        let mut sensor = json!({
            "schema_version": SCHEMA_VERSION,
            "severity": self.severity.name(),
            "lineage": lineage,
            "incident": self.incident(room),
            "why": self.why.iter().map(|why| cut(why, room.sentence())).collect::<Vec<_>>(),
            "blind": self.blind,
            "hook": self.hook.name(),
        });
        if let Some(entry) = &self.entry {
            sensor["writer"] = writer(entry, room);
        }
        if let Some(provenance) = &self.provenance {
            sensor["provenance"] = self::provenance(provenance, room);
        }
        if let Some(server) = &self.server {
            sensor["server"] =
                json!({"id": server.id, "role": server.role.name(), "instance": server.instance, "pid": server.pid});
            if let Some(container) = &server.container {
                sensor["server"]["container"] = json!({"id": container});
            }
        }
        if let Some(raw) = text.raw().filter(|_| room.raw) {
            sensor["raw"] = raw;
        }
        sensor
    }
}

fn args(process: &Process, field: &str, room: Room, text: &mut Text) -> Vec<Value> {
    let each = process.image.argv.iter().take(room.arguments).enumerate();
    let mut args: Vec<Value> =
        each.map(|(index, argument)| text.of(&format!("{field}.args.{index}"), argument)).collect();
    if process.image.argv.len() > room.arguments || process.image.argv_cut {
        args.push(Value::String("\u{2026}".to_owned()));
    }
    args
}

fn process(process: &Process, field: &str, room: Room, text: &mut Text) -> Value {
    let image = &process.image;
    let mut object = Map::new();
    object.insert("entity_id".into(), process.entity_id.clone().into());
    object.insert("pid".into(), process.key.tgid.into());
    object.insert("executable".into(), text.of(&format!("{field}.executable"), &image.executable));
    object.insert("name".into(), text.of(&format!("{field}.name"), &image.comm));
    object.insert("args".into(), args(process, field, room, text).into());
    object.insert("command_line".into(), cut(&command_line(image).to_string(), room.text).into());
    object.insert("working_directory".into(), text.of(&format!("{field}.working_directory"), &image.directory));
    object.insert("start".into(), timestamp(process.start_unix_ns).into());
    let mut user = json!({"id": image.euid.to_string()});
    if let Some(name) = &process.user_name {
        user["name"] = cut(name, room.name()).into();
    }
    object.insert("user".into(), user);
    Value::Object(object)
}

fn provenance(known: &Provenance, room: Room) -> Value {
    let package = known.package.as_ref().map(|package| {
        json!({
            "manager": package.manager,
            "name": cut(&package.name, room.name()),
            "version": cut(&package.version, room.name()),
            "content": package.content,
        })
    });
    json!({
        "package": package,
        "upper_layer": known.upper_layer,
        "modified": timestamp(known.modified_unix_ns),
        "elf": known.elf,
    })
}

fn writer(entry: &Entry, room: Room) -> Value {
    let lineage = entry.writer.lineage.iter().take(room.programs);
    json!({
        "executable": cut(&entry.executable(), room.text),
        "command_line": cut(&entry.writer.command, room.text),
        "pid": entry.writer.pid,
        "user": {"id": entry.writer.user.to_string()},
        "server": entry.writer.server,
        "lineage": lineage.map(|line| cut(line, room.text)).collect::<Vec<_>>(),
        "written": timestamp(entry.written_unix_ns),
    })
}

fn file_object(file: &File, text: &mut Text) -> Value {
    let mut object = json!({
        "path": text.of("file.path", &file.path),
        "inode": file.inode.to_string(),
        "device": format!("{}:{}", file.device >> 20, file.device & 0xf_ffff),
        "uid": file.owner.to_string(),
    });
    if let Some(target) = file.other.as_ref().filter(|_| file.operation == Kind::Symlink) {
        object["target_path"] = text.of("file.target_path", target);
    }
    object
}

/// The name from which a file was renamed or linked.
fn old_name(file: &File, text: &mut Text) -> Option<Value> {
    let other = file.other.as_ref().filter(|_| file.operation != Kind::Symlink)?;
    Some(json!({"origin_path": text.of("sensor.file.origin_path", other)}))
}
