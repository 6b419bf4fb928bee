//! Replays, with the built program, what once went wrong: `fixtures/NAME.capture` gives the alerts of `NAME.expected`.
//!
//! An expected file begins with `#` and a sentence that says what went wrong; then a line for each alert: detector,
//! severity, and which incident it is part of, counted in the order in which they begin. `UPDATE_EXPECT=1` writes what is
//! told now; read the difference before it is kept. Needs no privileges. The stories are in `src/testing/fixtures`.

use jsonschema::Validator;
use serde_json::Value;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures")
}

/// The names of fixtures that have a file with that ending.
fn names(ending: &str) -> BTreeSet<String> {
    let files = std::fs::read_dir(directory()).expect("the fixtures are there");
    let name = |file: PathBuf| Some(file.file_name()?.to_str()?.strip_suffix(ending)?.to_owned());
    files.filter_map(|file| name(file.expect("it can be read").path())).collect()
}

/// The alerts that the program tells of a capture.
fn replayed(capture: &Path) -> Vec<Value> {
    let here = tempfile::tempdir().expect("a temporary directory");
    let config = here.path().join("sensor.toml");
    // Nothing of the machine's own configuration.
    std::fs::write(&config, "[catalogue]\nextra = []\n").expect("it can be written");
    let mut sensor = Command::new(env!("CARGO_BIN_EXE_sensor"));
    let output = sensor.args(["replay", "--json", "--config"]).arg(&config).arg(capture).output().expect("it runs");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {}: {errors}", capture.display(), output.status);
    let lines = String::from_utf8(output.stdout).expect("alerts are UTF-8");
    lines.lines().map(|line| valid(serde_json::from_str(line).expect("a line is an object"))).collect()
}

/// The alert, which is as docs/alert.schema.json says, and has a type that ECS expects with its category.
fn valid(alert: Value) -> Value {
    static SCHEMA: LazyLock<Validator> = LazyLock::new(|| {
        let schema = serde_json::from_str(&sensor::reference::alert_schema()).expect("it is JSON");
        jsonschema::options().should_validate_formats(true).build(&schema).expect("it is a schema")
    });
    let wrong: Vec<String> = SCHEMA.iter_errors(&alert).map(|error| error.to_string()).collect();
    assert!(wrong.is_empty(), "{}: {alert:#}", wrong.join("; "));
    let text = |pointer: &str| alert.pointer(pointer).and_then(Value::as_str).unwrap_or("?");
    let line = format!("event.category,{},", text("/event/category/0"));
    let expected =
        include_str!("ecs/values.csv").lines().find_map(|known| known.strip_prefix(&line)).unwrap_or_default();
    let kind = text("/event/type/0");
    assert!(expected.split(' ').any(|known| known == kind), "{line} has {expected}, and not {kind}");
    alert
}

/// What of the alerts is compared.
fn reduced(alerts: &[Value]) -> String {
    let mut incidents: Vec<&Value> = Vec::new();
    let mut lines = Vec::new();
    for alert in alerts {
        let incident = &alert["sensor"]["incident"]["id"];
        if !incidents.contains(&incident) {
            incidents.push(incident);
        }
        let number = incidents.iter().position(|known| *known == incident).unwrap_or_default() + 1;
        let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
        let (detector, severity) = (text(&alert["rule"]["id"]), text(&alert["sensor"]["severity"]));
        lines.push(format!("{detector} {severity}, incident {number}\n"));
    }
    lines.concat()
}

#[test]
fn what_once_went_wrong_does_not_again() {
    let mut wrong = Vec::new();
    let captures = names(".capture");
    assert_eq!(captures, names(".expected"), "each capture has its expected alerts");
    assert!(captures.len() >= 12, "only {} are left", captures.len());
    for name in &captures {
        let alerts = reduced(&replayed(&directory().join(format!("{name}.capture"))));
        let path = directory().join(format!("{name}.expected"));
        let expected = std::fs::read_to_string(&path).expect("it can be read");
        let (sentence, lines) = expected.split_once('\n').unwrap_or((&expected, ""));
        assert!(sentence.starts_with("# ") && sentence.len() > 20, "{name}: a sentence says what went wrong");
        if std::env::var_os("UPDATE_EXPECT").is_some() {
            std::fs::write(&path, format!("{sentence}\n{alerts}")).expect("it can be written");
        } else if lines != alerts {
            wrong.push(format!("{name}\n{sentence}\nexpected:\n{lines}told:\n{alerts}"));
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn a_capture_that_is_cut_is_an_error_that_says_where() {
    let here = tempfile::tempdir().expect("a temporary directory");
    let whole = std::fs::read(directory().join("shell-of-a-new-server.capture")).expect("it can be read");
    let cut = here.path().join("cut");
    std::fs::write(&cut, &whole[..whole.len() - 5]).expect("it can be written");
    let output = Command::new(env!("CARGO_BIN_EXE_sensor")).arg("replay").arg(&cut).output().expect("the program runs");
    assert_eq!(output.status.code(), Some(1));
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(errors.contains("the capture ends inside a frame"), "{errors}");
}
