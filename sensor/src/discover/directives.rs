//! Configuration files as lists of words, includes followed.

use crate::procfs::Root;
use bstr::BString;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Most files of one configuration.
const MAX_FILES: usize = 256;
/// Most bytes of one file.
const MAX_BYTES: u64 = 1 << 20;
/// Deepest nesting of includes.
const MAX_DEPTH: usize = 8;
/// Most statements in all.
const MAX_STATEMENTS: usize = 65_536;

/// How statements end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Language {
    /// At `;`, `{` or `}` (nginx).
    Braces,
    /// At the end of the line (Apache, lighttpd, redis).
    Lines,
}

/// All statements of a configuration, in order; `includes` is where relative includes begin.
pub fn directives(root: &Root, file: &Path, includes: &Path, language: Language) -> Vec<Vec<BString>> {
    let mut reader = Reader { root, language, includes: includes.to_owned(), files: 0, found: Vec::new() };
    reader.file(file, 0);
    reader.found
}

struct Reader<'a> {
    root: &'a Root,
    language: Language,
    includes: PathBuf,
    files: usize,
    found: Vec<Vec<BString>>,
}

impl Reader<'_> {
    fn file(&mut self, path: &Path, depth: usize) {
        if depth > MAX_DEPTH || self.files >= MAX_FILES {
            return;
        }
        self.files += 1;
        let Some(text) = self.root.read(path, MAX_BYTES) else {
            return;
        };
        for words in statements(&text, self.language) {
            let [name, ..] = words.as_slice() else {
                continue;
            };
            let name = name.to_ascii_lowercase();
            if self.found.len() >= MAX_STATEMENTS {
                return;
            }
            if name == b"include" || name == b"includeoptional" {
                for value in words.iter().skip(1) {
                    self.include(value, depth);
                }
                continue;
            }
            if name == b"serverroot"
                && let Some(value) = words.get(1)
            {
                self.includes = PathBuf::from(OsStr::from_bytes(value));
            }
            self.found.push(words);
        }
    }

    fn include(&mut self, value: &[u8], depth: usize) {
        let pattern = self.includes.join(OsStr::from_bytes(value));
        for path in self.root.matches(&pattern) {
            if self.root.directory(&path).is_ok() {
                for inside in self.root.matches(&path.join("*")) {
                    self.file(&inside, depth + 1);
                }
            } else {
                self.file(&path, depth + 1);
            }
        }
    }
}

/// Words of each statement. Quotes hold words together; `#` begins a comment where a word could begin.
pub fn statements(text: &[u8], language: Language) -> Vec<Vec<BString>> {
    let mut all = Vec::new();
    let mut words: Vec<BString> = Vec::new();
    let mut word: Option<BString> = None;
    let mut quote = None;
    let mut bytes = text.iter().copied().peekable();
    while let Some(byte) = bytes.next() {
        if let Some(open) = quote {
            match byte {
                _ if byte == open => quote = None,
                b'\\' => word.get_or_insert_default().extend(bytes.next()),
                _ => word.get_or_insert_default().push(byte),
            }
            continue;
        }
        let ends = match language {
            Language::Braces => matches!(byte, b';' | b'{' | b'}'),
            Language::Lines => byte == b'\n',
        };
        match byte {
            _ if ends => {
                words.extend(word.take());
                all.push(std::mem::take(&mut words));
            }
            b'#' if word.is_none() => while bytes.next_if(|byte| *byte != b'\n').is_some() {},
            b'"' | b'\'' => {
                word.get_or_insert_default();
                quote = Some(byte);
            }
            b'\\' if bytes.peek() == Some(&b'\n') => {
                bytes.next();
            }
            _ if byte.is_ascii_whitespace() => words.extend(word.take()),
            _ => word.get_or_insert_default().push(byte),
        }
    }
    words.extend(word);
    all.push(words);
    all.retain(|words| !words.is_empty());
    all
}
