//! fileless-exec: a server's lineage runs a program that has no file: a memfd, or a file that was deleted before it ran.
//!
//! Sees: what the kernel says of the executable at the exec. Cannot see: code mapped without an exec (component-load
//! sees mappings of deleted files). Normal: container runtimes and installers, which run a copy of themselves.

use super::story::described;
use super::{Context, Detector, Finding, Severity};
use crate::event::{Body, Event};
use sensor_common::process::exec_flags;

pub fn observe(event: &Event, context: &Context<'_>) -> Option<Finding> {
    let Body::Exec(exec) = &event.body else {
        return None;
    };
    let odd = exec.flags & (exec_flags::MEMFD | exec_flags::DELETED);
    let id = context.applied.node.filter(|_| odd != 0)?;
    let standing = context.standing?;
    // An update deletes a server's program while it runs, and the server may start itself again.
    if standing.own || standing.is_normal() && standing.is_free() {
        return None;
    }
    let what =
        if exec.flags & exec_flags::MEMFD != 0 { "lies in memory only (memfd)" } else { "was deleted before it ran" };
    let mut finding =
        Finding::new(Detector::FilelessExec, Severity::Critical, event, id, standing.node).because(format!(
            "{} (pid {}) in the lineage of {}: its executable, {}, {what}.",
            described(exec),
            standing.node.key.tgid,
            standing.kind.name,
            exec.executable,
        ));
    finding.story = standing.story();
    Some(finding)
}
