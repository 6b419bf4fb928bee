//! The manual and the completions of the finished binary, read by the programs that users have: groff, bash, zsh and fish.
//!
//! Each page must give groff no reason to warn; each script must be taken by its shell and offer what the command line has.

use crate::report::{Check, Tally};
use crate::setup::packages::{self, Need};
use crate::{command, workspace};
use anyhow::{Context, Result, ensure};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

const NEEDS: &[Need] = &[
    Need::program("groff-base", "groff"),
    Need::program("bash", "bash"),
    Need::program("zsh", "zsh"),
    Need::program("fish", "fish"),
];

/// Shells, and what each is told: `$1` is the script. It prints what it offers for `sensor st`.
const SHELLS: &[(&str, &[&str])] = &[
    (
        "bash",
        &[
            "--norc",
            "-c",
            r#"source "$1"; COMP_WORDS=(sensor st); COMP_CWORD=1; _sensor sensor st sensor; echo "${COMPREPLY[@]}""#,
            "bash",
        ],
    ),
    // zsh completes on a terminal only; here it reads the script, knows it for sensor's, and shows what it would offer.
    (
        "zsh",
        &[
            "-f",
            "-c",
            r#"autoload -U compinit; compinit -u -D; source "$1"; [[ $_comps[sensor] = _sensor ]] || exit 1; whence -f _sensor_commands | grep -o "'status" | tr -d "'""#,
            "zsh",
        ],
    ),
    ("fish", &["--no-config", "-c", r#"source $argv[1]; complete -C "sensor st" | cut -f1"#]),
];

/// Tries all of it.
pub fn run() -> Result<Tally> {
    packages::ensure("reading the manual and the completions", NEEDS)?;
    let directory = std::env::temp_dir().join(format!("sensor-manual-{}", std::process::id()));
    fs::create_dir_all(&directory)?;
    let mut checks = vec![timed("manual", || pages(&directory.join("man1")))];
    for (shell, arguments) in SHELLS {
        checks.push(timed(shell, || completions(shell, arguments, &directory)));
    }
    fs::remove_dir_all(&directory)?;
    Ok(Tally::of(&checks))
}

fn timed(name: &str, body: impl FnOnce() -> Result<String>) -> Check {
    let begin = Instant::now();
    let check = Check::of(name, body(), begin.elapsed().as_secs_f64());
    check.print();
    check
}

/// Every page, formatted with all warnings on.
fn pages(directory: &Path) -> Result<String> {
    command::output(Command::new(workspace::sensor()).arg("man").arg(directory))?;
    let mut files: Vec<PathBuf> =
        fs::read_dir(directory)?.map(|entry| Ok(entry?.path())).collect::<Result<_, std::io::Error>>()?;
    files.sort();
    for file in &files {
        let mut groff = Command::new("groff");
        let output = groff.args(["-man", "-ww", "-Tutf8"]).arg(file).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success() && said.is_empty(), "{}: {}", file.display(), said.trim());
        // What groff prints is overstruck where Debian sets it so; the page itself says it plainly.
        ensure!(fs::read_to_string(file)?.contains(".SH SYNOPSIS"), "{}: no synopsis", file.display());
        ensure!(!output.stdout.is_empty(), "{}: groff prints nothing", file.display());
    }
    ensure!(files.len() > 15, "only {} pages", files.len());
    Ok(format!("{} pages, no warning", files.len()))
}

fn completions(shell: &str, arguments: &[&str], directory: &Path) -> Result<String> {
    let script = directory.join(format!("sensor.{shell}"));
    fs::write(&script, command::output(Command::new(workspace::sensor()).args(["completions", shell]))?)?;
    let mut command = Command::new(shell);
    // Nothing of whoever runs this.
    command.args(arguments).arg(&script).env("HOME", directory).env("ZDOTDIR", directory);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("starting {shell}"))?;
    let (offered, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    ensure!(output.status.success() && said.is_empty(), "{}: {}", output.status, said.trim());
    let offered: Vec<&str> = offered.split_whitespace().collect();
    ensure!(offered == ["status"], "for `sensor st` it offers {offered:?}");
    Ok("offers `status` for `sensor st`".to_owned())
}
