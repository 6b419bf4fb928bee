//! System calls that the agent's own filter refuses: counted, named, answered with `EPERM`.
//!
//! The filter asks for a `SIGSYS`; its handler notes which call it was and has it return `EPERM`, as if the kernel had
//! refused it. A library that has learned a new call then behaves as on a kernel that does not allow it, the sensor goes
//! on, and its operator is told ([`take`]). A thread that has blocked the signal is the exception: the kernel ends the process
//! then. C libraries block it for some instructions when they start a thread; the calls they make there are listed.

use std::sync::atomic::{AtomicU32, Ordering};

/// Calls have numbers below this; what is higher is counted as the last.
const MAX_CALLS: usize = 512;

static REFUSED: [AtomicU32; MAX_CALLS] = [const { AtomicU32::new(0) }; MAX_CALLS];

/// Has refused calls counted and answered, in all threads. Elsewhere than on x86_64 it is not known where a call's result
/// goes, and the signal ends the process.
pub fn answer() -> std::io::Result<()> {
    #[cfg(target_arch = "x86_64")]
    {
        let handler: extern "C" fn(libc::c_int, *mut libc::siginfo_t, *mut libc::c_void) = note;
        // SAFETY: all zero is a valid `sigaction`, and the handler has the type that SA_SIGINFO asks for.
        let failed = unsafe {
            let mut action: libc::sigaction = std::mem::zeroed();
            action.sa_sigaction = handler as libc::sighandler_t;
            action.sa_flags = libc::SA_SIGINFO | libc::SA_RESTART;
            libc::sigemptyset(&raw mut action.sa_mask);
            libc::sigaction(libc::SIGSYS, &raw const action, std::ptr::null_mut())
        };
        if failed != 0 {
            return Err(std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// The handler: touches nothing but the counters and the saved registers.
#[cfg(target_arch = "x86_64")]
extern "C" fn note(_signal: libc::c_int, _info: *mut libc::siginfo_t, context: *mut libc::c_void) {
    // SAFETY: the kernel hands a handler with SA_SIGINFO the saved registers, and looks at them again when it returns.
    unsafe {
        let context = context.cast::<libc::ucontext_t>();
        let result = &raw mut (*context).uc_mcontext.gregs[libc::REG_RAX as usize];
        // A call that was refused has its number there still (kernel/seccomp.c: syscall_rollback).
        let number = usize::try_from(*result).unwrap_or(MAX_CALLS).min(MAX_CALLS - 1);
        REFUSED[number].fetch_add(1, Ordering::Relaxed);
        *result = -libc::c_longlong::from(libc::EPERM);
    }
}

/// Calls that were refused since the last time, by number, and how often.
pub fn take() -> Vec<(u32, u32)> {
    let counts = REFUSED.iter().map(|count| count.swap(0, Ordering::Relaxed));
    (0..).zip(counts).filter(|(_, count)| *count > 0).collect()
}
