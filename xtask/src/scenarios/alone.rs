//! Scenarios with a sensor of their own: started late, killed, flooded, recorded, or told nonsense.

use super::lab::{Lab, Place, Resident, Start, finish, signal, text};
use super::losses::node_of;
use super::{Run, Scenario};
use crate::command;
use anyhow::{Context, Result, bail};
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "server-before-sensor", run: Run::Alone(server_before_sensor) },
    Scenario { name: "end-of-a-stranger-before-sensor", run: Run::Once(stranger_ends) },
    Scenario { name: "sensor-killed", run: Run::Once(sensor_killed) },
    Scenario { name: "ledger-after-restart", run: Run::Live(ledger_after_restart) },
    Scenario { name: "reload", run: Run::Live(reload) },
    Scenario { name: "replay", run: Run::Alone(replay) },
    Scenario { name: "bad-config", run: Run::Live(bad_config) },
    Scenario { name: "no-privileges", run: Run::Alone(no_privileges) },
];

fn server_before_sensor(start: &Start) -> Result<String> {
    let place = Place::new()?;
    let go = place.path("go");
    let mut server = place.server("when", &[&text(&go)]).spawn()?;
    let lab = Lab::at(place, start, "alerts", &[])?;
    std::fs::write(&go, "")?;
    finish(&mut server, Duration::from_secs(20))?;
    lab.expect(server.id(), "server-shell", 1)?;
    Ok(String::new())
}

