//! What an exec record says is what was so: compared with what the process itself found out right before.

use super::actor::{act_in_new_namespaces, check, in_child, mount_overlay};
use super::lab::{Lab, text};
use super::{Run, Scenario};
use anyhow::{Context, Result, bail};
use serde_json::{Value, json};
use std::ffi::CString;
use std::fs::{self, File};
use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::os::linux::fs::MetadataExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "exec-facts", run: Run::Shared(facts) },
    Scenario { name: "exec-namespaces", run: Run::Shared(namespaces) },
    Scenario { name: "exec-argv-cut", run: Run::Shared(argv_cut) },
    Scenario { name: "exec-memfd", run: Run::Shared(|lab| flagged(lab, "memfd", &["memfd", "deleted"])) },
    Scenario { name: "exec-deleted", run: Run::Shared(|lab| flagged(lab, "deleted", &["deleted"])) },
    Scenario { name: "exec-overlay", run: Run::Shared(|lab| flagged(lab, "overlay", &["overlay"])) },
    Scenario {
        name: "exec-overlay-upper",
        run: Run::Shared(|lab| flagged(lab, "overlay-upper", &["overlay_upper", "overlay"])),
    },
];

/// Bytes of argument of the exec that is cut.
const LONG: usize = 6000;
/// What an exec record has room for (`sensor_common::settings::MAX_ARGV`).
const ROOM: usize = 4096;

/// Execs something in a child, having noted in `LAB/outside/truth` what must be reported.
pub fn exec_as(how: &str, lab: &Path) -> Result<()> {
    match how {
        "facts" => in_child(&mut || as_somebody(lab)),
        "namespaces" => act_in_new_namespaces(&mut || {
            note(lab, &json!({}))?;
            Err(Command::new(lab.join("tool")).args(["actor", "nothing"]).exec()).context("exec")
        }),
        "argv-cut" => in_child(&mut || {
            let error = Command::new(lab.join("tool")).args(["actor", "nothing", &"x".repeat(LONG)]).exec();
            Err(error).context("exec")
        }),
        "memfd" => in_child(&mut || {
            // SAFETY: a string that ends in NUL.
            let made = check(unsafe { libc::memfd_create(c"payload".as_ptr(), 0) }.into(), "memfd_create")?;
            // SAFETY: a descriptor that was just made.
            let mut memory = File::from(unsafe { OwnedFd::from_raw_fd(i32::try_from(made)?) });
            memory.write_all(&fs::read("/bin/true")?)?;
            exec_descriptor(&memory)
        }),
        "deleted" => in_child(&mut || {
            let path = lab.join("outside/gone");
            fs::copy("/bin/true", &path)?;
            let file = File::open(&path)?;
            fs::remove_file(&path)?;
            exec_descriptor(&file)
        }),
        "overlay" | "overlay-upper" => in_child(&mut || {
            let merged = mount_overlay(lab)?;
            let program = if how == "overlay" { "lower" } else { "upper" };
            if how == "overlay-upper" {
                fs::copy("/bin/true", merged.join(program))?;
            }
            Err(Command::new(merged.join(program)).exec()).context("exec")
        }),
        _ => bail!("no such way: {how}"),
    }
}

