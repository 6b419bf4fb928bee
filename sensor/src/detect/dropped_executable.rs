//! dropped-executable: a server's lineage runs a file that a server's lineage wrote.
//!
//! Sees: programs, by inode, whatever they are called by now; and scripts, when their interpreter opens them. Cannot see:
//! a script that is read through standard input. Normal: what the server deployed through its own manager.

use super::story::{Standing, described};
use super::{Context, Detector, Finding, Severity};
use crate::catalogue::suspicion;
use crate::event::{Body, Event};
use crate::ledger::{Class, Entry};
use sensor_common::record::Kind;

pub fn observe(event: &Event, context: &Context<'_>) -> Option<Finding> {
    let id = context.applied.node?;
    let (entry, what) = match &event.body {
        Body::Exec(exec) => (context.ledger.find((exec.device, exec.inode), exec.generation)?, "ran"),
        Body::File(file) if file.operation == Kind::Open && !super::placement::writes(file) => {
            let image = context.tree.node(id)?.image.as_deref()?;
            suspicion(image.executable.as_ref())?;
            let run = |path: &[u8]| image.argv.iter().skip(1).any(|argument| argument.as_slice() == path);
            let named = image.script.as_ref() == Some(&file.path) || run(&file.path);
            (
                context.ledger.find((file.device, file.inode), file.generation).filter(|_| named)?,
                "had an interpreter run",
            )
        }
        _ => return None,
    };
    let standing = context.standing?;
    let by_server = entry.writer.server.is_some();
    if !by_server
        || !matches!(entry.class, Class::Data | Class::Dropped)
        || standing.child.is_some() && standing.is_normal()
    {
        return None;
    }
    // Its own program that it replaced by itself is an update; a component's loading is told as such.
    if standing.own && standing.kind.is(standing.image) {
        return None;
    }
    Some(finding(event, &standing, entry, what, context, id))
}

fn finding(
    event: &Event,
    standing: &Standing<'_>,
    entry: &Entry,
    what: &str,
    context: &Context<'_>,
    id: crate::tree::NodeId,
) -> Finding {
    let mut finding = Finding::new(Detector::DroppedExecutable, Severity::Critical, event, id, standing.node)
        .because(format!("The lineage of {} {what} {}: {}.", standing.kind.name, entry.path, described(standing.image)))
        .because(entry.told(context.now_unix_ns(event)));
    finding.story = standing.story();
    finding.entry = Some(entry.clone());
    finding
}
