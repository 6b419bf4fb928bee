//! What a server's lineage does is what is reported: as many of each kind as were done.

use super::actor::{append, in_child, map_executable, talk};
use super::lab::{Lab, text};
use super::{Run, Scenario};
use anyhow::{Result, bail};
use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::time::{Duration, Instant};

pub const SCENARIOS: &[Scenario] = &[Scenario { name: "counts", run: Run::Shared(counts) }];

/// How often each is done.
const TIMES: usize = 5;

/// What the actor does, outside watched directories.
pub fn deeds(lab: &Path) -> Result<()> {
    // The agent learns of a new server from its exec; until it has told the kernel, files are not reported.
    std::thread::sleep(Duration::from_millis(1500));
    let at = |name: &str, number: usize| lab.join("outside").join(format!("{name}{number}"));
    for number in 0..TIMES {
        File::create(at("made", number))?;
        fs::rename(at("made", number), at("renamed", number))?;
        fs::hard_link(at("renamed", number), at("linked", number))?;
        symlink(at("renamed", number), at("symlink", number))?;
        fs::set_permissions(at("renamed", number), Permissions::from_mode(0o755))?;
        fs::set_permissions(at("renamed", number), Permissions::from_mode(0o644))?;
        let path = std::ffi::CString::new(text(&at("renamed", number)))?;
        // SAFETY: a string that ends in NUL.
        super::actor::check(unsafe { libc::truncate(path.as_ptr(), 10) }.into(), "truncate")?;
    }
    append(&at("renamed", 0), TIMES)?;
    OpenOptions::new().read(true).write(true).open(at("renamed", 1))?;
    map_executable(&lab.join("tool"), TIMES)?;
    talk(lab, TIMES)?;
    for _ in 0..TIMES {
        in_child(&mut || Ok(()))?;
        in_child(&mut end_with_threads)?;
    }
    Ok(())
}

/// Ends with many threads at once, each of which may take itself for the last.
fn end_with_threads() -> Result<()> {
    for _ in 0..16 {
        std::thread::spawn(|| std::thread::sleep(Duration::from_secs(5)));
    }
    std::process::exit(0)
}

fn counts(lab: &mut Lab) -> Result<String> {
    let server = lab.play("counts", &[])?;
    let mut wanted = BTreeMap::from([
        ("open", 2 * TIMES + 1),
        ("mmap-exec", TIMES),
        // The same again within a minute is not told.
        ("connect", 2 * TIMES),
        ("accept", TIMES + 1),
        ("fork", 2 * TIMES),
        ("exit", 2 * TIMES + 1),
    ]);
    if lab.set == "trampoline" {
        for kind in ["rename", "link", "symlink", "chmod", "truncate"] {
            wanted.insert(kind, TIMES);
        }
    }
    let begin = Instant::now();
    let mut seen = BTreeMap::new();
    while begin.elapsed() < Duration::from_secs(10) {
        std::thread::sleep(Duration::from_millis(300));
        seen = count(lab, server);
        if seen.get("exit") >= wanted.get("exit") {
            break;
        }
    }
    let differ: Vec<String> = wanted
        .iter()
        .filter(|(kind, count)| seen.get(**kind) != Some(count))
        .map(|(kind, count)| format!("{kind}: {} instead of {count}", seen.get(kind).copied().unwrap_or(0)))
        .collect();
    if !differ.is_empty() {
        bail!("{}", differ.join(", "));
    }
    Ok(format!("{} kinds", wanted.len()))
}

/// Events of this server by kind; of files and mappings only those in the lab.
fn count(lab: &Lab, server: u32) -> BTreeMap<&'static str, usize> {
    const KINDS: [&str; 12] = [
        "open",
        "rename",
        "link",
        "symlink",
        "chmod",
        "truncate",
        "mmap-exec",
        "connect",
        "accept",
        "fork",
        "exit",
        "exec",
    ];
    let directory = text(&lab.place.directory);
    let mut counts = BTreeMap::new();
    for line in lab.said(server).iter().filter(|line| line["event"]["kind"] == "event") {
        // Files that are read are told once each time they were written, mappings from before once: neither is counted here.
        let flags = line["sensor"]["file"]["flags"].as_array();
        let read =
            flags.is_some_and(|flags| !flags.iter().any(|flag| flag == "write")) && line["event"]["action"] == "open";
        if read || line["sensor"]["hook"] == "procfs" {
            continue;
        }
        let elsewhere = line["file"]["path"].as_str().is_some_and(|path| !path.starts_with(&directory));
        let action = KINDS.iter().find(|kind| line["event"]["action"] == **kind);
        if let Some(kind) = action.filter(|_| !elsewhere) {
            *counts.entry(*kind).or_default() += 1;
        }
    }
    counts
}
