//! privilege-change: a process in a server's lineage becomes root, or gets capabilities that amount to it.
//!
//! Sees: at each exec, effective user and capabilities against what the process had when it was forked and against its
//! earlier programs. Cannot see: a change without a later exec or fork. Normal: the server's own programs, normal children
//! (sendmail is set-user-id), servers whose trade it is.

use super::story::{Standing, described};
use super::{Context, Detector, Finding, Severity};
use crate::catalogue::ExecPolicy;
use crate::event::{Body, Event, Exec};

const SET_USER_ID: u32 = 0o4000;
/// Capabilities with which a process can get all others: chown, dac_override, setuid, sys_module, sys_ptrace, sys_admin.
const STRONG: u64 = 1 | 1 << 1 | 1 << 7 | 1 << 16 | 1 << 19 | 1 << 21;

pub fn observe(event: &Event, context: &Context<'_>) -> Option<Finding> {
    let Body::Exec(exec) = &event.body else {
        return None;
    };
    let id = context.applied.node?;
    let standing = context.standing?;
    if standing.is_normal() || standing.kind.exec_policy == ExecPolicy::Any {
        return None;
    }
    let before = before(&standing)?;
    let (severity, why) = gained(exec, &before)?;
    let mut finding = Finding::new(Detector::PrivilegeChange, severity, event, id, standing.node).because(format!(
        "{} (pid {}), in the lineage of {}, {why}.",
        described(exec),
        standing.node.key.tgid,
        standing.kind.name
    ));
    finding.story = standing.story();
    Some(finding)
}

/// What a process could do before.
struct Before {
    euid: u32,
    capabilities: Option<u64>,
}

fn before(standing: &Standing<'_>) -> Option<Before> {
    let node = standing.node;
    if let Some(previous) = node.previous.last() {
        return Some(Before { euid: previous.euid, capabilities: Some(previous.cap_effective) });
    }
    // The user at the fork: a worker that gave up root has the master's program, and not its user.
    Some(Before { euid: node.forked_euid?, capabilities: None })
}

fn gained(exec: &Exec, before: &Before) -> Option<(Severity, String)> {
    if before.euid == 0 {
        return None;
    }
    if exec.euid == 0 {
        let by_file = exec.mode & SET_USER_ID != 0 || exec.uid != 0;
        return Some(if by_file {
            (Severity::High, format!("became root from user {} by a set-user-id program", before.euid))
        } else {
            (
                Severity::Critical,
                format!("became root from user {}, and no set-user-id program explains it", before.euid),
            )
        });
    }
    let new = exec.cap_effective & STRONG & !before.capabilities?;
    (new != 0).then(|| (Severity::High, format!("got capabilities it did not have (mask {new:#x})")))
}
