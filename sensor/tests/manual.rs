//! What the command line says of itself: completions in a real bash, and a manual page for each command.

use clap::CommandFactory;
use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

fn sensor(arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(env!("CARGO_BIN_EXE_sensor")).args(arguments).output().expect("it runs");
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// What a real bash offers for the last of these words.
fn completed(script: &Path, words: &[&str]) -> BTreeSet<String> {
    // As bash does when the key is pressed: COMP_WORDS, COMP_CWORD, and the function that `complete` names.
    let drive = r#"
        source "$1"; shift
        function=$(complete -p sensor | sed -E 's/.* -F ([^ ]+) .*/\1/')
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}
        "$function" sensor "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", drive, "bash"]).arg(script).args(words);
    let output = bash.output().expect("bash runs");
    assert!(output.status.success() && output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.is_empty()).map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_options() {
    let here = tempfile::tempdir().expect("a temporary directory");
    let script = here.path().join("sensor.bash");
    std::fs::write(&script, sensor(&["completions", "bash"])).expect("it can be written");
    let set = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect::<BTreeSet<_>>();
    assert_eq!(completed(&script, &["sensor", "st"]), set(&["status"]));
    assert_eq!(completed(&script, &["sensor", "baseline", "f"]), set(&["finish", "forget"]));
    assert_eq!(completed(&script, &["sensor", "replay", "--js"]), set(&["--json"]));
    assert_eq!(completed(&script, &["sensor", "completions", "fi"]), set(&["fish"]));
}

#[test]
fn every_shell_gets_its_completions() {
    let scripts = ["bash", "zsh", "fish", "elvish", "powershell"].map(|shell| sensor(&["completions", shell]));
    for script in &scripts {
        let text = String::from_utf8_lossy(script);
        assert!(text.contains("status") && text.contains("catalogue"), "{text}");
    }
    assert_eq!(scripts.iter().collect::<BTreeSet<_>>().len(), scripts.len(), "each its own");
}

/// The names of the pages that there must be: of all commands but `help`.
fn pages(command: &clap::Command, name: &str, names: &mut BTreeSet<String>) {
    names.insert(format!("{name}.1"));
    for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help" && !inner.is_hide_set()) {
        pages(inner, &format!("{name}-{}", inner.get_name()), names);
    }
}

#[test]
fn every_command_has_a_manual_page() {
    let here = tempfile::tempdir().expect("a temporary directory");
    let directory = here.path().join("man1");
    sensor(&["man", directory.to_str().expect("UTF-8")]);
    let written: BTreeSet<String> = std::fs::read_dir(&directory)
        .expect("it was made")
        .map(|entry| entry.expect("it can be read").file_name().to_string_lossy().into_owned())
        .collect();
    let mut wanted = BTreeSet::new();
    pages(&sensor::cli::Cli::command(), "sensor", &mut wanted);
    assert_eq!(written, wanted);
    let status = std::fs::read_to_string(directory.join("sensor-status.1")).expect("it can be read");
    assert!(status.contains(".TH sensor-status 1") && status.contains("agent"), "{status}");
    let first = std::fs::read_to_string(directory.join("sensor.1")).expect("it can be read");
    assert!(first.contains("Exit codes"), "{first}");
}
