//! Where a running server really loads from, beyond the catalogue's usual places: its arguments, its working directory,
//! and the few directives of its configuration that name directories.
//!
//! Comes in: a process, its arguments, its server kind. Goes out: further patterns for [`crate::watch`]. This is the
//! simple form: configuration files are read as words, following includes up to a bound; variables, conditions and what
//! is said by environment or registry are not understood, and such values are left out.

mod directives;

use crate::procfs::Root;
use crate::watch::Wanted;
use bstr::{BString, ByteSlice};
use directives::{Language, directives};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// What is known of the process.
pub struct Facts<'a> {
    /// Its root directory.
    pub root: &'a Root,
    /// Its executable.
    pub executable: &'a [u8],
    /// Its arguments.
    pub argv: &'a [BString],
    /// Its working directory.
    pub directory: &'a Path,
}

/// Further places that a server of that catalogue id loads components from.
pub fn discover(server: &str, facts: &Facts<'_>) -> Vec<Wanted> {
    let words = words(facts.argv);
    let arguments = Arguments { words: &words, directory: facts.directory };
    if arguments.has("-S") && server.starts_with("php") {
        let root = arguments.path(&["-t"]).unwrap_or_else(|| facts.directory.to_owned());
        return vec![Wanted::new("script_docroot", root)];
    }
    match server {
        "nginx" => nginx(facts, &arguments),
        "apache-httpd" => apache(facts, &arguments),
        "lighttpd" => lighttpd(facts, &arguments),
        "redis" => redis(facts, &arguments),
        "postgresql" => beside_executable(facts, "lib"),
        "mysql-mariadb" => arguments.path(&["--plugin-dir", "--plugin_dir"]).map(module).into_iter().collect(),
        "tomcat" => tomcat(&arguments),
        "nodejs" | "python" | "python-wsgi" | "java" => application(facts, &arguments),
        _ => Vec::new(),
    }
}

fn module(path: PathBuf) -> Wanted {
    Wanted::new("native_module", path)
}

fn nginx(facts: &Facts<'_>, arguments: &Arguments<'_>) -> Vec<Wanted> {
    let prefix = arguments.path(&["-p"]);
    let file = arguments.relative_to(&["-c"], prefix.as_deref().unwrap_or(Path::new("/etc/nginx")));
    let file = file.unwrap_or_else(|| match &prefix {
        Some(prefix) => prefix.join("conf/nginx.conf"),
        None => PathBuf::from("/etc/nginx/nginx.conf"),
    });
    // Values without a leading slash are below the prefix; Debian's is compiled in.
    let prefix = prefix.unwrap_or_else(|| PathBuf::from("/usr/share/nginx"));
    let includes = file.parent().unwrap_or(Path::new("/")).to_owned();
    let mut wanted = Vec::new();
    for words in directives(facts.root, &file, &includes, Language::Braces) {
        match words.as_slice() {
            [name, value, ..] if name == "root" || name == "alias" => {
                wanted.extend(plain(value, &prefix).map(|path| Wanted::new("script_docroot", path)));
            }
            [name, value, ..] if name == "load_module" => {
                let directory = plain(value, &prefix).and_then(|path| Some(path.parent()?.to_owned()));
                wanted.extend(directory.map(module));
            }
            _ => {}
        }
    }
    wanted
}

fn apache(facts: &Facts<'_>, arguments: &Arguments<'_>) -> Vec<Wanted> {
    const USUAL: [&str; 3] =
        ["/etc/apache2/apache2.conf", "/etc/httpd/conf/httpd.conf", "/usr/local/apache2/conf/httpd.conf"];
    let server_root = arguments.path(&["-d"]);
    let named = arguments.relative_to(&["-f"], server_root.as_deref().unwrap_or(facts.directory));
    let exists = |path: &str| facts.root.read(Path::new(path), 1).is_some();
    let Some(file) = named.or_else(|| USUAL.iter().find(|path| exists(path)).map(PathBuf::from)) else {
        return Vec::new();
    };
    let mut server_root = server_root.unwrap_or_else(|| file.parent().unwrap_or(Path::new("/")).to_owned());
    let mut wanted = Vec::new();
    for words in directives(facts.root, &file, &server_root.clone(), Language::Lines) {
        let [name, value, ..] = words.as_slice() else {
            continue;
        };
        let kind = match name.to_ascii_lowercase().as_slice() {
            b"serverroot" => {
                server_root = plain(value, &server_root).unwrap_or(server_root);
                continue;
            }
            b"documentroot" => "script_docroot",
            b"scriptalias" => {
                let target = words.get(2).and_then(|target| plain(target, &server_root));
                wanted.extend(target.map(|path| Wanted::new("exec_script", path)));
                continue;
            }
            b"loadmodule" => {
                let file = words.get(2).and_then(|file| plain(file, &server_root));
                wanted.extend(file.and_then(|file| Some(module(file.parent()?.to_owned()))));
                continue;
            }
            _ => continue,
        };
        wanted.extend(plain(value, &server_root).map(|path| Wanted::new(kind, path)));
    }
    wanted.sort();
    wanted.dedup();
    wanted
}

fn lighttpd(facts: &Facts<'_>, arguments: &Arguments<'_>) -> Vec<Wanted> {
    let file = arguments.path(&["-f"]).unwrap_or_else(|| PathBuf::from("/etc/lighttpd/lighttpd.conf"));
    let includes = file.parent().unwrap_or(Path::new("/")).to_owned();
    directives(facts.root, &file, &includes, Language::Lines)
        .iter()
        .filter_map(|words| match words.as_slice() {
            [name, equals, value, ..] if name == "server.document-root" && equals == "=" => {
                plain(value, facts.directory).map(|path| Wanted::new("script_docroot", path))
            }
            _ => None,
        })
        .collect()
}

