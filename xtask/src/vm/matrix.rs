//! The kernel matrix: boots each kernel, two machines at a time, and collects what they say.

use super::kernels::Kernel;
use super::machine::{self, Mode};
use super::{Hooks, initramfs};
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
pub struct Guest<'a> {
    /// Only this hook set.
    pub hooks: Option<Hooks>,
    /// Only these scenarios.
    pub only: &'a [String],
}

impl Guest<'_> {
    /// The command that the machine runs.
    fn script(&self) -> String {
        let mut script = String::from("xtask guest matrix");
        if let Some(hooks) = self.hooks {
            script.push_str(" --hooks ");
            script.push_str(hooks.name());
        }
        for id in self.only {
            script.push_str(" --only '");
            script.push_str(&id.replace('\'', ""));
            script.push('\'');
        }
        script
    }
}

/// Boots the kernels and returns every check, named after its kernel.
pub fn run(kernels: &[Kernel], guest: &Guest) -> Vec<Check> {
    let script = guest.script();
    let waiting = Mutex::new(kernels.iter());
    let checks = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE.min(kernels.len()) {
            scope.spawn(|| {
                while let Some(kernel) = waiting.lock().ok().and_then(|mut it| it.next()) {
                    let outcome = boot(kernel, &script);
                    if let Ok(mut all) = checks.lock() {
                        outcome.print(kernel);
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

fn boot(kernel: &Kernel, script: &str) -> Boot {
    let started = Instant::now();
    let mut boot = Boot { checks: Vec::new(), notes: Vec::new() };
    let result = machine(kernel, script, &mut |message| match message {
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

fn machine(kernel: &Kernel, script: &str, sink: &mut dyn FnMut(Message)) -> Result<()> {
    let image = workspace::vm().join(format!("{}.cpio", kernel.label));
    initramfs::write(&image, kernel, script, &initramfs::Extra::default())?;
    let mode = Mode { processors: 2, count_instructions: false, limit: LIMIT };
    machine::run(kernel, &image, kernel.label, mode, sink)
}

impl Boot {
    fn print(&self, kernel: &Kernel) {
        println!("\nKernel {}", kernel.release);
        for note in &self.notes {
            println!("  {note}");
        }
        for check in &self.checks {
            check.print();
            if check.outcome == Outcome::Failed {
                println!("          again: {}", again(&check.name));
            }
        }
    }
}

/// The command that repeats a check. Names are `KERNEL/SET/SCENARIO`, or `KERNEL/CHECK`.
fn again(name: &str) -> String {
    let mut parts = name.splitn(3, '/');
    let kernel = parts.next().unwrap_or_default();
    match (parts.next(), parts.next()) {
        (Some(hooks), Some(id)) => {
            format!("cargo xtask vm --kernel {kernel} --hooks {hooks} --only {id}")
        }
        _ => format!("cargo xtask vm --kernel {kernel}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_can_be_repeated() {
        assert_eq!(
            again("6.1/trampoline/double-fork"),
            "cargo xtask vm --kernel 6.1 --hooks trampoline --only double-fork"
        );
        assert_eq!(again("6.1/machine"), "cargo xtask vm --kernel 6.1");
    }
}
