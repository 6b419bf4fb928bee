//! Web servers and proxies.

use super::Given;
use super::arguments::plain;
use super::directives::Reader;
use super::finder::{CONFIG, DOCROOT, EXEC, Finder, MODULE, Main, Names, Product, Rule, SOURCE, from_argument};
use super::languages::Language;
use super::php;
use bstr::{BString, ByteSlice};
use std::path::{Path, PathBuf};

/// Those that are told by a table alone.
pub const PRODUCTS: &[Product] = &[
    Product {
        ids: &["lighttpd"],
        main: Main { options: &["-f"], usual: &["/etc/lighttpd/lighttpd.conf"], language: Language::Ini },
        directives: &[
            Rule::new("server.document_root", Names::Directory, DOCROOT),
            Rule::new("simple_vhost.server_root", Names::Directory, DOCROOT),
            Rule::new("magnet.attract_physical_path_to", Names::File, SOURCE),
            Rule::new("magnet.attract_raw_url_to", Names::File, SOURCE),
        ],
        options: &[Rule::new("-m", Names::Directory, MODULE)],
    },
    Product {
        ids: &["haproxy"],
        main: Main {
            options: &["-f"],
            usual: &["/etc/haproxy/haproxy.cfg", "/usr/local/etc/haproxy/haproxy.cfg"],
            language: Language::Lines,
        },
        directives: &[
            Rule::new("lua_load", Names::File, SOURCE),
            Rule::new("lua_load_per_thread", Names::File, SOURCE),
            Rule::new("lua_prepend_path", Names::List(b';'), SOURCE),
            Rule::new("external_check", Names::Absolute, EXEC).last(),
            Rule::new("command", Names::Absolute, EXEC),
        ],
        options: &[],
    },
    Product {
        ids: &["caddy"],
        main: Main {
            options: &["--config", "-config"],
            usual: &["/etc/caddy/Caddyfile", "/usr/local/etc/caddy/Caddyfile"],
            language: Language::Lines,
        },
        directives: &[Rule::new("root", Names::Directory, DOCROOT).last()],
        options: &[Rule::new("--root", Names::Directory, DOCROOT)],
    },
    Product {
        ids: &["varnish"],
        main: Main { options: &["-f"], usual: &["/etc/varnish/default.vcl"], language: Language::Braces },
        directives: &[Rule::new("import", Names::Absolute, MODULE).word(3)],
        options: &[],
    },
];

const NGINX: &[Rule] = &[
    Rule::new("root", Names::Directory, DOCROOT),
    Rule::new("alias", Names::Directory, DOCROOT),
    Rule::new("load_module", Names::File, MODULE),
    Rule::new("perl_modules", Names::Directory, SOURCE),
    Rule::new("js_path", Names::Directory, SOURCE),
    Rule::new("js_import", Names::File, SOURCE).last(),
    Rule::new("js_include", Names::File, SOURCE),
    Rule::new("lua_package_path", Names::List(b';'), SOURCE),
    Rule::new("lua_package_cpath", Names::List(b';'), MODULE),
    Rule::new("*_by_lua_file", Names::File, SOURCE),
];

/// nginx: modules and scripts begin at its prefix, includes at the configuration file.
pub fn nginx(finder: &mut Finder<'_>) {
    let told = finder.arguments.path(&["-p"]).map(|(_, prefix)| prefix);
    let base = told.as_deref().unwrap_or(Path::new("/etc/nginx"));
    let (file, origin) = match (finder.arguments.path_below(&["-c"], base), &told) {
        (Some((option, file)), _) => (file, from_argument(option)),
        (None, Some(prefix)) => (prefix.join("conf/nginx.conf"), from_argument("-p")),
        (None, None) => {
            let usual = [
                "/etc/nginx/nginx.conf",
                "/usr/local/openresty/nginx/conf/nginx.conf",
                "/usr/local/nginx/conf/nginx.conf",
                "/opt/bitnami/nginx/conf/nginx.conf",
            ];
            let Some(found) = finder.usual_files(&usual).into_iter().next() else {
                return;
            };
            found
        }
    };
    // Debian's prefix is compiled in; that of others holds `conf`.
    let below_conf = file.parent().filter(|parent| parent.ends_with("conf")).and_then(Path::parent);
    let prefix = told.or_else(|| below_conf.map(Path::to_owned)).unwrap_or_else(|| PathBuf::from("/usr/share/nginx"));
    let mut reader = Reader::new(finder.facts.root, Language::Braces, file.parent().map(Path::to_owned), Given::new());
    reader.file(&file, &origin);
    for (_, text) in finder.arguments.values(&["-g"]) {
        reader.text(text);
    }
    let configuration = finder.take(reader);
    finder.directives(&configuration, NGINX, Some(&prefix));
}

