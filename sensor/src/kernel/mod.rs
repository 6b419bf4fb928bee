//! The kernel's side as the agent sees it: load, choose the hook set, attach, read, filter, count losses.
//!
//! The only module that names aya, and the only one of the agent with `unsafe`. Comes in: options. Goes out: record
//! bytes, in time order. It does not know what a record means.

pub mod descriptors;
mod fanotify;
mod filter;
mod hooks;
mod load;
mod losses;
pub mod memory;
mod offsets;
pub mod refused;
mod report;
mod ring;
mod tracepoint;

pub use hooks::Attach;
pub use offsets::VMLINUX_BTF;
pub use report::{HookReport, HookState, ProgramStatistics};
pub use ring::Batch;

use crate::event::Loss;
use anyhow::{Context, Result};
use rustix::event::{PollFd, PollFlags, Timespec};
use sensor_common::file::{FileKey, FileNote, WatchKey};
use sensor_common::key::ProcessKey;
use sensor_common::losses::Ring;
use sensor_common::settings::process_flags;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::time::Duration;

/// Which hook set to use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum HookSet {
    /// The trampoline set if the kernel lets it load, else the tracepoint set.
    #[default]
    Auto,
    /// Only the trampoline set; an error where it does not load.
    Trampoline,
    /// Only the tracepoint set.
    Tracepoint,
}

/// What the kernel side is told at start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Which hooks.
    pub hooks: HookSet,
    /// Size of the ring of fork, exec, exit; a power of two, at least a page.
    pub process_ring_bytes: u32,
    /// Size of the ring of everything else; the same.
    pub activity_ring_bytes: u32,
}

/// Why the kernel side could not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The process lacks privileges.
    #[error("missing privilege: {}", missing.join(", "))]
    Privilege {
        /// Capabilities, by name.
        missing: Vec<String>,
    },
    /// The kernel lacks something.
    #[error("this kernel lacks {feature}: {reason}")]
    Kernel {
        /// What.
        feature: String,
        /// The facts.
        reason: String,
    },
    /// This binary was built without the eBPF object.
    #[error("this binary was built without its kernel programs; build it with `cargo xtask build`")]
    NoObject,
    /// Anything else.
    #[error(transparent)]
    Other(#[from] anyhow::Error),
}

/// The running kernel side. Everything is detached when it is dropped.
pub struct Sensor {
    programs: load::Programs,
    rings: ring::Rings,
    batch: Batch,
    fanotify: Option<fanotify::Fanotify>,
    losses: losses::Losses,
    filter: filter::Filter,
    report: HookReport,
}

impl Sensor {
    /// Loads and attaches.
    ///
    /// Fails without privileges, without BTF, or if a hook without which the chosen set is of no use cannot be attached.
    pub fn start(options: &Options) -> Result<Self, StartError> {
        let missing = crate::privileges::capabilities::missing();
        if !missing.is_empty() {
            return Err(StartError::Privilege { missing });
        }
        let offsets = offsets::find()?;
        let (mut programs, chosen) = load::load_and_attach(options, &offsets)?;
        let fanotify = chosen.fanotify;
        let rings = ring::Rings::new(programs.take_map("PROCESS_RING")?, programs.take_map("ACTIVITY_RING")?)?;
        let losses = losses::Losses::new(load::losses(&mut programs)?);
        let filter = filter::Filter::new(&mut programs)?;
        Ok(Self { report: chosen.report, programs, rings, batch: Batch::default(), fanotify, losses, filter })
    }

    /// Waits until something happened, `also` can be read, or `timeout` is over, then gives what there is, in time order.
    /// The batch comes back with [`Self::done_with`].
    pub fn poll(&mut self, timeout: Duration, also: BorrowedFd<'_>) -> Result<Batch> {
        self.wait(timeout, also)?;
        let Self { rings, fanotify, .. } = self;
        let mut batch = std::mem::take(&mut self.batch);
        rings.take(&mut batch, |batch| {
            if let Some(fanotify) = fanotify {
                fanotify.read(batch);
            }
        });
        Ok(batch)
    }

