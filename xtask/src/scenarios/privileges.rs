//! What the sensor may do: what it keeps, what it needs to start, and that each of both is needed.
//!
//! The lists stand in `sensor/src/privileges/capabilities.rs`; here they are written once more, because a test that reads what it
//! tests cannot fail.

use super::actor::check;
use super::lab::{Lab, Place, Start, text};
use super::{Run, Scenario};
use crate::agent::Agent;
use crate::command;
use anyhow::{Context, Result, bail};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "privileges-given-up", run: Run::Shared(given_up) },
    Scenario { name: "privileges-to-start", run: Run::Alone(to_start) },
    Scenario { name: "privileges-kept", run: Run::Alone(kept) },
];

/// Capabilities by number (`include/uapi/linux/capability.h`).
const DAC_READ_SEARCH: u32 = 2;
const SETGID: u32 = 6;
const SETUID: u32 = 7;
const SYS_PTRACE: u32 = 19;
const SYS_ADMIN: u32 = 21;
const PERFMON: u32 = 38;
const BPF: u32 = 39;

const KEPT: &[u32] = &[BPF, SYS_PTRACE, DAC_READ_SEARCH];
const TO_START: &[u32] = &[BPF, PERFMON, SYS_ADMIN, SYS_PTRACE, DAC_READ_SEARCH, SETUID, SETGID];

fn mask(capabilities: &[u32]) -> u64 {
    capabilities.iter().fold(0, |mask, bit| mask | 1 << bit)
}

/// Every thread has what is kept and nothing else, the listener nothing, and the sensor works so.
fn given_up(lab: &mut Lab) -> Result<String> {
    let pid = lab.agent().pid();
    let mut threads = 0;
    for task in std::fs::read_dir(format!("/proc/{pid}/task"))?.flatten() {
        confined(&task.path(), mask(KEPT))?;
        threads += 1;
    }
    let children = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).context("its children")?;
    let listener = children.trim();
    confined(&PathBuf::from(format!("/proc/{listener}")), 0)?;
    let status = std::fs::read_to_string(format!("/proc/{listener}/status"))?;
    if !status.contains("\nUid:\t65534\t65534\t65534\t65534\n") || !status.contains("\nGroups:\t \n") {
        bail!("the listener is not nobody: {status}");
    }
    // A server that came afterwards: its lineage, its directory, its children.
    let server = lab.play("spawn", &["id"])?;
    lab.expect(server, "server-shell", 1)?;
    let refused = lab.agent().metrics()?;
    if !refused.lines().any(|line| line == "sensor_refused_system_calls_total 0") {
        bail!("the sensor made calls that its filter refuses; its log: {}", lab.agent().log()?);
    }
    Ok(format!("{threads} threads"))
}

fn confined(task: &Path, capabilities: u64) -> Result<()> {
    let status = std::fs::read_to_string(task.join("status")).with_context(|| task.display().to_string())?;
    let is = |name: &str, value: &str| status.lines().any(|line| line == format!("{name}:\t{value}"));
    let (some, none) = (format!("{capabilities:016x}"), format!("{:016x}", 0));
    let sets = [("CapInh", &none), ("CapPrm", &some), ("CapEff", &some), ("CapBnd", &some), ("CapAmb", &none)];
    if !sets.iter().all(|(name, value)| is(name, value)) || !is("NoNewPrivs", "1") || !is("Seccomp", "2") {
        bail!("{}: {status}", task.display());
    }
    Ok(())
}

