//! A process's arguments as options and values, and values as paths.
//!
//! Comes in: an argument vector, which the process may have written a title over. Goes out: values of named options.
//! Always holds: paths that come out are absolute and hold no `..`. It does not know what any option means.

use bstr::{BString, ByteSlice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// Arguments, and the working directory that relative values begin at.
pub struct Arguments<'a> {
    /// The words, the program's name first.
    pub words: Vec<BString>,
    /// Where the process was when it began.
    pub directory: &'a Path,
}

impl<'a> Arguments<'a> {
    /// Those of a process, which may have written a title over them (`nginx: master process nginx -c FILE`).
    pub fn new(argv: &[BString], directory: &'a Path) -> Self {
        Self { words: words(argv), directory }
    }

    /// Whether a word is there.
    pub fn has(&self, option: &str) -> bool {
        self.words.iter().any(|word| word == option)
    }

    /// The value of one of the options, and which it was; the first one given counts.
    pub fn value<'o>(&self, options: &[&'o str]) -> Option<(&'o str, &[u8])> {
        self.values(options).next()
    }

    /// All values of the options: `-c VALUE`, `-cVALUE`, `--chdir VALUE`, `--chdir=VALUE`; an option that ends in `=` is
    /// a prefix (`-Dcatalina.base=VALUE`).
    pub fn values<'s, 'o>(&'s self, options: &[&'o str]) -> impl Iterator<Item = (&'o str, &'s [u8])> {
        let words = self.words.iter().enumerate().skip(1);
        words
            .filter_map(move |(at, word)| options.iter().find_map(|option| Some((*option, self.at(at, word, option)?))))
    }

    fn at<'s>(&'s self, at: usize, word: &'s [u8], option: &str) -> Option<&'s [u8]> {
        let rest = word.strip_prefix(option.as_bytes())?;
        if option.ends_with('=') {
            return Some(rest);
        }
        if rest.is_empty() {
            return self.words.get(at + 1).map(|value| value.as_slice());
        }
        // `--plugin-directory` is not `--plugin-dir`, and of Java's `-classpath` the rest is no value.
        rest.strip_prefix(b"=").or_else(|| (option.len() == 2).then_some(rest))
    }

    /// The value of one of the options as a path.
    pub fn path<'o>(&self, options: &[&'o str]) -> Option<(&'o str, PathBuf)> {
        self.path_below(options, self.directory)
    }

    /// The same, relative values beginning at `directory`.
    pub fn path_below<'o>(&self, options: &[&'o str], directory: &Path) -> Option<(&'o str, PathBuf)> {
        let (option, value) = self.value(options)?;
        Some((option, plain(value, directory)?))
    }
}

fn words(argv: &[BString]) -> Vec<BString> {
    let Some(title) = argv.first().filter(|first| first.find(b": ").is_some()) else {
        return argv.to_vec();
    };
    let after = title.find(b"process ").map_or(&title[..], |at| &title[at + 8..]);
    after.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(BString::from).collect()
}

/// A path made absolute. From the first name that holds a variable on, it is not known, and the directory above counts;
/// of one that begins with a variable nothing is known.
pub fn plain(value: &[u8], directory: &Path) -> Option<PathBuf> {
    if value.starts_with(b"$") {
        return None;
    }
    let value = Path::new(OsStr::from_bytes(value));
    let mut path = if value.is_absolute() { PathBuf::from("/") } else { directory.to_owned() };
    for part in value.components() {
        match part {
            // `?` is Lua's place for the name of the module.
            Component::Normal(name) if name.as_bytes().iter().any(|byte| b"$?".contains(byte)) => {
                return (path.components().count() > 2).then_some(path);
            }
            Component::Normal(name) => path.push(name),
            Component::ParentDir => {
                path.pop();
            }
            _ => {}
        }
    }
    path.is_absolute().then_some(path)
}
