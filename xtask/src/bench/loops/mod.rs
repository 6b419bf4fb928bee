//! The measured operations, each in a loop in a process of its own, with libc directly so that nothing else is counted.
//!
//! Most are a stranger's: no server, and in no server's lineage, who should hardly pay. Some are a server's.

mod files;
mod ground;
mod network;
pub mod processes;

pub use ground::Ground;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use std::ffi::CString;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::time::{Duration, Instant};

/// `xtask guest bench-loop`.
#[derive(clap::Args)]
pub struct Options {
    /// What to do.
    #[arg(value_enum)]
    operation: Operation,
    /// How often, after a tenth as many that do not count.
    #[arg(long)]
    count: u32,
    /// In how many parts.
    #[arg(long)]
    parts: u32,
    /// Where its files are.
    #[arg(long)]
    directory: std::path::PathBuf,
    /// How long it waits before it begins.
    #[arg(long, value_name = "MILLISECONDS")]
    pause: u64,
}

/// One operation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Operation {
    /// vfork, exec of a static program of a few bytes, its exit, wait: four system calls.
    VforkExec,
    /// The same by posix_spawn, which makes over a hundred.
    PosixSpawn,
    /// fork, exit of the child, wait.
    ForkExit,
    /// open for reading, close.
    OpenRead,
    /// The same by a server.
    OpenReadServer,
    /// open for writing, close.
    OpenWrite,
    /// The same below a directory from which a server loads code.
    OpenWriteWatched,
    /// rename in one directory.
    Rename,
    /// TCP connect to loopback, accept, close of both.
    Connect,
    /// accept of a connection that waits, and close, by a server.
    Accept,
    /// A call that no hook sees.
    Getppid,
}

impl Operation {
    /// All, in the order of the table.
    pub const ALL: [Self; 11] = [
        Self::VforkExec,
        Self::PosixSpawn,
        Self::ForkExit,
        Self::OpenRead,
        Self::OpenReadServer,
        Self::OpenWrite,
        Self::OpenWriteWatched,
        Self::Rename,
        Self::Connect,
        Self::Accept,
        Self::Getppid,
    ];

    /// For the table.
    pub fn title(self) -> &'static str {
        self.facts().1
    }

    /// How often per sample: about a tenth of a second on a usual machine.
    pub fn count(self) -> u32 {
        self.facts().2
    }

    /// Whether it makes processes, whose time is not in the loop's own.
    pub fn makes_processes(self) -> bool {
        matches!(self, Self::VforkExec | Self::PosixSpawn | Self::ForkExit)
    }

    /// As the loop's command line and the figures' ids name it.
    pub fn name(self) -> &'static str {
        self.facts().0
    }

    /// Whether a server does it.
    pub fn by_server(self) -> bool {
        matches!(self, Self::OpenReadServer | Self::Accept)
    }

    /// The kind of events that the sensor has to take in for it; `None` for an operation that it has to let pass.
    pub fn reported(self) -> Option<&'static str> {
        match self {
            Self::VforkExec | Self::PosixSpawn => Some("exec"),
            Self::ForkExit => Some("fork"),
            Self::OpenReadServer | Self::OpenWriteWatched => Some("open"),
            Self::Accept => Some("accept"),
            Self::OpenRead | Self::OpenWrite | Self::Rename | Self::Connect | Self::Getppid => None,
        }
    }

    /// How many events of that kind there have to be, at least, for so many operations.
    pub fn least_reported(self, count: u32) -> f64 {
        match self {
            // Its open for reading is not reported, but what it wrote before is: it was known. The same client is told once a
            // minute.
            Self::OpenReadServer | Self::Accept => 1.0,
            // fanotify tells the same of the same file once, as long as it was not read.
            Self::OpenWriteWatched => f64::from(count) / 100.0,
            _ => f64::from(count),
        }
    }

    const fn facts(self) -> (&'static str, &'static str, u32) {
        match self {
            Self::VforkExec => ("vfork-exec", "vfork+exec+exit+wait", 1000),
            Self::PosixSpawn => ("posix-spawn", "posix_spawn+exit+wait", 1000),
            Self::ForkExit => ("fork-exit", "fork+exit+wait", 1000),
            Self::OpenRead => ("open-read", "open+close, reading, by a stranger", 50_000),
            Self::OpenReadServer => ("open-read-server", "open+close, reading, by a server", 50_000),
            Self::OpenWrite => ("open-write", "open+close, writing, by a stranger", 50_000),
            Self::OpenWriteWatched => ("open-write-watched", "open+close, writing, watched directory", 20_000),
            Self::Rename => ("rename", "rename, by a stranger", 20_000),
            Self::Connect => ("connect", "connect+accept+close, by a stranger", 4000),
            Self::Accept => ("accept", "accept+close, by a server", 6000),
            Self::Getppid => ("getppid", "getppid (no hook)", 500_000),
        }
    }
}

/// Runs the loop here and prints the parts' nanoseconds per operation.
pub fn run(options: &Options) -> Result<()> {
    without_random_addresses()?;
    std::thread::sleep(Duration::from_millis(options.pause));
    println!("{}", serde_json::to_string(&sample(options)?)?);
    Ok(())
}