/// A script, run by somebody else than root, in a session of its own, in another directory, with a file, a socket and a
/// pipe for its descriptors.
fn as_somebody(lab: &Path) -> Result<()> {
    let outside = lab.join("outside");
    let script = outside.join("script.sh");
    fs::write(&script, "#!/bin/sh -e\nexit 0\n")?;
    fs::set_permissions(&script, std::os::unix::fs::PermissionsExt::from_mode(0o755))?;
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let socket = TcpStream::connect(listener.local_addr()?)?;
    let input = File::open(&script)?;
    let (_reader, pipe) = std::io::pipe()?;
    std::env::set_current_dir(&outside)?;
    let shell = fs::metadata(fs::canonicalize("/bin/sh")?)?;
    let link = |name: &str| fs::read_link(format!("/proc/self/fd/{name}")).map(|path| path.display().to_string());
    note(
        lab,
        &json!({
            "device": format!("{}:{}", libc::major(shell.st_dev()), libc::minor(shell.st_dev())),
            "inode": shell.st_ino().to_string(),
            "input": input.metadata()?.st_ino(),
            "output": link(&socket.as_raw_fd().to_string())?,
            "errors": link(&pipe.as_raw_fd().to_string())?,
            "port": listener.local_addr()?.port(),
        }),
    )?;
    // SAFETY: numbers only; the descriptors are open.
    unsafe {
        check(libc::setsid().into(), "setsid")?;
        for (from, to) in [(input.as_raw_fd(), 0), (socket.as_raw_fd(), 1), (pipe.as_raw_fd(), 2)] {
            check(libc::dup2(from, to).into(), "dup2")?;
        }
        check(libc::setresgid(33, 34, 34).into(), "setresgid")?;
        // Real 33, effective 34.
        check(libc::setresuid(33, 34, 34).into(), "setresuid")?;
    }
    Err(Command::new("./script.sh").args(["one", "two words", ""]).exec()).context("exec")
}

fn exec_descriptor(file: &File) -> Result<()> {
    let path = CString::new(format!("/proc/self/fd/{}", file.as_raw_fd()))?;
    Err(Command::new(std::ffi::OsStr::new(path.to_str()?)).exec()).context("exec")
}

/// Writes down what must be reported of this process, and `more`.
fn note(lab: &Path, more: &Value) -> Result<()> {
    let namespace = |name: &str| -> Result<u64> {
        let link = fs::read_link(format!("/proc/self/ns/{name}"))?;
        let number = link.to_string_lossy().trim_end_matches(']').rsplit('[').next().unwrap_or_default().to_owned();
        Ok(number.parse()?)
    };
    let mut truth = json!({
        "pid_namespace": namespace("pid")?,
        "mount_namespace": namespace("mnt")?,
        "pid_in_namespace": std::process::id(),
        "cgroup": cgroup()?,
    });
    for (key, value) in more.as_object().into_iter().flatten() {
        truth[key] = value.clone();
    }
    fs::write(lab.join("outside/truth"), truth.to_string())?;
    Ok(())
}

/// The id of this process's cgroup, where there is a version 2 hierarchy: the inode of its directory.
fn cgroup() -> Result<u64> {
    let groups = fs::read_to_string("/proc/self/cgroup")?;
    let mounts = fs::read_to_string("/proc/self/mounts")?;
    let path = groups.lines().find_map(|line| line.strip_prefix("0::")).context("a version 2 cgroup")?;
    let mount =
        mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2")).context("no cgroup2 is mounted")?;
    let root = mount.split(' ').nth(1).context("its mount point")?;
    Ok(fs::metadata(format!("{root}{path}"))?.st_ino())
}

