//! What happens to receivers and to the sensor, and what must arrive nevertheless.

use super::receiver::{Got, Receiver, free_address};
use super::trial::{Trial, until};
use crate::command;
use anyhow::{Result, ensure};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::{Duration, Instant};

fn webhook(address: SocketAddr) -> Vec<String> {
    vec![
        "output.webhook.enabled=true".to_owned(),
        format!("output.webhook.url=\"http://{address}/alerts\""),
        "output.webhook.timeout_seconds=10".to_owned(),
    ]
}

fn file() -> Vec<String> {
    vec!["output.file.enabled=true".to_owned(), "output.file.path=\"PLACE/log/alerts.ndjson\"".to_owned()]
}

/// A receiver that is down, is there, is down again while the sensor is killed, and is there again.
pub fn webhook_down_and_sensor_killed() -> Result<String> {
    let (address, got) = (free_address()?, Got::default());
    let mut trial = Trial::new(&webhook(address))?;
    trial.attack(5)?;
    trial.wait_for("webhook", "spooled_alerts", |count| count >= 5.0)?;
    let receiver = Receiver::start(address, &got, false)?;
    trial.wait_for("webhook", "spooled_alerts", |count| count < 1.0)?;
    trial.attack(3)?;
    trial.compare(|| got.lines())?;
    drop(receiver);
    trial.attack(5)?;
    trial.wait_for("webhook", "spooled_alerts", |count| count >= 5.0)?;
    trial.kill()?;
    trial.again()?;
    trial.attack(3)?;
    let _receiver = Receiver::start(address, &got, false)?;
    let said = trial.compare(|| got.lines())?;
    trial.stop()?;
    Ok(said)
}

/// A receiver that takes requests and never answers: the other outputs go on, the end is quick, nothing is lost.
pub fn webhook_stalls() -> Result<String> {
    let (address, got) = (free_address()?, Got::default());
    let stalling = Receiver::start(address, &got, true)?;
    let mut trial = Trial::new(&[webhook(address), file()].concat())?;
    trial.attack(1)?;
    let begin = Instant::now();
    trial.attack(5)?;
    let log = trial.path("log/alerts.ndjson");
    let lines = || std::fs::read_to_string(&log).unwrap_or_default().lines().map(str::to_owned).collect();
    trial.compare(lines)?;
    let others = begin.elapsed();
    ensure!(others < Duration::from_secs(8), "the other outputs took {others:?} beside one that stalls for 10 s");
    let end = trial.stop()?;
    ensure!(end < Duration::from_secs(5), "the end took {end:?}");
    drop(stalling);
    let _receiver = Receiver::start(address, &got, false)?;
    trial.again()?;
    let said = trial.compare(|| got.lines())?;
    trial.stop()?;
    Ok(format!("{said}; the file had its five after {others:.1?}; the end took {end:.1?}"))
}

/// logrotate moves the file and tells the sensor, again and again, while there are alerts.
pub fn file_and_logrotate() -> Result<String> {
    let mut trial = Trial::new(&file())?;
    let log = trial.path("log/alerts.ndjson");
    let shipped = std::fs::read_to_string(crate::workspace::root().join("deploy/logrotate/sensor"))?;
    let (before, after) = shipped.split_once("postrotate\n").unwrap_or((&shipped, ""));
    let after = after.split_once("endscript").map_or("", |(_, after)| after);
    // The shipped rules, but for where the file is, and how the sensor is found where no systemd runs.
    let rules = format!("{before}postrotate\nkill -HUP {}\nendscript{after}", trial.agent()?.pid())
        .replace("/var/log/sensor/*.ndjson", &log.display().to_string());
    let rules_file = trial.path("logrotate.conf");
    std::fs::write(&rules_file, rules)?;
    let state = trial.path("logrotate.state");
    for _ in 0..3 {
        trial.attack(3)?;
        command::run(command::command("logrotate").arg("--force").arg("--state").arg(&state).arg(&rules_file))?;
        trial.attack(2)?;
        until(|| Ok(log.exists()))?;
    }
    let directory = trial.path("log");
    let files = || {
        let older = (1..=3).rev().flat_map(|number| ["", ".gz"].map(|end| format!("alerts.ndjson.{number}{end}")));
        older.chain(["alerts.ndjson".to_owned()]).map(|name| directory.join(name))
    };
    let lines = || files().flat_map(lines_of).collect();
    let said = trial.compare(lines)?;
    ensure!(directory.join("alerts.ndjson.3.gz").exists(), "logrotate did not rotate three times");
    trial.stop()?;
    Ok(format!("{said}, over three rotations"))
}

/// The sensor itself begins a new file when one is long enough.
pub fn file_by_size() -> Result<String> {
    let mut settings = file();
    settings.extend(["output.file.max_bytes=4096".to_owned(), "output.file.keep=20".to_owned()]);
    let mut trial = Trial::new(&settings)?;
    trial.attack(8)?;
    let directory = trial.path("log");
    let files = || {
        let older = (1..=20).rev().map(|number| directory.join(format!("alerts.ndjson.{number}")));
        older.chain([directory.join("alerts.ndjson")]).filter(|path| path.exists())
    };
    let lines = || files().flat_map(lines_of).collect();
    let said = trial.compare(lines)?;
    let count = files().count();
    ensure!(count > 2, "there are {count} files");
    trial.stop()?;
    Ok(format!("{said}, in {count} files"))
}

/// The sensor's files may not become longer, which the kernel would end it for. It goes on, and says what it sees elsewhere.
pub fn file_with_a_limit() -> Result<String> {
    let mut trial = Trial::new(&file())?;
    limit_files(&trial, "4096:unlimited")?;
    trial.attack(4)?;
    limit_files(&trial, "unlimited:unlimited")?;
    trial.attack(1)?;
    trial.stop()?;
    Ok("five told on standard output".to_owned())
}

/// How long the sensor's files may become, as prlimit(1) has it.
fn limit_files(trial: &Trial, limit: &str) -> Result<String> {
    let pid = trial.agent()?.pid().to_string();
    command::output(command::command("prlimit").args(["--pid", &pid, &format!("--fsize={limit}")]))
}

/// The lines of a file, which may be compressed; none if it is not there.
fn lines_of(path: PathBuf) -> Vec<String> {
    let text = if path.extension().is_some_and(|extension| extension == "gz") {
        command::output(command::command("gzip").arg("-dc").arg(&path)).unwrap_or_default()
    } else {
        std::fs::read_to_string(path).unwrap_or_default()
    };
    text.lines().map(str::to_owned).collect()
}

/// The disk is full, and then it is not.
pub fn file_on_a_full_disk() -> Result<String> {
    let mut trial = Trial::new(&file())?;
    trial.attack(2)?;
    let log = trial.path("log/alerts.ndjson");
    let first = trial.path("first");
    std::fs::rename(&log, &first)?;
    std::os::unix::fs::symlink("/dev/full", &log)?;
    trial.reload()?;
    trial.attack(4)?;
    trial.wait_for("file", "spooled_alerts", |count| count >= 4.0)?;
    std::fs::remove_file(&log)?;
    let lines = || {
        let read = |path| std::fs::read_to_string(path).unwrap_or_default();
        (read(&first) + &read(&log)).lines().map(str::to_owned).collect()
    };
    let said = trial.compare(lines)?;
    trial.wait_for("file", "spooled_alerts", |count| count < 1.0)?;
    trial.stop()?;
    Ok(said)
}
