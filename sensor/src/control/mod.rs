//! The door for `sensor tree`, `status`, `servers` and `baseline`: a unix socket that only its owner can reach.
//!
//! One question as a JSON line, one answer as a JSON document, then the connection ends. The agent's loop answers, so
//! that nothing is shared; a client that is slow keeps only other clients waiting.

mod answers;
mod client;
mod servers;
mod tree;

pub use answers::{Facts, answer};
pub use client::{AskError, ask};

use crate::baseline::control::BaselineCommand;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

/// Longest question.
const MAX_QUESTION: usize = 4096;
/// Longest one that brings a document.
pub const MAX_DOCUMENT: usize = 4 << 20;
/// How long a client may take, and the agent.
const PATIENCE: Duration = Duration::from_secs(5);

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "lowercase", deny_unknown_fields)]
pub enum Command {
    /// The ancestry of a process and what runs below it; all servers without one.
    Tree {
        /// Which process.
        pid: Option<u32>,
    },
    /// How the agent is.
    Status,
    /// Servers and what is watched for them.
    Servers,
    /// Why an alert was told, and what would silence it.
    Explain {
        /// Its `event.id`, or the beginning of it; the latest one without it.
        id: Option<String>,
    },
    /// What was learned of servers.
    Baseline {
        /// What is asked or ordered.
        ask: BaselineCommand,
    },
}

/// A question, and where its answer goes.
pub struct Question {
    /// What is asked.
    pub command: Command,
    reply: SyncSender<Value>,
}

impl Question {
    /// Answers. A client that is gone is no problem.
    pub fn reply(&self, answer: Value) {
        let _ = self.reply.try_send(answer);
    }
}

/// The socket; removed when dropped.
pub struct Control {
    path: PathBuf,
    questions: Receiver<Question>,
}

impl Control {
    /// Opens the socket. Fails if another sensor listens there; a socket that a dead one left is replaced.
    pub fn start(path: &Path) -> Result<Self> {
        if let Some(directory) = path.parent().filter(|directory| !directory.exists()) {
            DirBuilder::new()
                .recursive(true)
                .mode(0o700)
                .create(directory)
                .with_context(|| format!("making the directory of agent.socket = {}", path.display()))?;
        }
        if UnixStream::connect(path).is_ok() {
            bail!(
                "another sensor already answers on agent.socket = {}; stop it, or choose another path",
                path.display()
            );
        }
        match std::fs::symlink_metadata(path) {
            Ok(found) if !std::os::unix::fs::FileTypeExt::is_socket(&found.file_type()) => {
                bail!("agent.socket = {} exists and is no socket; choose another path", path.display());
            }
            Ok(_) => std::fs::remove_file(path).with_context(|| format!("removing the old {}", path.display()))?,
            Err(_) => {}
        }
        let listener =
            UnixListener::bind(path).with_context(|| format!("opening agent.socket = {}", path.display()))?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))
            .with_context(|| format!("closing {} to others", path.display()))?;
        let (sender, questions) = sync_channel(16);
        std::thread::Builder::new()
            .name("control".to_owned())
            .spawn(move || serve(&listener, &sender))
            .context("starting the control thread")?;
        Ok(Self { path: path.to_owned(), questions })
    }

    /// The next question, if there is one.
    pub fn next(&self) -> Option<Question> {
        self.questions.try_recv().ok()
    }
}

impl Drop for Control {
    fn drop(&mut self) {
        // It may be gone already; nothing can be done about another failure at the end.
        let _ = std::fs::remove_file(&self.path);
    }
}

fn serve(listener: &UnixListener, questions: &SyncSender<Question>) {
    for stream in listener.incoming() {
        match stream {
            Ok(stream) => {
                if let Err(error) = converse(stream, questions) {
                    tracing::debug!(error = format!("{error:#}"), "a control connection ended badly");
                }
            }
            Err(error) => {
                tracing::warn!(%error, "the control socket cannot accept");
                std::thread::sleep(Duration::from_secs(1));
            }
        }
    }
}