    /// Takes a batch back, to use it again.
    pub fn done_with(&mut self, mut batch: Batch) {
        batch.clear();
        self.batch = batch;
    }

    fn wait(&self, timeout: Duration, also: BorrowedFd<'_>) -> Result<()> {
        let [process, activity] = self.rings.descriptors();
        let mut waited = vec![PollFd::from_borrowed_fd(process, PollFlags::IN)];
        waited.push(PollFd::from_borrowed_fd(activity, PollFlags::IN));
        waited.push(PollFd::from_borrowed_fd(also, PollFlags::IN));
        if let Some(fanotify) = &self.fanotify {
            waited.extend(fanotify.descriptors().map(|group| PollFd::from_borrowed_fd(group, PollFlags::IN)));
        }
        let timeout = Timespec::try_from(timeout).context("poll timeout")?;
        match rustix::event::poll(&mut waited, Some(&timeout)) {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error).context("waiting for the kernel's rings"),
        }
    }

    /// Tells the kernel the lineage of a process, and who forked it, where it does not know.
    ///
    /// A process that has ended meanwhile is left alone. `titled`: its titles are told as it makes children. Fails if the
    /// kernel's map is full.
    pub fn set_lineage(&mut self, process: ProcessKey, parent: ProcessKey, lineage: u32, titled: bool) -> Result<()> {
        let flags = if titled { process_flags::TITLED } else { 0 };
        self.filter.set_lineage(process, parent, lineage, flags)
    }

    /// Forgets a process that ended, in case the kernel's own removal was before [`Self::set_lineage`].
    pub fn forget(&mut self, process: ProcessKey) {
        self.filter.forget(process);
    }

    /// Has the reading of a file by servers' lineages reported.
    pub fn note_file(&mut self, key: FileKey, note: FileNote) -> Result<()> {
        self.filter.note(key, note)
    }

    /// Watches a directory and everything below it; where fanotify does it, only if it is `deep`: each directory has its
    /// own mark there, and each write in it its price. `pid` is a process in whose root `path` is meant.
    pub fn watch(&mut self, pid: u32, path: &Path, key: WatchKey, watch: u32, deep: bool) -> Result<()> {
        self.filter.watch(key, watch)?;
        // A file system without an id (tmpfs before 5.13) or file handles cannot have marks.
        if let Some(Err(error)) = self.fanotify.as_mut().map(|fanotify| fanotify.watch(pid, path, watch, deep)) {
            tracing::warn!(
                path = %path.display(),
                error = format!("{error:#}"),
                "fanotify cannot watch this directory: only files that servers open for writing are seen there"
            );
        }
        Ok(())
    }

    /// Ends that.
    pub fn unwatch(&mut self, key: WatchKey, watch: u32) {
        self.filter.unwatch(key);
        if let Some(fanotify) = &mut self.fanotify {
            fanotify.unwatch(watch);
        }
    }

    /// What was lost since the last call.
    pub fn losses(&mut self) -> Vec<Loss> {
        let mut losses = self.losses.since_last(&self.programs);
        if let Some(fanotify) = &mut self.fanotify {
            losses.extend(fanotify.take_losses());
        }
        losses
    }

    /// Which set was chosen and why, and each hook's state.
    pub fn report(&self) -> &HookReport {
        &self.report
    }

    /// Run counts and times of the programs; times are 0 unless `kernel.bpf_stats_enabled` is set.
    pub fn statistics(&self) -> Vec<ProgramStatistics> {
        self.programs.statistics()
    }

    /// Bytes waiting, and bytes there is room for, per ring.
    pub fn ring_use(&self) -> Vec<(Ring, usize, usize)> {
        let fill = [Ring::Process, Ring::Activity].into_iter().zip(self.rings.fill());
        fill.map(|(ring, (used, size))| (ring, used, size)).collect()
    }
}
