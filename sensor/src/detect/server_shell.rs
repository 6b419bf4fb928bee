//! server-shell: a program runs in a server's lineage that this server does not normally start.
//!
//! Sees: every exec below a recognised server, whatever the shell is called, by the executable that the kernel has.
//! Cannot see: code that runs inside the server without an exec, and applets inside a busybox shell.
//! Normal: the server's own programs, and the catalogue's normal children, whose command lines must match whole.
//!
//! One alert a story: the story is the topmost process below the server that is not normal. A shell waits for what it
//! does first (dash runs `sh -c id` as two processes, bash in place), so that the alert names that; at most
//! [`WAIT_NS`]. What the same story does later is counted, not reported again.

use super::{Context, Detector, Finding, Severity};
use crate::catalogue::{ExecPolicy, ServerKind, Suspicion, command_line, suspicion};
use crate::event::{Body, Event, Exec};
use crate::tree::{Node, NodeId};
use sensor_common::key::ProcessKey;
use sensor_common::record::Hook;
use std::collections::{HashMap, VecDeque};

/// How long a shell waits for its first command.
pub const WAIT_NS: u64 = 50_000_000;
/// Most stories that are remembered, so that they are told once; the oldest give way.
const MAX_STORIES: usize = 16_384;
/// Most shells that wait; more are reported at once.
const MAX_WAITING: usize = 1024;

/// The detector's memory.
#[derive(Default)]
pub struct ServerShell {
    waiting: VecDeque<Waiting>,
    told: HashMap<ProcessKey, u64>,
    order: VecDeque<ProcessKey>,
}

struct Waiting {
    deadline_ns: u64,
    finding: Finding,
}

impl ServerShell {
    pub fn waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Vec<Finding> {
        let mut findings = self.overdue(event.time_boottime_ns);
        match (&event.body, context.applied.node) {
            (Body::Exec(exec), Some(id)) => findings.extend(self.executed(event, id, exec, context)),
            (Body::Exit(_), Some(id)) => findings.extend(self.ended(id)),
            _ => {}
        }
        findings
    }

    fn overdue(&mut self, now: u64) -> Vec<Finding> {
        let mut findings = Vec::new();
        while self.waiting.front().is_some_and(|waiting| waiting.deadline_ns <= now) {
            findings.extend(self.waiting.pop_front().map(|waiting| waiting.finding));
        }
        findings
    }

    fn ended(&mut self, id: NodeId) -> Option<Finding> {
        let at = self.waiting.iter().position(|waiting| waiting.finding.process == id)?;
        self.waiting.remove(at).map(|waiting| waiting.finding)
    }

    fn executed(&mut self, event: &Event, id: NodeId, exec: &Exec, context: &Context<'_>) -> Vec<Finding> {
        let Some(judged) = judge(id, context) else {
            return Vec::new();
        };
        if let Some(count) = self.told.get_mut(&judged.story) {
            *count += 1;
            return self.first_command(id, &judged);
        }
        self.remember(judged.story);
        let finding = judged.finding(event, id);
        let waits = suspicion(exec.executable.as_ref()) == Some(Suspicion::Shell);
        if waits && self.waiting.len() < MAX_WAITING {
            self.waiting.push_back(Waiting { deadline_ns: event.time_boottime_ns + WAIT_NS, finding });
            return Vec::new();
        }
        vec![finding]
    }

    /// What a waiting shell does first: its story is told with that.
    fn first_command(&mut self, id: NodeId, judged: &Judged<'_>) -> Vec<Finding> {
        let Some(at) = self.waiting.iter().position(|waiting| waiting.finding.story == judged.story) else {
            return Vec::new();
        };
        let Some(waiting) = self.waiting.remove(at) else {
            return Vec::new();
        };
        let mut finding = waiting.finding;
        finding.process = id;
        finding.why.push(format!("The shell then ran {}.", described(judged.image)));
        vec![finding]
    }

