//! What the sensor may do, of docs/privileges.md.

use crate::privileges::calls::{AGENT, Call, LISTENER, Only};
use crate::privileges::capabilities::{NEEDED, Without};
use std::fmt::Write;

/// The tables.
pub fn privileges() -> String {
    let mut out = String::new();
    capabilities(&mut out);
    calls(&mut out, "System calls of the agent, once its hooks are attached", AGENT);
    calls(&mut out, "System calls of the process that answers HTTP", LISTENER);
    out
}

fn capabilities(out: &mut String) {
    out.push_str(
        "### Capabilities\n\n| capability | to start | afterwards | without it |\n| --- | --- | --- | --- |\n",
    );
    for need in NEEDED {
        let without = match need.without {
            Without::Refused => "the sensor does not start (exit code 3)",
            Without::OnlyTrampoline => "only the trampoline hook set can be used",
            Without::Weaker(told) => told,
        };
        let kept = need.kept.map_or_else(|| "given up".to_owned(), |kept| format!("kept: {kept}"));
        // Writing to a String cannot fail.
        let _ = writeln!(out, "| `{}` | {} | {kept} | {without} |", need.name, need.start);
    }
}

fn calls(out: &mut String, title: &str, calls: &[Call]) {
    let _ = write!(out, "\n### {title}\n\n| call | asked for by | made in tests |\n| --- | --- | --- |\n");
    for call in calls {
        let only: Vec<String> = call.only.iter().map(told).collect();
        let only = if only.is_empty() { String::new() } else { format!(" (only where {})", only.join(", or ")) };
        let tested = call.untested.map_or_else(|| "yes".to_owned(), |why| format!("no: {why}"));
        let _ = writeln!(out, "| `{}`{only} | {} | {tested} |", call.name, call.why);
    }
}

fn told(only: &Only) -> String {
    let argument = |index: &u8| ["first", "second", "third", "fourth", "fifth", "sixth"][usize::from(*index).min(5)];
    match only {
        Only::Is(index, value) => format!("its {} argument is {value:#x}", argument(index)),
        Only::Has(index, bits) => format!("its {} argument has {bits:#x}", argument(index)),
        Only::HasNot(index, bits) => format!("its {} argument has not {bits:#x}", argument(index)),
    }
}