/// A process with threads that ran before the sensor, and is nobody's server: its end is seen, whichever thread is last.
fn stranger_ends(start: &Start) -> Result<String> {
    let place = Place::new()?;
    let go = place.path("go");
    let mut tool = Command::new(place.path("tool"));
    let mut stranger = tool.args(["actor", "leader-first", &text(&go)]).spawn()?;
    let lab = Lab::at(place, start, "alerts", &[])?;
    let live = || -> Result<serde_json::Value> { Ok(node_of(&lab, start, stranger.id())?["live"].take()) };
    if live()? != true {
        bail!("it is not taken for running: {}", live()?);
    }
    std::fs::write(&go, "")?;
    let begin = Instant::now();
    while live()? != false {
        if begin.elapsed() > Duration::from_secs(20) {
            bail!("it is taken for running after its end");
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    finish(&mut stranger, Duration::from_secs(20))?;
    Ok(String::new())
}

fn sensor_killed(start: &Start) -> Result<String> {
    let lab = Lab::new(start, &[])?;
    let go = lab.place.path("go");
    let tool = lab.place.path("tool");
    let command = format!("while [ ! -e {} ]; do sleep 0.2; done; {} actor nothing; exit 0", text(&go), text(&tool));
    let mut server = lab.place.server("spawn", &[&command]).spawn()?;
    lab.expect(server.id(), "server-shell", 1)?;
    let again = Lab::at(lab.kill()?, start, "alerts", &[])?;
    std::fs::write(&go, "")?;
    finish(&mut server, Duration::from_secs(20))?;
    let alert = again.expect(server.id(), "server-shell", 1)?.remove(0);
    if alert["sensor"]["lineage"][0]["pid"] != server.id() {
        bail!("the lineage begins at {}", alert["sensor"]["lineage"][0]);
    }
    Ok("the shell is in the lineage after the restart".to_owned())
}

/// A file that a server dropped before the sensor was killed is known when a server opens it afterwards.
fn ledger_after_restart(start: &Start) -> Result<String> {
    let lab = Lab::new(start, &[])?;
    let writer = lab.play("write", &["plainly", "kept.php"])?;
    lab.expect(writer, "component-write", 1)?;
    // The store writes in batches.
    std::thread::sleep(Duration::from_secs(2));
    let again = Lab::at(lab.kill()?, start, "alerts", &[])?;
    let reader = again.play("read", &["kept.php"])?;
    let alert = again.expect(reader, "component-load", 1)?.remove(0);
    if alert["sensor"]["writer"]["pid"] != writer {
        bail!("sensor.writer is {}", alert["sensor"]["writer"]);
    }
    Ok(format!("by {}", alert["sensor"]["hook"]))
}

/// SIGHUP puts a changed catalogue in force, and keeps the old one if the new one is bad.
fn reload(start: &Start) -> Result<String> {
    let lab = Lab::new(start, &[])?;
    let command = format!("{} actor nothing; exit 0", text(&lab.place.path("tool")));
    let alerts = |wanted| -> Result<()> {
        let server = lab.play("spawn", &[&command])?;
        lab.expect(server, "server-shell", wanted).map(drop)
    };
    let asked = |result: &str, catalogue: &str| -> Result<()> {
        std::fs::write(lab.place.path("catalogue/test.toml"), catalogue)?;
        signal(lab.agent().pid(), libc::SIGHUP)?;
        let series = format!("sensor_config_reloads_total{{result=\"{result}\"}} 1");
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(20) {
            if lab.agent().metrics()?.lines().any(|line| line == series) {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("/metrics does not say {series}")
    };
    alerts(1)?;
    let before = std::fs::read_to_string(lab.place.path("catalogue/test.toml"))?;
    let normal = before.replace("actor nothing normal", "actor nothing; exit 0");
    asked("success", &normal)?;
    alerts(0)?;
    asked("failure", "[[server]]\nid = 7\n")?;
    alerts(0)?;
    Ok("a changed catalogue counts, a bad one does not".to_owned())
}

fn as_nobody(program: &Start, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(&program.sensor);
    std::os::unix::process::CommandExt::uid(&mut command, 65_534);
    command.args(arguments).output().context("starting the sensor as nobody")
}

fn replay(start: &Start) -> Result<String> {
    let place = Place::new()?;
    let resident = Resident::new(&place)?;
    let (capture, socket) = (place.path("capture"), place.path("record.sock"));
    let mut record = Command::new(&start.sensor);
    record.args(["record", "--for", "60s", "-o"]).arg(&capture).stdout(Stdio::piped()).stderr(Stdio::null());
    for setting in place.settings(start, "alerts") {
        record.args(["--set", &setting]);
    }
    record.args(["--set", &format!("agent.socket=\"{}\"", text(&socket)), "--set", "metrics.listen=\"off\""]);
    record.args(["--set", "state.path=\"off\""]);
    let mut record = record.spawn()?;
    let begin = Instant::now();
    while !socket.exists() && begin.elapsed() < Duration::from_secs(150) {
        std::thread::sleep(Duration::from_millis(50));
    }
    std::thread::sleep(Duration::from_secs(1));
    let command = format!("{} actor nothing; exit 0", text(&place.path("tool")));
    for (part, arguments) in [("spawn", vec![command.as_str()]), ("write", vec!["plainly", "replayed.php"])] {
        finish(&mut place.server(part, &arguments).spawn()?, Duration::from_secs(20))?;
    }
    std::thread::sleep(Duration::from_secs(1));
    signal(record.id(), libc::SIGTERM)?;
    let live = wait_with_output(&mut record)?;
    drop(resident);
    let mode = std::fs::metadata(&capture)?.permissions().mode() & 0o777;
    if mode != 0o600 {
        bail!("the capture's mode is {mode:o}");
    }
    command::output(command::command("chmod").arg("-R").arg("a+rX").arg(&place.directory))?;
    let extra = format!("catalogue.extra=[\"{}\"]", text(&place.path("catalogue")));
    let replayed = as_nobody(start, &["replay", &text(&capture), "--json", "--set", &extra])?;
    let alerts = String::from_utf8_lossy(&live).lines().count();
    if alerts < 2 || live != replayed.stdout {
        bail!("{alerts} alerts live, {} bytes against {} in the replay", live.len(), replayed.stdout.len());
    }
    let whole = std::fs::read(&capture)?;
    std::fs::write(place.path("cut"), &whole[..whole.len() - 3])?;
    let cut = as_nobody(start, &["replay", &text(&place.path("cut")), "--set", &extra])?;
    let said = String::from_utf8_lossy(&cut.stderr).into_owned();
    if cut.status.code() != Some(1) || !said.contains(&format!("at byte {}", whole.len() - 3)) {
        bail!("a cut capture: {} {said}", cut.status);
    }
    Ok(format!("{alerts} alerts, the same bytes"))
}

fn wait_with_output(child: &mut std::process::Child) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut pipe = child.stdout.take().context("the sensor's output")?;
    std::io::Read::read_to_end(&mut pipe, &mut out)?;
    let status = child.wait()?;
    if !status.success() {
        bail!("the sensor ended with {status}");
    }
    Ok(out)
}

fn bad_config(start: &Start) -> Result<String> {
    let place = Place::new()?;
    let file = place.path("bad.toml");
    std::fs::write(&file, "[kernel]\nhooks = \"fast\"\nproces_ring_bytes = 1\n[metrics]\nlisten = \"nowhere\"\n")?;
    let output = Command::new(&start.sensor).arg("run").arg("--config").arg(&file).output()?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let told =
        ["kernel.hooks", "fast", "trampoline", "proces_ring_bytes", "process_ring_bytes", "metrics.listen", "nowhere"];
    let missing: Vec<&str> = told.into_iter().filter(|word| !said.contains(word)).collect();
    if output.status.code() != Some(2) || !missing.is_empty() {
        bail!("{}, and {missing:?} are not in: {said}", output.status);
    }
    Ok(String::new())
}

fn no_privileges(start: &Start) -> Result<String> {
    let output = as_nobody(start, &["run"])?;
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    if output.status.code() != Some(3) || !said.contains("CAP_BPF") {
        bail!("{}: {said}", output.status);
    }
    Ok(String::new())
}
