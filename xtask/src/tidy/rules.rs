//! The rules themselves.

use super::source;
use crate::workspace;
use std::path::Path;

/// Longest source file, in lines. A file has one reason to change; longer ones have more.
const MAX_LINES: usize = 400;

/// The core: plain data, no input or output, no clock. See ARCHITECTURE.md.
const CORE: &[&str] = &[
    "decode",
    "encode",
    "event",
    "tree",
    "catalogue",
    "detect",
    "incident",
    "alert",
    "exception",
    "pipeline",
    "baseline",
    "container",
];

/// The edges, which the core never names.
const EDGES: &[&str] = &[
    "kernel",
    "procfs",
    "context",
    "output",
    "metrics",
    "control",
    "config",
    "cli",
    "agent",
    "watch",
    "users",
    "shutdown",
    "capture",
    "replay",
    "store",
    "discover",
    "reference",
    "privileges",
];

/// What the core has no business with in the standard library and in others.
const NOT_IN_CORE: &[(&str, &str)] = &[
    ("std::fs", "files"),
    ("Instant", "a clock: time comes with events"),
    ("SystemTime", "a clock: time comes with events"),
    ("std::thread", "threads"),
    ("TcpStream", "sockets"),
    ("UnixStream", "sockets"),
    ("tokio", "a runtime"),
    ("rustix", "system calls"),
    ("libc", "system calls"),
];

/// Where `unsafe` may stand: in the kernel programs, at the door to them, and where developer tools make system calls
/// that std has not (benchmark loops, scenarios that fork by hand, ptrace).
const MAY_BE_UNSAFE: &[&str] = &[
    "sensor-ebpf/src/",
    "sensor/src/kernel/",
    "xtask/actor/src/",
    "xtask/src/scenarios/",
    "xtask/src/servers/",
    "xtask/src/bench/loops/",
    "xtask/src/guest/verifier.rs",
];

/// Checks one file; `name` is its path below the root.
pub fn check(name: &str, text: &str, problems: &mut Vec<String>) {
    absolute_paths(name, text, problems);
    if Path::new(name).extension() != Some("rs".as_ref()) {
        return;
    }
    let lines = text.lines().count();
    if lines > MAX_LINES {
        problems.push(format!("{name}: {lines} lines, at most {MAX_LINES} are allowed"));
    }
    let code = source::code_only(text);
    if !name.starts_with("sensor/src/kernel/") && name.starts_with("sensor/src/") {
        forbid(name, &code, "aya", "only sensor/src/kernel names aya", problems);
    }
    if !MAY_BE_UNSAFE.iter().any(|allowed| name.starts_with(allowed)) {
        forbid(name, &code, "unsafe", "no unsafe here (see ARCHITECTURE.md for where)", problems);
    }
    if is_core(name) {
        core(name, &code, problems);
    }
}

fn is_core(name: &str) -> bool {
    let module = name.strip_prefix("sensor/src/").and_then(|rest| rest.split(['/', '.']).next());
    module.is_some_and(|module| CORE.contains(&module))
}

fn core(name: &str, code: &str, problems: &mut Vec<String>) {
    for module in source::crate_modules(code) {
        if EDGES.contains(&module.as_str()) {
            problems.push(format!("{name}: the core must not use the edge `crate::{module}`"));
        }
    }
    // Tests stand last in a file, and may read fixtures.
    let code = code.split("#[cfg(test)]").next().unwrap_or_default();
    for (word, what) in NOT_IN_CORE {
        forbid(name, code, word, &format!("the core has no {what}"), problems);
    }
}

fn forbid(name: &str, code: &str, word: &str, rule: &str, problems: &mut Vec<String>) {
    for line in source::lines_with_word(code, word) {
        problems.push(format!("{name}:{line}: `{word}`: {rule}"));
    }
}

/// The tree must not know where on somebody's machine it is.
fn absolute_paths(name: &str, text: &str, problems: &mut Vec<String>) {
    let here = workspace::root().to_string_lossy().into_owned();
    for (index, line) in text.lines().enumerate() {
        if line.contains(&here) {
            problems.push(format!("{name}:{}: names the directory it was checked out to", index + 1));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems(name: &str, text: &str) -> Vec<String> {
        let mut problems = Vec::new();
        check(name, text, &mut problems);
        problems
    }

    #[test]
    fn each_rule_bites() {
        for (name, text) in [
            ("sensor/src/output/mod.rs", "use aya::Ebpf;"),
            ("sensor/src/decode.rs", "fn f() { unsafe { g() } }"),
            ("sensor/src/tree/mod.rs", "use crate::{event::Event, procfs};"),
            ("sensor/src/detect/mod.rs", "let now = std::time::Instant::now();"),
            ("sensor/src/cli.rs", &"\n".repeat(401)),
        ] {
            assert_eq!(problems(name, text).len(), 1, "{name}");
        }
    }

    #[test]
    fn what_is_allowed_passes() {
        for (name, text) in [
            ("sensor/src/kernel/load.rs", "use aya::Ebpf; unsafe {}"),
            ("sensor/src/decode.rs", "//! No unsafe, no aya.\nuse crate::event::Event;"),
            ("sensor/src/alert.rs", "#[cfg(test)]\nmod tests { use std::fs; }"),
            ("sensor-ebpf/src/task.rs", "unsafe { x }"),
        ] {
            assert_eq!(problems(name, text), Vec::<String>::new(), "{name}");
        }
    }
}
