//! What stays of the arguments of an interpreter: which script it runs, and a digest of code that is given as an argument.
//!
//! Comes in: words. Goes out: parts of a shape. Always holds: code that differs in more than its literals gives another
//! shape. It does not know which options other than those below take a value.

use super::programs::{argument, plain};
use super::shell::Word;
use super::words::script;
use sha2::{Digest, Sha256};

/// How an interpreter is told what to run. Options are letters, for they may stand together: `perl -lne CODE`.
pub struct Interpreter {
    name: &'static str,
    /// The value is code.
    code: &'static str,
    /// The value is what is run: a script, a module. What follows is data.
    runs: &'static str,
    /// The value is what is loaded before that.
    loads: &'static str,
    /// The value is something else.
    data: &'static str,
    /// What follows in the same word belongs to it, and nothing else does.
    attached: &'static str,
    /// The first argument is code.
    first_is_code: bool,
}

const PLAIN: Interpreter =
    Interpreter { name: "", code: "", runs: "", loads: "", data: "", attached: "", first_is_code: false };
const PYTHON: Interpreter = Interpreter { name: "python", code: "c", runs: "m", data: "WX", ..PLAIN };
const PHP: Interpreter = Interpreter { name: "php", code: "rBRE", runs: "fF", loads: "z", data: "dctS", ..PLAIN };
const NODE: Interpreter = Interpreter { name: "node", code: "ep", loads: "r", ..PLAIN };
const LUA: Interpreter = Interpreter { name: "lua", code: "e", loads: "l", data: "j", ..PLAIN };
const AWK: Interpreter = Interpreter { name: "awk", code: "e", runs: "f", data: "vF", first_is_code: true, ..PLAIN };

const INTERPRETERS: &[Interpreter] = &[
    PYTHON,
    Interpreter { name: "pypy", ..PYTHON },
    Interpreter { name: "perl", code: "eE", attached: "MmiIFCxdDV", ..PLAIN },
    Interpreter { name: "ruby", code: "e", loads: "r", data: "C", attached: "iIFxKWTE", ..PLAIN },
    PHP,
    Interpreter { name: "php-cgi", code: "", ..PHP },
    NODE,
    Interpreter { name: "nodejs", ..NODE },
    LUA,
    Interpreter { name: "luajit", ..LUA },
    Interpreter { name: "tclsh", ..PLAIN },
    Interpreter { name: "expect", code: "c", runs: "f", ..PLAIN },
    AWK,
    Interpreter { name: "gawk", ..AWK },
    Interpreter { name: "mawk", ..AWK },
    // Its options are words, see below.
    Interpreter { name: "java", ..PLAIN },
];

const WORDS_OF_CODE: &[&str] = &["--eval", "--print", "--run", "--process-code", "--source"];
const WORDS_THAT_RUN: &[&str] = &["--file", "--process-file", "-jar", "--module"];
const WORDS_THAT_LOAD: &[&str] = &["--require", "--import", "--loader"];
const WORDS_WITH_DATA: &[&str] =
    &["-cp", "-classpath", "--class-path", "--module-path", "--add-opens", "--add-modules"];

/// What the value of an option is.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Value {
    Code,
    Runs,
    Loads,
    Data,
}

/// An option: how it is shown, what its value is if it has one, and where that stands if it is in the same word.
struct Told<'a> {
    shown: String,
    value: Option<Value>,
    attached: Option<&'a [u8]>,
}