/// Redis writes its dump, whatever its name is, into `dir`, and `MODULE LOAD` takes files from anywhere.
fn redis(facts: &Facts<'_>, arguments: &Arguments<'_>) -> Vec<Wanted> {
    let file =
        arguments.words.get(1).filter(|word| word.ends_with(b".conf")).and_then(|word| plain(word, facts.directory));
    let configured = file.iter().flat_map(|file| directives(facts.root, file, facts.directory, Language::Lines));
    let mut dir = configured.filter_map(|words| match words.as_slice() {
        [name, value, ..] if name.eq_ignore_ascii_case(b"dir") => plain(value, facts.directory),
        _ => None,
    });
    let dir = arguments.path(&["--dir"]).or_else(|| dir.next_back()).unwrap_or_else(|| facts.directory.to_owned());
    vec![module(dir)]
}

fn tomcat(arguments: &Arguments<'_>) -> Vec<Wanted> {
    let property = |name: &str| {
        let value = arguments.words.iter().find_map(|word| word.strip_prefix(name.as_bytes()))?;
        plain(value, arguments.directory)
    };
    let mut wanted = Vec::new();
    if let Some(base) = property("-Dcatalina.base=") {
        wanted.push(Wanted::new("webapp", base.join("webapps")));
        wanted.push(Wanted::new("webapp", base.join("lib")));
    }
    if let Some(home) = property("-Dcatalina.home=") {
        wanted.push(Wanted::new("webapp", home.join("lib")));
    }
    wanted
}

/// `/opt/pg/bin/postgres` loads from `/opt/pg/lib`.
fn beside_executable(facts: &Facts<'_>, name: &str) -> Vec<Wanted> {
    let executable = Path::new(std::ffi::OsStr::from_bytes(facts.executable));
    let prefix = executable.parent().and_then(Path::parent).filter(|prefix| prefix.components().count() > 2);
    prefix.map(|prefix| module(prefix.join(name))).into_iter().collect()
}

/// A runtime: where its script lies, and where it was told to go, or else its working directory.
fn application(facts: &Facts<'_>, arguments: &Arguments<'_>) -> Vec<Wanted> {
    let mut wanted = Vec::new();
    let script = arguments.words.iter().skip(1).find(|word| !word.starts_with(b"-"));
    let suffixes: [&[u8]; 6] = [b".js", b".mjs", b".cjs", b".py", b".rb", b".jar"];
    let script = script.filter(|word| suffixes.iter().any(|suffix| word.ends_with(suffix)));
    let script = script.and_then(|word| plain(word, facts.directory));
    if let Some(directory) = script.as_deref().and_then(Path::parent) {
        wanted.push(Wanted::new("app_source", directory));
    }
    let told = arguments.path(&["--chdir", "--pythonpath", "--chdir2"]);
    if told.is_some() || wanted.is_empty() {
        wanted.push(Wanted::new("app_source", told.unwrap_or_else(|| facts.directory.to_owned())));
    }
    wanted
}

/// The arguments of a process that may have written a title over them (`nginx: master process nginx -c FILE`).
fn words(argv: &[BString]) -> Vec<BString> {
    let Some(title) = argv.first().filter(|first| first.find(b": ").is_some()) else {
        return argv.to_vec();
    };
    let after = title.find(b"process ").map_or(&title[..], |at| &title[at + 8..]);
    after.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).map(BString::from).collect()
}

struct Arguments<'a> {
    words: &'a [BString],
    directory: &'a Path,
}

impl Arguments<'_> {
    fn has(&self, option: &str) -> bool {
        self.words.iter().any(|word| word == option)
    }

    /// The value of one of the options: `-c VALUE`, `-cVALUE`, `--chdir VALUE`, `--chdir=VALUE`.
    fn value(&self, options: &[&str]) -> Option<&[u8]> {
        for (at, word) in self.words.iter().enumerate().skip(1) {
            for option in options {
                let Some(rest) = word.strip_prefix(option.as_bytes()) else {
                    continue;
                };
                if rest.is_empty() {
                    return self.words.get(at + 1).map(|value| value.as_slice());
                }
                if let Some(value) = rest.strip_prefix(b"=") {
                    return Some(value);
                }
                if !option.starts_with("--") {
                    return Some(rest);
                }
            }
        }
        None
    }

    fn relative_to(&self, options: &[&str], directory: &Path) -> Option<PathBuf> {
        self.value(options).and_then(|value| plain(value, directory))
    }

    fn path(&self, options: &[&str]) -> Option<PathBuf> {
        self.relative_to(options, self.directory)
    }
}

/// A path made absolute. From the first name that holds a variable on, it is not known, and the directory above counts.
fn plain(value: &[u8], directory: &Path) -> Option<PathBuf> {
    let value = Path::new(std::ffi::OsStr::from_bytes(value));
    let mut path = if value.is_absolute() { PathBuf::from("/") } else { directory.to_owned() };
    for part in value.components() {
        match part {
            std::path::Component::Normal(name) if name.as_bytes().contains(&b'$') => {
                return (path.components().count() > 2).then_some(path);
            }
            std::path::Component::Normal(name) => path.push(name),
            std::path::Component::ParentDir => {
                path.pop();
            }
            _ => {}
        }
    }
    path.is_absolute().then_some(path)
}

#[cfg(test)]
mod tests;
