//! Configuration files as lists of words, includes followed.
//!
//! Comes in: a process's root and the path of a file. Goes out: statements, each with the file it stands in, and where
//! configuration was read from or would be. Always holds: files, their sizes, nesting and statements are bounded, and
//! nothing outside the root is read. It does not know what any statement means, but for includes.

use super::Given;
use super::arguments::plain;
use super::languages::{Language, statements};
use crate::procfs::Root;
use bstr::{BString, ByteSlice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most files of one configuration.
const MAX_FILES: usize = 256;
/// Most bytes of one file.
const MAX_BYTES: u64 = 1 << 20;
/// Most bytes of all files.
const MAX_ALL_BYTES: usize = 8 << 20;
/// Most includes that are looked up.
const MAX_INCLUDES: usize = 512;
/// Deepest nesting of includes.
const MAX_DEPTH: usize = 8;
/// Most statements in all.
const MAX_STATEMENTS: usize = 65_536;
/// Most values that a configuration gives names to.
const MAX_DEFINED: usize = 256;

/// What includes are called, in whatever language.
const INCLUDES: &[&str] = &[
    "include",
    "includeoptional",
    "include_dir",
    "include_if_exists",
    "include_try",
    "!include",
    "!include_try",
    "!includedir",
];
/// The same in Caddy's language; in that of Varnish, also one of lines and braces, it loads a module.
const IMPORT: &str = "import";

/// A statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its words, at least one; the first in lower case, with `_` for `-`.
    pub words: Vec<BString>,
    /// Its file: an index of [`Configuration::files`].
    pub file: usize,
}

/// A file or directory that configuration is loaded from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which.
    pub path: PathBuf,
    /// How it is known.
    pub origin: String,
    is_file: bool,
}

impl Place {
    fn directory(&self) -> Option<&Path> {
        if self.is_file { self.path.parent() } else { Some(&self.path) }
    }
}

/// All that was read.
#[derive(Debug, Default)]
pub struct Configuration {
    /// In order.
    pub statements: Vec<Statement>,
    /// The files that were read.
    pub files: Vec<PathBuf>,
    /// Where configuration is loaded from.
    pub places: Vec<Place>,
    /// Values that have names.
    pub defined: Given,
}

impl Configuration {
    /// How something is known that a statement says: `nginx.conf: root`.
    pub fn origin(&self, statement: &Statement) -> String {
        let file = self.files.get(statement.file).map_or_else(|| "command line".to_owned(), |path| name_of(path));
        format!("{file}: {}", statement.words[0].trim_end_with(|letter| letter == ':').as_bstr())
    }

    /// The value of the last statement of that name.
    pub fn last(&self, name: &str) -> Option<&[u8]> {
        let mut of_name = self.statements.iter().rev().filter(|statement| statement.words[0] == name);
        of_name.find_map(|statement| statement.words.get(1)).map(|value| value.as_slice())
    }
}

/// Reads a configuration.
pub struct Reader<'a> {
    root: &'a Root,
    language: Language,
    includes: Option<PathBuf>,
    looked_up: usize,
    bytes: usize,
    read: Configuration,
}

impl<'a> Reader<'a> {
    /// `includes` is where relative includes begin; the including file's own directory without it.
    pub fn new(root: &'a Root, language: Language, includes: Option<PathBuf>, defined: Given) -> Self {
        Self {
            root,
            language,
            includes,
            looked_up: 0,
            bytes: 0,
            read: Configuration { defined, ..Configuration::default() },
        }
    }

    /// Reads a file, or those of a directory, and what they include; `origin` says how it is known.
    pub fn file(&mut self, path: &Path, origin: &str) {
        if self.root.directory(path).is_ok() {
            self.directory(path, origin, 0);
        } else {
            self.follow(path, origin, 0);
        }
    }

