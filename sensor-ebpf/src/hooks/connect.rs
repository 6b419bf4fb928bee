//! A server's lineage connects.
//!
//! Trampoline set. Kernel: security/security.c: int security_socket_connect(struct socket *sock, struct sockaddr
//! *address, int addrlen). The address is the kernel's copy. Runs before the attempt; whether it succeeds is not known.
//! Tracepoint set. Kernel: syscalls:sys_{enter,exit}_connect: on entry the descriptor is kept, on exit the peer is read
//! from the socket itself; attempts that failed (but for one in progress) are not reported, and a failed non-blocking
//! one is.

use crate::{
    emit::{Outcome, finish},
    hooks::open::{syscall_argument, syscall_result},
    lineage,
    maps::PENDING_CONNECTS,
    socket::{Sock, Talk, send},
    task::Task,
};
use aya_ebpf::{
    helpers::generated::bpf_get_current_pid_tgid,
    macros::{fentry, tracepoint},
    programs::{FEntryContext, TracePointContext},
};
use sensor_common::{
    losses::LossReason,
    record::{Hook, Kind},
};

const EINPROGRESS: i64 = 115;

#[fentry(function = "security_socket_connect")]
pub fn security_socket_connect(ctx: FEntryContext) -> u32 {
    let Some(subject) = lineage::current_in_lineage() else {
        return 0;
    };
    let (socket, address, length): (u64, u64, u32) = (ctx.arg(0), ctx.arg(1), ctx.arg(2));
    let talk = Talk {
        kind: Kind::Connect,
        hook: Hook::SecuritySocketConnect,
        sock: Sock::of_socket(socket),
        address: Some((address, length)),
    };
    finish(Kind::Connect, send(&talk, &subject))
}

#[tracepoint(category = "syscalls", name = "sys_enter_connect")]
pub fn sys_enter_connect(ctx: TracePointContext) -> u32 {
    if lineage::current_in_lineage().is_none() {
        return 0;
    }
    let descriptor = syscall_argument(&ctx, 0) as u32;
    // SAFETY: no arguments.
    let thread = unsafe { bpf_get_current_pid_tgid() };
    let kept = PENDING_CONNECTS.insert(thread, descriptor, 0).map_err(|_| LossReason::ProcessMapFull);
    finish(Kind::Connect, kept)
}

#[tracepoint(category = "syscalls", name = "sys_exit_connect")]
pub fn sys_exit_connect(ctx: TracePointContext) -> u32 {
    finish(Kind::Connect, connected(&ctx))
}

#[inline(always)]
fn connected(ctx: &TracePointContext) -> Outcome {
    let Some(subject) = lineage::current_in_lineage() else {
        return Ok(());
    };
    // SAFETY: no arguments; then a number that is read at once.
    let thread = unsafe { bpf_get_current_pid_tgid() };
    let Some(descriptor) = unsafe { PENDING_CONNECTS.get(thread) }.copied() else {
        return Ok(());
    };
    let _ = PENDING_CONNECTS.remove(thread);
    let result = syscall_result(ctx);
    if result != 0 && result != -EINPROGRESS {
        return Ok(());
    }
    let file = Task::current().file(descriptor);
    if file == 0 {
        return Ok(());
    }
    let talk = Talk { kind: Kind::Connect, hook: Hook::SysExitConnect, sock: Sock::of_file(file), address: None };
    send(&talk, &subject)
}
