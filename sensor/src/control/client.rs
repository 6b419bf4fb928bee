//! Asking the running agent.

use super::Command;
use serde_json::Value;
use std::io::{ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub enum AskError {
    /// Nobody listens.
    #[error("no sensor answers on {} ({source}); start one with `sensor run`, or name its socket with --set agent.socket=PATH", path.display())]
    NotRunning {
        /// Where.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The socket is for root.
    #[error("{}: permission denied; only root may ask the agent", path.display())]
    Denied {
        /// Where.
        path: PathBuf,
    },
    /// It broke off.
    #[error("the agent's answer broke off: {0}")]
    Broken(String),
    /// The agent says no.
    #[error("the agent says: {0}")]
    Refused(String),
}

/// Asks, and waits at most ten seconds.
pub fn ask(path: &Path, command: &Command) -> Result<Value, AskError> {
    let mut stream = UnixStream::connect(path).map_err(|source| match source.kind() {
        ErrorKind::PermissionDenied => AskError::Denied { path: path.to_owned() },
        _ => AskError::NotRunning { path: path.to_owned(), source },
    })?;
    let answer = converse(&mut stream, command).map_err(|error| AskError::Broken(error.to_string()))?;
    match answer.get("error").and_then(Value::as_str) {
        Some(error) => Err(AskError::Refused(error.to_owned())),
        None => Ok(answer),
    }
}

fn converse(stream: &mut UnixStream, command: &Command) -> std::io::Result<Value> {
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut line = serde_json::to_string(command)?;
    line.push('\n');
    stream.write_all(line.as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(serde_json::from_str(&answer)?)
}
