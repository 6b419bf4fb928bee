//! Which program an executable is, and lists of programs.

use super::pattern::{ArgumentLine, FilePattern, base_name};
use crate::event::Exec;
use sensor_common::process::exec_flags;

/// Programs that are many programs: the name that they were called by tells which.
const MULTI_CALL: [&[u8]; 4] = [b"busybox", b"toybox", b"coreutils", b"busybox.static"];

/// A kind of program that the detectors have a word for.
#[derive(Clone, Debug)]
pub struct Class {
    /// Its name: `@name` in lists.
    pub name: String,
    /// How a sentence names one of it: "a shell".
    pub called: String,
    /// A server that runs one is suspicious, unless it is a normal child.
    pub suspicious: bool,
    /// What belongs to it.
    pub programs: Vec<FilePattern>,
}

/// A list of programs.
#[derive(Clone, Debug, Default)]
pub struct Programs(pub(super) Vec<FilePattern>);

impl Programs {
    /// Whether an executable, or the script that it was started for, is listed. An entry that is a mere name counts
    /// only in the system's own program directories, so that `/tmp/sh` is no `sh`.
    pub fn holds(&self, image: &Exec, standard: &[FilePattern]) -> bool {
        let script = image.script.as_deref().filter(|script| script.starts_with(b"/"));
        let paths = [Some(image.executable.as_slice()), script.map(AsRef::as_ref)];
        self.0.iter().any(|pattern| {
            paths.into_iter().flatten().any(|path| {
                if pattern.is_whole() {
                    return pattern.matches(path);
                }
                let by_name = pattern.matches(path) || path == image.executable.as_slice() && pattern.matches(program_name(image));
                by_name && standard.iter().any(|directory| directory.matches(path))
            })
        })
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The name of the program: of the executable, or for busybox and its like the applet's.
pub fn program_name(image: &Exec) -> &[u8] {
    let name = base_name(&image.executable);
    if !MULTI_CALL.contains(&name) {
        return name;
    }
    let called = |index: usize| image.argv.get(index).map(|argument| base_name(argument));
    let first = called(0).unwrap_or(name);
    // A login shell is called with a dash before its name.
    let first = first.strip_prefix(b"-").unwrap_or(first);
    if MULTI_CALL.contains(&first) { called(1).unwrap_or(first) } else { first }
}

/// All arguments after the program's name, one space between; `None` when they are not all known.
pub fn argument_line(image: &Exec) -> Option<Vec<u8>> {
    let known = !image.argv_cut && image.flags & exec_flags::ARGV_UNREADABLE == 0;
    known.then(|| join(image.argv.get(1..).unwrap_or_default()))
}

/// The command line, one space between; as much as is known.
pub fn command_line(image: &Exec) -> Vec<u8> {
    join(&image.argv)
}

fn join(arguments: &[bstr::BString]) -> Vec<u8> {
    arguments.iter().map(|argument| argument.as_slice()).collect::<Vec<_>>().join(&b' ')
}

/// Whether one of the patterns fits the arguments; none at all fits every line.
pub fn fits(patterns: &[ArgumentLine], line: Option<&[u8]>) -> bool {
    patterns.is_empty() || line.is_some_and(|line| patterns.iter().any(|pattern| pattern.matches(line)))
}
