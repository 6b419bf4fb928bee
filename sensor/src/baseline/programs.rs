//! What stays of a command line, by the sort of program: shells, programs that start another one, all others.
//!
//! Comes in: words. Goes out: the parts of a shape. Always holds: code that is given as an argument decides the shape (its
//! own shape; for interpreters see there), and data does not.

use super::interpreters::Interpreter;
use super::shell::{Piece, Word, pieces};
use super::words::{assignment, class, command, option, script};
use std::fmt::Write;

/// How deep commands within commands are looked at; `S` stands for what is deeper.
const MAX_DEPTH: usize = 4;

/// Shells.
pub const SHELLS: &[&str] =
    &["sh", "dash", "bash", "ash", "zsh", "ksh", "ksh93", "mksh", "tcsh", "csh", "fish", "rbash", "pwsh"];

/// After these a command follows.
const RESERVED: &[&str] = &["if", "then", "elif", "else", "while", "until", "do", "!", "{", "time", "exec", "command"];

/// Programs that start the command in their arguments: options of theirs that take a value, and how many words stand
/// before the command.
const WRAPPERS: &[(&str, &str, usize)] = &[
    ("env", "uCS", 0),
    ("nohup", "", 0),
    ("nice", "n", 0),
    ("ionice", "cnp", 0),
    ("setsid", "", 0),
    ("stdbuf", "ioe", 0),
    ("timeout", "sk", 1),
    ("sudo", "ughpCTRDU", 0),
    ("su-exec", "", 1),
    ("gosu", "", 1),
    ("runuser", "ugG", 0),
    ("setpriv", "", 0),
    ("unshare", "", 0),
    ("chroot", "", 1),
    ("flock", "wE", 1),
    ("xargs", "InPLdsEa", 0),
    ("strace", "eop", 0),
    ("busybox", "", 0),
    ("toybox", "", 0),
];

/// Programs that give the value of `-c` to a shell.
const USE_A_SHELL: &[&str] = &["su", "runuser", "script", "flock"];

/// Of these the first word that is no option says what is done.
const SUBCOMMANDS: &[&str] = &[
    "git",
    "svn",
    "hg",
    "docker",
    "podman",
    "kubectl",
    "systemctl",
    "service",
    "openssl",
    "apt",
    "apt-get",
    "dnf",
    "yum",
    "apk",
    "npm",
    "yarn",
    "pip",
    "gem",
    "composer",
    "bundle",
    "ip",
    "wp",
    "drush",
    "certbot",
    "supervisorctl",
    "rabbitmqctl",
    "pm2",
    "aws",
    "gcloud",
    "az",
];

/// The parts of the commands in a text for a shell.
pub fn text(text: &[u8], depth: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut words = Vec::new();
    let mut redirects = Vec::new();
    let mut pieces = pieces(text).into_iter().peekable();
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Word(word) => words.push(word),
            Piece::Duplicate(shown) => redirects.push(shown),
            Piece::Redirect(shown) => {
                let to = pieces.next_if(|next| matches!(next, Piece::Word(_)));
                let to = to.map_or_else(String::new, |to| match to {
                    Piece::Word(word) => argument(&word, depth),
                    _ => String::new(),
                });
                redirects.push(shown + &to);
            }
            Piece::Operator(operator) => {
                parts.extend(simple(&words, depth));
                parts.append(&mut redirects);
                parts.push(operator.to_owned());
                words.clear();
            }
        }
    }
    parts.extend(simple(&words, depth));
    parts.append(&mut redirects);
    // A line break at the end says nothing.
    while parts.last().is_some_and(|last| last == ";") {
        parts.pop();
    }
    parts
}

/// The parts of one command with its arguments.
fn simple(words: &[Word], depth: usize) -> Vec<String> {
    let mut parts = Vec::new();
    for (index, word) in words.iter().enumerate() {
        if let Some((name, value)) = assignment(&word.text) {
            let value = if word.is_literal() { class(value) } else { argument(word, depth) };
            parts.push(format!("{name}={value}"));
            continue;
        }
        if !word.is_literal() {
            parts.push(argument(word, depth));
            parts.extend(plain(&words[index + 1..], depth));
            return parts;
        }
        let name = command(&word.text);
        if !word.quoted && RESERVED.contains(&name.as_str()) {
            parts.push(name);
            continue;
        }
        let rest = &words[index + 1..];
        let arguments = invoked(&name, rest, depth);
        parts.push(name);
        parts.extend(arguments);
        return parts;
    }
    parts
}

/// The parts of a program's arguments.
pub fn invoked(name: &str, arguments: &[Word], depth: usize) -> Vec<String> {
    let base = name.rsplit('/').next().unwrap_or(name);
    if depth > MAX_DEPTH {
        return vec!["S".to_owned()];
    }
    if SHELLS.contains(&base) {
        return shell(arguments, depth);
    }
    if let Some(interpreter) = Interpreter::named(base) {
        return interpreter.arguments(arguments, depth);
    }
    if base == "eval" {
        return evaluated(arguments, depth);
    }
    let gives_code = |word: &Word| word.text == b"-c" || word.text.starts_with(b"--command");
    if USE_A_SHELL.contains(&base) && arguments.iter().any(gives_code) {
        return given_to_shell(arguments, depth.max(1));
    }
    if let Some((_, values, before)) = WRAPPERS.iter().find(|(wrapper, ..)| *wrapper == base) {
        return wrapped(values, *before, arguments, depth);
    }
    if base.starts_with("find") {
        return found(arguments, depth);
    }
    let verb = arguments.iter().position(|word| !word.text.starts_with(b"-"));
    let verb = verb.filter(|_| SUBCOMMANDS.contains(&base));
    let verb = verb.filter(|at| arguments[*at].is_literal() && class(&arguments[*at].text) == "S");
    match verb {
        Some(at) => {
            let mut parts = plain(&arguments[..at], depth);
            parts.push(command(&arguments[at].text));
            parts.extend(plain(&arguments[at + 1..], depth));
            parts
        }
        None => plain(arguments, depth),
    }
}

