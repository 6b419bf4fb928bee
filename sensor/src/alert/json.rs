//! An alert as one JSON object in ECS names, at most 4 KiB.

use super::fields::{Text, timestamp};
use super::{Alert, Process};
use crate::catalogue::command_line;
use crate::event::File;
use sensor_common::record::Kind;
use serde_json::{Map, Value, json};

/// Longest alert.
pub const MAX_BYTES: usize = 4096;
/// The version of ECS whose names are used.
pub const ECS_VERSION: &str = "8.17";

/// How much is kept, from everything to the least: characters of a text, arguments, programs in the lineage.
const SIZES: [(usize, usize, usize); 6] =
    [(4096, 256, 40), (512, 32, 40), (160, 16, 24), (96, 8, 16), (64, 4, 10), (32, 2, 6)];

impl Alert {
    /// One line, without the newline. Where everything would be longer than 4 KiB, texts, arguments and the lineage's
    /// middle are cut, and `sensor.cut` is true.
    pub fn to_json(&self) -> String {
        let mut line = String::new();
        for (index, (text, arguments, programs)) in SIZES.into_iter().enumerate() {
            let mut object = self.object(text, arguments, programs);
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

    fn object(&self, most: usize, arguments: usize, programs: usize) -> Value {
        let mut text = Text::with_most(most);
        let mut process = process(&self.process, "process", arguments, &mut text);
        if let Some(parent) = &self.parent {
            process["parent"] = self::process(parent, "process.parent", arguments, &mut text);
        }
        let file = self.file.as_ref().map(|file| file_object(file, &mut text));
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
            "sensor": self.sensor(most, arguments, programs, text),
        });
        if let Some(file) = file {
            object["file"] = file;
        }
        object
    }

    fn event(&self) -> Value {
        json!({
            "id": self.id,
            "kind": "alert",
            "category": [if self.file.is_some() { "file" } else { "process" }],
            "type": [self.file.as_ref().map_or("start", |file| if file.operation == Kind::Open { "creation" } else { "change" })],
            "action": self.file.as_ref().map_or("exec", |file| file.operation.name()),
            "severity": self.severity.number(),
            "risk_score": self.severity.number(),
            "sequence": self.sequence,
        })
    }

    fn threat(&self) -> Value {
        let column =
            |pick: fn(&super::Technique) -> &'static str| -> Vec<&str> { self.techniques.iter().map(pick).collect() };
        json!({
            "framework": "MITRE ATT&CK",
            "tactic": {"id": ["TA0003"], "name": ["Persistence"]},
            "technique": {"id": column(|technique| technique.id), "name": column(|technique| technique.name)},
        })
    }

    fn sensor(&self, most: usize, arguments: usize, programs: usize, mut text: Text) -> Value {
        let skip = self.lineage.len().saturating_sub(programs);
        let head = programs / 4;
        let shown = self.lineage.iter().enumerate().filter(|(at, _)| skip == 0 || *at < head || *at >= head + skip);
        let lineage: Vec<Value> = shown
            .map(|(at, program)| {
                let field = format!("sensor.lineage.{at}");
                json!({
                    "pid": program.key.tgid,
                    "executable": text.of(&format!("{field}.executable"), &program.image.executable),
                    "args": args(program, &field, arguments, &mut text),
                    "start": timestamp(program.start_unix_ns),
                })
            })
            .collect();
        let mut sensor = json!({
            "severity": self.severity.name(),
            "lineage": lineage,
            "incident": {"id": self.incident},
            "why": self.why.iter().map(|why| super::fields::cut(why, most.max(160))).collect::<Vec<_>>(),
            "blind": self.blind,
            "hook": self.hook.name(),
        });
        if let Some(server) = &self.server {
            sensor["server"] =
                json!({"id": server.id, "role": server.role.name(), "instance": server.instance, "pid": server.pid});
        }
        if let Some(raw) = text.raw() {
            sensor["raw"] = raw;
        }
        sensor
    }
}

fn args(process: &Process, field: &str, most: usize, text: &mut Text) -> Vec<Value> {
    let each = process.image.argv.iter().take(most).enumerate();
    let mut args: Vec<Value> =
        each.map(|(index, argument)| text.of(&format!("{field}.args.{index}"), argument)).collect();
    if process.image.argv.len() > most || process.image.argv_cut {
        args.push(Value::String("\u{2026}".to_owned()));
    }
    args
}

fn process(process: &Process, field: &str, arguments: usize, text: &mut Text) -> Value {
    let image = &process.image;
    let mut object = Map::new();
    object.insert("entity_id".into(), process.entity_id.clone().into());
    object.insert("pid".into(), process.key.tgid.into());
    object.insert("executable".into(), text.of(&format!("{field}.executable"), &image.executable));
    object.insert("name".into(), text.of(&format!("{field}.name"), &image.comm));
    object.insert("args".into(), args(process, field, arguments, text).into());
    object.insert("command_line".into(), super::fields::cut(&command_line(image).to_string(), text.most).into());
    object.insert("working_directory".into(), text.of(&format!("{field}.working_directory"), &image.directory));
    object.insert("start".into(), timestamp(process.start_unix_ns).into());
    let mut user = json!({"id": image.euid.to_string()});
    if let Some(name) = &process.user_name {
        user["name"] = name.clone().into();
    }
    object.insert("user".into(), user);
    if let Some(script) = &image.script {
        object.insert("script".into(), text.of(&format!("{field}.script"), script));
    }
    Value::Object(object)
}

fn file_object(file: &File, text: &mut Text) -> Value {
    let mut object = json!({
        "path": text.of("file.path", &file.path),
        "inode": file.inode.to_string(),
        "device": format!("{}:{}", file.device >> 20, file.device & 0xf_ffff),
        "uid": file.owner.to_string(),
    });
    if let Some(other) = &file.other {
        let key = if file.operation == Kind::Symlink { "target_path" } else { "origin_path" };
        object[key] = text.of(&format!("file.{key}"), other);
    }
    object
}
