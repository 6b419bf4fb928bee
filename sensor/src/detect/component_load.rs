//! component-load: a server executes, maps or opens a component that was dropped, or that is not what its package brought.
//!
//! Sees: native modules by their executable mapping; scripts and archives when the server opens them after somebody wrote
//! them; programs of component directories (CGI, user-defined functions) when they are started; whatever the ledger says
//! of the file, also from before a restart. Of native modules that the ledger does not know, package databases are asked.
//! Cannot see: components that are read through other programs, and what was dropped while no sensor ran and belongs to no
//! package. Normal: what package managers and deployers wrote, what a person edited in a session (scripts), what the server
//! deployed or made itself.

use super::bounded::Once;
use super::story::{Standing, process};
use super::{Context, Detector, Finding, Severity};
use crate::catalogue::ComponentKind;
use crate::event::{Body, Event, File, Inspected};
use crate::ledger::{Class, Entry};
use crate::provenance::{Content, Provenance};
use crate::tree::NodeId;
use bstr::BString;
use sensor_common::file::file_flags;
use sensor_common::record::Kind;
use std::collections::BTreeMap;

/// Most questions that are open, and files that were told or asked about.
const MAX_OPEN: usize = 1024;
const MAX_REMEMBERED: usize = 16_384;
/// How long an answer is waited for.
const ANSWER_NS: u64 = 60_000_000_000;

/// The detector's memory.
#[derive(Default)]
pub struct ComponentLoad {
    open: BTreeMap<u64, Event>,
    seen: Once<Seen, MAX_REMEMBERED>,
    /// Questions to be asked: for the pipeline to take.
    pub questions: Vec<Question>,
    last: u64,
}

/// A lineage, a file, and when that was written: what is written again is told again.
type Seen = (u32, u32, u64, u64);

/// What is to be found out about a file.
#[derive(Clone, Debug)]
pub struct Question {
    /// Its number; odd ones are this detector's.
    pub number: u64,
    /// Which file, as which process sees it.
    pub file: File,
    /// The process.
    pub process: NodeId,
}

