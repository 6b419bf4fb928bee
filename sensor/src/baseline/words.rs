//! What stays of one word of a command line: its class, never its value.
//!
//! Comes in: bytes. Goes out: printable ASCII. Always holds: a class says nothing of a value but what sort of thing it is;
//! only names of commands and options, and paths of scripts, are kept, and those only as far as they look like names.

/// Longest name of a command that is kept.
const MAX_NAME: usize = 40;
/// Longest part without a separator of a name that is kept: longer ones are keys, tokens, digests.
const MAX_PLAIN: usize = 24;

/// Directories by class; the first that fits counts.
const DIRECTORIES: &[(&str, &str)] = &[
    ("/tmp", "TMP"),
    ("/var/tmp", "TMP"),
    ("/dev/shm", "TMP"),
    ("/memfd:", "MEMFD"),
    ("/dev", "DEV"),
    ("/proc", "PROC"),
    ("/sys", "SYS"),
    ("/etc", "ETC"),
    ("/usr", "USR"),
    ("/bin", "USR"),
    ("/sbin", "USR"),
    ("/lib", "USR"),
    ("/lib64", "USR"),
    ("/opt", "OPT"),
    ("/home", "HOME"),
    ("/root", "HOME"),
    ("/srv", "WEB"),
    ("/var/www", "WEB"),
    ("/var/log", "LOG"),
    ("/run", "RUN"),
    ("/var/run", "RUN"),
];

/// Where the system keeps its commands: a name alone means one of these.
const COMMANDS: &[&str] = &["/bin", "/sbin", "/usr/bin", "/usr/sbin", "/usr/local/bin", "/usr/local/sbin"];

/// Single-dash options that begin like an attached password and are none.
const BEGIN_WITH_P: &[&str] = &[
    "-page",
    "-pass",
    "-passin",
    "-passout",
    "-password",
    "-path",
    "-perm",
    "-pid",
    "-pointsize",
    "-port",
    "-preset",
    "-print",
    "-printf",
    "-profile",
    "-prune",
];

/// Names of runtimes whose version is often written behind without a dot.
const VERSIONED: &[&str] =
    &["python", "pypy", "perl", "ruby", "php", "php-fpm", "php-cgi", "lua", "node", "nodejs", "tclsh", "java"];

/// The class of an argument: `PATH` or the class of its directory, `URL`, `MAIL`, `ADDR`, numbers with `N` for their
/// digits, and `S` for everything else, quoted or not.
pub fn class(text: &[u8]) -> String {
    let Ok(text) = str::from_utf8(text) else {
        return "S".to_owned();
    };
    if text == "-" {
        return text.to_owned();
    }
    if text.contains("://") {
        return "URL".to_owned();
    }
    if text.starts_with('/') || text.starts_with("./") || text.starts_with("../") {
        return directory(text).to_owned();
    }
    if text.is_empty() || text.contains(|letter: char| letter.is_whitespace() || letter.is_control()) {
        return "S".to_owned();
    }
    if text.starts_with('~') {
        return "HOME".to_owned();
    }
    if text.parse::<std::net::IpAddr>().is_ok() || text.parse::<std::net::SocketAddr>().is_ok() {
        return "ADDR".to_owned();
    }
    if let Some(number) = number(text) {
        return number;
    }
    let at = text.find('@').is_some_and(|at| at > 0 && at + 1 < text.len());
    if at {
        "MAIL".to_owned()
    } else if text.contains('/') {
        "PATH".to_owned()
    } else {
        "S".to_owned()
    }
}

/// `300x300` is `NxN`, `-5%` is `-N%`, `2026-01-31` is `N-N-N`.
fn number(text: &str) -> Option<String> {
    let allowed = |letter: char| letter.is_ascii_digit() || "+-.,:x%kKmMgGs".contains(letter);
    if text.len() > MAX_PLAIN || !text.contains(|letter: char| letter.is_ascii_digit()) || !text.chars().all(allowed) {
        return None;
    }
    Some(without_digits(text))
}

/// Each run of digits, with dots between them, as one `N`.
fn without_digits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut letters = text.chars().peekable();
    while let Some(letter) = letters.next() {
        if !letter.is_ascii_digit() {
            out.push(letter);
            continue;
        }
        while letters.next_if(|next| next.is_ascii_digit() || *next == '.').is_some() {}
        out.push('N');
    }
    out
}

/// `/dev/null` and its like as they are, for they say much and hide nothing; else the class of the directory.
fn directory(path: &str) -> &str {
    const DEVICES: &[&str] = &["/dev/null", "/dev/stdin", "/dev/stdout", "/dev/stderr", "/dev/zero", "/dev/urandom"];
    if DEVICES.contains(&path) {
        return path;
    }
    // A way up leads somewhere else than the beginning says.
    if path.split('/').any(|part| part == "..") {
        return "PATH";
    }
    for network in ["/dev/tcp", "/dev/udp"] {
        if is_below(path, network) {
            return network;
        }
    }
    DIRECTORIES.iter().find(|(directory, _)| is_below(path, directory)).map_or("PATH", |(_, class)| class)
}

