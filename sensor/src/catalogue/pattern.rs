//! Globs over paths, arguments and command lines.

use super::command_line::plain;
use super::glob::Matcher;

/// A glob and its text.
#[derive(Clone, Debug)]
pub struct Pattern {
    /// As written.
    pub text: String,
    matcher: Matcher,
    /// `*` may not stand for what a shell would interpret: how many such characters the text itself has.
    meta: Option<usize>,
}

/// What makes a shell do something else than the command that stands there.
const SHELL_META: &[u8] = b";|&$`()<>\n\r{}";

/// What is written decides what it matches.
impl PartialEq for Pattern {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text && self.meta == other.meta
    }
}

impl Pattern {
    /// A pattern for paths and single arguments: `*` stands for anything, slashes included.
    pub fn path(text: &str) -> Result<Self, globset::Error> {
        Self::new(text, text, None, false)
    }

    /// A pattern for command lines: what `*` stands for must hold nothing that a shell interprets.
    pub fn command(text: &str) -> Result<Self, globset::Error> {
        Self::new(text, text, Some(count_meta(text.as_bytes())), false)
    }

    /// A pattern for [`super::plain_command_line`]: like [`Self::command`], with the shell named `sh` whatever the text
    /// calls it, and braces are alternatives unless escaped.
    pub fn plain_command(text: &str) -> Result<Self, globset::Error> {
        let plain = plain(text.as_bytes()).to_string();
        Self::new(text, &plain, Some(count_literal_meta(plain.as_bytes())), false)
    }

    /// A pattern for everything below a directory, in which `*` stands for a part of one name.
    pub fn below(directory: &str) -> Result<Self, globset::Error> {
        Self::new(directory, &format!("{directory}/**"), None, true)
    }

    fn new(text: &str, glob: &str, meta: Option<usize>, one_name: bool) -> Result<Self, globset::Error> {
        Ok(Self { text: text.to_owned(), matcher: Matcher::new(glob, one_name)?, meta })
    }

    /// Whether `subject` is meant.
    pub fn is_match(&self, subject: &[u8]) -> bool {
        self.matcher.is_match(subject) && self.meta.is_none_or(|meta| meta == count_meta(subject))
    }

    /// How it is told; for an index.
    pub(super) const fn matcher(&self) -> &Matcher {
        &self.matcher
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