    fn remember(&mut self, story: ProcessKey) {
        if self.order.len() >= MAX_STORIES
            && let Some(oldest) = self.order.pop_front()
        {
            self.told.remove(&oldest);
        }
        self.told.insert(story, 1);
        self.order.push_back(story);
    }
}

/// An exec that is not normal.
struct Judged<'a> {
    image: &'a Exec,
    story: ProcessKey,
    server: u32,
    severity: Severity,
    why: Vec<String>,
}

/// Judges what a node of a lineage now runs; `None` if it is normal, or nobody's.
fn judge<'a>(id: NodeId, context: &Context<'a>) -> Option<Judged<'a>> {
    let node = context.tree.node(id)?;
    let (server, kind) = context.server(node.lineage)?;
    let image = node.image.as_deref()?;
    if kind.owns(image) {
        return None;
    }
    let below = below_server(id, server.root, kind, context);
    let top = *below.last()?;
    let first = first_image(top, kind)?;
    let severity = match kind.normal_child(first) {
        Some(child) if std::ptr::eq(first, image) || child.allows(image) => return None,
        Some(_) => Severity::High,
        None => severity(kind, image)?,
    };
    Some(Judged {
        image,
        story: top.key,
        server: server.lineage,
        severity,
        why: sentences(kind, node, image, first, severity),
    })
}

/// The nodes from `id` upwards that run something else than the server, nearest first.
fn below_server<'a>(id: NodeId, root: ProcessKey, kind: &ServerKind, context: &Context<'a>) -> Vec<&'a Node> {
    let own = |node: &Node| node.image.iter().chain(&node.previous).all(|image| kind.owns(image));
    let mut below: Vec<&Node> = Vec::new();
    for (_, node) in context.tree.ancestors(id) {
        if node.lineage == 0 || !below.is_empty() && own(node) {
            break;
        }
        below.push(node);
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

fn severity(kind: &ServerKind, image: &Exec) -> Option<Severity> {
    match (suspicion(image.executable.as_ref()), kind.exec_policy) {
        (Some(_), _) | (None, ExecPolicy::Never) => Some(Severity::High),
        // Applications in this server start programs; which are new is for the baseline to say.
        (None, ExecPolicy::Common) => None,
    }
}

fn sentences(kind: &ServerKind, node: &Node, image: &Exec, first: &Exec, severity: Severity) -> Vec<String> {
    let what = suspicion(image.executable.as_ref()).map_or("a program", Suspicion::name);
    let mut why =
        vec![format!("{} (pid {}) runs in the lineage of {}: {}.", described(image), node.key.tgid, kind.name, what)];
    if !std::ptr::eq(first, image) && first != image {
        why.push(format!("It began with {}.", described(first)));
    }
    why.push(match (kind.normal_child(first), kind.exec_policy) {
        (Some(child), _) => {
            format!("That is started for: {}; but what runs below it now is not part of that.", child.reason)
        }
        (None, ExecPolicy::Never) => {
            format!("{} starts no such program in normal service.", kind.name)
        }
        (None, ExecPolicy::Common) => {
            format!("It is none of the {} commands that {} is known to start.", kind.normal_children.len(), kind.name)
        }
    });
    debug_assert!(severity >= Severity::High);
    why
}

/// A program in a sentence: its command line in quotes, cut to what a line can hold.
fn described(image: &Exec) -> String {
    const MOST: usize = 120;
    let line = command_line(image).to_string();
    let line = if line.is_empty() { image.executable.to_string() } else { line };
    if line.chars().count() <= MOST {
        return format!("\u{201c}{line}\u{201d}");
    }
    let cut: String = line.chars().take(MOST).collect();
    format!("\u{201c}{cut} \u{2026}\u{201d}")
}

impl Judged<'_> {
    fn finding(&self, event: &Event, id: NodeId) -> Finding {
        Finding {
            detector: Detector::ServerShell,
            severity: self.severity,
            process: id,
            story: self.story,
            server: self.server,
            file: None,
            why: self.why.clone(),
            hook: if event.hook == Hook::Procfs { Hook::Procfs } else { event.hook },
            time_boottime_ns: event.time_boottime_ns,
        }
    }
}
