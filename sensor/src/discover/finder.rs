//! What the families share: tables of options and directives that name directories, and how they are applied.
//!
//! Always holds: what is found is bounded, named once, and says how it was found. A value that is not understood is left
//! out.

use super::arguments::{Arguments, plain};
use super::directives::{Configuration, Reader, Statement, expand};
use super::languages::Language;
use super::{Facts, Given};
use crate::watch::Wanted;
use bstr::BString;
use std::path::{Path, PathBuf};

/// Most places of one server.
pub const MAX_WANTED: usize = 512;
/// Most files that a usual place with `*` in it stands for.
const MAX_MAIN: usize = 8;

/// Values that switch something off.
const NOTHING: &[&[u8]] = &[b"none", b"no", b"off"];

/// Scripts that are run when they are asked for.
pub const DOCROOT: &str = "script_docroot";
/// Shared objects.
pub const MODULE: &str = "native_module";
/// Configuration that makes a server load things.
pub const CONFIG: &str = "config_loader";
/// Java applications and libraries.
pub const WEBAPP: &str = "webapp";
/// Plugins.
pub const PLUGIN: &str = "plugin";
/// Programs that a server starts.
pub const EXEC: &str = "exec_script";
/// Application code.
pub const SOURCE: &str = "app_source";
/// Extensions of a database.
pub const SQL: &str = "sql_extension";

/// What a value names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Names {
    /// A directory.
    Directory,
    /// A file: its directory is meant.
    File,
    /// A file that counts only with its whole path: a name alone is a word of the language, or is looked up elsewhere.
    Absolute,
    /// Several directories, with this between them.
    List(u8),
}

/// A directive, or an option, and what its value names.
#[derive(Clone, Copy, Debug)]
pub struct Rule {
    /// Its name in lower case with `_` for `-`; a `*` at the beginning stands for anything. Options as they are written.
    name: &'static str,
    /// Which word is the value; the last one without it.
    word: Option<usize>,
    names: Names,
    kind: &'static str,
}

impl Rule {
    /// The value is the first word behind the name.
    pub const fn new(name: &'static str, names: Names, kind: &'static str) -> Self {
        Self { name, word: Some(1), names, kind }
    }

    /// It is that word.
    pub const fn word(self, word: usize) -> Self {
        Self { word: Some(word), ..self }
    }

    /// It is the last word.
    pub const fn last(self) -> Self {
        Self { word: None, ..self }
    }

    fn value<'s>(&self, statement: &'s Statement) -> Option<&'s BString> {
        let name = &statement.words[0];
        let fits = match self.name.strip_prefix('*') {
            Some(end) => name.ends_with(end.as_bytes()),
            None => name == self.name,
        };
        let last = statement.words.len() - 1;
        statement.words.get(self.word.unwrap_or(last)).filter(|_| fits && last > 0)
    }
}

/// Where a server's configuration is.
#[derive(Clone, Copy, Debug)]
pub struct Main {
    /// Options that name the file.
    pub options: &'static [&'static str],
    /// Where it is without them: the first that is there counts; `*` stands for a part of a name.
    pub usual: &'static [&'static str],
    /// How it is written.
    pub language: Language,
}

/// A server that is told by a table alone.
pub struct Product {
    /// Its ids in the catalogue.
    pub ids: &'static [&'static str],
    /// Its configuration.
    pub main: Main,
    /// Directives there.
    pub directives: &'static [Rule],
    /// Options on its command line.
    pub options: &'static [Rule],
}

/// Finds the places of one process.
pub struct Finder<'a> {
    /// What is known of it.
    pub facts: &'a Facts<'a>,
    /// Its arguments.
    pub arguments: Arguments<'a>,
    wanted: Vec<Wanted>,
}

impl<'a> Finder<'a> {
    /// Nothing is found yet.
    pub fn new(facts: &'a Facts<'a>) -> Self {
        Self { facts, arguments: Arguments::new(facts.argv, facts.directory), wanted: Vec::new() }
    }

    /// What was found, each once, in the order in which it was found.
    pub fn finish(self) -> Vec<Wanted> {
        self.wanted
    }

    /// Adds a place. Relative ones are not understood.
    pub fn want(&mut self, kind: &str, path: impl Into<PathBuf>, origin: impl Into<String>) {
        let path = path.into();
        let known = |known: &Wanted| known.component == kind && known.pattern == path;
        if path.is_absolute() && self.wanted.len() < MAX_WANTED && !self.wanted.iter().any(known) {
            self.wanted.push(Wanted::new(kind, path, origin));
        }
    }

