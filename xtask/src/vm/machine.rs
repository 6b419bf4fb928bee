//! One virtual machine: boots, speaks over its serial console, ends by itself or is ended.

use super::kernels::Kernel;
use crate::report::Message;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::time::{Duration, Instant};

/// How a machine runs.
#[derive(Clone, Copy, Debug)]
pub struct Mode {
    /// Virtual processors.
    pub processors: u32,
    /// Guest time is the count of executed instructions, not the host's time.
    pub count_instructions: bool,
    /// When it is ended if it has not ended itself.
    pub limit: Duration,
}

/// What a machine's root file system is.
#[derive(Clone, Copy, Debug)]
pub enum Root<'a> {
    /// An initramfs.
    Memory(&'a Path),
    /// An ext4 image, to which changes are made for this run only. There is no initramfs: Debian's cloud kernels have ext4
    /// and NVMe built in.
    Disk {
        /// `/dev/nvme0n1`, mounted at `/`.
        root: &'a Path,
        /// `/dev/nvme1n1`, not mounted.
        more: &'a Path,
    },
}

/// Where a machine's console is kept.
pub fn log_path(name: &str) -> PathBuf {
    workspace::vm().join(format!("{name}.log"))
}

/// Boots, hands each message to `sink` as it comes, returns when the machine is off.
///
/// Fails if it went off without [`Message::Done`] or was ended at its limit.
pub fn run(kernel: &Kernel, root: Root<'_>, name: &str, mode: Mode, sink: &mut dyn FnMut(Message)) -> Result<()> {
    let mut child = qemu(kernel, root, mode)
        .args(["-display", "none", "-monitor", "none", "-serial", "stdio"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .context("starting qemu-system-x86_64")?;
    let console = child.stdout.take().context("the console's pipe")?;
    let end = listen(console, name, mode.limit, sink);
    finish(&mut child)?;
    end.with_context(|| format!("its console is in {}", log_path(name).display()))
}

/// Boots with the console on this terminal.
pub fn interactive(kernel: &Kernel, root: Root<'_>) -> Result<()> {
    let mode = Mode { processors: 2, count_instructions: false, limit: Duration::MAX };
    command::run(qemu(kernel, root, mode).arg("-nographic"))
}

fn qemu(kernel: &Kernel, root: Root<'_>, mode: Mode) -> Command {
    let mut qemu = command::command("qemu-system-x86_64");
    if mode.count_instructions {
        qemu.args(["-accel", "tcg", "-icount", "shift=0,sleep=off"]);
    } else {
        // Its processors in one thread: in several, one of them may run an old translation of an instruction that the kernel is
        // patching (a tracepoint being enabled) for ever. It is faster, too.
        qemu.args(["-accel", "tcg,thread=single"]);
    }
    qemu.args(["-cpu", "max", "-m", "1536", "-no-reboot", "-nic", "none"])
        .args(["-smp", &mode.processors.to_string()])
        .arg("-kernel")
        .arg(kernel.image());
    // A kernel that hangs says where, and ends the machine. Not before two minutes: a host that is busy, or stopped
    // for a while, must not pass for a kernel that hangs; nor for one whose timer does not tick, which 6.1 looks for in
    // the first milliseconds.
    let mut append = String::from("console=ttyS0 quiet panic=-1 softlockup_panic=1 watchdog_thresh=60 no_timer_check");
    match root {
        Root::Memory(image) => {
            qemu.arg("-initrd").arg(image);
        }
        Root::Disk { root, more } => {
            disk(&mut qemu, root, "root", "snapshot=on");
            disk(&mut qemu, more, "more", "readonly=on");
            // The console is for messages: nobody logs in there.
            append.push_str(" root=/dev/nvme0n1 rw systemd.getty_auto=no");
        }
    }
    qemu.args(["-append", &append]);
    qemu
}

fn disk(qemu: &mut Command, image: &Path, name: &str, how: &str) {
    let drive = format!("file={},if=none,id={name},format=raw,{how}", image.display());
    qemu.args(["-drive", &drive, "-device", &format!("nvme,drive={name},serial={name}")]);
}

/// Reads the console until it closes, the guest is done, or the limit is reached.
fn listen(console: ChildStdout, name: &str, limit: Duration, sink: &mut dyn FnMut(Message)) -> Result<()> {
    let path = log_path(name);
    let mut log = std::fs::File::create(&path).with_context(|| path.display().to_string())?;
    let lines = lines_of(console);
    let deadline = Instant::now() + limit;
    let mut last = String::new();
    loop {
        let line = match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => line,
            Err(RecvTimeoutError::Disconnected) => {
                bail!("the machine went off before it was done; the last it said: {last}")
            }
            Err(RecvTimeoutError::Timeout) => {
                bail!("not done after {} s; the last it said: {last}", limit.as_secs())
            }
        };
        log.write_all(&line)?;
        let text = String::from_utf8_lossy(&line);
        match Message::read(&text) {
            Some(Message::Done) => return Ok(()),
            Some(message) => sink(message),
            None if text.trim().is_empty() => {}
            None => text.trim().clone_into(&mut last),
        }
    }
}

/// The console's lines, read by a thread of their own so that waiting can end.
fn lines_of(console: ChildStdout) -> mpsc::Receiver<Vec<u8>> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        let mut console = BufReader::new(console);
        let mut line = Vec::new();
        while matches!(console.read_until(b'\n', &mut line), Ok(1..)) {
            if sender.send(std::mem::take(&mut line)).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Lets the machine power off, then ends it.
fn finish(child: &mut Child) -> Result<()> {
    for _ in 0..30 {
        if child.try_wait()?.is_some() {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    child.kill().context("ending the machine")?;
    child.wait()?;
    Ok(())
}
