//! What each watcher recorded of the same deeds: looked up in its own output.

use super::sensor::OnGround;
use crate::bench::loops::{Ground, Operation};
use crate::bench::outcome::{Outcome, Table};
use crate::bench::watchers::{Auditd, Bpftrace, Watcher, Watching, counter};
use crate::command;
use anyhow::{Context, Result};
use std::os::unix::fs::symlink;
use std::process::{Command, Stdio};
use std::time::Duration;

/// Programs that are started as fast as they go, and files that are opened for writing in a watched directory.
const EXECS: u32 = 5000;
const OPENS: u32 = 20_000;
/// How long a watcher may take to write what it has.
const SETTLE: Duration = Duration::from_millis(2500);

/// What was looked for, in the order of the rows.
const ROWS: [&str; 9] = [
    "argv of 40 words, 3,000 bytes: whole",
    "one argument of 20,000 bytes: whole",
    "exec by a relative link: the program's real path",
    "open below a linked directory: the file's real path",
    "a shell whose parent has ended: the server above it",
    "of 5,500 execs in a row, recorded",
    "of 22,000 opens for writing in a row, recorded",
    "lost by its own account",
    "blocks who is watched",
];

/// Does the deeds under each watcher.
pub fn measure(outcome: &mut Outcome, ground: &Ground) -> Result<()> {
    let sensor = OnGround { ground, events: true };
    let watchers: [&dyn Watcher; 3] = [&sensor, &Bpftrace, &Auditd];
    let mut columns = Vec::new();
    for watcher in watchers {
        println!("what is recorded: {}", watcher.name());
        let watching = watcher.start(&ground.room("watcher")?)?;
        let told = deeds(ground, watcher, watching.as_ref()).with_context(|| watcher.name().to_owned())?;
        watching.stop()?;
        columns.push(told);
    }
    let about = "Looked up in what each wrote during this run. The sensor wrote every event for this, as the others do. \
        It reports files that anybody writes where a server loads code from, and what servers' lineages do elsewhere; \
        the others record every file that anybody opens. A watched file that is opened over and over may be told as one event \
        (fanotify merges what is the same).";
    let mut table = Table::new("What is recorded", about, &["deed", "sensor", "bpftrace", "auditd"]);
    for (index, row) in ROWS.into_iter().enumerate() {
        table.row([row.to_owned()].into_iter().chain(columns.iter().map(|told| told[index].clone())));
    }
    outcome.tables.push(table);
    Ok(())
}

/// The deeds under one watcher; what came of each, in the order of [`ROWS`].
fn deeds(ground: &Ground, watcher: &dyn Watcher, watching: &dyn Watching) -> Result<Vec<String>> {
    let outside = ground.directory().join("outside");
    let tool = ground.directory().join("tool");
    let act = |arguments: &[String]| {
        command::output(Command::new(&tool).args(["actor", "nothing"]).args(arguments)).map(drop)
    };
    let words: Vec<String> = (0..40).map(|number| format!("word-{number}-{}", "x".repeat(66))).collect();
    act(&words)?;
    act(&[format!("{}-tail", "y".repeat(20_000))])?;
    for (link, target) in [("linked-tool", tool.clone()), ("alias", ground.directory().join("www"))] {
        let _ = std::fs::remove_file(outside.join(link));
        symlink(target, outside.join(link))?;
    }
    // Told apart from the other starts of the same program by its argument.
    let mut linked = Command::new("sh");
    linked.args(["-c", "exec ./linked-tool actor nothing by-link"]).current_dir(&outside);
    command::output(&mut linked)?;
    std::fs::write(outside.join("alias/by-alias"), "x")?;
    let server = orphan(ground)?;
    std::thread::sleep(SETTLE);
    let text = watching.records()?;
    let real = tool.display().to_string();
    let mut told = vec![
        yes(text.contains("word-0-") && text.contains(&format!("word-39-{}", "x".repeat(66)))),
        yes(groups(watcher, &text).iter().any(|group| in_long_runs(group, 'y') == 20_000)),
        yes(groups(watcher, &text).iter().any(|group| group.contains("by-link") && names_program(group, &real))),
        yes(text.contains(&ground.directory().join("www/by-alias").display().to_string())),
        yes(groups(watcher, &text).iter().any(|group| is_orphan(group) && mentions(group, server))),
    ];
    let before = watching.metrics();
    ground.measure(Operation::VforkExec, EXECS)?;
    ground.measure(Operation::OpenWriteWatched, OPENS)?;
    std::thread::sleep(SETTLE);
    let text = watching.records()?;
    let recorded = |kind: &str, path: &str| {
        let path = ground.directory().join(path).display().to_string();
        groups(watcher, &text).iter().filter(|group| is_of(group, kind) && group.contains(&path)).count().to_string()
    };
    told.push(recorded("exec", "outside/tiny"));
    told.push(recorded("open", "www/file"));
    told.push(watching.lost()?.map_or("not told".to_owned(), |lost| format!("{lost:.0}")));
    told.push(waited(&before, &watching.metrics()));
    Ok(told)
}

