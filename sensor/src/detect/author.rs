//! Who writes a file: told by lineage, not by name. A package manager that a web shell started gains nothing.

use super::Context;
use crate::catalogue::{Installer, Role, ServerKind, suspicion};
use crate::tree::{Node, NodeId};

/// What a writer is to the server that loads from there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Author {
    /// A package manager or deployer, or somebody it started, in no server's lineage.
    Installer(Installer),
    /// A person in a session.
    Session,
    /// A tool of the product that loads from there, in no lineage.
    Product,
    /// A program of the server itself, or of one that serves the same application.
    Own,
    /// Another program in a server's lineage.
    Tool,
    /// What a server's trade is to run: a build, a job.
    Job,
    /// The program of a server that has no business there.
    OtherServer,
    /// A file server on behalf of somebody who has logged in.
    FileServer,
    /// None of these.
    Stranger,
}

/// Who a node is to the servers (by lineage number) that load from a place.
pub fn author(id: NodeId, loaders: impl Iterator<Item = u32> + Clone, context: &Context<'_>) -> Option<Author> {
    let node = context.tree.node(id)?;
    if node.lineage == 0 {
        return Some(outside(id, node, loaders, context));
    }
    let Some(standing) = context.standing else {
        return Some(Author::Stranger);
    };
    if !standing.own {
        return Some(if standing.is_normal() && standing.is_free() { Author::Job } else { Author::Tool });
    }
    let writer = standing.kind;
    // Where nobody is known to load from, a server that serves pages is taken for the one who does.
    let related = |lineage| context.server(lineage).is_some_and(|(_, loader)| related(writer, loader));
    let loads = loaders.clone().any(|lineage| lineage == node.lineage)
        || loaders.clone().next().is_none() && serves(writer)
        || loaders.clone().any(related);
    Some(match (loads, writer.roles.contains(&Role::File)) {
        (true, _) => Author::Own,
        (false, true) if logged_in(node) => Author::FileServer,
        (false, _) => Author::OtherServer,
    })
}

/// Servers that work for one application: a web server and what it hands requests to, or two of one product.
fn related(one: &ServerKind, other: &ServerKind) -> bool {
    one.id == other.id || serves(one) && serves(other)
}

fn serves(kind: &ServerKind) -> bool {
    kind.roles.first().is_some_and(|role| matches!(role, Role::Web | Role::Proxy | Role::App))
}

/// File servers take the user's id when somebody logs in; before that they are nobody or root.
fn logged_in(node: &Node) -> bool {
    const FIRST_USER: u32 = 1000;
    const NOBODY: u32 = 65_534;
    node.effective_user().is_some_and(|user| user >= FIRST_USER && user != NOBODY)
}

fn outside(id: NodeId, node: &Node, loaders: impl Iterator<Item = u32>, context: &Context<'_>) -> Author {
    let namespace = |node: &Node| node.image.as_ref().map_or(0, |image| image.mount_namespace);
    let here = namespace(node);
    let mut deploys = true;
    for (_, above) in context.tree.ancestors(id) {
        // A container's processes descend from its runtime, which does not install for them.
        if namespace(above) != here {
            break;
        }
        match above.image.as_deref().and_then(|image| context.catalogue.installer(image)) {
            Some(Installer::PackageManager) => return Author::Installer(Installer::PackageManager),
            Some(Installer::Deployer) if deploys => return Author::Installer(Installer::Deployer),
            _ => {}
        }
        // A package manager's scripts run whatever they need; a deployer does its work by itself, with shells,
        // interpreters and tools. What a task runner starts besides is not its deployment.
        deploys &= suspicion(above.executable()).is_some();
    }
    let mut kinds = loaders.filter_map(|lineage| context.server(lineage)).map(|(_, kind)| kind);
    if node.image.as_deref().is_some_and(|image| kinds.any(|kind| kind.owns(image))) {
        return Author::Product;
    }
    let session = |node: &Node| node.image.as_deref().is_some_and(|image| context.catalogue.session(image));
    if context.tree.ancestors(id).any(|(_, above)| session(above)) { Author::Session } else { Author::Stranger }
}
