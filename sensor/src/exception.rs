//! Exceptions: what an operator has declared normal, narrow and with a reason.
//!
//! An exception matches when every part that it names matches. Each is counted; one that has expired matches nothing.

use crate::catalogue::{Pattern, command_line, plain_command_line};
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
    /// Its command line, as it is or with every shell named `sh`; or, where `exe` names the program, its arguments alone.
    /// What `*` stands for holds nothing that a shell interprets. A command line that was cut matches nothing.
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
                && self.args.as_ref().is_none_or(|args| self.is_command(args, image))
        };
        self.detector == finding.detector
            && self.expires_unix_ns.is_none_or(|expires| now_unix_ns < expires)
            && self.server.as_deref().is_none_or(|id| server == Some(id))
            && self.path.as_ref().is_none_or(|path| finding.file.as_ref().is_some_and(|file| path.is_match(&file.path)))
            && programs.iter().any(program)
    }

    fn is_command(&self, args: &Pattern, image: &Exec) -> bool {
        // A cut command line may hide anything.
        if image.argv_cut {
            return false;
        }
        let alone = || self.exe.is_some() && args.is_match(&bstr::join(" ", image.argv.iter().skip(1)));
        args.is_match(&command_line(image)) || args.is_match(&plain_command_line(image)) || alone()
    }
}