/// A server forks twice; the middle one ends; the last one starts a program. Gives the server's pid, which is who forked the
/// middle one.
fn orphan(ground: &Ground) -> Result<u32> {
    let mut server = ground.server("double-fork").stdin(Stdio::null()).spawn()?;
    let pid = server.id();
    server.wait()?;
    std::thread::sleep(Duration::from_millis(500));
    Ok(pid)
}

fn yes(is: bool) -> String {
    if is { "yes" } else { "no" }.to_owned()
}

/// Records of one event: auditd's lines of one number, others' single lines; bpftrace writes argv before the exec.
fn groups(watcher: &dyn Watcher, text: &str) -> Vec<String> {
    let mut groups: Vec<String> = Vec::new();
    let mut last = "";
    for line in text.lines() {
        let number = line.split_once("msg=audit(").and_then(|(_, rest)| Some(rest.split_once(')')?.0)).unwrap_or("");
        let goes_on = match watcher.name() {
            "auditd" => number == last,
            "bpftrace" => line.starts_with("{\"kind\":\"exec\"") && !last.starts_with('{'),
            _ => false,
        };
        match groups.last_mut() {
            Some(group) if goes_on => {
                group.push('\n');
                group.push_str(line);
            }
            _ => groups.push(line.to_owned()),
        }
        last = if watcher.name() == "auditd" { number } else { line };
    }
    groups
}

/// Whether it is an exec or an open.
fn is_of(group: &str, kind: &str) -> bool {
    let audit = if kind == "exec" { "type=EXECVE" } else { "nametype=" };
    let named = [format!("\"action\":\"{kind}\""), format!("\"kind\":\"{kind}\"")];
    group.contains(audit) && (kind == "exec" || !group.contains("type=EXECVE"))
        || named.iter().any(|name| group.contains(name))
}

/// Whether the real path stands there as the program's, not as an argument.
fn names_program(group: &str, real: &str) -> bool {
    ["exe=\"", "\"executable\":\"", "\"path\":\""].iter().any(|key| group.contains(&format!("{key}{real}\"")))
}

/// The program that the orphan starts, by what it is told to do.
fn is_orphan(group: &str) -> bool {
    is_of(group, "exec") && group.contains("actor nothing; exit 0")
        || group.contains(&hexadecimal("actor nothing; exit 0"))
}

/// As audit writes text with blanks.
fn hexadecimal(text: &str) -> String {
    text.bytes().fold(String::new(), |text, byte| text + &format!("{byte:02X}"))
}

/// Whether a number of a process stands there.
fn mentions(group: &str, pid: u32) -> bool {
    let pid = pid.to_string();
    group.split(|c: char| !c.is_ascii_digit()).any(|number| number == pid)
}

/// How often a letter stands in runs of it that no word has; audit writes long arguments in several.
fn in_long_runs(text: &str, wanted: char) -> usize {
    text.split(|c| c != wanted).map(str::len).filter(|length| *length > 20).sum()
}

/// What audit says of the time that it made others wait; the others cannot.
fn waited(before: &str, after: &str) -> String {
    let name = "backlog_wait_time_actual";
    match (counter(before, name), counter(after, name)) {
        (Some(before), Some(after)) if after > before => format!("yes: {} ticks of waiting", after - before),
        (Some(_), Some(_)) => "not in this run".to_owned(),
        _ => "cannot".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AUDIT: &str = "type=SYSCALL msg=audit(1.5:7): ppid=12 exe=\"/t/tool\"\n\
        type=EXECVE msg=audit(1.5:7): argc=1 a0=\"x\"\ntype=SYSCALL msg=audit(1.5:8): exe=\"/t/other\"\n";

    #[test]
    fn records_of_one_event_belong_together() {
        let of_audit = groups(&Auditd, AUDIT);
        assert_eq!(of_audit.len(), 2);
        assert!(is_of(&of_audit[0], "exec") && names_program(&of_audit[0], "/t/tool") && mentions(&of_audit[0], 12));
        assert!(!is_of(&of_audit[1], "exec") && !mentions(&of_audit[1], 12));
        let of_bpftrace = groups(&Bpftrace, "{\"kind\":\"fork\"}\nsh -c x\n{\"kind\":\"exec\",\"ppid\":1}\n");
        assert_eq!(of_bpftrace, ["{\"kind\":\"fork\"}", "sh -c x\n{\"kind\":\"exec\",\"ppid\":1}"]);
    }

    #[test]
    fn a_number_is_not_a_part_of_another() {
        assert!(mentions("pid=12,", 12) && !mentions("pid=123", 12));
        assert_eq!(in_long_runs(&format!("xyx {0} {0} yy", "y".repeat(30)), 'y'), 60);
        assert_eq!(hexadecimal("a b"), "612062");
    }
}