fn is_below(path: &str, directory: &str) -> bool {
    let rest = path.strip_prefix(directory);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/') || directory.ends_with(':'))
}

/// An option, or `None` if the word is none. `--name=value` keeps the name, `-xvalue` the letter.
pub fn option(text: &[u8]) -> Option<String> {
    let rest = text.strip_prefix(b"-").filter(|rest| !rest.is_empty())?;
    if rest[0].is_ascii_digit() {
        return None;
    }
    if text == b"--" {
        return Some("--".to_owned());
    }
    if let Some(long) = rest.strip_prefix(b"-") {
        let end = long.iter().position(|byte| *byte == b'=');
        let name = name_of_option(&long[..end.unwrap_or(long.len())], 32);
        let value = end.map_or_else(String::new, |end| format!("={}", class(&long[end + 1..])));
        return Some(format!("--{}{value}", name.unwrap_or("S")));
    }
    let short = name_of_option(rest, 12).filter(|name| name.bytes().all(|byte| !byte.is_ascii_digit()));
    match short {
        Some(name) if name.len() == 1 || !name.starts_with(['p', 'P']) => Some(format!("-{name}")),
        Some(name) if BEGIN_WITH_P.contains(&format!("-{name}").as_str()) => Some(format!("-{name}")),
        // `-pSECRET`, `-n5`, `-fsomebody@example.com`.
        _ if rest[0].is_ascii_alphabetic() => Some(format!("-{}{}", char::from(rest[0]), class(&rest[1..]))),
        _ => Some("-S".to_owned()),
    }
}

fn name_of_option(text: &[u8], most: usize) -> Option<&str> {
    let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'-' || *byte == b'_';
    let name = str::from_utf8(text).ok().filter(|name| !name.is_empty() && name.len() <= most)?;
    (text.iter().all(allowed) && !is_token(name)).then_some(name)
}

/// The command that is meant: its name alone if it is one of the system's, else with the class of its directory.
pub fn command(text: &[u8]) -> String {
    let Ok(text) = str::from_utf8(text) else {
        return "S".to_owned();
    };
    let text = text.strip_suffix(" (deleted)").unwrap_or(text);
    let Some((before, name)) = text.rsplit_once('/') else {
        return plain_name(text).unwrap_or("S").to_owned();
    };
    if COMMANDS.contains(&before) {
        return plain_name(name).unwrap_or("S").to_owned();
    }
    match if text.starts_with('/') { directory(text) } else { "PATH" } {
        // Names there are anybody's.
        class @ ("TMP" | "MEMFD") => format!("{class}/S"),
        class => format!("{class}/{}", plain_name(name).unwrap_or("S")),
    }
}

/// A name without its version: `python3.11` is `python`, and `base64` stays.
fn plain_name(name: &str) -> Option<&str> {
    let end = |letter: char| letter.is_ascii_digit() || letter == '.';
    let stem = name.trim_end_matches(end).trim_end_matches('-');
    let versioned = !stem.is_empty() && (VERSIONED.contains(&stem) || name[stem.len()..].contains('.'));
    let name = if versioned { stem } else { name };
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+:-[]!".contains(&byte);
    (!name.is_empty() && name.len() <= MAX_NAME && name.bytes().all(allowed) && !is_token(name)).then_some(name)
}

/// Whether it looks made by a machine: a long part without separators, a digest, a UUID, random letters and digits.
fn is_token(name: &str) -> bool {
    name.split(['-', '_', '.', ':', '+']).any(|part| {
        let digits = part.bytes().filter(u8::is_ascii_digit).count();
        let hexadecimal = part.len() >= 8 && part.bytes().all(|byte| byte.is_ascii_hexdigit());
        part.len() > MAX_PLAIN || (hexadecimal && digits > 0) || (part.len() >= 10 && digits >= 3)
    })
}

/// The path of a script: its names stay, with `N` for digits; what looks made by a machine is `S`. In a directory for
/// everybody only the class stays.
pub fn script(path: &[u8]) -> String {
    let Ok(text) = str::from_utf8(path) else {
        return "S".to_owned();
    };
    if text.contains("://") || text.is_empty() {
        return class(path);
    }
    if matches!(directory(text), "TMP" | "MEMFD" | "/dev/tcp" | "/dev/udp") {
        return directory(text).to_owned();
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_.+-@".contains(&byte);
    let part = |part: &str| {
        if part.len() > 2 * MAX_NAME || !part.bytes().all(allowed) || is_token(part) {
            "S".to_owned()
        } else {
            without_digits(part)
        }
    };
    text.split('/').map(part).collect::<Vec<_>>().join("/")
}

/// `NAME` and the value of `NAME=value`, if the word is that.
pub fn assignment(text: &[u8]) -> Option<(&str, &[u8])> {
    let end = text.iter().position(|byte| *byte == b'=')?;
    let name = str::from_utf8(&text[..end]).ok().filter(|name| !name.is_empty() && name.len() <= 32)?;
    let proper = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    (proper && !name.starts_with(|first: char| first.is_ascii_digit()) && !is_token(name))
        .then_some((name, &text[end + 1..]))
}