    /// Follows a table.
    pub fn product(&mut self, product: &Product) {
        let configuration = self.configuration(&product.main, None, Given::new());
        self.directives(&configuration, product.directives, None);
        self.options(product.options);
    }

    /// Reads a configuration, and adds where it is read from.
    pub fn configuration(&mut self, main: &Main, includes: Option<PathBuf>, defined: Given) -> Configuration {
        let mut reader = Reader::new(self.facts.root, main.language, includes, defined);
        for (path, origin) in self.main_files(main) {
            reader.file(&path, &origin);
        }
        self.take(reader)
    }

    /// Adds where a configuration was read from.
    pub fn take(&mut self, reader: Reader<'_>) -> Configuration {
        let configuration = reader.finish();
        for place in &configuration.places {
            self.want(CONFIG, place.path.clone(), place.origin.clone());
        }
        configuration
    }

    /// The files that a configuration begins with, and how they are known.
    pub fn main_files(&self, main: &Main) -> Vec<(PathBuf, String)> {
        let mut told: Vec<(PathBuf, String)> = Vec::new();
        for (option, value) in self.arguments.values(main.options) {
            told.extend(plain(value, self.facts.directory).map(|path| (path, from_argument(option))));
        }
        told.truncate(MAX_MAIN);
        if told.is_empty() { self.usual_files(main.usual) } else { told }
    }

    /// Those of the usual places that are there: all that the first such place stands for.
    pub fn usual_files(&self, usual: &[&str]) -> Vec<(PathBuf, String)> {
        let mut there = usual.iter().map(|place| self.facts.root.matches(Path::new(place)));
        let files = there.find(|paths| !paths.is_empty()).unwrap_or_default();
        files.into_iter().take(MAX_MAIN).map(|path| (path, "usual place".to_owned())).collect()
    }

    /// Adds what the directives name; relative values begin at `base`, or else at the directive's own file.
    pub fn directives(&mut self, configuration: &Configuration, rules: &[Rule], base: Option<&Path>) {
        for statement in &configuration.statements {
            for rule in rules {
                let Some(value) = rule.value(statement) else {
                    continue;
                };
                let own = configuration.files.get(statement.file).and_then(|file| file.parent());
                let base = base.or(own).unwrap_or(self.facts.directory);
                let value = expand(value, &configuration.defined);
                let origin = configuration.origin(statement);
                self.named(rule, &value, base, &origin);
            }
        }
    }

    /// Adds what options name.
    pub fn options(&mut self, rules: &[Rule]) {
        for rule in rules {
            let values: Vec<BString> = self.arguments.values(&[rule.name]).map(|(_, value)| value.into()).collect();
            for value in values {
                self.named(rule, &value, self.facts.directory, &from_argument(rule.name));
            }
        }
    }

    /// Adds what variables of its environment name.
    pub fn variables(&mut self, rules: &[Rule]) {
        for rule in rules {
            if let Some(value) = self.facts.environment.get(rule.name).map(BString::from) {
                self.named(rule, &value, self.facts.directory, &format!("environment: {}", rule.name));
            }
        }
    }

    fn named(&mut self, rule: &Rule, value: &[u8], base: &Path, origin: &str) {
        if value.is_empty() || NOTHING.contains(&value) {
            return;
        }
        match rule.names {
            Names::Absolute if !value.starts_with(b"/") => {}
            Names::Directory => self.extend(rule.kind, plain(value, base), origin),
            Names::File | Names::Absolute => {
                let path = plain(value, base);
                self.extend(rule.kind, path.as_deref().and_then(Path::parent).map(Path::to_owned), origin);
            }
            Names::List(between) => {
                for one in value.split(|byte| *byte == between).map(<[u8]>::trim_ascii).filter(|one| !one.is_empty()) {
                    self.extend(rule.kind, plain(one, base), origin);
                }
            }
        }
    }

    fn extend(&mut self, kind: &str, path: Option<PathBuf>, origin: &str) {
        if let Some(path) = path {
            self.want(kind, path, origin);
        }
    }
}

/// How something is known that an option says.
pub fn from_argument(option: &str) -> String {
    format!("argv: {}", option.trim_end_matches(['=', ':']))
}