/// Where the kernel puts a process decides how many page tables a fork copies, by some percent: all are put alike.
fn without_random_addresses() -> Result<()> {
    const ASK: libc::c_ulong = 0xffff_ffff;
    // SAFETY: numbers only; asks.
    let now = unsafe { libc::personality(ASK) };
    let wanted = now | libc::ADDR_NO_RANDOMIZE;
    if now == wanted {
        return Ok(());
    }
    // SAFETY: numbers only.
    if unsafe { libc::personality(libc::c_ulong::from(wanted.unsigned_abs())) } < 0 {
        return Err(std::io::Error::last_os_error()).context("personality");
    }
    let again = std::env::args_os().skip(1);
    Err(crate::command::command(std::env::current_exe()?).args(again).exec()).context("exec of itself")
}

/// What a loop came to, in nanoseconds per operation.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Sample {
    /// Of each part, as the clock shows it.
    pub elapsed: Vec<f64>,
    /// Of each part, the loop's own processor time.
    pub own: Vec<f64>,
    /// Processor time of the loop and its children, of all parts together: what interrupted them is in it, what others did
    /// meanwhile is not.
    pub spent: f64,
}

fn sample(options: &Options) -> Result<Sample> {
    let mut work = work(options.operation, &options.directory)?;
    let size = (options.count / options.parts).max(1);
    for _ in 0..options.parts.div_ceil(10) {
        part(&mut work, size)?;
    }
    let children = processor_time_of_children()?;
    let parts = (0..options.parts).map(|_| part(&mut work, size)).collect::<Result<Vec<_>>>()?;
    let children = (processor_time_of_children()? - children) / f64::from(options.parts * size);
    let (elapsed, own): (Vec<f64>, Vec<f64>) = parts.into_iter().unzip();
    let spent = own.iter().sum::<f64>() / f64::from(options.parts) + children;
    Ok(Sample { elapsed, own, spent })
}

/// Time, and own processor time, per operation.
fn part(work: &mut Work, size: u32) -> Result<(f64, f64)> {
    (work.prepare)(size)?;
    let spent = processor_time();
    let started = Instant::now();
    for _ in 0..size {
        (work.step)()?;
    }
    let elapsed = started.elapsed();
    let spent = processor_time() - spent;
    (work.tidy)()?;
    Ok((elapsed.as_secs_f64() * 1e9 / f64::from(size), spent / f64::from(size)))
}

/// Of this process so far, in nanoseconds.
fn processor_time() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::try_from(time).unwrap_or_default().as_secs_f64() * 1e9
}

/// Of the children that were waited for, in nanoseconds, whole microseconds.
fn processor_time_of_children() -> Result<f64> {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: a place for the answer, of which zeroes are a valid value.
    let usage = unsafe {
        if libc::getrusage(libc::RUSAGE_CHILDREN, usage.as_mut_ptr()) != 0 {
            return Err(std::io::Error::last_os_error()).context("getrusage");
        }
        usage.assume_init()
    };
    let nanoseconds = |time: libc::timeval| -> Result<f64> {
        let whole = Duration::from_secs(time.tv_sec.try_into()?) + Duration::from_micros(time.tv_usec.try_into()?);
        Ok(whole.as_secs_f64() * 1e9)
    };
    Ok(nanoseconds(usage.ru_utime)? + nanoseconds(usage.ru_stime)?)
}

/// What a loop does.
struct Work {
    /// Before each part, which is told how many steps it has; not measured.
    prepare: Box<dyn FnMut(u32) -> Result<()>>,
    /// The operation.
    step: Box<dyn FnMut() -> Result<()>>,
    /// After each part; not measured.
    tidy: Box<dyn FnMut() -> Result<()>>,
}

impl Work {
    fn of(step: impl FnMut() -> Result<()> + 'static) -> Self {
        Self { prepare: Box::new(|_| Ok(())), step: Box::new(step), tidy: Box::new(|| Ok(())) }
    }
}

fn work(operation: Operation, directory: &Path) -> Result<Work> {
    let outside = directory.join("outside");
    Ok(match operation {
        Operation::VforkExec => Work::of(processes::vfork(&outside)?),
        Operation::PosixSpawn => Work::of(processes::spawn(&outside)?),
        Operation::ForkExit => Work::of(processes::fork),
        Operation::OpenRead | Operation::OpenReadServer => Work::of(files::open(&outside, libc::O_RDONLY)?),
        Operation::OpenWrite => Work::of(files::open(&outside, libc::O_WRONLY)?),
        Operation::OpenWriteWatched => Work::of(files::open(&directory.join("www"), libc::O_WRONLY)?),
        Operation::Rename => Work::of(files::rename(&outside)?),
        Operation::Connect => Work::of(network::connect()?),
        Operation::Accept => network::accept()?,
        Operation::Getppid => Work::of(|| {
            // SAFETY: has no preconditions and cannot fail.
            unsafe { libc::syscall(libc::SYS_getppid) };
            Ok(())
        }),
    })
}

pub fn c_path(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_bytes())?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_operation_works() {
        let directory = std::env::temp_dir().join(format!("sensor-loops-{}", std::process::id()));
        for name in ["outside", "www"] {
            std::fs::create_dir_all(directory.join(name)).unwrap();
        }
        for operation in Operation::ALL {
            // fork is for a process with one thread; a test has more.
            if operation != Operation::ForkExit {
                part(&mut work(operation, &directory).unwrap(), 2).unwrap();
            }
        }
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn names_are_those_of_the_command_line() {
        use clap::ValueEnum as _;
        for operation in Operation::ALL {
            assert_eq!(operation.to_possible_value().unwrap().get_name(), operation.name());
        }
        assert_eq!(Operation::ALL.len(), Operation::value_variants().len());
    }
}
