//! PHP: its built-in server, PHP-FPM, and the module in Apache.

use super::Given;
use super::arguments::plain;
use super::directives::Reader;
use super::finder::{CONFIG, DOCROOT, Finder, MODULE, Names, Rule, SOURCE, from_argument};
use super::languages::Language;
use bstr::ByteSlice;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Settings of php.ini.
const SETTINGS: &[Rule] = &[
    Rule::new("extension_dir", Names::Directory, MODULE),
    Rule::new("doc_root", Names::Directory, DOCROOT),
    Rule::new("auto_prepend_file", Names::File, DOCROOT),
    Rule::new("auto_append_file", Names::File, DOCROOT),
    Rule::new("opcache.preload", Names::File, SOURCE),
];
/// Settings of a pool of PHP-FPM.
const POOLS: &[Rule] = &[
    Rule::new("chdir", Names::Directory, DOCROOT),
    Rule::new("php_admin_value[extension_dir]", Names::Directory, MODULE),
    Rule::new("php_value[extension_dir]", Names::Directory, MODULE),
    Rule::new("php_admin_value[doc_root]", Names::Directory, DOCROOT),
    Rule::new("php_value[doc_root]", Names::Directory, DOCROOT),
    Rule::new("php_admin_value[auto_prepend_file]", Names::File, DOCROOT),
    Rule::new("php_value[auto_prepend_file]", Names::File, DOCROOT),
];
/// Where modules are without a setting, by distribution.
const USUAL_MODULES: &[&str] = &[
    "/usr/lib/php/20[0-9]*",
    "/usr/lib64/php/modules",
    "/usr/lib/php[78]*/modules",
    "/usr/local/lib/php/extensions/*",
    "/opt/bitnami/php/lib/php/extensions",
];

/// `php -S ADDRESS [-t DIRECTORY]`: whether it is that.
pub fn built_in_server(finder: &mut Finder<'_>) -> bool {
    if !finder.arguments.has("-S") {
        return false;
    }
    match finder.arguments.path(&["-t"]) {
        Some((option, path)) => finder.want(DOCROOT, path, from_argument(option)),
        None => finder.want(DOCROOT, finder.facts.directory, "working directory"),
    }
    true
}

/// PHP-FPM: its pools, and PHP's settings.
pub fn fpm(finder: &mut Finder<'_>) {
    let version = version(finder.facts.executable);
    let usual = [
        format!("/etc/php/{version}/fpm/php-fpm.conf"),
        "/etc/php-fpm.conf".to_owned(),
        "/usr/local/etc/php-fpm.conf".to_owned(),
        "/etc/php[78]*/php-fpm.conf".to_owned(),
        "/opt/bitnami/php/etc/php-fpm.conf".to_owned(),
    ];
    let told = finder.arguments.path(&["-y", "--fpm-config"]).map(|(option, path)| (path, from_argument(option)));
    let files = match told.or_else(|| from_title(finder)) {
        Some(file) => vec![file],
        None => finder.usual_files(&usual.each_ref().map(String::as_str)),
    };
    let mut reader = Reader::new(finder.facts.root, Language::Ini, None, Given::new());
    for (path, origin) in files {
        reader.file(&path, &origin);
    }
    let configuration = finder.take(reader);
    finder.directives(&configuration, POOLS, None);
    settings(finder, "fpm");
}

/// `php-fpm: master process (/etc/php/8.2/fpm/php-fpm.conf)`.
fn from_title(finder: &Finder<'_>) -> Option<(PathBuf, String)> {
    let title = finder.facts.argv.first()?;
    let (_, rest) = title.split_once_str("master process (")?;
    let path = Path::new(OsStr::from_bytes(rest.split_once_str(")")?.0));
    path.is_absolute().then(|| (path.to_owned(), "process title".to_owned()))
}

/// PHP's own settings, for one of the ways in which it is run (`fpm`, `apache2`).
pub fn settings(finder: &mut Finder<'_>, way: &str) {
    let mut set = false;
    // `-d extension_dir=/x` comes over all files.
    let definitions: Vec<PathBuf> = finder
        .arguments
        .values(&["-d", "--define"])
        .filter_map(|(_, value)| value.strip_prefix(b"extension_dir="))
        .filter_map(|value| plain(value, finder.facts.directory))
        .collect();
    for path in definitions {
        set = true;
        finder.want(MODULE, path, from_argument("-d"));
    }
    // An `-n` of Apache is another.
    if way == "apache2" || !(finder.arguments.has("-n") || finder.arguments.has("--no-php-ini")) {
        set |= read_settings(finder, way);
    }
    if !set {
        for place in USUAL_MODULES {
            if !finder.facts.root.matches(Path::new(place)).is_empty() {
                finder.want(MODULE, *place, "usual place");
            }
        }
    }
}

