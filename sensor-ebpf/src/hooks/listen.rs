//! A socket begins to listen: what makes a server of a generic runtime. Reported for every process; it is rare.
//!
//! Trampoline set. Kernel: security/security.c: int security_socket_listen(struct socket *sock, int backlog).
//! Tracepoint set. Kernel: syscalls:sys_enter_listen.
//! Both run before the socket listens; an attempt that fails is reported too.

use crate::{
    emit::finish,
    hooks::open::syscall_argument,
    lineage,
    socket::{Sock, Talk, send},
    task::Task,
};
use aya_ebpf::{
    macros::{fentry, tracepoint},
    programs::{FEntryContext, TracePointContext},
};
use sensor_common::record::{Hook, Kind};

#[fentry(function = "security_socket_listen")]
pub fn security_socket_listen(ctx: FEntryContext) -> u32 {
    listening(Sock::of_socket(ctx.arg(0)), Hook::SecuritySocketListen)
}

#[tracepoint(category = "syscalls", name = "sys_enter_listen")]
pub fn sys_enter_listen(ctx: TracePointContext) -> u32 {
    let file = Task::current().file(syscall_argument(&ctx, 0) as u32);
    if file == 0 {
        return 0;
    }
    listening(Sock::of_file(file), Hook::SysEnterListen)
}

#[inline(always)]
fn listening(sock: Sock, hook: Hook) -> u32 {
    let talk = Talk { kind: Kind::Listen, hook, sock, address: None };
    finish(Kind::Listen, send(&talk, &lineage::current()))
}
