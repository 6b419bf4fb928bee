//! What makes work for an agent that is measured, each in a process of its own: programs at a steady pace, and a crowd of
//! processes that just live.

use super::loops::c_path;
use super::loops::processes::{end, fork_and_pause, reap, start, tiny_program, write_program};
use anyhow::{Context, Result, bail};
use std::ffi::CStr;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// `xtask guest bench-load`.
#[derive(clap::Args)]
pub struct Options {
    #[command(subcommand)]
    load: Load,
}

#[derive(clap::Subcommand)]
enum Load {
    /// Starts a program so many times a second, waits for each, and prints how many it were.
    Pace {
        /// The program.
        program: PathBuf,
        /// Times a second.
        #[arg(long)]
        rate: u32,
        /// For how long, in seconds.
        #[arg(long)]
        seconds: u32,
    },
    /// So many children that live until standard input ends. Says `there` when all are.
    Crowd {
        /// How many.
        count: usize,
        /// The program that they run; without one they are forked only.
        #[arg(long)]
        program: Option<PathBuf>,
    },
}

/// Does it.
pub fn run(options: &Options) -> Result<()> {
    match &options.load {
        Load::Pace { program, rate, seconds } => {
            println!("{}", pace(&c_path(program)?, *rate, Duration::from_secs((*seconds).into()))?);
            Ok(())
        }
        Load::Crowd { count, program } => crowd(*count, program.as_deref()),
    }
}

/// How often a program was started.
fn pace(program: &CStr, rate: u32, length: Duration) -> Result<u32> {
    let between = Duration::from_secs(1) / rate;
    let begin = Instant::now();
    let mut done = 0;
    while begin.elapsed() < length {
        // What is late is made up for, so that the rate is right whatever else the machine does.
        let due = begin + between * done;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
        reap(start(program, &[])?)?;
        done += 1;
    }
    Ok(done)
}

fn crowd(count: usize, program: Option<&Path>) -> Result<()> {
    let mut crowd = Crowd(Vec::with_capacity(count));
    let program = program.map(c_path).transpose()?;
    for number in 0..count {
        let child = match &program {
            // Each has a command line of its own, as a crowd has in real life.
            Some(program) => {
                start(program, &[c"--config", &c_path(Path::new(&format!("/etc/worker/{number}.conf")))?])?
            }
            None => fork_and_pause()?,
        };
        crowd.0.push(child);
    }
    println!("there");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// Children that are ended when this is dropped; they also end with their parent.
struct Crowd(Vec<libc::pid_t>);

impl Drop for Crowd {
    fn drop(&mut self) {
        end(&self.0);
    }
}

/// Programs for both, in a directory.
pub struct Programs {
    /// Ends at once.
    pub tiny: PathBuf,
    /// Waits for ever, and ends with its parent.
    pub waits: Option<PathBuf>,
}

impl Programs {
    /// Writes them.
    pub fn new(directory: &Path) -> Result<Self> {
        // mov edi, 1 (PR_SET_PDEATHSIG); mov esi, 9 (SIGKILL); mov eax, 157 (prctl); syscall
        // again: mov eax, 34 (pause); syscall; jmp again
        const WAIT: [u8; 26] = [
            0xbf, 1, 0, 0, 0, 0xbe, 9, 0, 0, 0, 0xb8, 157, 0, 0, 0, 0x0f, 0x05, 0xb8, 34, 0, 0, 0, 0x0f, 0x05, 0xeb,
            0xf7,
        ];
        let known = std::env::consts::ARCH == "x86_64";
        let waits = known.then(|| write_program(&directory.join("waits"), &WAIT)).transpose()?;
        Ok(Self { tiny: tiny_program(directory)?, waits })
    }
}

/// Programs that are started at a pace, by one process or two.
pub struct Paced(Vec<Child>);

impl Paced {
    /// Begins; `by` is who starts them: this program, or a copy that is a server to the agent.
    pub fn begin(by: &Path, program: &Path, rate: u32, seconds: u32, workers: u32) -> Result<Self> {
        let mut paced = Self(Vec::new());
        for _ in 0..workers {
            let mut command = Command::new(by);
            command.args(["guest", "bench-load", "pace"]).arg(program);
            command.args(["--rate", &(rate / workers).to_string(), "--seconds", &seconds.to_string()]);
            paced.0.push(command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().context("starting the pace")?);
        }
        Ok(paced)
    }

    /// Waits for the end; gives how many there were.
    pub fn finish(mut self) -> Result<u32> {
        let mut sum = 0;
        for child in &mut self.0 {
            let mut said = String::new();
            child.stdout.take().context("its output")?.read_to_string(&mut said)?;
            if !child.wait()?.success() {
                bail!("the pace-maker failed");
            }
            sum += said.trim().parse::<u32>().context("the pace-maker's answer")?;
        }
        Ok(sum)
    }
}

impl Drop for Paced {
    fn drop(&mut self) {
        for child in &mut self.0 {
            // It may have ended by itself.
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// Processes that live as long as this.
pub struct Living(Child);

impl Living {
    /// Makes them, and waits until they are there; `by` is whose children they are: this program, or a copy of it.
    pub fn new(by: &Path, count: usize, program: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(by);
        command.args(["guest", "bench-load", "crowd", &count.to_string()]);
        if let Some(program) = program {
            command.arg("--program").arg(program);
        }
        let mut living = Self(command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?);
        let mut said = String::new();
        BufReader::new(living.0.stdout.take().context("its output")?).read_line(&mut said)?;
        if said.trim() != "there" {
            bail!("{count} processes could not be made");
        }
        Ok(living)
    }
}

impl Drop for Living {
    fn drop(&mut self) {
        // The end of its input is what it waits for.
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

/// Room for many processes: the kernel's highest pid, raised for as long as this lives.
pub struct Room(Option<String>);

const PID_MAX: &str = "/proc/sys/kernel/pid_max";

impl Room {
    /// Makes room for so many more, where there is none. Without it, others could start nothing while ours live.
    pub fn make(count: usize) -> Result<Self> {
        let before = std::fs::read_to_string(PID_MAX).context(PID_MAX)?;
        if before.trim().parse::<usize>().context(PID_MAX)? > count * 2 {
            return Ok(Self(None));
        }
        std::fs::write(PID_MAX, (count * 2).to_string()).context(PID_MAX)?;
        Ok(Self(Some(before)))
    }

    /// What was done, in a sentence.
    pub fn told(&self) -> String {
        self.0.as_ref().map_or_else(String::new, |before| {
            format!(" `kernel.pid_max` was raised for it from {} and put back.", before.trim())
        })
    }
}

impl Drop for Room {
    fn drop(&mut self) {
        if let Some(before) = &self.0
            && let Err(error) = std::fs::write(PID_MAX, before)
        {
            eprintln!("{PID_MAX} cannot be put back to {}: {error}", before.trim());
        }
    }
}
