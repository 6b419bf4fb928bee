//! Running other programs: shown before it happens, with the failure named after it.

use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A command for `program`, not yet run.
pub fn command(program: impl AsRef<OsStr>) -> Command {
    Command::new(program)
}

/// The same as root: through sudo if we are not root already.
///
/// Fails when we are not root and there is no sudo.
pub fn as_root(program: impl AsRef<OsStr>) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    if find("sudo").is_none() {
        bail!("this needs root, and there is no sudo here: run it as root");
    }
    let mut sudo = Command::new("sudo");
    sudo.arg("--").arg(program);
    Ok(sudo)
}

/// This program as root, with these arguments and what of the environment decides where things are.
pub fn myself_as_root(arguments: &[&str]) -> Result<Command> {
    myself_as_root_with(None, arguments)
}

/// The same, with a further variable.
pub fn myself_as_root_with(variable: Option<(&str, &Path)>, arguments: &[&str]) -> Result<Command> {
    let mut command = as_root("env")?;
    command.args(variable.map(|(name, value)| format!("{name}={}", value.display())));
    for name in ["PATH", "CARGO_TARGET_DIR", "CI"] {
        if let Some(value) = std::env::var_os(name) {
            let mut pair = OsStr::new(name).to_owned();
            pair.push("=");
            pair.push(value);
            command.arg(pair);
        }
    }
    command.arg(myself()?).args(arguments);
    Ok(command)
}

/// This program's file. A build that ran meanwhile may have replaced it, by one that does the same.
pub fn myself() -> Result<PathBuf> {
    let path = std::env::current_exe()?;
    let name = path.to_string_lossy();
    Ok(match name.strip_suffix(" (deleted)") {
        Some(replaced) => PathBuf::from(replaced),
        None => path,
    })
}

/// Are we root?
pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|metadata| metadata.uid() == 0)
}

/// Prints the command, runs it, fails if it fails.
pub fn run(command: &mut Command) -> Result<()> {
    println!("$ {}", shown(command));
    let status = command.status().with_context(|| format!("starting `{}`", shown(command)))?;
    if !status.success() {
        bail!("`{}`: {status}", shown(command));
    }
    Ok(())
}

/// Runs the command quietly and returns its standard output; a failure shows what it wrote to standard error.
pub fn output(command: &mut Command) -> Result<String> {
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting `{}`", shown(command)))?;
    if !output.status.success() {
        bail!("`{}`: {}\n{}", shown(command), output.status, String::from_utf8_lossy(&output.stderr).trim_end());
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Where `PATH` (and the sbin directories, which users' paths often lack) has `program`.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(program))
        .find(|candidate| is_executable(candidate))
}

fn is_executable(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.is_file() && metadata.mode() & 0o111 != 0)
}

/// The command as a person would type it.
fn shown(command: &Command) -> String {
    let mut words = vec![command.get_program().to_string_lossy().into_owned()];
    words.extend(command.get_args().map(|argument| {
        let argument = argument.to_string_lossy();
        let plain = |c: char| c.is_alphanumeric() || "-_=./:+,@%".contains(c);
        if !argument.is_empty() && argument.chars().all(plain) {
            argument.into_owned()
        } else {
            format!("'{}'", argument.replace('\'', r"'\''"))
        }
    }));
    words.join(" ")
}
