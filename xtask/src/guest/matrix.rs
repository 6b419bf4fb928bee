//! One kernel of the matrix: what loads, at what cost for the verifier, and what the scenarios see.

use super::verifier;
use crate::report::{AS_MESSAGES, Check, Message, Outcome};
use crate::vm::Hooks;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::Stdio;
use std::time::Instant;

/// Most instructions that one program may cost the verifier; the kernel's own limit is 1,000,000.
const MAX_INSTRUCTIONS: u64 = 700_000;

/// Checks that are made here; every other name is a scenario's.
const OWN: &[&str] = &["load", "without-btf", "scenarios"];

/// Does it all and reports each check as it comes.
pub fn run(hooks: Option<Hooks>, only: &[String]) {
    for set in Hooks::ALL {
        if hooks.is_none_or(|wanted| wanted == set) {
            hook_set(set, only);
        }
    }
    if wants(only, "without-btf") {
        check("without-btf", without_btf);
    }
}

fn wants(only: &[String], id: &str) -> bool {
    only.is_empty() || only.iter().any(|wanted| wanted == id)
}

/// Runs one check and says how it came out.
fn check(name: &str, body: impl FnOnce() -> Result<String>) {
    let started = Instant::now();
    let result = body();
    let seconds = started.elapsed().as_secs_f64();
    Message::Check(Check::of(name, result, seconds)).send();
}

fn hook_set(set: Hooks, only: &[String]) {
    if wants(only, "load") {
        check(&format!("{}/load", set.name()), || load(set));
    }
    let ids: Vec<&String> = only.iter().filter(|id| !OWN.contains(&id.as_str())).collect();
    if only.is_empty() || !ids.is_empty() {
        let started = Instant::now();
        if let Err(error) = scenarios(set, &ids) {
            let seconds = started.elapsed().as_secs_f64();
            Message::Check(Check::of(format!("{}/scenarios", set.name()), Err(error), seconds)).send();
        }
    }
}

/// Runs `xtask scenarios --hooks SET ID...` and hands on what it says, named after the set.
///
/// Fails if it ended badly without a check having failed.
fn scenarios(set: Hooks, ids: &[&String]) -> Result<()> {
    let mut child = command::command(command::myself()?)
        .args(["scenarios", "--hooks", set.name()])
        .args(ids)
        .env(AS_MESSAGES, "1")
        .stdout(Stdio::piped())
        .spawn()
        .context("starting the scenarios")?;
    let mut failed = 0;
    let mut count = 0;
    let out = child.stdout.take().context("their output")?;
    for line in BufReader::new(out).lines() {
        let line = line?;
        match Message::read(&line) {
            Some(Message::Check(mut check)) => {
                count += 1;
                failed += u32::from(check.outcome == Outcome::Failed);
                check.name = format!("{}/{}", set.name(), check.name);
                Message::Check(check).send();
            }
            Some(message) => message.send(),
            None => println!("{line}"),
        }
    }
    let status = child.wait()?;
    if count == 0 || (!status.success() && failed == 0) {
        bail!("{count} scenarios were run, then: {status}");
    }
    Ok(())
}

/// Loads the hook set with `sensor check` and counts what the verifier had to look at.
fn load(set: Hooks) -> Result<String> {
    let loaded = verifier::count(set)?;
    for program in &loaded.programs {
        Message::Note(format!(
            "{:<11} {:<28} {:>7} instructions verified",
            set.name(),
            program.name,
            program.instructions
        ))
        .send();
    }
    if !loaded.success {
        bail!("{} does not load: {}", set.name(), loaded.said.trim());
    }
    let most = loaded.programs.iter().max_by_key(|program| program.instructions).context("no program was loaded")?;
    if most.instructions >= MAX_INSTRUCTIONS {
        bail!("{} takes {} instructions to verify, {MAX_INSTRUCTIONS} are allowed", most.name, most.instructions);
    }
    Ok(format!("{} programs, the largest {} with {} instructions", loaded.programs.len(), most.name, most.instructions))
}

/// A kernel without BTF: the sensor must say so and end with exit code 3.
fn without_btf() -> Result<String> {
    let btf = Path::new("/sys/kernel/btf");
    command::output(command::command("mount").args(["-t", "tmpfs", "tmpfs"]).arg(btf))?;
    let output = command::command(workspace::installed_sensor()).arg("run").output();
    command::output(command::command("umount").arg(btf))?;
    let output = output?;
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.code() != Some(3) || !said.contains("BTF") {
        bail!("expected exit code 3 and a word about BTF, got {}: {said}", output.status);
    }
    Ok(said.lines().last().unwrap_or_default().to_owned())
}
