//! Applications in a general runtime: where the script lies, and where the process works.

use super::Given;
use super::arguments::plain;
use super::directives::Reader;
use super::finder::{EXEC, Finder, MODULE, Main, Names, Rule, SOURCE, from_argument};
use super::languages::Language;
use bstr::BString;
use std::path::Path;

/// Endings of what a runtime is given to run.
const SCRIPTS: &[&[u8]] = &[b".js", b".mjs", b".cjs", b".ts", b".py", b".rb", b".ru", b".php", b".jar"];

/// Options that say where the application is; `-C` only where it is a directory's.
const TOLD: &[&str] = &["--chdir", "--pythonpath", "--app-dir", "--chdir2", "--dir", "--directory", "--cwd"];

/// Node.js, Python, Ruby and what runs in them: the script's directory, and where it was told to work, or else its
/// working directory.
pub fn application(finder: &mut Finder<'_>) {
    let mut known = false;
    let words = finder.arguments.words.iter().skip(1).filter(|word| !word.starts_with(b"-"));
    let mut scripts = words.filter(|word| SCRIPTS.iter().any(|ending| word.ends_with(ending)));
    let script = scripts.next().and_then(|word| plain(word, finder.facts.directory));
    if let Some(directory) = script.as_deref().and_then(Path::parent) {
        known = true;
        finder.want(SOURCE, directory, "argv: script");
    }
    let required: Vec<_> = finder
        .arguments
        .values(&["--require", "-r", "--import", "--config", "-c"])
        .filter(|(_, value)| SCRIPTS.iter().any(|ending| value.ends_with(ending)))
        .filter_map(|(option, value)| {
            Some((from_argument(option), plain(value, finder.facts.directory)?.parent()?.to_owned()))
        })
        .collect();
    for (origin, directory) in required {
        finder.want(SOURCE, directory, origin);
    }
    let told = finder.arguments.path(TOLD);
    known |= told.is_some();
    match told {
        Some((option, path)) => finder.want(SOURCE, path, from_argument(option)),
        None if !known => {
            let current = finder.facts.current.filter(|path| *path != Path::new("/"));
            finder.want(SOURCE, current.unwrap_or(finder.facts.directory), "working directory");
        }
        None => {}
    }
}

const UWSGI: &[Rule] = &[
    Rule::new("chdir", Names::Directory, SOURCE),
    Rule::new("pythonpath", Names::Directory, SOURCE),
    Rule::new("pp", Names::Directory, SOURCE),
    Rule::new("wsgi_file", Names::File, SOURCE),
    Rule::new("file", Names::File, SOURCE),
    Rule::new("psgi", Names::File, SOURCE),
    Rule::new("rack", Names::File, SOURCE),
    Rule::new("plugins_dir", Names::Directory, MODULE),
    Rule::new("plugin_dir", Names::Directory, MODULE),
    Rule::new("cgi", Names::Directory, EXEC),
];
const UWSGI_OPTIONS: &[Rule] = &[
    Rule::new("--chdir", Names::Directory, SOURCE),
    Rule::new("--pythonpath", Names::Directory, SOURCE),
    Rule::new("--wsgi-file", Names::File, SOURCE),
    Rule::new("--file", Names::File, SOURCE),
    Rule::new("--psgi", Names::File, SOURCE),
    Rule::new("--rack", Names::File, SOURCE),
    Rule::new("--plugins-dir", Names::Directory, MODULE),
    Rule::new("--plugin-dir", Names::Directory, MODULE),
    Rule::new("--cgi", Names::Directory, EXEC),
];

/// uWSGI: its ini files, plugins and application.
pub fn uwsgi(finder: &mut Finder<'_>) {
    const MAIN: Main = Main { options: &["--ini"], usual: &[], language: Language::Ini };
    let mut files = finder.main_files(&MAIN);
    let given: Vec<BString> =
        finder.arguments.words.iter().skip(1).filter(|word| word.ends_with(b".ini")).cloned().collect();
    files.extend(given.iter().filter_map(|word| {
        let word = word.strip_prefix(b"--ini=").unwrap_or(word);
        Some((plain(word, finder.facts.directory)?, "argv".to_owned()))
    }));
    let mut reader = Reader::new(finder.facts.root, Language::Ini, None, Given::new());
    for (path, origin) in files {
        reader.file(&path, &origin);
    }
    let configuration = finder.take(reader);
    let base = configuration.last("chdir").and_then(|path| plain(path, finder.facts.directory));
    finder.directives(&configuration, UWSGI, Some(base.as_deref().unwrap_or(finder.facts.directory)));
    finder.options(UWSGI_OPTIONS);
    if base.is_none() && !finder.arguments.has("--chdir") {
        finder.want(SOURCE, finder.facts.directory, "working directory");
    }
}
