//! Lineage survives whatever a process does to hide where it comes from; ordinary children are quiet.

use super::lab::{Lab, emulated, text};
use super::{Run, Scenario};
use anyhow::{Context, Result, bail};
use serde_json::Value;

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "plain-shell", run: Run::Shared(plain) },
    Scenario { name: "double-fork", run: Run::Shared(|lab| shell_below(lab, "double-fork", &[])) },
    Scenario { name: "setsid", run: Run::Shared(|lab| shell_below(lab, "setsid", &[])) },
    Scenario { name: "clone-parent", run: Run::Shared(|lab| shell_below(lab, "clone-parent", &[])) },
    Scenario { name: "vfork-from-thread", run: Run::Shared(|lab| shell_below(lab, "vfork-from-thread", &[])) },
    Scenario { name: "exec-chain", run: Run::Shared(exec_chain) },
    Scenario { name: "exec-from-thread", run: Run::Shared(|lab| shell_below(lab, "exec-from-thread", &[])) },
    Scenario { name: "unshare", run: Run::Shared(|lab| shell_below(lab, "unshare", &[])) },
    Scenario { name: "parent-exits-first", run: Run::Shared(|lab| shell_below(lab, "parent-exits-first", &[])) },
    Scenario { name: "comm-by-prctl", run: Run::Shared(|lab| shell_below(lab, "comm", &[])) },
    Scenario { name: "normal-child", run: Run::Shared(normal_child) },
    Scenario { name: "hidden-behind-normal", run: Run::Shared(hidden) },
    Scenario { name: "bytes-that-are-no-utf8", run: Run::Shared(bytes) },
];

/// Exactly one alert, from the server down to what the shell ran.
fn shell_below(lab: &mut Lab, part: &str, arguments: &[&str]) -> Result<String> {
    let server = lab.play(part, arguments)?;
    let alert = lab.expect(server, "server-shell", 1)?.remove(0);
    whole_lineage(lab, server, &alert)
}

fn whole_lineage(lab: &Lab, server: u32, alert: &Value) -> Result<String> {
    let lineage = alert["sensor"]["lineage"].as_array().context("sensor.lineage")?;
    let executables: Vec<&str> = lineage.iter().filter_map(|program| program["executable"].as_str()).collect();
    let (first, last) = (executables.first().copied(), executables.last().copied());
    let is_shell = |path: &str| path.ends_with("/dash") || path.ends_with("/bash") || path.ends_with("/sh");
    if first != Some(&text(&lab.place.path("test-server"))) || lineage[0]["pid"] != server {
        bail!("the lineage begins at {first:?}, pid {}", lineage[0]["pid"]);
    }
    // A shell's alert waits 50 ms for its command; emulated, that may be too short, and it ends at the shell.
    let ends_at_shell = emulated() && last.is_some_and(is_shell);
    if last != Some(&text(&lab.place.path("tool"))) && !ends_at_shell {
        bail!("the lineage ends at {last:?}: {executables:?}");
    }
    if !executables.iter().rev().take(2).any(|path| is_shell(path)) {
        bail!("no shell stands before the last: {executables:?}");
    }
    if alert["process"]["executable"] != last.unwrap_or_default() {
        bail!("process.executable is {}", alert["process"]["executable"]);
    }
    if alert["sensor"]["why"].as_array().is_none_or(Vec::is_empty) {
        bail!("sensor.why is empty");
    }
    Ok(format!("{} programs, seen by {}", lineage.len(), alert["sensor"]["hook"].as_str().unwrap_or_default()))
}

fn command(lab: &Lab) -> String {
    format!("{} actor nothing; exit 0", text(&lab.place.path("tool")))
}

fn plain(lab: &mut Lab) -> Result<String> {
    let command = command(lab);
    shell_below(lab, "spawn", &[&command])
}

fn exec_chain(lab: &mut Lab) -> Result<String> {
    let server = lab.play("exec-chain", &["20"])?;
    let alert = lab.expect(server, "server-shell", 1)?.remove(0);
    let said = whole_lineage(lab, server, &alert)?;
    let execs = lab.said(server).iter().filter(|line| line["event"]["action"] == "exec").count();
    // The server's own start, 20 more of itself, the shell, and its command.
    if execs < 23 {
        bail!("{execs} execs were seen of 23");
    }
    Ok(said)
}

fn normal_child(lab: &mut Lab) -> Result<String> {
    let command = format!("{} actor nothing normal", text(&lab.place.path("tool")));
    let server = lab.play("spawn", &[&command])?;
    lab.expect(server, "server-shell", 0)?;
    Ok(String::new())
}

fn hidden(lab: &mut Lab) -> Result<String> {
    let command = format!("{} actor nothing normal; true", text(&lab.place.path("tool")));
    let server = lab.play("spawn", &[&command])?;
    lab.expect(server, "server-shell", 1)?;
    Ok(String::new())
}

fn bytes(lab: &mut Lab) -> Result<String> {
    let server = lab.play("bytes", &[])?;
    let alert = lab.expect(server, "server-shell", 1)?.remove(0);
    let raw = &alert["sensor"]["raw"]["process.args.3"];
    if raw != "Yf9i" {
        bail!("sensor.raw has {}", alert["sensor"]["raw"]);
    }
    Ok(String::new())
}