const APACHE: &[Rule] = &[
    Rule::new("documentroot", Names::Directory, DOCROOT),
    Rule::new("virtualdocumentroot", Names::Directory, DOCROOT),
    Rule::new("alias", Names::Directory, DOCROOT).word(2),
    Rule::new("aliasmatch", Names::Directory, DOCROOT).word(2),
    Rule::new("scriptalias", Names::Directory, EXEC).word(2),
    Rule::new("scriptaliasmatch", Names::Directory, EXEC).word(2),
    Rule::new("wsgiscriptalias", Names::File, SOURCE).word(2),
    Rule::new("wsgipythonpath", Names::List(b':'), SOURCE),
    Rule::new("loadmodule", Names::File, MODULE).word(2),
    Rule::new("loadfile", Names::File, MODULE),
    Rule::new("luahookmapper", Names::File, SOURCE),
    Rule::new("perlrequire", Names::File, SOURCE),
    Rule::new("passengerapproot", Names::Directory, SOURCE),
];

/// Apache: everything relative begins at `ServerRoot`; Debian's `envvars` gives names.
pub fn apache(finder: &mut Finder<'_>) {
    const USUAL: &[&str] = &[
        "/etc/apache2/apache2.conf",
        "/etc/httpd/conf/httpd.conf",
        "/usr/local/apache2/conf/httpd.conf",
        "/etc/apache2/httpd.conf",
        "/opt/bitnami/apache/conf/httpd.conf",
    ];
    let mut defined = finder.facts.environment.all();
    let variable = finder.facts.environment.get("APACHE_CONFDIR").and_then(|value| plain(value, Path::new("/")));
    let told = finder.arguments.path(&["-d"]).map(|(_, root)| root).or_else(|| variable.clone());
    let base = told.as_deref().unwrap_or(finder.facts.directory);
    let named = finder.arguments.path_below(&["-f"], base).map(|(option, file)| (file, from_argument(option)));
    let by_variable = || {
        let file = variable.as_ref()?.join("apache2.conf");
        finder.facts.root.read(&file, 1).map(|_| (file, "environment: APACHE_CONFDIR".to_owned()))
    };
    let Some((file, origin)) = named.or_else(by_variable).or_else(|| finder.usual_files(USUAL).into_iter().next())
    else {
        return;
    };
    let beside = file.parent().unwrap_or(Path::new("/"));
    // `/etc/httpd/conf/httpd.conf` belongs to `/etc/httpd`, which it says itself too.
    let server_root = told.unwrap_or_else(|| beside.to_owned());
    add_envvars(finder, beside, &mut defined);
    defined.entry("APACHE_CONFDIR".into()).or_insert_with(|| path_bytes(&server_root));
    let mut reader = Reader::new(finder.facts.root, Language::Lines, Some(server_root.clone()), defined);
    reader.file(&file, &origin);
    let configuration = finder.take(reader);
    let stated = configuration.last("serverroot").and_then(|value| plain(value, &server_root));
    finder.directives(&configuration, APACHE, Some(&stated.unwrap_or(server_root)));
    let modules = configuration.statements.iter().filter(|statement| statement.words[0] == "loadmodule");
    if modules.into_iter().any(|statement| statement.words.get(1).is_some_and(|name| name.starts_with(b"php"))) {
        php::settings(finder, "apache2");
    }
}

/// `export APACHE_RUN_DIR=/var/run/apache2$SUFFIX`: a shell script, of which the plain settings are taken.
fn add_envvars(finder: &mut Finder<'_>, directory: &Path, defined: &mut Given) {
    const MAX_BYTES: u64 = 65_536;
    let Some(text) = finder.facts.root.read(&directory.join("envvars"), MAX_BYTES) else {
        return;
    };
    finder.want(CONFIG, directory.join("envvars"), "usual place");
    for line in text.lines().map(<[u8]>::trim_ascii) {
        let setting = line.strip_prefix(b"export ").and_then(|setting| setting.split_once_str("="));
        if let Some((name, value)) = setting.filter(|(name, _)| name.starts_with(b"APACHE_")) {
            let value = value.trim_with(|letter| letter == '"' || letter == '\'').replace("$SUFFIX", "");
            defined.entry(BString::from(name)).or_insert_with(|| BString::from(value));
        }
    }
}

fn path_bytes(path: &Path) -> BString {
    BString::from(path.as_os_str().as_encoded_bytes())
}
