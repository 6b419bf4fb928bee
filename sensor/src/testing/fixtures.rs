//! What once went wrong, as stories that are kept as captures in `sensor/tests/fixtures`.
//!
//! A false alarm or a miss, once understood, becomes a function here, a capture `NAME.capture` that the function makes, and
//! `NAME.expected`: a sentence that says what went wrong, and what `sensor replay` tells now. `sensor/tests/replay.rs`
//! replays them with the built program. The captures are made anew by `UPDATE_EXPECT=1 cargo test -p sensor --lib
//! fixtures`, which is only needed when a story or the layout of records changes. No record is of a process that ran.

mod databases;
mod others;
mod web;

use super::*;
use crate::capture::{Header, Writer};
use crate::encode::encode;
use std::collections::BTreeSet;
use std::path::PathBuf;

/// A story's name, which is the file's, and the story.
type Fixture = (&'static str, fn() -> Scene);

fn fixtures() -> impl Iterator<Item = Fixture> {
    web::FIXTURES.iter().chain(databases::FIXTURES).chain(others::FIXTURES).copied()
}

fn directory() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

fn capture(scene: &Scene) -> Vec<u8> {
    let header = Header { sensor_version: "fixture".into(), host: scene.core.host().clone() };
    let mut bytes = Vec::new();
    let mut writer = Writer::new(&mut bytes, &header).unwrap();
    for event in &scene.events {
        writer.frame(&encode(event)).unwrap();
    }
    bytes
}

#[test]
fn each_capture_is_what_its_story_makes() {
    let update = std::env::var_os("UPDATE_EXPECT").is_some();
    for (name, story) in fixtures() {
        let mut scene = story();
        // What waits is told.
        scene.told();
        let (bytes, path) = (capture(&scene), directory().join(format!("{name}.capture")));
        if update {
            std::fs::write(&path, &bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(kept == bytes, "{name}: the capture is not what the story makes; UPDATE_EXPECT=1 makes it anew");
    }
}

#[test]
fn each_capture_has_a_story() {
    let names: BTreeSet<String> = fixtures().map(|(name, _)| format!("{name}.capture")).collect();
    let files = std::fs::read_dir(directory()).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
    assert_eq!(files.filter(|file| file.ends_with(".capture")).collect::<BTreeSet<_>>(), names);
}