/// Arguments that are data. Several of one class in a row are one, so that the number of files does not matter.
pub fn plain(arguments: &[Word], depth: usize) -> Vec<String> {
    let mut parts: Vec<String> = arguments.iter().map(|word| argument(word, depth)).collect();
    parts.dedup_by(|one, before| one == before && !one.starts_with('-'));
    parts
}

/// The part that one argument is.
pub fn argument(word: &Word, depth: usize) -> String {
    if !word.commands.is_empty() {
        let mut out = String::new();
        for inner in &word.commands {
            let inner = if depth >= MAX_DEPTH { "S".to_owned() } else { text(inner, depth + 1).join(" ") };
            // Writing to a String cannot fail.
            let _ = write!(out, "$({inner})");
        }
        return out;
    }
    if word.variable {
        return "VAR".to_owned();
    }
    option(&word.text).unwrap_or_else(|| class(&word.text))
}

/// Commands in a word, as a part of the command that runs them.
fn code_for_shell(word: &Word, depth: usize) -> Vec<String> {
    if !word.is_literal() {
        return vec![argument(word, depth)];
    }
    if depth == 0 {
        return text(&word.text, 1);
    }
    vec![format!("{{{}}}", text(&word.text, depth + 1).join(" "))]
}

fn shell(arguments: &[Word], depth: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut command_follows = false;
    for (index, word) in arguments.iter().enumerate() {
        let is_option = word.text.len() > 1 && matches!(word.text[0], b'-' | b'+') && word.is_literal();
        if is_option {
            let long = word.text.starts_with(b"--");
            command_follows |= !long && word.text.contains(&b'c') || word.text == b"-Command";
            parts.push(option(&word.text).unwrap_or_else(|| "+S".to_owned()));
            continue;
        }
        // `-o pipefail`: a name that is followed by an option was the value of one.
        if parts.last().is_some_and(|last| last == "-o" || last == "--rcfile" || last == "--init-file") {
            parts.push(argument(word, depth));
            continue;
        }
        let rest = plain(&arguments[index + 1..], depth);
        if command_follows {
            parts.extend(code_for_shell(word, depth));
        } else {
            parts.push(if word.is_literal() { script(&word.text) } else { argument(word, depth) });
        }
        parts.extend(rest);
        return parts;
    }
    parts
}

fn evaluated(arguments: &[Word], depth: usize) -> Vec<String> {
    if arguments.iter().all(Word::is_literal) {
        let words: Vec<&[u8]> = arguments.iter().map(|word| word.text.as_slice()).collect();
        return code_for_shell(&Word::literal(&words.join(&b' ')), depth.max(1));
    }
    plain(arguments, depth)
}

/// `su -c COMMANDS somebody`.
fn given_to_shell(arguments: &[Word], depth: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut code_follows = false;
    for word in arguments {
        if std::mem::take(&mut code_follows) {
            parts.extend(code_for_shell(word, depth));
        } else if let Some(code) = word.text.strip_prefix(b"--command=").filter(|_| word.is_literal()) {
            parts.push("--command".to_owned());
            parts.extend(code_for_shell(&Word::literal(code), depth));
        } else {
            code_follows = word.text == b"-c" || word.text == b"--command";
            parts.push(argument(word, depth));
        }
    }
    parts
}

fn wrapped(values: &str, before: usize, arguments: &[Word], depth: usize) -> Vec<String> {
    let mut parts = Vec::new();
    let mut value_follows = false;
    let mut before = before;
    for (index, word) in arguments.iter().enumerate() {
        let is_option = word.text.len() > 1 && word.text[0] == b'-' && word.is_literal();
        let is_value = std::mem::take(&mut value_follows);
        if !is_value && !is_option && before == 0 {
            parts.extend(simple(&arguments[index..], depth + 1));
            return parts;
        }
        before -= usize::from(!is_value && !is_option);
        value_follows = !is_value && word.text.len() == 2 && is_option && values.as_bytes().contains(&word.text[1]);
        parts.push(argument(word, depth));
    }
    parts
}

/// `find`: what `-exec` and its kin run counts like a command.
fn found(arguments: &[Word], depth: usize) -> Vec<String> {
    const RUN: &[&[u8]] = &[b"-exec", b"-execdir", b"-ok", b"-okdir"];
    match arguments.iter().position(|word| RUN.contains(&word.text.as_slice())) {
        Some(at) => {
            let mut parts = plain(&arguments[..=at], depth);
            parts.extend(simple(&arguments[at + 1..], depth + 1));
            parts
        }
        None => plain(arguments, depth),
    }
}