/// With exactly the list it starts; without one of it, it says which, or is weaker as it says.
fn to_start(start: &Start) -> Result<String> {
    let log = outcome(start, TO_START, None)?;
    if warns(&log, "CAP_") {
        bail!("with all that it needs: {log}");
    }
    let trampoline = log.contains("set=\"trampoline\"");
    let mut said = Vec::new();
    for left_out in TO_START {
        let rest: Vec<u32> = TO_START.iter().copied().filter(|bit| bit != left_out).collect();
        let (name, refused) = match *left_out {
            BPF => ("CAP_BPF", true),
            PERFMON => ("CAP_PERFMON", true),
            SYS_PTRACE => ("CAP_SYS_PTRACE", true),
            DAC_READ_SEARCH => ("CAP_DAC_READ_SEARCH", true),
            SYS_ADMIN => ("CAP_SYS_ADMIN", !trampoline),
            SETUID => ("CAP_SETUID", false),
            _ => ("CAP_SETGID", false),
        };
        let log = outcome(start, &rest, refused.then_some(name)).with_context(|| format!("without {name}"))?;
        let warned = warns(&log, name);
        if !refused && *left_out != SYS_ADMIN && !warned {
            bail!("without {name} it does not say what is weaker: {log}");
        }
        said.push(format!("{name} {}", if refused { "refused" } else { "weaker" }));
    }
    Ok(said.join(", "))
}

/// Whether a warning in the log is about that.
fn warns(log: &str, what: &str) -> bool {
    log.lines().any(|line| line.contains("WARN") && line.contains(what))
}

/// Starts a sensor with these capabilities; gives what it said. `refused`: it must not start, and name that one.
fn outcome(start: &Start, capabilities: &[u32], refused: Option<&str>) -> Result<String> {
    let place = Place::new()?;
    let settings = place.settings(start, "alerts");
    let with = with_capabilities(capabilities, &start.sensor)?;
    let agent = Agent::start_with(with, &place.directory, &settings, Stdio::null());
    let log = std::fs::read_to_string(place.path("sensor.log"))?;
    match (agent, refused) {
        (Ok(agent), None) => {
            agent.stop()?;
            Ok(log)
        }
        (Ok(_), Some(name)) => bail!("it starts without {name}: {log}"),
        (Err(error), None) => Err(error),
        (Err(error), Some(name)) => {
            let code = format!("{error:#}").contains("exit status: 3");
            if !code || !log.contains(name) {
                bail!("not exit code 3 and {name}: {error:#}");
            }
            Ok(log)
        }
    }
}

fn with_capabilities(capabilities: &[u32], program: &Path) -> Result<Command> {
    let mut command = Command::new(command::myself()?);
    command.args(["guest", "with", &format!("{:x}", mask(capabilities))]).arg(program);
    Ok(command)
}

/// `xtask guest with MASK PROGRAM ARGUMENT...`: becomes the program, with these capabilities at most.
pub fn become_with(mask: &str, program: &Path, arguments: &[String]) -> Result<()> {
    let wanted = u64::from_str_radix(mask, 16).context("a mask in hexadecimal")?;
    // As the systemd unit has it: before Linux 5.11 maps of kernel programs are locked memory. Later it does not matter.
    let unlimited = rustix::process::Rlimit { current: None, maximum: None };
    let _ = rustix::process::setrlimit(rustix::process::Resource::Memlock, unlimited);
    for number in 0..64 {
        // SAFETY: numbers only.
        let bounded = unsafe { libc::prctl(libc::PR_CAPBSET_READ, number, 0, 0, 0) } == 1;
        if bounded && wanted >> number & 1 == 0 {
            // SAFETY: numbers only.
            check(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, number, 0, 0, 0) }.into(), "PR_CAPBSET_DROP")?;
        }
    }
    Err(Command::new(program).args(arguments).exec()).with_context(|| format!("becoming {}", program.display()))
}