impl Interpreter {
    /// The one of this name.
    pub fn named(name: &str) -> Option<&'static Self> {
        INTERPRETERS.iter().find(|known| known.name == name)
    }

    /// The parts of its arguments.
    pub fn arguments(&self, arguments: &[Word], depth: usize) -> Vec<String> {
        let mut parts = Vec::new();
        let mut words = arguments;
        let mut data_follows = false;
        while let [word, rest @ ..] = words {
            let Some(told) = self.told(word, depth) else {
                if !data_follows {
                    let first = if self.first_is_code { Value::Code } else { Value::Runs };
                    parts.push(first.shown(word, depth));
                    words = rest;
                }
                break;
            };
            words = rest;
            parts.push(told.shown);
            let Some(value) = told.value else {
                continue;
            };
            data_follows |= matches!(value, Value::Code | Value::Runs);
            match (told.attached, words) {
                (Some(attached), _) => parts.push(value.shown(&Word::literal(attached), depth)),
                (None, [next, rest @ ..]) => {
                    parts.push(value.shown(next, depth));
                    words = rest;
                }
                (None, []) => {}
            }
        }
        parts.extend(plain(words, depth));
        parts
    }

    /// What an option tells; `None` if the word is none.
    fn told<'a>(&self, word: &'a Word, depth: usize) -> Option<Told<'a>> {
        if !word.text.starts_with(b"-") || word.text == b"-" || !word.is_literal() {
            return None;
        }
        let end = word.text.iter().position(|byte| *byte == b'=').unwrap_or(word.text.len());
        let name = str::from_utf8(&word.text[..end]).unwrap_or_default();
        let lists = [WORDS_OF_CODE, WORDS_THAT_RUN, WORDS_THAT_LOAD, WORDS_WITH_DATA];
        let values = [Value::Code, Value::Runs, Value::Loads, Value::Data];
        if let Some(at) = lists.iter().position(|list| list.contains(&name)) {
            let attached = word.text.get(end + 1..);
            return Some(Told { shown: name.to_owned(), value: Some(values[at]), attached });
        }
        if word.text.starts_with(b"--") {
            return Some(Told { shown: argument(word, depth), value: None, attached: None });
        }
        for (index, letter) in word.text.iter().enumerate().skip(1) {
            let after = &word.text[index + 1..];
            let lists = [self.code, self.runs, self.loads, self.data];
            let Some(at) = lists.iter().position(|list| list.as_bytes().contains(letter)) else {
                if self.attached.as_bytes().contains(letter) {
                    break;
                }
                continue;
            };
            // `node -pe CODE`: both letters say code, which is in the next word.
            let attached = !after.iter().all(|letter| self.code.as_bytes().contains(letter));
            let shown = String::from_utf8_lossy(if attached { &word.text[..=index] } else { &word.text }).into_owned();
            if shown.bytes().all(|byte| byte == b'-' || byte.is_ascii_alphanumeric()) {
                return Some(Told { shown, value: Some(values[at]), attached: attached.then_some(after) });
            }
        }
        Some(Told { shown: argument(word, depth), value: None, attached: None })
    }
}

impl Value {
    fn shown(self, word: &Word, depth: usize) -> String {
        match self {
            _ if !word.is_literal() => argument(word, depth),
            Self::Code => digest(&word.text),
            Self::Runs | Self::Loads => script(&word.text),
            Self::Data => super::words::class(&word.text),
        }
    }
}

/// `CODE#` and a digest of the tokens: names and signs as they are, literals by class, blanks gone.
fn digest(code: &[u8]) -> String {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(byte) = code.get(at).copied() {
        let rest = &code[at..];
        let is = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_' || *byte >= 0x80;
        at += match byte {
            b'\'' | b'"' => {
                tokens.push(b"S".to_vec());
                quoted(rest)
            }
            b'0'..=b'9' => {
                tokens.push(b"N".to_vec());
                rest.iter().take_while(|byte| is(byte) || **byte == b'.').count()
            }
            _ if byte.is_ascii_whitespace() => 1,
            _ => {
                let length = rest.iter().take_while(|byte| is(byte)).count().max(1);
                tokens.push(rest[..length].to_vec());
                length
            }
        };
    }
    format!("CODE#{}", short_digest(&tokens.join(&b' ')))
}

/// How long the literal is that begins here, its quotes included.
fn quoted(rest: &[u8]) -> usize {
    let mut at = 1;
    while let Some(byte) = rest.get(at) {
        at += if *byte == b'\\' { 2 } else { 1 };
        if *byte == rest[0] {
            break;
        }
    }
    at.min(rest.len())
}

/// The first 64 bits of SHA-256, in hexadecimal.
pub fn short_digest(bytes: &[u8]) -> String {
    let digest = Sha256::digest(bytes);
    let first = digest.first_chunk::<8>().copied().unwrap_or_default();
    format!("{:016x}", u64::from_be_bytes(first))
}
