//! What a server that is started by hand needs of this machine: a user, a port, its newest version, files.

use crate::command;
use anyhow::{Context, Result, bail};
use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Writes a text below a directory, and the directories on the way.
pub fn write(at: &Path, name: &str, text: &str) -> Result<PathBuf> {
    let path = at.join(name);
    if let Some(parent) = path.parent() {
        fs::create_dir_all(parent)?;
    }
    fs::write(&path, text).with_context(|| path.display().to_string())?;
    Ok(path)
}

/// Hands a tree of files to a user.
pub fn give(path: &Path, user: &str) -> Result<()> {
    command::output(Command::new("chown").args(["-R", user]).arg(path)).map(drop)
}

/// Copies a tree of files with their owners; where the file system can, without copying what is in them.
pub fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    command::output(Command::new("cp").args(["-a", "--reflink=auto"]).arg(from).arg(to)).map(drop)
}

/// The last name in a directory that begins so: the newest version.
pub fn newest(directory: &str, begins: &str) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| directory.to_owned())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins)))
        .collect();
    found.sort();
    found.pop().with_context(|| format!("nothing in {directory} begins with {begins:?}"))
}

/// Uid and gid of a user.
pub fn user(name: &str) -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let line =
        passwd.lines().find(|line| line.split(':').next() == Some(name)).with_context(|| format!("no user {name}"))?;
    let numbers: Vec<u32> = line.split(':').skip(2).take(2).filter_map(|field| field.parse().ok()).collect();
    match numbers[..] {
        [uid, gid] => Ok((uid, gid)),
        _ => bail!("/etc/passwd says {line}"),
    }
}

/// A loopback port that nobody listens on.
pub fn free_port() -> Result<u16> {
    Ok(TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Waits until something listens on a port of loopback; else the error has what `log` says.
pub fn await_port(port: u16, log: &Path) -> Result<()> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(30) {
        if TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(30));
    }
    let text = fs::read_to_string(log).unwrap_or_default();
    bail!("nothing listens on {port}: {}", text.trim())
}

/// The whole answer to a GET.
pub fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(1))?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}
