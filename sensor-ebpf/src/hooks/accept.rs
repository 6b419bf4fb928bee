//! A server's lineage accepted a connection.
//!
//! Trampoline set. Kernel: security/security.c: void security_sock_graft(struct sock *sk, struct socket *parent), since
//! 2.6.18: called in accept(2) with the connected sock (net/ipv4/af_inet.c: inet_accept; net/unix/af_unix.c).
//! Tracepoint set. Kernel: syscalls:sys_exit_{accept,accept4}: the file behind the returned descriptor.

use crate::{
    emit::{Outcome, finish},
    hooks::open::syscall_result,
    lineage,
    socket::{Sock, Talk, send},
    task::Task,
};
use aya_ebpf::{
    macros::{fentry, tracepoint},
    programs::{FEntryContext, TracePointContext},
};
use sensor_common::record::{Hook, Kind};

#[fentry(function = "security_sock_graft")]
pub fn security_sock_graft(ctx: FEntryContext) -> u32 {
    let Some(subject) = lineage::current_in_lineage() else {
        return 0;
    };
    let sock = Sock(ctx.arg(0));
    let talk = Talk { kind: Kind::Accept, hook: Hook::SecuritySockGraft, sock, address: None };
    finish(Kind::Accept, send(&talk, &subject))
}

#[tracepoint(category = "syscalls", name = "sys_exit_accept")]
pub fn sys_exit_accept(ctx: TracePointContext) -> u32 {
    finish(Kind::Accept, accepted(&ctx, Hook::SysExitAccept))
}

#[tracepoint(category = "syscalls", name = "sys_exit_accept4")]
pub fn sys_exit_accept4(ctx: TracePointContext) -> u32 {
    finish(Kind::Accept, accepted(&ctx, Hook::SysExitAccept4))
}

#[inline(always)]
fn accepted(ctx: &TracePointContext, hook: Hook) -> Outcome {
    let Some(subject) = lineage::current_in_lineage() else {
        return Ok(());
    };
    let descriptor = syscall_result(ctx);
    if descriptor < 0 {
        return Ok(());
    }
    let file = Task::current().file(descriptor as u32);
    if file == 0 {
        return Ok(());
    }
    send(&Talk { kind: Kind::Accept, hook, sock: Sock::of_file(file), address: None }, &subject)
}
