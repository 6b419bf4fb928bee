//! Globs over paths, arguments and command lines, and the command line that they are held against.

use super::base_name;
use crate::event::Exec;
use bstr::{BString, ByteSlice};
use globset::{Glob, GlobBuilder, GlobMatcher};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::sync::OnceLock;

/// A glob and its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written.
    pub text: String,
    glob: Glob,
    /// Made when first needed: there are a thousand patterns, most are told by their ends, and each matcher costs
    /// tens of kilobytes.
    matcher: OnceLock<GlobMatcher>,
    ends: Ends,
    /// `*` may not stand for what a shell would interpret: how many such characters the text itself has.
    meta: Option<usize>,
}

/// What makes a shell do something else than the command that stands there.
const SHELL_META: &[u8] = b";|&$`()<>\n\r{}";

/// Names of shells that run `-c COMMAND` alike.
const SHELL_NAMES: [&str; 4] = ["sh", "dash", "ash", "bash"];

impl Pattern {
    /// A pattern for paths and single arguments: `*` stands for anything, slashes included.
    pub fn path(text: &str) -> Result<Self, globset::Error> {
        Self::new(text, text, None, false)
    }

    /// A pattern for command lines: what `*` stands for must hold nothing that a shell interprets.
    pub fn command(text: &str) -> Result<Self, globset::Error> {
        Self::new(text, text, Some(count_meta(text.as_bytes())), false)
    }

    /// A pattern for [`plain_command_line`]: like [`Self::command`], with the shell named `sh` whatever the text calls it,
    /// and braces are alternatives unless escaped.
    pub fn plain_command(text: &str) -> Result<Self, globset::Error> {
        let plain = plain(text.as_bytes()).to_string();
        Self::new(text, &plain, Some(count_literal_meta(plain.as_bytes())), false)
    }

    /// A pattern for everything below a directory, in which `*` stands for a part of one name.
    pub fn below(directory: &str) -> Result<Self, globset::Error> {
        Self::new(directory, &format!("{directory}/**"), None, true)
    }

    fn new(text: &str, glob: &str, meta: Option<usize>, one_name: bool) -> Result<Self, globset::Error> {
        let ends = Ends::of(glob.as_bytes());
        let mut builder = GlobBuilder::new(glob);
        let glob = builder.literal_separator(one_name).backslash_escape(true).empty_alternates(true).build()?;
        Ok(Self { text: text.to_owned(), glob, matcher: OnceLock::new(), ends, meta })
    }

    /// Whether `subject` is meant.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        if !self.ends.fit(subject) || self.meta.is_some_and(|meta| meta != count_meta(subject)) {
            return false;
        }
        self.ends.whole || self.matcher.get_or_init(|| self.glob.compile_matcher()).is_match(OsStr::from_bytes(subject))
    }
}

/// The literal beginning and end of a glob.
#[derive(Clone, Debug)]
struct Ends {
    beginning: Vec<u8>,
    end: Vec<u8>,
    /// There is nothing else: the beginning is all of it.
    whole: bool,
}

impl Ends {
    fn of(glob: &[u8]) -> Self {
        let special = |byte: &u8| b"*?[]{}\\".contains(byte);
        let Some(first) = glob.iter().position(special) else {
            return Self { beginning: glob.to_vec(), end: Vec::new(), whole: true };
        };
        let last = glob.iter().rposition(special).unwrap_or(first);
        // `**/` also stands for no directory at all, and then there is no slash.
        let end = &glob[last + 1..];
        let end = if glob[last] == b'*' { end.strip_prefix(b"/").unwrap_or(end) } else { end };
        Self { beginning: glob[..first].to_vec(), end: end.to_vec(), whole: false }
    }

    fn fit(&self, subject: &[u8]) -> bool {
        if self.whole {
            subject == self.beginning
        } else {
            subject.starts_with(&self.beginning) && subject.ends_with(&self.end)
        }
    }
}

fn count_meta(text: &[u8]) -> usize {
    text.iter().filter(|byte| SHELL_META.contains(byte)).count()
}

/// Like [`count_meta`] in what a glob stands for: its own braces are none.
fn count_literal_meta(glob: &[u8]) -> usize {
    let mut escaped = false;
    let literal = |byte: &&u8| {
        let counts = escaped || !b"{}".contains(byte);
        escaped = !escaped && **byte == b'\\';
        counts
    };
    let literal: Vec<u8> = glob.iter().filter(literal).copied().collect();
    count_meta(&literal)
}

/// Whether one of `patterns` means `subject`.
pub fn any(patterns: &[Pattern], subject: &[u8]) -> bool {
    patterns.iter().any(|pattern| pattern.is_match(subject))
}

/// The arguments joined by spaces, the program by the last part of its path: `sh -c id`.
///
/// A server that rewrote its arguments has all of them in the first (`php-fpm: master process (/etc/php-fpm.conf)`): only
/// what stands before the first space is taken for a path.
pub fn command_line(image: &Exec) -> BString {
    let mut line = BString::default();
    if let Some(first) = image.argv.first() {
        let end = first.find_byte(b' ').unwrap_or(first.len());
        line.extend_from_slice(base_name(&first[..end]));
        line.extend_from_slice(first[end..].trim_end_with(|letter| letter == ' '));
    }
    for argument in image.argv.iter().skip(1) {
        line.push(b' ');
        line.extend_from_slice(argument);
    }
    line
}

/// [`command_line`] in one form for all ways in which libraries start a shell: `dash -c X`, `bash -c X`,
/// `busybox sh -c X`, and `sh -c -- X` (glibc since 2.38, newer musl) all read `sh -c X`.
pub fn plain_command_line(image: &Exec) -> BString {
    plain(&command_line(image))
}

fn plain(line: &[u8]) -> BString {
    let line = line.strip_prefix(b"busybox ").filter(|rest| shell_arguments(rest).is_some()).unwrap_or(line);
    let Some(arguments) = shell_arguments(line) else {
        return line.into();
    };
    let mut plain = BString::from("sh");
    match arguments.strip_prefix(b" -c -- ") {
        Some(command) => {
            plain.extend_from_slice(b" -c ");
            plain.extend_from_slice(command);
        }
        None => plain.extend_from_slice(arguments),
    }
    plain
}

/// What follows the name of a shell, from the space on.
fn shell_arguments(line: &[u8]) -> Option<&[u8]> {
    let (name, arguments) = line.split_at(line.find_byte(b' ').unwrap_or(line.len()));
    let name = base_name(name);
    SHELL_NAMES.iter().any(|shell| shell.as_bytes() == name).then_some(arguments)
}
