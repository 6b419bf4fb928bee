//! How many instructions the verifier looks at per program, on any kernel.
//!
//! Kernels tell it in `bpf_prog_info` since 5.16 only; all tell it in the verifier's log. So `sensor check` is run
//! under ptrace, and each of its `BPF_PROG_LOAD` calls is given a log buffer for statistics below its stack pointer,
//! which is read when the call returns. The sensor itself needs no switch for this.
//!
//! The one module of xtask with `unsafe` besides scenarios and benchmark loops: ptrace has no safe form in std.

use crate::vm::Hooks;
use crate::workspace;
use anyhow::{Context, Result, bail};
use std::io::Read as _;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

/// `BPF_PROG_LOAD` of `enum bpf_cmd` (include/uapi/linux/bpf.h).
const BPF_PROG_LOAD: u64 = 5;
/// `log_level` of `union bpf_attr`, for that command; `log_size` and `log_buf` follow it.
const LOG_LEVEL: u64 = 24;
/// `prog_name`, 16 bytes.
const PROG_NAME: u64 = 48;
/// `BPF_LOG_STATS` (include/linux/bpf_verifier.h).
const LOG_STATISTICS: u32 = 4;
/// The log is one line of statistics, or two.
const LOG_BYTES: u32 = 4096;
/// How far below the stack pointer it goes: beyond the red zone and what signal handlers would use.
const BELOW_STACK: u64 = 128 * 1024;

/// What loading came to.
pub struct Loaded {
    /// `sensor check` was content.
    pub success: bool,
    /// What it wrote.
    pub said: String,
    /// Each program that was loaded.
    pub programs: Vec<Program>,
}

/// A loaded program.
pub struct Program {
    /// The kernel's name for it, at most 15 bytes.
    pub name: String,
    /// Instructions that the verifier processed.
    pub instructions: u64,
}

/// Runs `sensor check` with this hook set and counts.
pub fn count(hooks: Hooks) -> Result<Loaded> {
    let config = std::env::temp_dir().join(format!("sensor-verifier-{}.toml", std::process::id()));
    std::fs::write(&config, format!("[kernel]\nhooks = \"{}\"\n", hooks.name()))?;
    let mut command = Command::new(workspace::installed_sensor());
    command.args(["check", "--config"]).arg(&config).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // SAFETY: the closure runs in the forked child and makes one async-signal-safe call.
    unsafe {
        command.pre_exec(|| {
            if libc::ptrace(libc::PTRACE_TRACEME, 0, 0, 0) == -1 {
                return Err(std::io::Error::last_os_error());
            }
            Ok(())
        });
    }
    let mut child = command.spawn().context("starting sensor check")?;
    let pid = libc::pid_t::try_from(child.id())?;
    let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
    let reader = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(pipe) = &mut err {
            let _ = pipe.read_to_string(&mut text);
        }
        text
    });
    let drain = std::thread::spawn(move || {
        let mut text = String::new();
        if let Some(pipe) = &mut out {
            let _ = pipe.read_to_string(&mut text);
        }
        text
    });
    let traced = trace(pid);
    std::fs::remove_file(config)?;
    let (code, programs) = traced?;
    let complaints = reader.join().unwrap_or_default();
    drain.join().unwrap_or_default();
    Ok(Loaded { success: code == 0, said: complaints, programs })
}

/// A load that is under way in a thread.
struct Load {
    thread: libc::pid_t,
    name: String,
    log: u64,
}

/// Follows the process to its end; returns its exit code and what it loaded.
fn trace(pid: libc::pid_t) -> Result<(i32, Vec<Program>)> {
    let mut status = 0;
    wait(pid, &mut status)?;
    let options = libc::PTRACE_O_TRACESYSGOOD | libc::PTRACE_O_TRACECLONE | libc::PTRACE_O_EXITKILL;
    // SAFETY: the process is our stopped tracee.
    check(unsafe { libc::ptrace(libc::PTRACE_SETOPTIONS, pid, 0, options) })?;
    resume(pid, 0);
    let mut under_way: Vec<Load> = Vec::new();
    let mut programs = Vec::new();
    loop {
        let thread = wait(-1, &mut status)?;
        if libc::WIFEXITED(status) || libc::WIFSIGNALED(status) {
            if thread == pid {
                let signalled = if libc::WIFSIGNALED(status) { libc::WTERMSIG(status) } else { 0 };
                return Ok((libc::WEXITSTATUS(status) + 128 * signalled, programs));
            }
            continue;
        }
        let signal = libc::WSTOPSIG(status);
        if signal != libc::SIGTRAP | 0x80 {
            // New threads stop with SIGSTOP, clone and exec events with SIGTRAP: neither is for the program.
            let own = signal == libc::SIGTRAP || signal == libc::SIGSTOP;
            resume(thread, if own { 0 } else { signal });
            continue;
        }
        match under_way.iter().position(|load| load.thread == thread) {
            Some(index) => programs.extend(finish(&under_way.swap_remove(index))),
            None => under_way.extend(begin(thread)?),
        }
        resume(thread, 0);
    }
}

