//! The measured operations, each in a loop in a process of its own, with libc directly so that nothing else is counted.
//!
//! The process is no server and in no server's lineage: it is the stranger who should hardly pay.

use super::table;
use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};
use std::ffi::{CStr, CString};
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

/// `xtask guest bench-loop`.
#[derive(clap::Args)]
pub struct Options {
    /// What to do.
    #[arg(value_enum)]
    operation: Operation,
    /// How often, after a tenth as many that do not count.
    #[arg(long)]
    count: u32,
}

/// A loop is measured in so many parts, of which the middle one counts: what else runs on the machine (ticks, the
/// agent reading its rings) falls into a few of them.
const PARTS: u32 = 50;

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// posix_spawn (vfork) of a program of a few bytes, its exit, wait.
    VforkExec,
    /// fork, exit of the child, wait.
    ForkExit,
    /// open for reading, close.
    OpenRead,
    /// open for writing, close.
    OpenWrite,
    /// TCP connect to loopback, accept, close of both.
    Connect,
    /// A call that no hook sees: shows the noise.
    Getppid,
}

impl Operation {
    /// All, in the order of the table.
    pub const ALL: [Self; 6] =
        [Self::VforkExec, Self::ForkExit, Self::OpenRead, Self::OpenWrite, Self::Connect, Self::Getppid];

    /// For the table.
    pub fn title(self) -> &'static str {
        match self {
            Self::VforkExec => "vfork+exec+exit+wait",
            Self::ForkExit => "fork+exit+wait",
            Self::OpenRead => "open+close, reading, by a stranger",
            Self::OpenWrite => "open+close, writing, by a stranger",
            Self::Connect => "connect+accept+close",
            Self::Getppid => "getppid (no hook)",
        }
    }

    /// How often per sample: about a tenth of a second on a usual machine.
    pub fn count(self) -> u32 {
        match self {
            Self::VforkExec | Self::ForkExit => 1000,
            Self::OpenRead | Self::OpenWrite => 50_000,
            Self::Connect => 4000,
            Self::Getppid => 500_000,
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::VforkExec => "vfork-exec",
            Self::ForkExit => "fork-exit",
            Self::OpenRead => "open-read",
            Self::OpenWrite => "open-write",
            Self::Connect => "connect",
            Self::Getppid => "getppid",
        }
    }
}

/// Runs the loop in a new process and returns nanoseconds per operation.
pub fn measure(operation: Operation, count: u32) -> Result<f64> {
    let output = crate::command::output(
        Command::new(crate::command::myself()?)
            .args(["guest", "bench-loop", operation.name(), "--count"])
            .arg(count.to_string()),
    )?;
    output.trim().parse().context("the loop's answer")
}

/// Runs the loop here and prints nanoseconds per operation.
pub fn run(options: &Options) -> Result<()> {
    let directory = std::env::temp_dir().join(format!("sensor-bench-{}", std::process::id()));
    std::fs::create_dir_all(&directory)?;
    let result = nanoseconds(options, &directory);
    std::fs::remove_dir_all(&directory)?;
    println!("{}", result?);
    Ok(())
}

fn nanoseconds(options: &Options, directory: &Path) -> Result<f64> {
    let mut step = step(options.operation, directory)?;
    for _ in 0..options.count / 10 {
        step()?;
    }
    let part = (options.count / PARTS).max(1);
    let mut parts = Vec::new();
    for _ in 0..PARTS {
        let started = Instant::now();
        for _ in 0..part {
            step()?;
        }
        parts.push(started.elapsed().as_secs_f64() * 1e9 / f64::from(part));
    }
    Ok(table::median(&mut parts))
}

type Step = Box<dyn FnMut() -> Result<()>>;

fn step(operation: Operation, directory: &Path) -> Result<Step> {
    Ok(match operation {
        Operation::VforkExec => {
            let program = c_path(&tiny_program(directory)?)?;
            Box::new(move || spawn(&program))
        }
        Operation::ForkExit => Box::new(fork),
        Operation::OpenRead | Operation::OpenWrite => {
            let path = directory.join("file");
            std::fs::write(&path, b"x")?;
            let path = c_path(&path)?;
            let flags = match operation {
                Operation::OpenRead => libc::O_RDONLY,
                _ => libc::O_WRONLY,
            };
            Box::new(move || open(&path, flags))
        }
        Operation::Connect => {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            Box::new(move || connect(&listener))
        }
        Operation::Getppid => Box::new(|| {
            // SAFETY: has no preconditions and cannot fail.
            unsafe { libc::syscall(libc::SYS_getppid) };
            Ok(())
        }),
    })
}

fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

fn spawn(program: &CStr) -> Result<()> {
    let mut pid = 0;
    let arguments = [program.as_ptr().cast_mut(), std::ptr::null_mut()];
    let environment = [std::ptr::null_mut()];
    // SAFETY: all strings end in NUL and both arrays in a null pointer; null actions and attributes are allowed.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    };
    if error != 0 {
        return Err(std::io::Error::from_raw_os_error(error)).context("posix_spawn");
    }
    reap(pid)
}

fn fork() -> Result<()> {
    // SAFETY: this process has one thread, and the child only ends.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("fork"),
        // SAFETY: ends the child without running anything of the parent's.
        0 => unsafe { libc::_exit(0) },
        child => reap(child),
    }
}

fn reap(pid: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: status is a valid place for an int.
    if unsafe { libc::waitpid(pid, &raw mut status, 0) } != pid || status != 0 {
        bail!("the child ended with status {status}");
    }
    Ok(())
}

fn open(path: &CStr, flags: i32) -> Result<()> {
    // SAFETY: the path ends in NUL.
    let descriptor = unsafe { libc::open(path.as_ptr(), flags) };
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error()).context("open");
    }
    // SAFETY: the descriptor was just opened and is not used again.
    unsafe { libc::close(descriptor) };
    Ok(())
}

fn connect(listener: &TcpListener) -> Result<()> {
    let client = std::net::TcpStream::connect(listener.local_addr()?)?;
    let (server, _) = listener.accept()?;
    // A reset leaves no TIME_WAIT behind, of which thousands would change what is measured.
    reset_at_close(&client)?;
    drop(client);
    drop(server);
    Ok(())
}

fn reset_at_close(socket: &impl AsRawFd) -> Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the descriptor is open and the struct has the size that is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    if result != 0 {
        return Err(std::io::Error::last_os_error()).context("SO_LINGER");
    }
    Ok(())
}

/// A program that does nothing: with a real one most of the time would be its dynamic loader's.
fn tiny_program(directory: &Path) -> Result<PathBuf> {
    if std::env::consts::ARCH != "x86_64" {
        return Ok(PathBuf::from("/bin/true"));
    }
    let path = directory.join("tiny");
    std::fs::write(&path, tiny_elf())?;
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path)
}

/// A static x86_64 executable: headers and `exit(0)`.
fn tiny_elf() -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    // xor edi, edi; mov eax, 60 (exit); syscall
    let code = [0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05];
    let size = HEADERS + code.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // Type EXEC, machine x86_64, version 1.
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    // Entry point, program headers' offset, section headers' offset.
    for word in [BASE + HEADERS, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    // Flags; sizes and counts of headers.
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // One segment: LOAD, readable and executable.
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend(u64::to_le_bytes(word));
    }
    elf.extend(code);
    elf
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_works() {
        let directory = std::env::temp_dir().join(format!("sensor-loops-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        for operation in Operation::ALL {
            // fork is for a process with one thread; a test has more.
            if operation != Operation::ForkExit {
                step(operation, &directory).unwrap()().unwrap();
            }
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }
}
