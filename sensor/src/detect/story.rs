//! Where a process stands in a server's lineage: what began there, and whether the catalogue says that it is normal.

use super::Context;
use crate::catalogue::{NormalChild, ServerKind, command_line};
use crate::event::Exec;
use crate::tree::lineage::Server;
use crate::tree::{Node, NodeId};
use bstr::{BStr, ByteSlice};
use sensor_common::key::ProcessKey;

/// A process below a server.
#[derive(Clone, Copy)]
pub struct Standing<'a> {
    /// Its node.
    pub node: &'a Node,
    /// What it runs.
    pub image: &'a Exec,
    /// The server in whose lineage it is.
    pub server: &'a Server,
    /// The server's kind.
    pub kind: &'a ServerKind,
    /// The topmost process of the story: the first below the server's own programs; the process itself if it runs one of
    /// those.
    pub top: &'a Node,
    /// The first program there that was not the server's.
    pub first: &'a Exec,
    /// What the process above it called itself.
    pub title: Option<&'a BStr>,
    /// It runs a program of the server itself.
    pub own: bool,
    /// The normal child that the story began as.
    pub child: Option<&'a NormalChild>,
}

impl<'a> Standing<'a> {
    /// Of a node; `None` if it is in no server's lineage, or nothing is known of it.
    pub fn of(id: NodeId, context: &Context<'a>) -> Option<Self> {
        let node = context.tree.node(id).filter(|node| node.lineage != 0)?;
        let (server, kind) = context.server(node.lineage)?;
        let image = node.image.as_deref()?;
        let own = kind.owns(image);
        let top = if own { node } else { below_server(id, server.root, kind, context)? };
        let first = first_image(top, kind)?;
        let title = top.parent.and_then(|id| context.tree.node(id)).and_then(|above| above.title.as_ref());
        let title = title.map(|title| title.as_bstr());
        let child = if own { None } else { kind.normal_child(first, title) };
        Some(Self { node, image, server, kind, top, first, title, own, child })
    }

    /// Whether the process is the one that the story began with, in its first program.
    pub fn is_first(&self) -> bool {
        std::ptr::eq(self.first, self.image) || self.first == self.image
    }

    /// Whether the catalogue says that this is normal.
    pub fn is_normal(&self) -> bool {
        self.own || self.child.is_some_and(|child| self.is_first() || child.allows(self.image))
    }

    /// Whether what runs here is somebody's trade (a build, a scheduled job), so that any program may do so.
    pub fn is_free(&self) -> bool {
        self.child.is_some_and(|child| child.below.iter().any(|pattern| pattern.text == "*"))
    }

    /// The key of the story.
    pub const fn story(&self) -> ProcessKey {
        self.top.key
    }
}

/// The topmost of the nodes from `id` upwards that run something else than the server.
fn below_server<'a>(id: NodeId, root: ProcessKey, kind: &ServerKind, context: &Context<'a>) -> Option<&'a Node> {
    let own = |node: &Node| node.image.iter().chain(&node.previous).all(|image| kind.owns(image));
    let mut below = None;
    for (_, node) in context.tree.ancestors(id) {
        if node.lineage == 0 || below.is_some() && own(node) {
            break;
        }
        below = Some(node);
        if node.key.same_as(root) {
            break;
        }
    }
    below
}

/// The first program of a node that was not the server's: an exec chain does not hide what began it.
fn first_image<'a>(node: &'a Node, kind: &ServerKind) -> Option<&'a Exec> {
    node.previous.iter().map(AsRef::as_ref).find(|image| !kind.owns(image)).or(node.image.as_deref())
}

/// A program in a sentence: its command line in quotes, cut to what a line can hold.
pub fn described(image: &Exec) -> String {
    const MOST: usize = 120;
    let line = command_line(image).to_string();
    let line = if line.is_empty() { image.executable.to_string() } else { line };
    if line.chars().count() <= MOST {
        return format!("\u{201c}{line}\u{201d}");
    }
    let cut: String = line.chars().take(MOST).collect();
    format!("\u{201c}{cut} \u{2026}\u{201d}")
}

/// A program and its process in a sentence.
pub fn process(node: &Node) -> String {
    match node.image.as_deref() {
        Some(image) => format!("{} (pid {})", described(image), node.key.tgid),
        None => format!("process {}", node.key.tgid),
    }
}