/// Whether they say where modules are.
fn read_settings(finder: &mut Finder<'_>, way: &str) -> bool {
    let version = version(finder.facts.executable);
    let (file, beside) = main_file(finder, way, &version);
    let mut reader = Reader::new(finder.facts.root, Language::Ini, None, Given::new());
    if let Some((path, origin)) = &file {
        reader.file(path, origin);
    }
    let mut directories: Vec<(PathBuf, String)> = Vec::new();
    if let Some(value) = finder.facts.environment.get("PHP_INI_SCAN_DIR") {
        let origin = "environment: PHP_INI_SCAN_DIR".to_owned();
        let paths = value.split(|byte| *byte == b':').filter(|path| !path.is_empty());
        directories.extend(paths.filter_map(|path| Some((plain(path, finder.facts.directory)?, origin.clone()))));
    }
    if directories.is_empty() {
        let places = [beside.map(|beside| beside.join("conf.d")), Some(PathBuf::from("/etc/php.d"))];
        directories.extend(places.into_iter().flatten().map(|path| (path, "usual place".to_owned())));
    }
    for (directory, origin) in directories {
        for path in finder.facts.root.matches(&directory.join("*.ini")) {
            reader.file(&path, &origin);
        }
        if finder.facts.root.directory(&directory).is_ok() {
            finder.want(CONFIG, directory, origin);
        }
    }
    let configuration = finder.take(reader);
    finder.directives(&configuration, SETTINGS, None);
    // Extensions that are named by a path; a name alone is looked up in `extension_dir`.
    for statement in &configuration.statements {
        let [name, value, ..] = statement.words.as_slice() else {
            continue;
        };
        if (name == "extension" || name == "zend_extension") && value.starts_with(b"/") {
            let directory = plain(value, Path::new("/")).and_then(|path| Some(path.parent()?.to_owned()));
            let origin = configuration.origin(statement);
            if let Some(directory) = directory {
                finder.want(MODULE, directory, origin);
            }
        }
    }
    configuration.last("extension_dir").is_some()
}

/// php.ini, and the directory where `conf.d` is.
fn main_file(finder: &Finder<'_>, way: &str, version: &str) -> (Option<(PathBuf, String)>, Option<PathBuf>) {
    let option = if way == "apache2" { None } else { finder.arguments.path(&["-c", "--php-ini"]) };
    let told = option.map(|(option, path)| (path, from_argument(option))).or_else(|| {
        let path = plain(finder.facts.environment.get("PHPRC")?, finder.facts.directory)?;
        Some((path, "environment: PHPRC".to_owned()))
    });
    let usual = [
        format!("/etc/php/{version}/{way}/php.ini"),
        "/etc/php.ini".to_owned(),
        "/usr/local/etc/php/php.ini".to_owned(),
        "/etc/php[78]*/php.ini".to_owned(),
        "/opt/bitnami/php/etc/php.ini".to_owned(),
    ];
    let found = finder.usual_files(&usual.each_ref().map(String::as_str)).into_iter().next();
    // The official image has no php.ini, but a `conf.d` where it would be.
    let beside = found.as_ref().and_then(|(path, _)| Some(path.parent()?.to_owned()));
    let beside = beside.or_else(|| Some(PathBuf::from("/usr/local/etc/php")));
    match told {
        Some((path, origin)) if finder.facts.root.directory(&path).is_ok() => {
            (Some((path.join("php.ini"), origin)), beside)
        }
        Some(file) => (Some(file), beside),
        None => (found, beside),
    }
}

/// `8.2` of `/usr/sbin/php-fpm8.2`; any, if the name does not say it.
fn version(executable: &[u8]) -> String {
    let name = executable.rsplit_str("/").next().unwrap_or_default();
    let digits = name.iter().position(u8::is_ascii_digit).map_or(&b""[..], |at| &name[at..]);
    let known = !digits.is_empty() && digits.iter().all(|byte| byte.is_ascii_digit() || *byte == b'.');
    if known { digits.to_str_lossy().into_owned() } else { "*".to_owned() }
}
