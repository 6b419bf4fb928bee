//! `cargo xtask syscalls`: the system calls that sensors really make, beside those that their filters let through.
//!
//! Comes in: where [`DIRECTORY`] is set, each sensor that a test starts is followed by strace, which writes its calls down; those
//! after its filter was installed count, of the agent and of the process that answers HTTP apart. Goes out: a call that is made
//! and not listed fails, and so does one that is listed as made by tests and is not. The lists are
//! read from docs/privileges.md, which is made from the code and compared with it by a test of its own.

use crate::report::{Check, Tally};
use crate::setup::packages;
use crate::{build, command, workspace};
use anyhow::{Context, Result, bail};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};

/// The environment variable that names a directory for what strace writes.
pub const DIRECTORY: &str = "SENSOR_TEST_SYSCALLS";

/// What makes sensors do everything that they do after their hooks are attached: these two, stages of their own, and
/// [`SCENARIOS`]. Not all scenarios, because strace makes a sensor slow.
const RUNS: &[&[&str]] = &[&["outputs", "--no-build"], &["servers"], SCENARIOS];

/// Starts, restarts and ends, reloads, captures, and what is asked of a sensor.
pub const SCENARIOS: &[&str] = &[
    "scenarios",
    "--live-only",
    "server-before-sensor",
    "sensor-killed",
    "ledger-after-restart",
    "reload",
    "replay",
    "ends-on-sigterm",
    "privileges-given-up",
    "write-plainly",
    "write-symlink",
];

/// The headings of the lists in docs/privileges.md.
const AGENT: &str = "### System calls of the agent, once its hooks are attached";
const LISTENER: &str = "### System calls of the process that answers HTTP";

/// `cargo xtask syscalls`.
#[derive(clap::Args)]
pub struct Options {
    /// Do not build the sensor first.
    #[arg(long)]
    no_build: bool,
}

/// Runs what makes calls, and compares.
pub fn run(options: &Options) -> Result<()> {
    if !options.no_build {
        build::run()?;
    }
    forget()?;
    for arguments in RUNS {
        command::run(&mut as_root(arguments)?)?;
    }
    compare()?.close()
}

/// One of our own commands as root, with the sensors' system calls written down.
pub fn as_root(arguments: &[&str]) -> Result<Command> {
    packages::ensure("writing system calls down", packages::TRACER)?;
    command::myself_as_root_with(Some((DIRECTORY, &directory())), arguments)
}

/// Where a test gathers them.
fn directory() -> PathBuf {
    workspace::target().join("syscalls")
}

/// Removes what earlier runs gathered.
pub fn forget() -> Result<()> {
    let directory = directory();
    if directory.exists() {
        fs::remove_dir_all(&directory).with_context(|| directory.display().to_string())?;
    }
    fs::create_dir_all(&directory).with_context(|| directory.display().to_string())
}

/// A command for this sensor: strace stays behind it, and its process is the sensor's, if that is asked for.
pub fn follow(sensor: &Path) -> Command {
    static STARTED: AtomicU32 = AtomicU32::new(0);
    let Some(directory) = std::env::var_os(DIRECTORY) else {
        return Command::new(sensor);
    };
    let number = STARTED.fetch_add(1, Ordering::Relaxed);
    let log = Path::new(&directory).join(format!("{}-{number}", std::process::id()));
    let mut strace = Command::new("strace");
    strace.args([
        "--daemonize=grandchild",
        "--follow-forks",
        "--quiet=all",
        "--signal=none",
        "--string-limit=0",
        "--output",
    ]);
    strace.arg(log).arg("--").arg(sensor);
    strace
}

/// What was called after the filters were installed.
#[derive(Debug, Default)]
struct Made {
    agent: BTreeSet<String>,
    listener: BTreeSet<String>,
}

impl Made {
    /// Everything that was gathered.
    fn all() -> Result<Self> {
        let directory = directory();
        let mut made = Self::default();
        for entry in fs::read_dir(&directory).with_context(|| directory.display().to_string())? {
            made.take(BufReader::new(fs::File::open(entry?.path())?))?;
        }
        if made.agent.is_empty() {
            bail!("nothing was gathered: run `cargo xtask syscalls`");
        }
        Ok(made)
    }

    /// Reads the log of one sensor: its first process is the agent, one that begins a program is the process that answers HTTP, and
    /// all others are threads of the agent.
    fn take(&mut self, log: impl BufRead) -> Result<()> {
        let (mut first, mut listener) = (None, None);
        let mut filters: HashMap<String, u32> = HashMap::new();
        for line in log.lines() {
            let line = line?;
            let Some((pid, name, rest)) = call(&line) else {
                continue;
            };
            let first = first.get_or_insert_with(|| pid.to_owned());
            if name == "execve" && pid != first {
                listener = Some(pid.to_owned());
            }
            let is_listener = listener.as_deref() == Some(pid);
            let process = if is_listener { pid } else { first };
            // One that says that there is no clone3, and one with the list.
            if filters.get(process).is_some_and(|count| *count >= 2) {
                let made = if is_listener { &mut self.listener } else { &mut self.agent };
                if !made.contains(name) {
                    made.insert(name.to_owned());
                }
            } else if ["SECCOMP_SET_MODE_FILTER", "PR_SET_SECCOMP"].iter().any(|word| rest.starts_with(word)) {
                *filters.entry(process.to_owned()).or_default() += 1;
            }
        }
        Ok(())
    }
}

