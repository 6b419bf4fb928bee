//! The kernel matrix: boots each kernel, two machines at a time, and collects what they say.

use super::initramfs;
use super::kernels::Kernel;
use super::machine::{self, Mode, Root};
use crate::report::{Check, Message, Outcome};
use crate::workspace;
use anyhow::Result;
use std::sync::Mutex;
use std::time::{Duration, Instant};

/// Machines at once; each has two virtual processors.
const AT_ONCE: usize = 2;
/// A machine that is not done by then is ended. Twice what the slowest took on two cores, and more.
const LIMIT: Duration = Duration::from_secs(900);

/// What the machines are to do.
pub struct Job<'a> {
    /// What their images and logs are called after, beside the kernel; empty for the kernel alone.
    pub name: &'static str,
    /// The command that each runs.
    pub script: &'a str,
    /// What each carries in addition.
    pub extra: &'a initramfs::Extra,
    /// The command that repeats it, without `--kernel` and what follows.
    pub again: &'a str,
}

impl Job<'_> {
    fn file(&self, kernel: &Kernel) -> String {
        let parts = [self.name, kernel.label];
        parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("-")
    }
}

/// Boots the kernels and returns every check, named after its kernel.
pub fn run(kernels: &[Kernel], job: &Job<'_>) -> Vec<Check> {
    let waiting = Mutex::new(kernels.iter());
    let checks = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(kernels.len()) {
            scope.spawn(|| {
                while let Some(kernel) = waiting.lock().ok().and_then(|mut it| it.next()) {
                    let outcome = boot(kernel, job);
                    if let Ok(mut all) = checks.lock() {
                        outcome.print(kernel, job);
                        all.extend(outcome.checks);
                    }
                }
            });
        }
    });
    checks.into_inner().unwrap_or_default()
}

/// What one machine said.
struct Boot {
    checks: Vec<Check>,
    notes: Vec<String>,
}

fn boot(kernel: &Kernel, job: &Job<'_>) -> Boot {
    let started = Instant::now();
    let mut boot = Boot { checks: Vec::new(), notes: Vec::new() };
    let result = machine(kernel, job, &mut |message| match message {
        Message::Check(mut check) => {
            check.name = format!("{}/{}", kernel.label, check.name);
            boot.checks.push(check);
        }
        Message::Note(note) => boot.notes.push(note),
        Message::Sample(_) | Message::Done => {}
    });
    let detail = result.map(|()| kernel.release.clone());
    let name = format!("{}/machine", kernel.label);
    let seconds = started.elapsed().as_secs_f64();
    boot.checks.push(Check::of(name, detail, seconds));
    boot
}

fn machine(kernel: &Kernel, job: &Job<'_>, sink: &mut dyn FnMut(Message)) -> Result<()> {
    let name = job.file(kernel);
    let image = workspace::vm().join(format!("{name}.cpio"));
    initramfs::write(&image, kernel, job.script, job.extra)?;
    let mode = Mode { processors: 2, count_instructions: false, limit: LIMIT };
    machine::run(kernel, Root::Memory(&image), &name, mode, sink)
}

impl Boot {
    fn print(&self, kernel: &Kernel, job: &Job<'_>) {
        println!("\nKernel {}", kernel.release);
        for note in &self.notes {
            println!("  {note}");
        }
        for check in &self.checks {
            check.print();
            if check.outcome == Outcome::Failed {
                println!("          again: {}", again(job.again, &check.name));
            }
        }
    }
}

/// The command that repeats a check. Names are `KERNEL/SET/SCENARIO`, or `KERNEL/CHECK`.
fn again(command: &str, name: &str) -> String {
    let mut parts = name.splitn(3, '/');
    let kernel = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (Some(hooks), Some(id)) => {
            format!("{command} --kernel {kernel} --hooks {hooks} --only {id}")
        }
        _ => format!("{command} --kernel {kernel}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_can_be_repeated() {
        assert_eq!(
            again("cargo xtask vm", "6.1/trampoline/double-fork"),
            "cargo xtask vm --kernel 6.1 --hooks trampoline --only double-fork"
        );
        assert_eq!(again("cargo xtask vm", "6.1/machine"), "cargo xtask vm --kernel 6.1");
    }
}