/// At the entry of a system call: if it loads a program, gives it a log buffer.
fn begin(thread: libc::pid_t) -> Result<Option<Load>> {
    // SAFETY: an all-zero value of this plain C struct is valid.
    let mut registers: libc::user_regs_struct = unsafe { std::mem::zeroed() };
    // SAFETY: the thread is our stopped tracee and the struct is the one that the call fills.
    check(unsafe { libc::ptrace(libc::PTRACE_GETREGS, thread, 0, &raw mut registers) })?;
    // At the entry of a call the kernel has put -ENOSYS into rax; at its exit something else.
    let entering = registers.rax.cast_signed() == -i64::from(libc::ENOSYS);
    let is_bpf = registers.orig_rax == libc::SYS_bpf.unsigned_abs();
    if !entering || !is_bpf || registers.rdi != BPF_PROG_LOAD {
        return Ok(None);
    }
    let attributes = registers.rsi;
    let mut name = [0; 16];
    read(thread, attributes + PROG_NAME, &mut name)?;
    let log = (registers.rsp - BELOW_STACK) & !0xfff;
    let mut fields = [0; 16];
    fields[..4].copy_from_slice(&LOG_STATISTICS.to_ne_bytes());
    fields[4..8].copy_from_slice(&LOG_BYTES.to_ne_bytes());
    fields[8..].copy_from_slice(&log.to_ne_bytes());
    write(thread, attributes + LOG_LEVEL, &fields)?;
    Ok(Some(Load { thread, name: until_nul(&name), log }))
}

/// At the return of a load: reads the log. `None` if the program was refused.
fn finish(load: &Load) -> Option<Program> {
    let mut log = vec![0; LOG_BYTES as usize];
    read(load.thread, load.log, &mut log).ok()?;
    let instructions = processed(&until_nul(&log))?;
    let name = load.name.clone();
    // aya loads some programs of two instructions to learn what the kernel can do.
    let is_probe = name.is_empty() || name == "aya_name_check";
    (!is_probe).then_some(Program { name, instructions })
}

/// The number of `processed 123 insns (limit 1000000) ...`.
fn processed(log: &str) -> Option<u64> {
    // Newer kernels also have a line `insns processed 9203+18082`.
    let counts = log.lines().find_map(|line| line.strip_prefix("processed "))?;
    counts.split(' ').next()?.parse().ok()
}

fn until_nul(bytes: &[u8]) -> String {
    let end = bytes.iter().position(|byte| *byte == 0);
    String::from_utf8_lossy(&bytes[..end.unwrap_or(bytes.len())]).into_owned()
}

fn wait(pid: libc::pid_t, status: &mut i32) -> Result<libc::pid_t> {
    // SAFETY: status is a valid place for an int.
    let waited = unsafe { libc::waitpid(pid, status, libc::__WALL) };
    check(i64::from(waited))?;
    Ok(waited)
}

/// Lets the thread run to its next system call. It may have been killed meanwhile, which the next wait tells.
fn resume(thread: libc::pid_t, signal: i32) {
    // SAFETY: the thread is our stopped tracee, or gone, which is an error without effect.
    unsafe { libc::ptrace(libc::PTRACE_SYSCALL, thread, 0, signal) };
}

fn read(thread: libc::pid_t, address: u64, into: &mut [u8]) -> Result<()> {
    let local = libc::iovec { iov_base: into.as_mut_ptr().cast(), iov_len: into.len() };
    let remote = libc::iovec { iov_base: address as *mut _, iov_len: into.len() };
    // SAFETY: the local range is the slice; the remote one is checked by the kernel.
    let count = unsafe { libc::process_vm_readv(thread, &raw const local, 1, &raw const remote, 1, 0) };
    complete(count, into.len())
}

fn write(thread: libc::pid_t, address: u64, from: &[u8]) -> Result<()> {
    let local = libc::iovec { iov_base: from.as_ptr().cast_mut().cast(), iov_len: from.len() };
    let remote = libc::iovec { iov_base: address as *mut _, iov_len: from.len() };
    // SAFETY: the local range is the slice, which is only read; the remote one is checked by the kernel.
    let count = unsafe { libc::process_vm_writev(thread, &raw const local, 1, &raw const remote, 1, 0) };
    complete(count, from.len())
}

fn complete(count: isize, wanted: usize) -> Result<()> {
    check(count as i64)?;
    if usize::try_from(count) != Ok(wanted) {
        bail!("moved {count} bytes of {wanted}");
    }
    Ok(())
}

fn check(result: i64) -> Result<()> {
    if result == -1 {
        return Err(std::io::Error::last_os_error()).context("ptrace of sensor check");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_log_line_is_read() {
        let log = "verification time 812 usec\nstack depth 96\ninsns processed 667+63045\n\
                   processed 63712 insns (limit 1000000) max_states_per_insn 4 total_states 5\n";
        assert_eq!(processed(log), Some(63712));
        assert_eq!(processed("invalid argument"), None);
    }
}
