//! The shape of a command line: what stays the same when a server does the same thing with other data.
//!
//! Comes in: the image of a process. Goes out: at most [`MAX_SHAPE`] bytes of printable ASCII. Always holds: the same
//! image gives the same shape; values of arguments are never in it, so neither are passwords, tokens and URLs.
//!
//! ```text
//! shape    := program arguments                 cut at 256 bytes, then "#" and a digest of the whole
//! program  := NAME                              in /bin, /usr/bin, /usr/local/bin and their like
//!           | CLASS "/" NAME                    elsewhere: a "convert" below a web root is another one
//!           | "busybox:" NAME                   programs that are many by the name they are called by
//! NAME     := base name without its version     python3.11 -> python
//! CLASS    := TMP MEMFD DEV PROC SYS ETC USR OPT HOME WEB LOG RUN, or PATH
//! argument := "-x" "--long"                     options as they are, "--long=" with the class of the value
//!           | CLASS | URL | MAIL | ADDR         paths by directory, URLs, addresses of mail, of machines
//!           | N                                 for digits: 300x300 -> NxN
//!           | S                                 any other text, quoted or not
//!           | VAR | "$(" commands ")"           what a shell puts in
//! shell    := "sh -c" commands                  operators, names of commands and their arguments as above
//!           | "sh" script arguments
//! code     := "CODE#" 16 digits                 python -c, perl -e ...: a digest of its tokens without literals
//! script   := a path                            names as they are, N for digits, S for what looks made by a machine
//! ```
//!
//! Several arguments of one class in a row are one, so that the number of files does not matter. Commands within commands
//! (`$(...)`, `eval`, `sh -c` within a text) are looked at as well, four levels deep.

use super::interpreters::{Interpreter, short_digest};
use super::programs::{SHELLS, invoked};
use super::shell::Word;
use super::words::command;
use crate::event::Exec;
use bstr::ByteSlice;

/// Longest shape, in bytes.
pub const MAX_SHAPE: usize = 256;

/// Programs that are what they are called.
const MANY_IN_ONE: &[&str] = &["busybox", "toybox", "coreutils"];

/// The shape of what a process runs.
pub fn shape(image: &Exec) -> String {
    let program = program(image);
    let name = program.rsplit([':', '/']).next().unwrap_or_default().to_owned();
    let mut parts = vec![program];
    if !is_title(image, &name) {
        let mut arguments: Vec<Word> = image.argv.iter().skip(1).map(|text| Word::literal(text)).collect();
        if runs_code(&name) {
            name_script(image, &mut arguments);
        }
        parts.extend(invoked(&name, &arguments, 0));
    }
    bounded(parts.join(" "))
}

/// The program alone. For a server itself: its arguments change with its version and its settings, and many write another
/// text over them.
pub fn program(image: &Exec) -> String {
    let name = command(&image.executable);
    let called = image.argv.first().map(|first| command(first.rsplit_str("/").next().unwrap_or_default()));
    let called = called.map(|called| called.trim_start_matches('-').to_owned()).filter(|called| !called.is_empty());
    let base = name.rsplit('/').next().unwrap_or_default();
    match called {
        Some(called) if MANY_IN_ONE.contains(&base) && called != base && called != "S" => format!("{name}:{called}"),
        // `sh` is whichever shell the system has.
        Some(called) if SHELLS.contains(&base) && SHELLS.contains(&called.as_str()) && called != base => {
            format!("{}{called}", &name[..name.len() - base.len()])
        }
        _ => name,
    }
}

/// Whether the program wrote a text of its own over its arguments: `nginx: worker process`. What runs code that it is
/// given has no business to, and might hide it so.
fn is_title(image: &Exec, name: &str) -> bool {
    let title = image.argv.first().is_some_and(|first| first.contains_str(": ") || first.ends_with(b":"));
    title && !runs_code(name)
}

fn runs_code(name: &str) -> bool {
    SHELLS.contains(&name) || Interpreter::named(name).is_some()
}

/// The script as an absolute path: the one that the kernel named, or else the first argument that ends like one.
fn name_script(image: &Exec, arguments: &mut [Word]) {
    let Some(first) = arguments.iter_mut().find(|word| !word.text.starts_with(b"-")) else {
        return;
    };
    match &image.script {
        Some(script) if base(script) == base(&first.text) => first.text.clone_from(script),
        _ if first.text.starts_with(b"/") || !is_script(&first.text) => {}
        _ => {
            let relative = first.text.strip_prefix(b"./").unwrap_or(&first.text);
            first.text = [image.directory.trim_end_with(|last| last == '/').as_bytes(), relative].join(&b'/');
        }
    }
}

fn is_script(name: &[u8]) -> bool {
    const ENDINGS: &[&str] =
        &[".py", ".pl", ".rb", ".php", ".phar", ".js", ".mjs", ".cjs", ".ts", ".lua", ".tcl", ".sh", ".jar"];
    ENDINGS.iter().any(|ending| name.ends_with_str(ending)) && !name.contains(&b' ')
}

fn base(path: &[u8]) -> &[u8] {
    path.rsplit_str("/").next().unwrap_or_default()
}

fn bounded(shape: String) -> String {
    if shape.len() <= MAX_SHAPE {
        return shape;
    }
    let digest = short_digest(shape.as_bytes());
    // It is ASCII, so every place is a boundary; `get` because nothing here may fail.
    let kept = shape.get(..MAX_SHAPE - digest.len() - 1).unwrap_or_default();
    format!("{kept}#{digest}")
}

#[cfg(test)]
#[path = "shape_tests.rs"]
mod tests;