    /// Takes a text in that stands in no file.
    pub fn text(&mut self, text: &[u8]) {
        let statements = statements(text, self.language);
        self.read
            .statements
            .extend(statements.into_iter().take(MAX_STATEMENTS).map(|words| Statement { words, file: usize::MAX }));
    }

    /// What was read.
    pub fn finish(self) -> Configuration {
        self.read
    }

    fn follow(&mut self, path: &Path, origin: &str, depth: usize) {
        if depth > MAX_DEPTH || self.read.files.len() >= MAX_FILES || self.read.files.iter().any(|known| known == path)
        {
            return;
        }
        let Some(text) = self.root.read(path, MAX_BYTES) else {
            return;
        };
        self.place(Place { path: path.to_owned(), origin: origin.to_owned(), is_file: true });
        self.bytes += text.len();
        if self.bytes > MAX_ALL_BYTES {
            return;
        }
        let file = self.read.files.len();
        self.read.files.push(path.to_owned());
        for words in statements(&text, self.language) {
            if self.read.statements.len() >= MAX_STATEMENTS {
                return;
            }
            let name = &words[0];
            let imports = self.language == Language::Lines && name == IMPORT;
            if imports || INCLUDES.iter().any(|include| name == *include) {
                let origin = format!("{}: {name}", name_of(path));
                for value in &words[1..] {
                    self.include(value, path, &origin, depth);
                }
                continue;
            }
            self.define(&words);
            self.read.statements.push(Statement { words, file });
        }
    }

    /// Apache's own names for values, and its place where relative paths begin.
    fn define(&mut self, words: &[BString]) {
        match words {
            [name, value, ..] if name == "serverroot" => {
                self.includes = Some(PathBuf::from(OsStr::from_bytes(&expand(value, &self.read.defined))));
            }
            [name, defined, value, ..] if name == "define" && self.read.defined.len() < MAX_DEFINED => {
                self.read.defined.insert(defined.clone(), value.clone());
            }
            _ => {}
        }
    }

    fn include(&mut self, value: &[u8], from: &Path, origin: &str, depth: usize) {
        let value = expand(value, &self.read.defined);
        let base = self.includes.clone().or_else(|| Some(from.parent()?.to_owned())).unwrap_or_default();
        let Some(pattern) = plain(&value, &base).filter(|_| !value.contains(&b'$')) else {
            return;
        };
        self.looked_up += 1;
        if self.looked_up > MAX_INCLUDES {
            return;
        }
        let paths = self.root.matches(&pattern);
        if let Some(directory) = pattern.parent().filter(|_| paths.is_empty()) {
            // What is put there will be read.
            self.place(Place { path: directory.to_owned(), origin: origin.to_owned(), is_file: false });
        }
        for path in paths {
            if self.root.directory(&path).is_ok() {
                self.directory(&path, origin, depth + 1);
            } else {
                self.follow(&path, origin, depth + 1);
            }
        }
    }

    fn directory(&mut self, path: &Path, origin: &str, depth: usize) {
        self.place(Place { path: path.to_owned(), origin: origin.to_owned(), is_file: false });
        for inside in self.root.matches(&path.join("*")) {
            self.follow(&inside, origin, depth);
        }
    }

    /// Notes where configuration is, once for each directory.
    fn place(&mut self, place: Place) {
        let known = self.read.places.iter().any(|known| known.directory() == place.directory());
        if self.read.places.len() < MAX_FILES && !known {
            self.read.places.push(place);
        }
    }
}

/// A value with its named parts (`${NAME}`, `$NAME`) put in, as far as they are known.
pub fn expand(value: &[u8], defined: &Given) -> BString {
    let mut expanded = BString::from(value);
    if !value.contains(&b'$') {
        return expanded;
    }
    for (name, known) in defined {
        for written in [[b"${", name.as_slice(), b"}"].concat(), [b"$", name.as_slice()].concat()] {
            expanded = BString::from(expanded.replace(&written, known));
        }
    }
    expanded
}

fn name_of(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}