fn converse(mut stream: UnixStream, questions: &SyncSender<Question>) -> Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let answer = match read_question(&stream) {
        Ok(command) => {
            let (reply, answer) = sync_channel(1);
            let servers = command == Command::Servers;
            let asked = questions.try_send(Question { command, reply });
            match asked.ok().and_then(|()| answer.recv_timeout(PATIENCE).ok()) {
                Some(answer) if servers => servers::complete(answer, Path::new("/proc")),
                Some(answer) => answer,
                None => json!({"error": "the agent does not answer; it may be ending"}),
            }
        }
        Err(error) => json!({"error": format!("{error:#}")}),
    };
    serde_json::to_writer(&mut stream, &answer).context("writing the answer")?;
    stream.write_all(b"\n").context("writing the answer")
}

fn read_question(stream: &UnixStream) -> Result<Command> {
    let peer = rustix::net::sockopt::socket_peercred(stream).context("who asks")?;
    if !peer.uid.is_root() && peer.uid != rustix::process::geteuid() {
        bail!("only root may ask");
    }
    let mut line = String::new();
    BufReader::new(stream.take(MAX_DOCUMENT as u64)).read_line(&mut line).context("reading the question")?;
    let command = serde_json::from_str(&line).context("not a question that is known")?;
    let brings_document = matches!(command, Command::Baseline { ask: BaselineCommand::Import { .. } });
    if line.len() > MAX_QUESTION && !brings_document {
        bail!("the question is longer than {MAX_QUESTION} bytes");
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::baseline::{Document, EdgeDocument, KindDocument};

    #[test]
    fn a_question_gets_its_answer() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("run/sensor.sock");
        let control = Control::start(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(std::fs::metadata(path.parent().unwrap()).unwrap().permissions().mode() & 0o777, 0o700);
        let asking = std::thread::spawn({
            let path = path.clone();
            move || ask(&path, &Command::Tree { pid: Some(7) }).unwrap()
        });
        let question = loop {
            if let Some(question) = control.next() {
                break question;
            }
            std::thread::sleep(Duration::from_millis(1));
        };
        assert_eq!(question.command, Command::Tree { pid: Some(7) });
        question.reply(json!({"is": "here"}));
        assert_eq!(asking.join().unwrap()["is"], "here");
        assert!(Control::start(&path).is_err(), "two sensors on one socket");
        drop(control);
        assert!(!path.exists());
        assert!(matches!(ask(&path, &Command::Status), Err(AskError::NotRunning { .. })));
    }

    #[test]
    fn nonsense_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sensor.sock");
        let _control = Control::start(&path).unwrap();
        let mut stream = UnixStream::connect(&path).unwrap();
        stream.write_all(b"{\"command\":\"dance\"}\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.contains("error"), "{answer}");
    }

    #[test]
    fn only_a_document_may_be_long() {
        let (mut client, server) = UnixStream::pair().unwrap();
        let edge = EdgeDocument { parent: "a".repeat(200), child: "b".repeat(200) };
        let kind = "a:/x".parse().unwrap();
        let kinds = vec![KindDocument { kind, learned: false, edges: vec![edge; 1000] }];
        let import = Command::Baseline { ask: BaselineCommand::Import { document: Document { version: 1, kinds } } };
        let asks = Command::Baseline { ask: BaselineCommand::Finish { kind: "x".repeat(MAX_QUESTION) } };
        let lines = [&import, &asks].map(|command| serde_json::to_string(command).unwrap() + "\n");
        let writer = std::thread::spawn(move || client.write_all(lines[0].as_bytes()).map(|()| (client, lines)));
        assert_eq!(read_question(&server).unwrap(), import);
        let (mut client, lines) = writer.join().unwrap().unwrap();
        client.write_all(lines[1].as_bytes()).unwrap();
        assert!(format!("{:#}", read_question(&server).unwrap_err()).contains("longer than 4096 bytes"));
    }

    #[test]
    fn a_file_that_is_no_socket_stays() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("precious");
        std::fs::write(&path, "x").unwrap();
        assert!(Control::start(&path).is_err());
        assert!(path.exists());
    }
}
