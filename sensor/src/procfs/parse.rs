//! The text files of `/proc/PID`, as bytes.

use crate::event::File;
use bstr::BString;
use sensor_common::file::file_flags;
use sensor_common::record::Kind;

/// What of `/proc/PID/stat` is needed (`fs/proc/array.c: do_task_stat`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Thread group id.
    pub pid: u32,
    /// The name, at most 15 bytes, of any kind.
    pub comm: Vec<u8>,
    /// The state's letter.
    pub state: u8,
    /// Parent's pid.
    pub parent: u32,
    /// Session id.
    pub session: u32,
    /// Threads, the first one included as long as the process is there.
    pub threads: u64,
    /// Start, in ticks of 10 ms since boot.
    pub start_ticks: u64,
}

impl Stat {
    /// Whether the process has ended and only waits to be collected.
    pub const fn is_dead(&self) -> bool {
        self.first_thread_ended() && self.threads <= 1
    }

    /// Whether its first thread has ended: the process may go on in others, and what it runs is then told of those only.
    pub const fn first_thread_ended(&self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }
}

/// Takes `/proc/PID/stat` apart. The name may hold spaces, parentheses and newlines: it ends at the last `)`.
pub fn parse_stat(text: &[u8]) -> Option<Stat> {
    let open = text.iter().position(|byte| *byte == b'(')?;
    let close = text.iter().rposition(|byte| *byte == b')')?;
    let pid = number(text.get(..open)?)? as u32;
    let comm = text.get(open + 1..close)?.to_vec();
    let rest = text.get(close + 1..)?;
    let fields: Vec<&[u8]> = rest.split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
    Some(Stat {
        pid,
        comm,
        state: *fields.first()?.first()?,
        parent: number(fields.get(1)?)? as u32,
        session: number(fields.get(3)?).unwrap_or(0) as u32,
        threads: number(fields.get(17)?).unwrap_or(0),
        start_ticks: number(fields.get(19)?)?,
    })
}

/// What of `/proc/PID/status` is needed (`fs/proc/array.c: proc_pid_status`).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Status {
    /// Real and effective user id.
    pub uid: (u32, u32),
    /// Real and effective group id.
    pub gid: (u32, u32),
    /// Effective capabilities.
    pub cap_effective: u64,
    /// Permitted capabilities.
    pub cap_permitted: u64,
    /// Pid in its own namespace.
    pub pid_in_namespace: u32,
}

/// Takes `/proc/PID/status` apart. The name is escaped there, so lines are lines.
pub fn parse_status(text: &[u8]) -> Status {
    let mut status = Status::default();
    for line in text.split(|byte| *byte == b'\n') {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            continue;
        };
        let (name, value) = line.split_at(colon);
        let fields: Vec<&[u8]> = value[1..].split(u8::is_ascii_whitespace).filter(|field| !field.is_empty()).collect();
        let decimal = |at: usize| fields.get(at).and_then(|field| number(field)).unwrap_or(0) as u32;
        let hex = || fields.first().and_then(|field| hexadecimal(field)).unwrap_or(0);
        match name {
            b"Uid" => status.uid = (decimal(0), decimal(1)),
            b"Gid" => status.gid = (decimal(0), decimal(1)),
            b"CapEff" => status.cap_effective = hex(),
            b"CapPrm" => status.cap_permitted = hex(),
            b"NSpid" => status.pid_in_namespace = decimal(fields.len().saturating_sub(1)),
            _ => {}
        }
    }
    status
}

/// The arguments in `/proc/PID/cmdline`, at most `most` bytes of them, and whether there were more.
pub fn parse_cmdline(text: &[u8], most: usize) -> (Vec<BString>, bool) {
    let cut = text.len() > most;
    let text = &text[..text.len().min(most)];
    let text = text.strip_suffix(b"\0").unwrap_or(text);
    if text.is_empty() {
        return (Vec::new(), cut);
    }
    let mut argv: Vec<BString> = text.split(|byte| *byte == 0).map(BString::from).collect();
    // A title written over the arguments leaves NULs behind it, which are no arguments.
    if argv.first().is_some_and(|title| title.contains(&b' ')) {
        let end = argv.iter().rposition(|argument| !argument.is_empty()).map_or(0, |last| last + 1);
        argv.truncate(end);
    }
    (argv, cut)
}

/// The path of the process's cgroup in the v2 hierarchy (`0::/path`).
pub fn parse_cgroup(text: &[u8]) -> Option<&[u8]> {
    text.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"0::"))
}

/// The number in `pipe:[123]`, `socket:[123]`, `mnt:[123]`; `prefix` goes up to the bracket.
pub fn numbered(text: &[u8], prefix: &[u8]) -> Option<u64> {
    number(text.strip_prefix(prefix)?.strip_suffix(b"]")?)
}

/// A decimal number, with white space around it or not.
pub fn number(text: &[u8]) -> Option<u64> {
    std::str::from_utf8(text).ok()?.trim().parse().ok()
}

/// A hexadecimal number.
pub fn hexadecimal(text: &[u8]) -> Option<u64> {
    u64::from_str_radix(std::str::from_utf8(text).ok()?.trim(), 16).ok()
}
/// A line of `maps` that maps a file executable:
/// `7f01-7f02 r-xp 00001000 fe:00 1234   /usr/lib/x.so (deleted)`.
pub fn mapped_executable(line: &[u8]) -> Option<File> {
    let text = |word: &[u8]| std::str::from_utf8(word).ok().map(str::to_owned);
    let mut words = line.splitn(6, |byte| *byte == b' ');
    let permissions = words.nth(1)?;
    let device = text(words.nth(1)?)?;
    let inode: u64 = text(words.next()?)?.parse().ok()?;
    if permissions.get(2) != Some(&b'x') || inode == 0 {
        return None;
    }
    let (major, minor) = device.split_once(':')?;
    let (major, minor) = (u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    let name = words.next()?.trim_ascii();
    let (path, deleted) = match name.strip_suffix(b" (deleted)") {
        Some(path) => (path, true),
        None => (name, false),
    };
    let mut file = File::named(Kind::MmapExec, &BString::from(path), major << 20 | minor, inode, 0);
    file.flags = if deleted { file_flags::DELETED } else { 0 };
    Some(file)
}