/// The truth that the actor noted, and the last exec that was seen of its server.
fn told(lab: &Lab, how: &str) -> Result<(Value, Value)> {
    let path = lab.place.path("outside/truth");
    let _ = fs::remove_file(&path);
    let server = lab.play("exec-as", &[how])?;
    let truth = fs::read(&path).ok().and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or_default();
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(20) {
        let mut execs = lab.said(server);
        execs.retain(|line| line["event"]["kind"] == "event" && line["event"]["action"] == "exec");
        // The server's own, and the one that counts.
        if execs.len() > 1 {
            return Ok((truth, execs.pop().unwrap_or_default()));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    bail!("the exec was not seen")
}

/// Compares; names what differs.
fn compare(pairs: &[(&str, &Value, Value)]) -> Result<String> {
    let differ: Vec<String> = pairs
        .iter()
        .filter(|(_, seen, wanted)| *seen != wanted)
        .map(|(name, seen, wanted)| format!("{name} is {seen} instead of {wanted}"))
        .collect();
    if differ.is_empty() { Ok(format!("{} facts", pairs.len())) } else { bail!("{}", differ.join(", ")) }
}

fn facts(lab: &mut Lab) -> Result<String> {
    let (truth, event) = told(lab, "facts")?;
    let (process, exec) = (&event["process"], &event["sensor"]["exec"]);
    let number = |link: &Value| {
        let text = link.as_str().unwrap_or_default();
        text.trim_end_matches(']').rsplit('[').next().unwrap_or_default().to_owned()
    };
    let outside = text(&lab.place.path("outside"));
    let port = &truth["port"];
    let output =
        format!("Socket {{ inode: {}, family: 2, peer: Some((127.0.0.1, {port})) }}", number(&truth["output"]));
    compare(&[
        ("executable", &process["executable"], json!(text(&fs::canonicalize("/bin/sh")?))),
        ("script", &event["sensor"]["process"]["script"], json!(format!("{outside}/script.sh"))),
        ("args", &process["args"], json!(["/bin/sh", "-e", "./script.sh", "one", "two words", ""])),
        ("working_directory", &process["working_directory"], json!(outside)),
        ("real_user.id", &process["real_user"]["id"], json!("33")),
        ("user.id", &process["user"]["id"], json!("34")),
        ("group.id", &event["sensor"]["process"]["group"]["id"], json!("34")),
        ("session", &exec["session"], process["pid"].clone()),
        ("pid_in_namespace", &exec["pid_in_namespace"], truth["pid_in_namespace"].clone()),
        ("pid_namespace", &exec["pid_namespace"], truth["pid_namespace"].clone()),
        ("mount_namespace", &exec["mount_namespace"], truth["mount_namespace"].clone()),
        ("cgroup_id", &exec["cgroup_id"], truth["cgroup"].clone()),
        ("device", &exec["device"], truth["device"].clone()),
        ("inode", &exec["inode"], truth["inode"].clone()),
        ("cap_effective", &exec["cap_effective"], json!("0000000000000000")),
        ("flags", &exec["flags"], json!([])),
        ("descriptor 0", &exec["standard"][0], json!(format!("File({})", truth["input"]))),
        ("descriptor 1", &exec["standard"][1], json!(output)),
        ("descriptor 2", &exec["standard"][2], json!(format!("Pipe({})", number(&truth["errors"])))),
    ])
}

fn namespaces(lab: &mut Lab) -> Result<String> {
    let (truth, event) = told(lab, "namespaces")?;
    let exec = &event["sensor"]["exec"];
    if event["process"]["pid"] == exec["pid_in_namespace"] {
        bail!("pid and pid in the namespace are both {}", event["process"]["pid"]);
    }
    compare(&[
        ("pid_in_namespace", &exec["pid_in_namespace"], truth["pid_in_namespace"].clone()),
        ("pid_namespace", &exec["pid_namespace"], truth["pid_namespace"].clone()),
        ("mount_namespace", &exec["mount_namespace"], truth["mount_namespace"].clone()),
    ])
}

/// Arguments beyond the room are cut, what is there is a beginning of them, and the record says so.
fn argv_cut(lab: &mut Lab) -> Result<String> {
    let (_, event) = told(lab, "argv-cut")?;
    let args = event["process"]["args"].as_array().cloned().unwrap_or_default();
    let last = args.last().and_then(Value::as_str).unwrap_or_default().to_owned();
    let before: usize = args.iter().rev().skip(1).filter_map(Value::as_str).map(|argument| argument.len() + 1).sum();
    if event["sensor"]["exec"]["argv_cut"] != true || args.len() != 4 || !last.bytes().all(|letter| letter == b'x') {
        bail!("argv_cut is {}, {} arguments", event["sensor"]["exec"]["argv_cut"], args.len());
    }
    if before + last.len() != ROOM {
        bail!("{} bytes of arguments are there instead of {ROOM}", before + last.len());
    }
    Ok(format!("{} of {} bytes", before + last.len(), before + LONG))
}

fn flagged(lab: &mut Lab, how: &str, flags: &[&str]) -> Result<String> {
    let (_, event) = told(lab, how)?;
    let seen = &event["sensor"]["exec"]["flags"];
    compare(&[("flags", seen, json!(flags))])?;
    Ok(event["process"]["executable"].as_str().unwrap_or_default().to_owned())
}
