//! Alerts of every form are as the schema says, and the schema says no more than there is.

use super::*;
use crate::alert::{Alert, Text};
use crate::container::{Container, Image, Pod, Runtime};
use crate::event::Net;
use crate::ledger::{Class, Entry, Writer};
use crate::provenance::{Content, Manager, Package, Provenance};
use crate::testing::*;
use bstr::BString;
use proptest::prelude::*;
use sensor_common::record::Kind as Record;
use serde_json::Value;
use std::collections::BTreeSet;
use std::sync::Arc;

/// An alert about a program.
fn alert() -> Alert {
    let (mut scene, worker) = Scene::php();
    scene.start(worker, shell("id"));
    scene.told();
    scene.alerts.remove(0)
}

fn file_of(operation: Record, path: &[u8], other: &[u8]) -> crate::event::File {
    let mut file = crate::event::File::named(operation, &BString::from(path), 8 << 20 | 1, 77, 0);
    file.other = Some(BString::from(other));
    file
}

/// One in which all is there that can be, with these bytes wherever bytes may be.
fn full(bytes: &[u8], operation: Record) -> Alert {
    let mut alert = alert();
    let text = String::from_utf8_lossy(bytes).into_owned();
    let mut image = (*alert.process.image).clone();
    (image.executable, image.directory, image.comm) = (bytes.into(), bytes.into(), bytes.into());
    (image.argv, image.script) = (vec![BString::from(bytes); 9], Some(bytes.into()));
    alert.process.image = Arc::new(image);
    alert.process.user_name = Some("www-data".to_owned());
    alert.parent = Some(alert.process.clone());
    alert.lineage = vec![alert.process.clone(); 12];
    alert.file = Some(file_of(operation, bytes, bytes));
    let package =
        Package { manager: Manager::Dpkg, name: "php".into(), version: "8.2".into(), content: Content::Changed };
    alert.provenance = Some(Provenance {
        package: Some(package),
        sha256: Some("0123456789abcdef".repeat(4)),
        size: u64::MAX,
        upper_layer: Some(true),
        ..Provenance::absent()
    });
    alert.entry = Some(Entry {
        path: bytes.into(),
        device: 1,
        inode: 1,
        generation: 0,
        class: Class::Dropped,
        component: None,
        writer: Writer {
            executable: bytes.into(),
            command: text.as_str().into(),
            pid: 7,
            user: 33,
            server: Some("php-fpm".into()),
            lineage: vec![text.as_str().into(); 8],
        },
        lineage: 1,
        written_unix_ns: 1,
        incident: None,
        boot_unix_s: 1,
    });
    alert.net = Some(Net {
        operation: Record::Connect,
        family: 10,
        socket_type: 1,
        remote: Some(("2001:db8::1".parse().unwrap(), 443)),
        local: Some(("::ffff:10.0.0.1".parse().unwrap(), 40000)),
        path: None,
    });
    let hash = Some(format!("sha256:{}", "4f".repeat(32)));
    alert.container = Some(Arc::new(Container {
        id: "4f".repeat(32),
        runtime: Some(Runtime::SystemdNspawn),
        name: Some(text.clone()),
        image: Some(Image { name: format!("x{text}"), tag: Some(text.clone()), hash }),
        pod: Some(Pod { name: text.clone(), namespace: Some(text.clone()), uid: Some(text.clone()) }),
        looked_up: true,
    }));
    alert.server.as_mut().unwrap().container = Some("4f".repeat(32));
    let line: String = text.chars().take(100).collect();
    alert.incident.timeline = (0..16).map(|number| (number, line.clone())).collect();
    alert.why = vec![text; 4];
    alert
}

/// The names of all that stands in a value.
fn names(prefix: &str, value: &Value, all: &mut BTreeSet<String>) {
    match value {
        Value::Object(object) => {
            for (name, inner) in object {
                let name = if prefix.is_empty() { name.clone() } else { format!("{prefix}.{name}") };
                names(&name, inner, all);
                all.insert(name);
            }
        }
        Value::Array(list) => list.iter().for_each(|each| names(prefix, each, all)),
        _ => {}
    }
}

#[test]
fn every_field_is_in_some_alert() {
    let mut seen = BTreeSet::new();
    for operation in [Record::Rename, Record::Symlink] {
        let long = full(&b"\xff\0text ".repeat(40), operation);
        for alert in [full(b"/a\xff", operation), long] {
            names("", &valid(&alert), &mut seen);
        }
    }
    let names = fields().into_iter().map(|(name, _)| name);
    let missing: Vec<String> = names.filter(|name| !seen.contains(name)).collect();
    assert!(missing.is_empty(), "in no alert: {missing:?}");
}

#[test]
fn no_name_is_there_twice() {
    let all: Vec<String> = fields().into_iter().map(|(name, _)| name).collect();
    assert_eq!(all.iter().collect::<BTreeSet<_>>().len(), all.len(), "{all:?}");
}

#[test]
fn what_is_not_known_may_be_missing() {
    let mut alert = alert();
    (alert.server, alert.parent, alert.process.user_name) = (None, None, None);
    alert.lineage.clear();
    valid(&alert);
    alert.file = Some(file_of(Record::Open, b"/etc/shadow", b""));
    alert.provenance = Some(Provenance::absent());
    let value = valid(&alert);
    assert!(value["sensor"]["provenance"]["package"].is_null() && value["file"]["hash"].is_null());
}

#[test]
fn the_schema_refuses_what_is_no_alert() {
    let good = valid(&full(b"/a\xff", Record::Rename));
    let spoiled = |pointer: &str, value: Value| {
        let mut alert = good.clone();
        match alert.pointer_mut(pointer) {
            Some(place) => *place = value,
            None => panic!("{pointer}"),
        }
        ALERT_SCHEMA.is_valid(&alert)
    };
    for (pointer, value) in [
        ("/@timestamp", "yesterday".into()),
        ("/destination/ip", "localhost".into()),
        ("/destination/port", 70000.into()),
        ("/event/kind", "event".into()),
        ("/event/severity", "75".into()),
        ("/process/args", "id".into()),
        ("/process/parent", serde_json::json!({})),
        ("/sensor/lineage/0", serde_json::json!({"pid": 1})),
        ("/sensor/severity", "fatal".into()),
        ("/sensor/server", serde_json::json!({"id": "x", "role": "web", "instance": 1, "pid": 1, "more": 1})),
        ("/sensor/raw", serde_json::json!({"process.args.1": "\u{fffd}"})),
        ("/process/name", "x".repeat(5000).into()),
    ] {
        assert!(!spoiled(pointer, value), "{pointer}");
    }
    assert!(spoiled("/process/name", "x".into()));
}

#[test]
fn text_that_is_cut_is_marked() {
    assert_eq!(Text::with_most(3).of("x", b"four"), Value::from("fou\u{2026}"));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    /// Whatever an attacker calls programs, files and arguments. Control characters take most room in JSON.
    #[test]
    fn odd_bytes_make_valid_alerts(bytes in proptest::collection::vec(any::<u8>(), 0..3000), control in 0..32u8, length in 0..3000usize) {
        for operation in [Record::Rename, Record::Symlink, Record::Chmod] {
            valid(&full(&bytes, operation));
            valid(&full(&vec![control; length], operation));
        }
    }
}
