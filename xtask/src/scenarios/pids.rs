//! Pids that are used again: with few of them, a stranger soon has one that a server's process had, and the other way
//! round. Only in a virtual machine, where the number of pids is nobody else's.

use super::lab::{Lab, Start};
use super::{Run, Scenario};
use anyhow::{Context, Result, bail};
use std::collections::BTreeSet;
use std::process::Command;

pub const SCENARIOS: &[Scenario] = &[Scenario { name: "pid-reuse", run: Run::Machine(pid_reuse) }];

const PID_MAX: &str = "/proc/sys/kernel/pid_max";
/// The least that the kernel allows with two processors is 301.
const FEW: &str = "400";
/// More than there are pids.
const TIMES: u32 = 450;
fn pid_reuse(start: &Start) -> Result<String> {
    let before = std::fs::read_to_string(PID_MAX)?;
    std::fs::write(PID_MAX, FEW)?;
    let result = few_pids(start);
    std::fs::write(PID_MAX, before)?;
    result
}

fn few_pids(start: &Start) -> Result<String> {
    let lab = Lab::new(start, &[])?;
    let (mut strangers, mut ours) = (BTreeSet::new(), BTreeSet::new());
    // Some before the server's children, and some after them.
    run_strangers(&mut strangers)?;
    let mut servers = vec![lab.play("forks", &[&TIMES.to_string()])?];
    run_strangers(&mut strangers)?;
    let command = format!("{} actor nothing; exit 0", super::lab::text(&lab.place.path("tool")));
    let shell = lab.play("spawn", &[&command])?;
    servers.push(shell);
    for server in &servers {
        for line in lab.said(*server) {
            let child = line["sensor"]["child"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            ours.extend(child);
        }
    }
    let shared = strangers.intersection(&ours).count();
    if shared < 50 {
        bail!("only {shared} pids were a stranger's and a server's child's: that shows nothing");
    }
    // `play` gives pids, which are used again here too: of all these servers there is one alert.
    let alert = lab.expect(shell, "server-shell", 1)?.remove(0);
    let alerts: usize = servers.iter().collect::<BTreeSet<_>>().into_iter().map(|pid| lab.alerts(*pid).len()).sum();
    if alerts > 1 {
        bail!("{alerts} alerts instead of one");
    }
    let lineage = alert["sensor"]["lineage"].as_array().context("sensor.lineage")?;
    if lineage[0]["pid"] != shell || lineage.len() > 3 {
        bail!("the lineage is {lineage:?}");
    }
    Ok(format!("{shared} pids were a stranger's and a server's child's"))
}

/// Strangers run what would be an alert in a server's lineage.
fn run_strangers(pids: &mut BTreeSet<u32>) -> Result<()> {
    for _ in 0..TIMES / 4 {
        let mut stranger = Command::new("sh").args(["-c", ":"]).spawn().context("sh")?;
        pids.insert(stranger.id());
        stranger.wait()?;
    }
    Ok(())
}
