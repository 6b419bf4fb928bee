//! The service's life: installed, upgraded, reloaded, wrongly configured, killed, stopped.

use super::{CONFIG, UNIT, attacks, configure, is_active, journal, pid, property, refused, said, until};
use anyhow::{Context, Result, bail, ensure};
use std::path::Path;
use std::time::{Duration, Instant};

/// The most that systemd may rate the unit.
const MOST_EXPOSURE: f64 = 3.0;
/// How long a stop may take.
const STOP: Duration = Duration::from_secs(5);

/// What the administrator writes.
pub const EDITED: &str = "# Edited by hand.\n[output.file]\nenabled = true\n";

/// `dpkg --install`: enabled, started, and ready when that returns.
pub fn installs() -> Result<String> {
    let started = Instant::now();
    said("dpkg", &["--install", "/mnt/first.deb"])?;
    is_active()?;
    ensure!(said("systemctl", &["is-enabled", UNIT])? == "enabled", "it is not enabled");
    let status = property("StatusText")?;
    ensure!(status.starts_with("Watching "), "it did not say that it is ready: {status:?}");
    let answer = attacks::get(9842, "/readyz")?;
    ensure!(answer.starts_with("HTTP/1.1 200"), "/readyz: {}", answer.lines().next().unwrap_or_default());
    Ok(format!("{:.1} s; {status}", started.elapsed().as_secs_f64()))
}

/// systemd finds nothing wrong with the unit.
pub fn verifies() -> Result<String> {
    let path = property("FragmentPath")?;
    let said = said("sh", &["-c", &format!("systemd-analyze verify {path} 2>&1")])?;
    ensure!(said.is_empty(), "{said}");
    Ok(path)
}

/// systemd's own rating of what the unit is exposed to.
pub fn exposure() -> Result<String> {
    let table = said("systemd-analyze", &["security", "--no-pager", UNIT])?;
    let last = table.lines().last().unwrap_or_default();
    let number = last.split_whitespace().find_map(|word| word.parse::<f64>().ok()).context("it says no number")?;
    ensure!(number <= MOST_EXPOSURE, "{number}, more than {MOST_EXPOSURE}");
    Ok(format!("{number} of 10, {MOST_EXPOSURE} allowed"))
}

/// A later version, which brings another configuration file: the edited one stays, and so does what was learned.
pub fn upgrades() -> Result<String> {
    configure(EDITED)?;
    let before = pid()?;
    let rows = ledger()?;
    ensure!(rows > 0, "nothing was written down before the upgrade");
    said("dpkg", &["--install", "--force-confdef", "--force-confold", "/mnt/next.deb"])?;
    is_active()?;
    ensure!(pid()? != before, "the old one still runs");
    ensure!(std::fs::read_to_string(CONFIG)? == EDITED, "{CONFIG} was changed");
    let kept = ledger()?;
    ensure!(kept >= rows, "{rows} rows in the ledger before, {kept} after");
    Ok(format!("{kept} of {rows} rows of the ledger"))
}

/// How many files the sensor knows the writers of.
fn ledger() -> Result<u64> {
    let status = said("sensor", &["status", "--json"])?;
    let status: serde_json::Value = serde_json::from_str(&status).context("sensor status --json")?;
    status["ledger"].as_u64().context("the ledger's size")
}

/// Lines before and after a rotation are all there.
pub fn rotates() -> Result<String> {
    let rules = Path::new("/etc/logrotate.d/sensor");
    ensure!(rules.exists(), "{} is not there", rules.display());
    let before = attacks::alerts(attacks::LOG).len();
    said("logrotate", &["--force", "/etc/logrotate.d/sensor"])?;
    attacks::visit("id; echo rotated")?;
    until("an alert in the new file", || !attacks::alerts(attacks::LOG).is_empty())?;
    let old = attacks::alerts(&format!("{}.1", attacks::LOG)).len();
    ensure!(old >= before, "{before} alerts before, {old} in the old file");
    Ok(format!("{old} in the old file, {} in the new", attacks::alerts(attacks::LOG).len()))
}

/// `systemctl reload`: the same process, which says so.
pub fn reloads() -> Result<String> {
    let before = pid()?;
    configure(&format!(
        "{EDITED}[[exception]]\ndetector = \"server-shell\"\nserver = \"php-fpm\"\nexe = \"/usr/bin/dash\"\n\
         args = \"sh -c true\"\nreason = \"a test\"\n"
    ))?;
    said("systemctl", &["reload", UNIT])?;
    let told = || journal(20).lines().rev().find(|line| line.contains("exceptions: ")).map(str::to_owned);
    until("a word about the exception", || told().is_some())?;
    ensure!(pid()? == before, "it was started anew");
    is_active()?;
    Ok(told().unwrap_or_default())
}

/// With a mistake in the configuration a reload fails and the old one stays; a start fails once, and says why.
pub fn refuses() -> Result<String> {
    let before = pid()?;
    let refused = refuses_wrong(before);
    configure(EDITED)?;
    said("systemctl", &["start", UNIT])?;
    is_active()?;
    refused
}

fn refuses_wrong(before: u32) -> Result<String> {
    configure("[output.stdout]\nformt = \"json\"\n")?;
    let started = Instant::now();
    refused("systemctl", &["reload", UNIT])?;
    let reload = started.elapsed().as_secs_f64();
    is_active()?;
    ensure!(pid()? == before, "the reload ended it");
    refused("systemctl", &["restart", UNIT])?;
    let restart = started.elapsed().as_secs_f64() - reload;
    std::thread::sleep(Duration::from_secs(5));
    ensure!(property("ActiveState")? == "failed", "it is {}", property("ActiveState")?);
    ensure!(property("NRestarts")? == "0", "it was tried {} times more", property("NRestarts")?);
    ensure!(property("ExecMainStatus")? == "2", "exit status {}", property("ExecMainStatus")?);
    let journal = journal(20);
    let why = journal.lines().rev().find(|line| line.contains("formt")).context("the journal does not name the key")?;
    Ok(format!("refused after {reload:.1} s and {restart:.1} s: {why}"))
}

/// SIGKILL: systemd starts it again.
pub fn restarts() -> Result<String> {
    let before = pid()?;
    said("kill", &["-KILL", &before.to_string()])?;
    let took = until("another process", || pid().is_ok_and(|now| now != before) && is_active().is_ok())?;
    Ok(format!("ready again after {:.1} s", took.as_secs_f64()))
}

/// `systemctl stop`.
pub fn stops() -> Result<String> {
    let started = Instant::now();
    said("systemctl", &["stop", UNIT])?;
    let took = started.elapsed();
    ensure!(took < STOP, "it took {:.1} s", took.as_secs_f64());
    let result = property("Result")?;
    if result != "success" {
        bail!("it ended with {result}");
    }
    said("systemctl", &["start", UNIT])?;
    Ok(format!("{:.1} s", took.as_secs_f64()))
}
