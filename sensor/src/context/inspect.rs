//! Answers questions about files and containers on a thread of its own.
//!
//! Always holds: asking never waits; 4096 questions wait at most, what is beyond is refused and counted; as many answers
//! wait at most, then no more questions are taken up. A file system that does not answer (a dead network mount, a
//! container's own FUSE) holds a thread up: after five seconds, when next asked, another takes its place and the question
//! is answered as absent; with eight threads held up, questions are refused once enough of them wait.

use super::facts::Facts;
use super::runtimes::Lookup;
use crate::container::Contained;
use crate::provenance::Provenance;
use anyhow::{Context, Result};
use bstr::BString;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// Most questions, and most answers, that wait.
const MAX_WAITING: usize = 4096;
/// How long one question may take; the biggest file that is read takes less than one.
const PATIENCE: Duration = Duration::from_secs(5);
/// Most threads that are held up at once.
const MAX_HELD_UP: usize = 8;

/// A question about a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// Comes back with the answer.
    pub tag: u64,
    /// The process whose root and mounts count.
    pub pid: u32,
    /// The file's absolute path, as that process sees it.
    pub path: BString,
    /// Its inode; 0 is not checked.
    pub inode: u64,
    /// Its device, kernel encoding; 0 is not checked. On overlay, btrfs and bcachefs it is never checked, as what `stat`
    /// says there may differ from what the kernel has.
    pub device: u32,
    /// Whether it is a directory. Such a one has no package and no content.
    pub directory: bool,
}

/// What can be asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Asked {
    /// About a file.
    File(Question),
    /// About a container.
    Container(Box<Lookup>),
}

/// An answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// About a file.
    File {
        /// The question's.
        tag: u64,
        /// What is known.
        provenance: Provenance,
    },
    /// About a container.
    Container(Box<Contained>),
}

impl Asked {
    /// The answer if there is none.
    fn absent(&self) -> Answer {
        match self {
            Self::File(question) => Answer::File { tag: question.tag, provenance: Provenance::absent() },
            Self::Container(lookup) => Answer::Container(Box::new(lookup.unknown(true))),
        }
    }
}

/// Too many questions wait, or the thread is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too many questions about files and containers wait")]
pub struct Full;

/// Answers questions.
pub struct Inspector {
    questions: SyncSender<(Instant, Asked)>,
    answers: Receiver<Answer>,
    shared: Arc<Shared>,
    dropped: AtomicU64,
    /// How long one question may take.
    patience: Duration,
}

/// Answers one question; is told when that was asked.
type Look = Box<dyn FnMut(&Asked, Instant) -> Answer + Send>;

/// What the threads share.
struct Shared {
    asked: Mutex<Receiver<(Instant, Asked)>>,
    given: SyncSender<Answer>,
    /// Readable while answers wait.
    ready: OwnedFd,
    work: Mutex<Work>,
    /// Makes what a new thread looks with.
    look: Box<dyn Fn() -> Look + Send + Sync>,
}

/// Who works, and on what.
#[derive(Default)]
struct Work {
    /// The thread that takes up questions; earlier ones are held up, and end when they no longer are.
    thread: u64,
    /// The answer if there will be none, and since when it is worked on.
    current: Option<(Answer, Instant)>,
    held_up: usize,
}

impl Inspector {
    /// Starts the thread; it ends when this is dropped.
    pub fn start() -> Result<Self> {
        Self::with_procfs(Path::new("/proc"))
    }

    fn with_procfs(proc_root: &Path) -> Result<Self> {
        let proc_root = proc_root.to_owned();
        let look = move || -> Look {
            let mut facts = Facts::new(&proc_root);
            let proc_root = proc_root.clone();
            Box::new(move |question, asked| match question {
                Asked::File(question) => Answer::File { tag: question.tag, provenance: facts.of(question, asked) },
                Asked::Container(lookup) => Answer::Container(Box::new(lookup.answer(&proc_root))),
            })
        };
        Self::with(Box::new(look), PATIENCE)
    }

    fn with(look: Box<dyn Fn() -> Look + Send + Sync>, patience: Duration) -> Result<Self> {
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let ready = eventfd(0, flags).context("making an event descriptor")?;
        let (questions, asked) = sync_channel(MAX_WAITING);
        let (given, answers) = sync_channel(MAX_WAITING);
        let shared = Arc::new(Shared { asked: Mutex::new(asked), given, ready, work: Mutex::default(), look });
        Shared::work(&shared, 0).context("starting the inspector's thread")?;
        Ok(Self { questions, answers, shared, dropped: AtomicU64::new(0), patience })
    }

    /// Asks; never waits. Refused and counted if 4096 questions wait.
    pub fn ask(&self, question: Asked) -> Result<(), Full> {
        self.replace_held_up();
        self.questions.try_send((Instant::now(), question)).map_err(|_| {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            Full
        })
    }

    /// The answers that wait, in the order of their questions; never waits.
    pub fn answers(&self) -> impl Iterator<Item = Answer> {
        self.replace_held_up();
        // First this: an answer that comes after it makes the descriptor readable again. It fails when nothing waits.
        let _ = rustix::io::read(&self.shared.ready, &mut [0_u8; 8]);
        self.answers.try_iter()
    }

    /// A descriptor that is readable when answers wait.
    pub fn descriptor(&self) -> BorrowedFd<'_> {
        self.shared.ready.as_fd()
    }

    /// How many questions were refused.
    pub fn dropped(&self) -> u64 {
        self.dropped.load(Ordering::Relaxed)
    }

    /// Puts another thread in the place of one that has been at one question for too long, and answers that.
    fn replace_held_up(&self) {
        let mut work = lock(&self.shared.work);
        let absent = match &work.current {
            Some((absent, since)) if since.elapsed() > self.patience => absent.clone(),
            _ => return,
        };
        let thread = work.thread + 1;
        if work.held_up >= MAX_HELD_UP || Shared::work(&self.shared, thread).is_err() {
            return;
        }
        *work = Work { thread, current: None, held_up: work.held_up + 1 };
        drop(work);
        tracing::warn!("a file system does not answer; what was asked about on it is taken to be absent");
        if self.shared.given.try_send(absent).is_ok() {
            self.shared.notify();
        }
    }
}

impl Shared {
    /// Starts a thread that works until there is another, or nobody asks any more.
    fn work(shared: &Arc<Self>, thread: u64) -> std::io::Result<()> {
        let shared = Arc::clone(shared);
        let mut look = (shared.look)();
        let work = move || {
            loop {
                // In this order: the lock on the questions must be free before the work begins.
                let next = lock(&shared.asked).recv();
                let Ok((asked, question)) = next else {
                    return;
                };
                lock(&shared.work).current = Some((question.absent(), Instant::now()));
                let answer = look(&question, asked);
                let mut work = lock(&shared.work);
                if work.thread != thread {
                    work.held_up -= 1;
                    return;
                }
                work.current = None;
                drop(work);
                if shared.given.send(answer).is_err() {
                    return;
                }
                shared.notify();
            }
        };
        std::thread::Builder::new().name("inspect".to_owned()).spawn(work).map(|_| ())
    }

    fn notify(&self) {
        // Fails only when the counter is full, and then it is readable.
        let _ = rustix::io::write(&self.ready, &1_u64.to_ne_bytes());
    }
}

/// What a lock guards is whole even if a thread that held it died.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests;
