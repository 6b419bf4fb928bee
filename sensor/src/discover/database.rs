//! Databases.

use super::Given;
use super::arguments::plain;
use super::directives::Reader;
use super::finder::{CONFIG, EXEC, Finder, MODULE, Main, Names, PLUGIN, Product, Rule, SQL, from_argument};
use super::languages::Language;
use bstr::{BString, ByteSlice};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// Those that are told by a table alone.
pub const PRODUCTS: &[Product] = &[
    Product {
        ids: &["mongodb"],
        // Its YAML names no directory of code; where it is read from counts.
        main: Main { options: &["-f", "--config"], usual: &["/etc/mongod.conf"], language: Language::Lines },
        directives: &[],
        options: &[],
    },
    Product {
        ids: &["clickhouse"],
        main: Main {
            options: &["--config-file", "-C", "--config"],
            usual: &["/etc/clickhouse-server/config.xml"],
            language: Language::Xml,
        },
        directives: &[
            Rule::new("user_scripts_path", Names::Directory, EXEC),
            Rule::new("user_defined_path", Names::Directory, SQL),
            Rule::new("dictionaries_lib_path", Names::Directory, MODULE),
            Rule::new("user_defined_executable_functions_config", Names::File, CONFIG),
            Rule::new("dictionaries_config", Names::File, CONFIG),
        ],
        options: &[],
    },
    Product {
        ids: &["couchdb"],
        main: Main {
            options: &["-couch_ini"],
            usual: &["/opt/couchdb/etc/local.ini", "/etc/couchdb/local.ini"],
            language: Language::Ini,
        },
        directives: &[],
        options: &[],
    },
    Product {
        ids: &["influxdb"],
        main: Main {
            options: &["-config", "--config"],
            usual: &["/etc/influxdb/influxdb.conf", "/etc/telegraf/telegraf.conf"],
            language: Language::Ini,
        },
        directives: &[],
        options: &[Rule::new("--plugin-dir", Names::Directory, PLUGIN)],
    },
];

const POSTGRESQL: &[Rule] = &[
    Rule::new("dynamic_library_path", Names::List(b':'), MODULE),
    Rule::new("hba_file", Names::File, CONFIG),
    Rule::new("ident_file", Names::File, CONFIG),
    Rule::new("data_directory", Names::Directory, CONFIG),
    Rule::new("extension_control_path", Names::List(b':'), SQL),
];
/// Libraries by name or path, with commas between them; a name alone is looked up in `dynamic_library_path`.
const PRELOADED: [&str; 3] = ["shared_preload_libraries", "session_preload_libraries", "local_preload_libraries"];

/// PostgreSQL: its data directory, where that keeps configuration, and its libraries.
pub fn postgresql(finder: &mut Finder<'_>) {
    let mut defined = Given::new();
    if let Some(library) = libraries(finder) {
        defined.insert("libdir".into(), BString::from(library.as_os_str().as_bytes()));
        finder.want(MODULE, library, "executable");
    }
    for share in shares(finder.facts.executable) {
        if finder.facts.root.directory(&share).is_ok() {
            finder.want(SQL, share, "executable");
        }
    }
    let data = data_directory(finder);
    let mut reader = Reader::new(finder.facts.root, Language::Ini, None, defined);
    match settings(finder, b"config_file") {
        Some(path) => reader.file(&path, "argv: config_file"),
        None => data.iter().for_each(|(data, origin)| reader.file(&data.join("postgresql.conf"), origin)),
    }
    if let Some((data, origin)) = &data {
        // `ALTER SYSTEM` writes it.
        reader.file(&data.join("postgresql.auto.conf"), origin);
    }
    let configuration = finder.take(reader);
    if let Some((data, origin)) = data {
        finder.want(CONFIG, data, origin);
    }
    finder.directives(&configuration, POSTGRESQL, None);
    for statement in &configuration.statements {
        let [name, value, ..] = statement.words.as_slice() else {
            continue;
        };
        if !PRELOADED.iter().any(|known| name == known) {
            continue;
        }
        let origin = configuration.origin(statement);
        let paths = value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii).filter(|one| one.starts_with(b"/"));
        for directory in paths.filter_map(|one| Some(plain(one, Path::new("/"))?.parent()?.to_owned())) {
            finder.want(MODULE, directory, origin.clone());
        }
    }
}

fn data_directory(finder: &Finder<'_>) -> Option<(PathBuf, String)> {
    if let Some((option, path)) = finder.arguments.path(&["-D", "--pgdata"]) {
        return Some((path, from_argument(option)));
    }
    if let Some(path) = settings(finder, b"data_directory") {
        return Some((path, "argv: data_directory".to_owned()));
    }
    if let Some(path) = finder.facts.environment.get("PGDATA").and_then(|path| plain(path, finder.facts.directory)) {
        return Some((path, "environment: PGDATA".to_owned()));
    }
    // It goes to its data directory; until then it is where it was started.
    let current = finder.facts.current.filter(|path| *path != Path::new("/"))?;
    let there = finder.facts.root.read(&current.join("PG_VERSION"), 1).is_some();
    there.then(|| (current.to_owned(), "working directory".to_owned()))
}

/// A setting on the command line: `-c name=value`, `--name=value`, `-` being as good as `_`.
fn settings(finder: &Finder<'_>, name: &[u8]) -> Option<PathBuf> {
    finder.arguments.words.iter().enumerate().skip(1).find_map(|(at, word)| {
        let after_c = finder.arguments.words[at - 1] == "-c";
        let setting =
            if after_c { &word[..] } else { word.strip_prefix(b"--").or_else(|| word.strip_prefix(b"-c"))? };
        let (known, value) = setting.split_once_str("=")?;
        if known.trim_ascii().replace("-", "_") != name {
            return None;
        }
        plain(value.trim_ascii(), finder.facts.directory)
    })
}

