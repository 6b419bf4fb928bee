//! Programs that attackers start, by the names of their executables.

use super::base_name;
use bstr::{BStr, ByteSlice};

/// What kind of tool a program is that attackers start.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Suspicion {
    /// Runs commands.
    Shell,
    /// Runs programs given as text.
    Interpreter,
    /// Tells about the machine.
    Discovery,
    /// Moves data over the network or encodes it.
    Transfer,
}

impl Suspicion {
    /// For sentences.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Shell => "a shell",
            Self::Interpreter => "an interpreter",
            Self::Discovery => "a discovery tool",
            Self::Transfer => "a transfer tool",
        }
    }
}

const SHELLS: &[&str] =
    &["sh", "dash", "bash", "ash", "busybox", "zsh", "ksh", "ksh93", "mksh", "tcsh", "csh", "fish", "rbash", "pwsh"];
const INTERPRETERS: &[&str] = &[
    "python", "perl", "ruby", "php", "lua", "luajit", "node", "nodejs", "awk", "gawk", "mawk", "tclsh", "expect", "gdb",
];
const DISCOVERY: &[&str] = &[
    "id",
    "whoami",
    "uname",
    "hostname",
    "ifconfig",
    "ip",
    "ss",
    "netstat",
    "ps",
    "w",
    "who",
    "last",
    "cat",
    "ls",
    "find",
    "env",
    "printenv",
    "getent",
    "lsb_release",
    "mount",
    "df",
    "lscpu",
    "crontab",
    "sudo",
    "su",
    "chmod",
    "chattr",
    "useradd",
    "passwd",
    "nmap",
    "tcpdump",
    "touch",
    "cp",
    "mv",
    "dd",
];
const TRANSFER: &[&str] = &[
    "curl",
    "wget",
    "nc",
    "ncat",
    "netcat",
    "nc.openbsd",
    "nc.traditional",
    "socat",
    "telnet",
    "ftp",
    "tftp",
    "scp",
    "sftp",
    "rsync",
    "ssh",
    "openssl",
    "base64",
    "xxd",
    "aria2c",
];

/// Whether a program is of a kind that attackers start. Versions in names do not matter (`python3.11`).
pub fn suspicion(executable: &BStr) -> Option<Suspicion> {
    let name = base_name(executable);
    let plain = name.trim_end_with(|letter| letter.is_ascii_digit() || letter == '.' || letter == '-');
    let among = |names: &[&str]| names.iter().any(|known| known.as_bytes() == name || known.as_bytes() == plain);
    [
        (SHELLS, Suspicion::Shell),
        (INTERPRETERS, Suspicion::Interpreter),
        (DISCOVERY, Suspicion::Discovery),
        (TRANSFER, Suspicion::Transfer),
    ]
    .into_iter()
    .find_map(|(names, suspicion)| among(names).then_some(suspicion))
}