impl ComponentLoad {
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        match &event.body {
            Body::Inspected(inspected) => self.answered(inspected, context),
            Body::File(file) if file.operation == Kind::MmapExec => self.mapped(event, file, context),
            Body::File(file) if file.flags & file_flags::NOTED_WRITTEN != 0 => self.opened(event, file, context),
            Body::Exec(_) => self.started(event, context),
            _ => None,
        }
    }

    /// A file was mapped executable.
    fn mapped(&mut self, event: &Event, file: &File, context: &Context<'_>) -> Option<Finding> {
        let id = context.applied.node?;
        let standing = context.standing?;
        let Some(entry) = context.ledger.find((file.device, file.inode), file.generation) else {
            self.ask(event, id, file, &standing);
            return None;
        };
        let severity = match entry.class {
            // What a server writes all day is no module.
            Class::Dropped | Class::Data | Class::Cache => Severity::Critical,
            Class::Stranger => Severity::High,
            Class::Deployed | Class::Session if file.flags & file_flags::DELETED != 0 => Severity::Critical,
            Class::Deployed | Class::Session => return None,
        };
        self.finding(event, id, file, entry, severity, "mapped", &standing, context)
    }

    /// A script or archive was opened for reading after it was written.
    fn opened(&mut self, event: &Event, file: &File, context: &Context<'_>) -> Option<Finding> {
        let id = context.applied.node?;
        let standing = context.standing.filter(|standing| standing.own)?;
        let entry = context.ledger.find((file.device, file.inode), file.generation)?;
        // Configuration holds no code; that it was changed was told.
        if entry.component.as_deref() == Some(ComponentKind::ConfigLoader.name()) {
            return None;
        }
        let severity = match entry.class {
            Class::Dropped => Severity::High,
            Class::Stranger => Severity::Medium,
            Class::Data | Class::Cache | Class::Deployed | Class::Session => return None,
        };
        self.finding(event, id, file, entry, severity, "opened", &standing, context)
    }

    /// A program of a component directory was started.
    fn started(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        let id = context.applied.node?;
        let standing = context.standing.filter(|standing| !standing.own && standing.is_first())?;
        let image = standing.image;
        let by_inode = context.ledger.find((image.device, image.inode), image.generation);
        let entry = by_inode.or_else(|| context.ledger.find_path(image.script.as_ref()?))?;
        let severity = match entry.class {
            Class::Dropped => Severity::Critical,
            Class::Stranger => Severity::High,
            Class::Data | Class::Cache | Class::Deployed | Class::Session => return None,
        };
        let file = File::named(Kind::Exec, &entry.path, entry.device, entry.inode, entry.generation);
        self.finding(event, id, &file, entry, severity, "started", &standing, context)
    }

    #[allow(clippy::too_many_arguments, reason = "the facts of one sentence each")]
    fn finding(
        &mut self,
        event: &Event,
        id: NodeId,
        file: &File,
        entry: &Entry,
        severity: Severity,
        deed: &str,
        standing: &Standing<'_>,
        context: &Context<'_>,
    ) -> Option<Finding> {
        if !self.first(standing.node.lineage, file, entry.written_unix_ns) {
            return None;
        }
        let mut finding = Finding::new(Detector::ComponentLoad, severity, event, id, standing.node)
            .because(format!(
                "{}, in the lineage of {}, {deed} {}, which it loads code from.",
                process(standing.node),
                standing.kind.name,
                file.path
            ))
            .because(entry.told(context.now_unix_ns(event)));
        if !standing.own {
            finding.story = standing.story();
        }
        finding.file = Some(file.clone());
        finding.entry = Some(entry.clone());
        Some(finding)
    }

    /// Once for a server's lineage and a file, until it is written again.
    fn first(&mut self, lineage: u32, file: &File, written: u64) -> bool {
        self.seen.first((lineage, file.device, file.inode, written))
    }

    /// A module that nobody is known to have dropped: package databases may know better. Asked of what lies below the
    /// server's module directories, and, for servers that load modules, of what lies beside the system's libraries.
    fn ask(&mut self, event: &Event, id: NodeId, file: &File, standing: &Standing<'_>) {
        const LIBRARIES: [&[u8]; 6] = [b"/usr/lib", b"/lib", b"/usr/local/lib", b"/memfd:", b"/dev/", b"/usr/libexec/"];
        const MODULES: [ComponentKind; 3] =
            [ComponentKind::NativeModule, ComponentKind::SqlExtension, ComponentKind::Plugin];
        let below = |directory: &BString| {
            file.path.strip_prefix(directory.as_slice()).is_some_and(|rest| rest.starts_with(b"/"))
        };
        let module = |component: &str| MODULES.iter().any(|kind| kind.name() == component);
        let known = standing.server.directories.iter().any(|watch| module(&watch.component) && below(&watch.path));
        let loads_modules = standing.kind.components.iter().any(|known| known.kind == ComponentKind::NativeModule);
        let apart = loads_modules && !LIBRARIES.iter().any(|libraries| file.path.starts_with(libraries));
        let executable = file.path == standing.node.executable();
        if !standing.own || executable || !(known || apart) {
            return;
        }
        if self.open.len() >= MAX_OPEN {
            // A question may get no answer: the queue was full, or a file system hangs.
            let now = event.time_boottime_ns;
            self.open.retain(|_, asked| now.saturating_sub(asked.time_boottime_ns) < ANSWER_NS);
        }
        if self.open.len() >= MAX_OPEN || !self.first(standing.node.lineage, file, 0) {
            return;
        }
        self.last += 1;
        let number = self.last * 2 - 1;
        self.open.insert(number, event.clone());
        self.questions.push(Question { number, file: file.clone(), process: id });
    }

    fn answered(&mut self, inspected: &Inspected, context: &Context<'_>) -> Option<Finding> {
        let event = self.open.remove(&inspected.question)?;
        let Body::File(file) = &event.body else {
            return None;
        };
        let id = context.tree.find(event.process)?;
        let standing = Standing::of(id, context)?;
        let (severity, why) =
            judge(&inspected.provenance, standing.server.root.start_boottime_ns + context.boot_unix_ns)?;
        let mut finding = Finding::new(Detector::ComponentLoad, severity, &event, id, standing.node)
            .because(format!(
                "{}, in the lineage of {}, mapped {}, which it loads code from.",
                process(standing.node),
                standing.kind.name,
                file.path
            ))
            .because(why);
        finding.file = Some(file.as_ref().clone());
        finding.provenance = Some(inspected.provenance.clone());
        Some(finding)
    }
}

/// What package databases and times say against a module.
fn judge(provenance: &Provenance, server_began_unix_ns: u64) -> Option<(Severity, String)> {
    if !provenance.exists {
        return None;
    }
    if let Some(package) = &provenance.package {
        let what = format!(
            "It is not what the package {} {} brought: its content was changed.",
            package.name, package.version
        );
        return (package.content == Content::Changed).then_some((Severity::High, what));
    }
    let changed = provenance.modified_unix_ns.max(provenance.born_unix_ns.unwrap_or(0));
    let late = changed > server_began_unix_ns && provenance.upper_layer != Some(false);
    late.then(|| (Severity::High, "No package owns it, and it is younger than the running server.".to_owned()))
}
