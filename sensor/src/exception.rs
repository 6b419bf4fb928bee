//! Exceptions: what an operator has declared normal, narrow and with a reason.
//!
//! An exception matches when every part that it names matches. Each is counted; one that has expired matches nothing.

use crate::catalogue::{Pattern, command_line};
use crate::detect::{Detector, Finding};
use crate::event::Exec;

/// One `[[exception]]`.
#[derive(Clone, Debug)]
pub struct Exception {
    /// Whose findings.
    pub detector: Detector,
    /// At which server (catalogue id).
    pub server: Option<String>,
    /// Executable of the process.
    pub exe: Option<Pattern>,
    /// Its command line; what `*` stands for holds nothing that a shell interprets.
    pub args: Option<Pattern>,
    /// Path of the file.
    pub path: Option<Pattern>,
    /// Why it is normal.
    pub reason: String,
    /// Unix time in nanoseconds from which on it is over.
    pub expires_unix_ns: Option<u64>,
}

impl Exception {
    /// Whether it covers a finding. `programs` are what the finding's process ran and runs.
    pub fn covers(&self, finding: &Finding, server: Option<&str>, programs: &[&Exec], now_unix_ns: u64) -> bool {
        let program = |image: &&Exec| {
            self.exe.as_ref().is_none_or(|exe| exe.is_match(&image.executable))
                && self.args.as_ref().is_none_or(|args| args.is_match(&command_line(image)))
        };
        self.detector == finding.detector
            && self.expires_unix_ns.is_none_or(|expires| now_unix_ns < expires)
            && self.server.as_deref().is_none_or(|id| server == Some(id))
            && self.path.as_ref().is_none_or(|path| finding.file.as_ref().is_some_and(|file| path.is_match(&file.path)))
            && programs.iter().any(program)
    }
}