/// Each capability that is kept is needed: what it is for does not work without it.
fn kept(_: &Start) -> Result<String> {
    let place = Place::new()?;
    let tool = place.path("tool");
    let mut said = Vec::new();
    let victim = place.path("foreign");
    std::fs::write(&victim, "x")?;
    std::os::unix::fs::chown(&victim, Some(65534), Some(65534))?;
    std::fs::set_permissions(&victim, std::os::unix::fs::PermissionsExt::from_mode(0o600))?;
    let mut foreign =
        Command::new("sleep").arg("600").uid(65534).gid(65534).spawn().context("somebody else's process")?;
    let root = format!("/proc/{}/root", foreign.id());
    let mut tried = || {
        for (name, bit, probe, argument) in [
            ("CAP_SYS_PTRACE", SYS_PTRACE, "read-link", root.clone()),
            ("CAP_DAC_READ_SEARCH", DAC_READ_SEARCH, "read", text(&victim)),
        ] {
            let works = |capabilities: &[u32]| -> Result<bool> {
                let mut command = with_capabilities(capabilities, &tool)?;
                Ok(command.args(["actor", "probe", probe, &argument]).stderr(Stdio::null()).status()?.success())
            };
            let rest: Vec<u32> = KEPT.iter().copied().filter(|kept| *kept != bit).collect();
            if !works(KEPT)? || works(&rest)? {
                bail!("{probe} works with {name}: {}, without: {}", works(KEPT)?, works(&rest)?);
            }
            said.push(name.to_owned());
        }
        Ok(())
    };
    let result = tried();
    foreign.kill()?;
    foreign.wait()?;
    result?;
    let kernel = std::fs::read_to_string("/proc/sys/kernel/osrelease")?;
    let kernel = kernel.trim();
    let old = version(kernel) < (5, 19);
    let closed =
        std::fs::read_to_string("/proc/sys/kernel/unprivileged_bpf_disabled").is_ok_and(|value| value.trim() != "0");
    let works = map_update_without_capability()?;
    if old && closed && works {
        bail!("{kernel}: a map is written without CAP_BPF, so it need not be kept");
    }
    said.push(format!("CAP_BPF (a map {} without it here)", if works { "is written" } else { "is not written" }));
    Ok(said.join(", "))
}

fn version(release: &str) -> (u32, u32) {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).filter_map(|number| number.parse().ok());
    (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0))
}

/// What a probe does; fails if it may not.
pub fn probe(what: &str, path: &Path) -> Result<()> {
    match what {
        "read-link" => std::fs::read_link(path).map(drop).context("reading a link"),
        _ => std::fs::read(path).map(drop).context("reading"),
    }
}

/// Makes a map as root, and writes to it in a child without a capability.
fn map_update_without_capability() -> Result<bool> {
    // `union bpf_attr` of BPF_MAP_CREATE: an array of one entry.
    let create: [u32; 12] = [2, 4, 4, 1, 0, 0, 0, 0, 0, 0, 0, 0];
    // SAFETY: the attribute is as long as it is said to be.
    let map = unsafe { libc::syscall(libc::SYS_bpf, 0, create.as_ptr(), size_of_val(&create)) };
    let map = check(map, "BPF_MAP_CREATE")?;
    let mut written = false;
    let mut attempt = || {
        drop_all()?;
        let (key, value) = (0_u32, 7_u32);
        let update = [map.cast_unsigned(), &raw const key as u64, &raw const value as u64, 0];
        // SAFETY: key and value are as long as the map's, and live.
        let result = unsafe { libc::syscall(libc::SYS_bpf, 2, update.as_ptr(), size_of_val(&update)) };
        written = result == 0;
        Ok(())
    };
    // In a thread: capabilities are a thread's.
    let result: Result<()> =
        std::thread::scope(|scope| scope.spawn(&mut attempt).join().unwrap_or_else(|_| bail!("the thread panicked")));
    // SAFETY: a descriptor that is ours.
    unsafe { libc::close(map as libc::c_int) };
    result.map(|()| written)
}

/// This thread has no capability any more.
fn drop_all() -> Result<()> {
    // `_LINUX_CAPABILITY_VERSION_3`, this thread; three sets of two words.
    let (head, none) = ([0x2008_0522_u32, 0], [0_u32; 6]);
    // SAFETY: both are as the version asks for.
    check(unsafe { libc::syscall(libc::SYS_capset, head.as_ptr(), none.as_ptr()) }, "capset").map(drop)
}
