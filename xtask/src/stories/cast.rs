//! The processes of one story: made one by the other, told what to do, known by name and by pid.
//!
//! Each has a socket to us that it keeps over exec. What comes through it carries the sender's pid, as the kernel
//! translates it into our own namespace, so a process is known before it does anything. When we let go of the sockets,
//! all of them end.

use anyhow::{Context, Result, bail};
use rustix::net::sockopt::{Timeout, set_socket_passcred, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, SocketFlags, SocketType,
};
use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// How long an actor may take for one deed.
const PATIENCE: Duration = Duration::from_secs(10);

/// Pids that belong to stories; shared with who listens to the sensor.
pub type Pids = Arc<Mutex<HashSet<u32>>>;

/// One process.
struct Player {
    socket: OwnedFd,
    /// Its pid in the story's own namespace.
    inside: u32,
    /// Its pid in ours.
    pid: u32,
}

/// All processes of a story.
pub struct Cast {
    stage: Child,
    players: HashMap<String, Player>,
    actor: File,
    all: Pids,
    /// Those of this story alone.
    pub pids: HashSet<u32>,
}

fn pair() -> Result<(OwnedFd, OwnedFd)> {
    let (near, far) = rustix::net::socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)
        .context("socketpair")?;
    // Before anything can be sent, so that everything says who sent it.
    set_socket_passcred(&near, true)?;
    set_socket_timeout(&near, Timeout::Recv, Some(PATIENCE))?;
    Ok((near, far))
}

impl Cast {
    /// Makes the namespaces around `root`, with a first process called `init`. With `layers`, a directory of its own,
    /// `root` is a container's image and stays as it is.
    pub fn new(actor: &Path, root: &Path, layers: Option<&Path>, all: &Pids) -> Result<Self> {
        let (near, far) = pair()?;
        let stage = Command::new(actor);
        let mut stage = named(stage);
        stage.arg(root).env_clear();
        if let Some(layers) = layers {
            for part in ["upper", "work", "merged"] {
                std::fs::create_dir_all(layers.join(part))?;
            }
            stage.arg(layers);
        }
        stage.stdin(Stdio::from(far)).stdout(Stdio::null()).stderr(Stdio::null());
        let stage = stage.spawn().context("starting the stage")?;
        let mut cast = Self {
            stage,
            players: HashMap::new(),
            actor: File::open(actor)?,
            all: Arc::clone(all),
            pids: HashSet::new(),
        };
        cast.enter("init", near, 1)?;
        Ok(cast)
    }

    /// A process that says that it is there.
    fn enter(&mut self, name: &str, socket: OwnedFd, inside: u32) -> Result<()> {
        let (_, pid) = receive(socket.as_fd()).with_context(|| name.to_owned())?;
        self.pids.insert(pid);
        if let Ok(mut all) = self.all.lock() {
            all.insert(pid);
        }
        self.players.insert(name.to_owned(), Player { socket, inside, pid });
        Ok(())
    }

    /// Has `by` fork a process called `name`.
    pub fn fork(&mut self, by: &str, name: &str) -> Result<()> {
        if name.is_empty() || self.players.contains_key(name) {
            bail!("a new process needs a name of its own: {name:?}");
        }
        let (near, far) = pair()?;
        let said = self.order(by, &["fork"], Some(far.as_fd()))?;
        drop(far);
        let inside = said.parse().with_context(|| format!("fork: {said}"))?;
        self.enter(name, near, inside)
    }

    /// Tells a process to do something; gives what it says.
    pub fn tell(&mut self, by: &str, words: &[&str]) -> Result<String> {
        self.order(by, words, None)
    }

    /// The same, and gives it the actor's file to copy from.
    pub fn tell_with_program(&mut self, by: &str, words: &[&str]) -> Result<String> {
        let actor = self.actor.try_clone()?;
        self.order(by, words, Some(actor.as_fd()))
    }

    fn order(&mut self, by: &str, words: &[&str], along: Option<BorrowedFd>) -> Result<String> {
        let player = self.players.get(by).with_context(|| format!("no process is called {by:?}"))?;
        let mut text = words.join("\0");
        text.push('\0');
        let along: Vec<BorrowedFd> = along.into_iter().collect();
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !along.is_empty() {
            control.push(SendAncillaryMessage::ScmRights(&along));
        }
        let what = || format!("{by}: {}", words.join(" "));
        rustix::net::sendmsg(&player.socket, &[IoSlice::new(text.as_bytes())], &mut control, SendFlags::NOSIGNAL)
            .with_context(what)?;
        receive(player.socket.as_fd()).map(|(said, _)| said).with_context(what)
    }

    /// The pid in the story's own namespace.
    pub fn inside(&self, name: &str) -> Result<u32> {
        self.players.get(name).map(|player| player.inside).with_context(|| format!("no process is called {name:?}"))
    }

    /// The pid in our own namespace.
    pub fn pid(&self, name: &str) -> Option<u32> {
        self.players.get(name).map(|player| player.pid)
    }

    /// It has ended.
    pub fn leave(&mut self, name: &str) {
        self.players.remove(name);
    }
}

/// What makes the namespaces is told by its name.
fn named(mut command: Command) -> Command {
    std::os::unix::process::CommandExt::arg0(&mut command, "story-stage");
    command
}

impl Drop for Cast {
    fn drop(&mut self) {
        // Nobody tells them anything any more: they end, and with the first process the namespaces.
        self.players.clear();
        // It ends with the first process; what is left then is a zombie of ours.
        let _ = self.stage.wait();
        if let Ok(mut all) = self.all.lock() {
            all.retain(|pid| !self.pids.contains(pid));
        }
    }
}

/// The next message: what it says after `ok`, and who sent it.
fn receive(socket: BorrowedFd) -> Result<(String, u32)> {
    let mut bytes = [0; 4096];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmCredentials(1))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received =
        rustix::net::recvmsg(socket, &mut [IoSliceMut::new(&mut bytes)], &mut control, RecvFlags::CMSG_CLOEXEC)?;
    let pid = control.drain().find_map(|message| match message {
        RecvAncillaryMessage::ScmCredentials(sender) => u32::try_from(sender.pid.as_raw_nonzero().get()).ok(),
        _ => None,
    });
    if received.bytes == 0 {
        bail!("it ended");
    }
    let said = String::from_utf8_lossy(&bytes[..received.bytes]).into_owned();
    match said.strip_prefix("ok") {
        Some(said) => Ok((said.trim_start().to_owned(), pid.context("a message without its sender")?)),
        None => bail!("{}", said.strip_prefix("error ").unwrap_or(&said)),
    }
}
