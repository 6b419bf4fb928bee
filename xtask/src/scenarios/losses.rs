//! A ring that is too small for a flood: what was seen and what was counted as lost is what was made, kind by kind, and
//! afterwards the tree is right again.

use super::lab::{Lab, Place, Start, emulated, finish, signal, text};
use super::{Run, Scenario};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::Duration;

pub const SCENARIOS: &[Scenario] = &[Scenario { name: "losses", run: Run::Alone(losses) }];

const KINDS: [&str; 3] = ["fork", "exec", "exit"];

/// A count for each of [`KINDS`].
type Counts = BTreeMap<&'static str, u64>;

fn losses(start: &Start) -> Result<String> {
    // Emulated, a program takes some ten times as long.
    let count: u64 = if emulated() { 600 } else { 20_000 };
    let place = Place::new()?;
    let go = place.path("go");
    let lab = Lab::at(place, start, "alerts", &["kernel.process_ring_bytes=65536".to_owned()])?;
    let mut victim = lab.place.server("when", &[&text(&lab.place.path("never"))]).spawn()?;
    std::thread::sleep(Duration::from_secs(1));
    let (seen_before, lost_before) = totals(&lab)?;
    // Stopped, the agent cannot empty the ring: part of the flood is lost for certain, and all that comes after it.
    let (burst, survivor) = while_stopped(&lab, || {
        let mut flood = lab.place.server("burst", &[&count.to_string()]).spawn()?;
        let burst = finish(&mut flood, Duration::from_secs(180));
        victim.kill()?;
        victim.wait()?;
        Ok((burst, survivor(&lab)?))
    })?;
    burst?;
    std::thread::sleep(Duration::from_secs(3));
    let (seen, lost) = totals(&lab)?;
    let detail = compare(count, &since(&seen, &seen_before), &since(&lost, &lost_before))?;
    healed(&lab, start, survivor, victim.id(), &go)?;
    Ok(detail)
}

/// A server that has a shell below it, which waits: both begin while everything is lost.
fn survivor(lab: &Lab) -> Result<Child> {
    let (go, tool) = (lab.place.path("go"), lab.place.path("tool"));
    let command = format!("while [ ! -e {} ]; do sleep 0.2; done; {} actor nothing; exit 0", text(&go), text(&tool));
    let child = lab.place.server("spawn", &[&command]).spawn().context("starting a server")?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(child)
}

fn while_stopped<T>(lab: &Lab, work: impl FnOnce() -> Result<T>) -> Result<T> {
    signal(lab.agent().pid(), libc::SIGSTOP)?;
    let result = work();
    signal(lab.agent().pid(), libc::SIGCONT)?;
    result
}

/// Seen and lost so far, by kind.
fn totals(lab: &Lab) -> Result<(Counts, Counts)> {
    let metrics = lab.agent().metrics()?;
    let value = |begin: &str, has: &str| -> u64 {
        let series = metrics.lines().filter(|line| line.starts_with(begin) && line.contains(has));
        series.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok()).sum()
    };
    let of = |begin: &str| KINDS.map(|kind| (kind, value(begin, &format!("kind=\"{kind}\""))));
    Ok((of("sensor_events_total{").into(), of("sensor_lost_events_total{ring=\"process\"").into()))
}

fn since(now: &Counts, before: &Counts) -> Counts {
    now.iter().map(|(kind, count)| (*kind, count - before.get(kind).copied().unwrap_or(0))).collect()
}

fn compare(count: u64, seen: &Counts, lost: &Counts) -> Result<String> {
    // The flood's own process and its second half; the survivor, its shell, and what that slept; the victim's end.
    let own: Counts = [("fork", 2 + 2), ("exec", 1 + 2), ("exit", 2 + 1)].into();
    let mut detail = Vec::new();
    for kind in KINDS {
        let of = |counts: &Counts| counts.get(kind).copied().unwrap_or(0);
        let (seen, lost, made) = (of(seen), of(lost), count + of(&own));
        // Other programs of the machine are seen as well: in a virtual machine there is only what the kernel starts,
        // and the survivor's sleeping.
        let others = if emulated() { 150 } else { made / 20 };
        if seen + lost < made || seen + lost > made + others {
            bail!("{made} {kind} were made, {seen} seen and {lost} counted as lost");
        }
        if lost == 0 {
            bail!("no {kind} was lost: the ring was not too small for the flood");
        }
        detail.push(format!("{kind}: {made} made, {seen} seen + {lost} lost"));
    }
    Ok(detail.join("; "))
}

/// The tree knows who runs and who does not, and what the survivor's shell does then is an alert with the whole lineage.
fn healed(lab: &Lab, start: &Start, mut survivor: Child, victim: u32, go: &std::path::Path) -> Result<()> {
    let status = ask(lab, start, &["status"])?;
    if status["blind"] != false {
        bail!("still blind: {status}");
    }
    let servers = ask(lab, start, &["servers"])?;
    let runs = |pid: u32| servers["servers"].as_array().is_some_and(|all| all.iter().any(|one| one["pid"] == pid));
    if !runs(survivor.id()) {
        bail!("the server that began while everything was lost is not known: {servers}");
    }
    if runs(victim) {
        bail!("the server that ended while everything was lost is still taken for running");
    }
    let node = node_of(lab, start, survivor.id())?;
    let shell = &node["children"][0];
    if shell["live"] != true || shell["lineage_number"] != node["lineage_number"] {
        bail!("the shell below it is not in its lineage: {node}");
    }
    std::fs::write(go, "")?;
    finish(&mut survivor, Duration::from_secs(20))?;
    let alert = lab.expect(survivor.id(), "server-shell", 1)?.remove(0);
    if alert["sensor"]["blind"] != false || alert["sensor"]["lineage"][0]["pid"] != survivor.id() {
        bail!("blind is {}, the lineage is {}", alert["sensor"]["blind"], alert["sensor"]["lineage"]);
    }
    Ok(())
}

/// What the running sensor's tree has of a process.
pub fn node_of(lab: &Lab, start: &Start, pid: u32) -> Result<Value> {
    let mut node = ask(lab, start, &["tree", &pid.to_string()])?["roots"][0].take();
    while node["asked"] != true && node["children"][0].is_object() {
        node = node["children"][0].take();
    }
    Ok(node)
}

/// Asks the running sensor.
fn ask(lab: &Lab, start: &Start, question: &[&str]) -> Result<Value> {
    let socket = format!("agent.socket=\"{}\"", text(&lab.place.path("sensor.sock")));
    let answer = Command::new(&start.sensor).args(question).args(["--json", "--set", &socket]).output()?;
    serde_json::from_slice(&answer.stdout).with_context(|| format!("sensor {}", question.join(" ")))
}
