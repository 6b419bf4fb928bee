//! new-ancestry: a server starts what it has never started since its baseline was learned.
//!
//! Sees: the edge from parent to child by the shapes of their arguments ([`crate::baseline`]), for each kind of server
//! instance. Cannot see: what was normal already when an attacker was there while it was learned, unless another detector
//! spoke up: what another detector flags is never learned. Normal: every edge that was learned, approved or imported.
//! Low by itself; what the incident says besides makes it worse.

use super::story::{Standing, described, process};
use super::{Context, Detector, Finding, Severity};
use crate::baseline::{Baselines, Change, KindKey, Verdict, shape};
use crate::catalogue::ExecPolicy;
use crate::event::Event;
use crate::tree::NodeId;
use crate::tree::lineage::Server;

/// What an exec is to the baseline of its server.
pub fn observe(
    event: &Event,
    id: NodeId,
    flagged: bool,
    baselines: &mut Baselines,
    context: &Context<'_>,
) -> (Option<Finding>, Option<Change>) {
    let Some(standing) = context.standing.filter(|standing| !standing.own && !standing.kind.supervisor) else {
        return (None, None);
    };
    let (parent, child) = edge(&standing, context);
    let Some(key) = kind_key(standing.server, context) else {
        return (None, None);
    };
    let (verdict, change) = baselines.observe(&key, &parent, &child, context.now_unix_ns(event), flagged);
    // Where starting programs is a server's trade, its baseline is all there is to judge by.
    let trade = standing.kind.exec_policy == ExecPolicy::Any || standing.child.is_some_and(|child| child.learned);
    if verdict != Verdict::New || flagged && !trade {
        return (None, change);
    }
    let severity = if trade { Severity::Medium } else { Severity::Low };
    let mut finding = Finding::new(Detector::NewAncestry, severity, event, id, standing.node)
        .because(format!("{}, in the lineage of {}, is new there.", process(standing.node), standing.kind.name))
        .because(format!(
            "Since its baseline was learned, {} has never started {} below \u{201c}{parent}\u{201d} (as \u{201c}{child}\u{201d}).",
            standing.kind.name,
            described(standing.image)
        ));
    finding.story = standing.story();
    (Some(finding), change)
}

/// The shapes of who started it and of what it is.
fn edge(standing: &Standing<'_>, context: &Context<'_>) -> (String, String) {
    let child = shape(standing.image);
    let above = standing.node.parent.and_then(|id| context.tree.node(id));
    let parent = match above.and_then(|above| above.image.as_deref()) {
        // An exec in place: what it was before.
        _ if !standing.node.previous.is_empty() => {
            standing.node.previous.last().map_or_else(String::new, |image| shape(image))
        }
        Some(image) if !standing.kind.owns(image) => shape(image),
        _ => own_role(standing),
    };
    (parent, child)
}

/// The server itself; where its title tells its processes apart, by what the catalogue calls that one.
fn own_role(standing: &Standing<'_>) -> String {
    let titled = standing.child.and_then(|child| {
        let title = standing.title?;
        child.title.iter().find(|pattern| pattern.is_match(title)).map(|pattern| pattern.text.clone())
    });
    match titled {
        Some(title) => format!("{} {title}", standing.kind.id),
        None => standing.kind.id.clone(),
    }
}

/// The kind of server instance: product, executable, and image or unit if that is known. `None` as long as a container's
/// runtime was not yet asked for the image: what is seen in those moments is of no kind.
pub fn kind_key(server: &Server, context: &Context<'_>) -> Option<KindKey> {
    let root = context.tree.find(server.root).and_then(|id| context.tree.node(id));
    let container = root.and_then(|root| context.containers.of(root.image.as_deref()?));
    let unit = match container {
        Some(container) if !container.looked_up => return None,
        Some(container) => container.image_name().unwrap_or(&server.unit),
        None => &server.unit,
    };
    Some(KindKey {
        server: server.id.clone(),
        executable: root.map_or_else(String::new, |root| root.executable().to_string()),
        unit: unit.to_owned(),
    })
}