/// Process, name and what follows of a line `PID name(...`; other lines tell of signals, of ends, and of calls that went on.
fn call(line: &str) -> Option<(&str, &str, &str)> {
    let (pid, rest) = line.split_once(' ')?;
    let (name, rest) = rest.trim_start().split_once('(')?;
    let is_name = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (is_name && pid.bytes().all(|byte| byte.is_ascii_digit())).then_some((pid, name, rest))
}

/// A list of docs/privileges.md: each call, and whether tests make it.
type List = BTreeMap<String, bool>;

/// Compares what was gathered with the lists.
pub fn compare() -> Result<Tally> {
    let document = workspace::root().join("docs/privileges.md");
    let document = fs::read_to_string(&document).with_context(|| document.display().to_string())?;
    let made = Made::all()?;
    let mut checks = Vec::new();
    for (name, made, heading) in [("agent", &made.agent, AGENT), ("listener", &made.listener, LISTENER)] {
        let result = list(&document, heading).and_then(|list| hold(made, &list));
        let check = Check::of(format!("system calls/{name}"), result, 0.0);
        check.announce();
        checks.push(check);
    }
    Ok(Tally::of(&checks))
}

/// Rows of `` | `name` (only where ...) | why | made by tests, or why not | `` below a heading.
fn list(document: &str, heading: &str) -> Result<List> {
    let (_, after) = document.split_once(heading).with_context(|| format!("docs/privileges.md has no “{heading}”"))?;
    let rows = after.lines().skip_while(|line| !line.starts_with("| `")).take_while(|line| line.starts_with("| `"));
    let list: List = rows
        .filter_map(|row| {
            let name = row.split('`').nth(1)?;
            let last = row.trim_end_matches([' ', '|']).rsplit(" | ").next()?;
            Some((name.to_owned(), last == "yes"))
        })
        .collect();
    if list.is_empty() {
        bail!("docs/privileges.md lists nothing below “{heading}”");
    }
    Ok(list)
}

fn hold(made: &BTreeSet<String>, list: &List) -> Result<String> {
    // The filter says that there is no such call, and threads are made with clone.
    let refused = ["clone3"];
    let unlisted: Vec<&str> =
        made.iter().map(String::as_str).filter(|call| !list.contains_key(*call) && !refused.contains(call)).collect();
    let unmade: Vec<&str> =
        list.iter().filter(|(call, seen)| **seen && !made.contains(*call)).map(|(call, _)| call.as_str()).collect();
    let surprising: Vec<&str> =
        list.iter().filter(|(call, seen)| !**seen && made.contains(*call)).map(|(call, _)| call.as_str()).collect();
    for (calls, told) in [
        (unlisted, "are made and not let through"),
        (unmade, "are let through, and no test makes them: take them out of the list, or say there why they stay"),
    ] {
        if !calls.is_empty() {
            bail!("{} {told}", calls.join(", "));
        }
    }
    let seen = list.values().filter(|seen| **seen).count();
    let said = format!("{} are let through; tests make {seen} of them, each other has a reason", list.len());
    Ok(if surprising.is_empty() { said } else { format!("{said}; {} were made for once", surprising.join(", ")) })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DOCUMENT: &str = "### The list\n\n| call | asked for by | in tests |\n| --- | --- | --- |\n\
        | `read` | files | yes |\n| `bpf` (only where its first argument is 0x1, or 0x2) | maps | yes |\n\
        | `open` | files | no: older C libraries |\n\nEnd.\n| `write` | no | yes |\n";

    fn names(names: &[&str]) -> BTreeSet<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn only_what_follows_the_filters_counts_each_process_for_itself() {
        let log = "1  openat(AT_FDCWD, \"\"..., O_RDONLY) = 3\n2  execve(\"\"..., [\"\"...], 0x1 /* 2 vars */) = 0\n\
            2  prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, 0x1) = 0\n1  bpf(BPF_PROG_LOAD, 0x1, 148) = 5\n\
            2  seccomp(SECCOMP_SET_MODE_FILTER, 0, 0x1) = 0\n2  recvfrom(3, <unfinished ...>\n\
            1  seccomp(SECCOMP_SET_MODE_FILTER, 0, 0x1) = 0\n1  mmap(NULL, 4096) = 0x1\n\
            1  seccomp(SECCOMP_SET_MODE_FILTER, 0, 0x1) = 0\n1  read(3, \"\"..., 9) = 9\n3  write(1, \"\"..., 2) = 2\n\
            2  <... recvfrom resumed>\"\"..., 1) = 1\n1  exit_group(0) = ?\n";
        let mut made = Made::default();
        made.take(log.as_bytes()).unwrap();
        assert_eq!(made.agent, names(&["read", "write", "exit_group"]));
        assert_eq!(made.listener, names(&["recvfrom"]));
    }

    #[test]
    fn the_list_and_what_is_made_have_to_agree() {
        let list = list(DOCUMENT, "### The list").unwrap();
        assert_eq!(list.len(), 3);
        assert!(hold(&names(&["read", "bpf", "clone3"]), &list).is_ok());
        let wrong = |made: &[&str]| hold(&names(made), &list).unwrap_err().to_string();
        assert!(wrong(&["read", "bpf", "mount"]).starts_with("mount are made"));
        assert!(wrong(&["read"]).starts_with("bpf are let through"));
        assert!(hold(&names(&["read", "bpf", "open"]), &list).unwrap().ends_with("open were made for once"));
    }
}