/// Where the program was installed to: `/usr/lib/postgresql/15` of `/usr/lib/postgresql/15/bin/postgres`.
fn prefix(executable: &[u8]) -> Option<&Path> {
    Path::new(OsStr::from_bytes(executable)).parent().and_then(Path::parent)
}

/// `$libdir`.
fn libraries(finder: &Finder<'_>) -> Option<PathBuf> {
    let prefix = prefix(finder.facts.executable)?;
    // As PostgreSQL's own installation has it: below a name of its own, if the prefix has not that name already.
    let own = prefix.join("lib/postgresql");
    if finder.facts.root.directory(&own).is_ok() {
        return Some(own);
    }
    (prefix.components().count() > 2).then(|| prefix.join("lib"))
}

fn shares(executable: &[u8]) -> Vec<PathBuf> {
    let Some(prefix) = prefix(executable) else {
        return Vec::new();
    };
    let mut shares = vec![prefix.join("share/extension"), prefix.join("share/postgresql/extension")];
    // Debian's has the version in its path.
    if let Some(version) = prefix.file_name().filter(|_| prefix.starts_with("/usr/lib/postgresql")) {
        shares.push(Path::new("/usr/share/postgresql").join(version).join("extension"));
    }
    shares
}

const MYSQL: &[Rule] = &[
    Rule::new("plugin_dir", Names::Directory, MODULE),
    Rule::new("init_file", Names::File, CONFIG),
    // `SET PERSIST` writes mysqld-auto.cnf there.
    Rule::new("datadir", Names::Directory, CONFIG),
    Rule::new("wsrep_notify_cmd", Names::Absolute, EXEC),
];
const MYSQL_OPTIONS: &[Rule] = &[
    Rule::new("--plugin-dir", Names::Directory, MODULE),
    Rule::new("--plugin_dir", Names::Directory, MODULE),
    Rule::new("--init-file", Names::File, CONFIG),
    Rule::new("--init_file", Names::File, CONFIG),
    Rule::new("--datadir", Names::Directory, CONFIG),
];

/// MySQL and MariaDB read all of their usual files.
pub fn mysql(finder: &mut Finder<'_>) {
    const USUAL: [&str; 4] = ["/etc/my.cnf", "/etc/mysql/my.cnf", "/usr/etc/my.cnf", "/opt/bitnami/mysql/conf/my.cnf"];
    let mut reader = Reader::new(finder.facts.root, Language::Ini, None, Given::new());
    if let Some((option, path)) = finder.arguments.path(&["--defaults-file"]) {
        reader.file(&path, &from_argument(option));
    } else if !finder.arguments.has("--no-defaults") {
        for path in USUAL {
            reader.file(Path::new(path), "usual place");
        }
        if let Some((option, path)) = finder.arguments.path(&["--defaults-extra-file"]) {
            reader.file(&path, &from_argument(option));
        }
    }
    let configuration = finder.take(reader);
    finder.directives(&configuration, MYSQL, None);
    finder.options(MYSQL_OPTIONS);
}

const REDIS: &[Rule] = &[
    Rule::new("dir", Names::Directory, MODULE),
    Rule::new("loadmodule", Names::File, MODULE),
    Rule::new("aclfile", Names::File, CONFIG),
];
const REDIS_OPTIONS: &[Rule] =
    &[Rule::new("--dir", Names::Directory, MODULE), Rule::new("--loadmodule", Names::File, MODULE)];

/// Redis writes its dump, whatever its name is, into `dir`, goes there, and `MODULE LOAD` takes files from anywhere.
pub fn redis(finder: &mut Finder<'_>) {
    const USUAL: &[&str] = &[
        "/etc/redis/redis.conf",
        "/etc/valkey/valkey.conf",
        "/etc/redis.conf",
        "/etc/redis/sentinel.conf",
        "/usr/local/etc/redis/redis.conf",
        "/opt/bitnami/redis/etc/redis.conf",
    ];
    // Once it runs, its arguments read `redis-server 127.0.0.1:6379`, and a file that was named there is not seen.
    let rewritten = finder.facts.argv.first().is_some_and(|title| title.contains(&b' '));
    let first = finder.arguments.words.get(1).filter(|word| !rewritten && !word.starts_with(b"-"));
    let named = first.and_then(|word| plain(word, finder.facts.directory)).map(|path| (path, "argv".to_owned()));
    let usual = || if rewritten { finder.usual_files(USUAL) } else { Vec::new() };
    let files = named.map_or_else(usual, |file| vec![file]);
    let mut reader =
        Reader::new(finder.facts.root, Language::Lines, Some(finder.facts.directory.to_owned()), Given::new());
    for (path, origin) in files {
        reader.file(&path, &origin);
    }
    let configuration = finder.take(reader);
    finder.directives(&configuration, REDIS, Some(finder.facts.directory));
    finder.options(REDIS_OPTIONS);
    let told = configuration.last("dir").is_some() || finder.arguments.has("--dir");
    match finder.facts.current.filter(|path| *path != Path::new("/")) {
        Some(current) => finder.want(MODULE, current, "working directory"),
        None if !told => finder.want(MODULE, finder.facts.directory, "working directory"),
        None => {}
    }
}
