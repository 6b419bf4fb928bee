//! System calls that std does not have, as results.

use std::ffi::CString;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};

/// What went wrong, in words.
pub type Result<T> = std::result::Result<T, String>;

/// An error for a negative result.
pub fn check(result: impl Into<i64>, what: &str) -> Result<i64> {
    let result = result.into();
    if result < 0 { Err(format!("{what}: {}", std::io::Error::last_os_error())) } else { Ok(result) }
}

/// A string for the kernel.
pub fn c_string(text: &str) -> Result<CString> {
    CString::new(text).map_err(|_| format!("a NUL in {text:?}"))
}

/// The number in a word.
pub fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| format!("not a number: {text:?}"))
}

/// Forks; these programs have one thread.
pub fn fork() -> Result<libc::pid_t> {
    // SAFETY: there is one thread, so the child can go on like its parent.
    let child = unsafe { libc::fork() };
    check(child, "fork").map(|_| child)
}

/// Makes `to` what `from` is, kept over exec.
pub fn duplicate(from: RawFd, to: RawFd) -> Result<()> {
    // SAFETY: numbers only.
    check(unsafe { libc::dup2(from, to) }, "dup2").map(drop)
}

/// Becomes another user, in no further groups.
pub fn become_user(user: u32) -> Result<()> {
    // SAFETY: numbers only, and no groups.
    unsafe {
        check(libc::setgroups(0, std::ptr::null()), "setgroups")?;
        check(libc::setgid(user), "setgid")?;
        check(libc::setuid(user), "setuid").map(drop)
    }
}

/// Maps the file's beginning as code, and leaves it mapped.
pub fn map_code(file: &impl AsRawFd) -> Result<()> {
    let (protection, kind) = (libc::PROT_READ | libc::PROT_EXEC, libc::MAP_PRIVATE);
    // SAFETY: a new mapping, which nothing here refers to.
    let mapped = unsafe { libc::mmap(std::ptr::null_mut(), 4096, protection, kind, file.as_raw_fd(), 0) };
    if mapped == libc::MAP_FAILED { Err(format!("mmap: {}", std::io::Error::last_os_error())) } else { Ok(()) }
}

/// Both ends of a pipe.
pub fn pipe() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, which are ours if it succeeds.
    unsafe {
        check(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), "pipe2")?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// Two connected unix sockets.
pub fn socket_pair() -> Result<(OwnedFd, OwnedFd)> {
    let mut ends = [0; 2];
    // SAFETY: room for two descriptors, which are ours if it succeeds.
    unsafe {
        let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC;
        check(libc::socketpair(libc::AF_UNIX, kind, 0, ends.as_mut_ptr()), "socketpair")?;
        Ok((OwnedFd::from_raw_fd(ends[0]), OwnedFd::from_raw_fd(ends[1])))
    }
}

/// A file that only memory holds.
pub fn memory_file(name: &str) -> Result<OwnedFd> {
    let name = c_string(name)?;
    // SAFETY: a string that ends in NUL; the descriptor is ours if it succeeds.
    unsafe {
        let made = libc::memfd_create(name.as_ptr(), libc::MFD_CLOEXEC);
        check(made, "memfd_create")?;
        Ok(OwnedFd::from_raw_fd(made))
    }
}

/// Ends this process when its parent ends, and at the latest after so many seconds.
pub fn end_in_time(seconds: u32) {
    // SAFETY: numbers only.
    unsafe {
        libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
        libc::alarm(seconds);
    }
}

/// Children that end leave nothing behind.
pub fn forget_children() {
    // SAFETY: no handler of our own.
    unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
}

/// Names this thread, as `/proc/PID/comm` shows it.
pub fn set_name(name: &str) -> Result<()> {
    let name = c_string(name)?;
    // SAFETY: a string that ends in NUL.
    check(unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) }, "prctl").map(drop)
}

/// Writes `title` where the arguments and the environment stand in memory, as setproctitle does.
///
/// The kernel shows it up to its NUL, beyond the end of the arguments, if the last byte of theirs is no longer NUL.
pub fn set_title(title: &str) -> Result<()> {
    let facts = std::fs::read_to_string("/proc/self/stat").map_err(|error| format!("/proc/self/stat: {error}"))?;
    // Fields 48 to 51, counted from 1: where arguments and environment begin and end. The name may hold blanks.
    let after_name = facts.rsplit_once(')').map(|(_, rest)| rest).unwrap_or_default();
    let fields: Vec<usize> = after_name.split_whitespace().map(|field| field.parse().unwrap_or(0)).collect();
    let [begin, arguments_end, _, end] = fields.get(45..49).ok_or("no addresses in /proc/self/stat")? else {
        return Err("no addresses in /proc/self/stat".to_owned());
    };
    let (begin, arguments_end, end) = (*begin, *arguments_end, *end);
    if begin == 0 || end <= begin || title.len() + 2 > end - begin {
        return Err(format!("no room for the title: {} bytes", end.saturating_sub(begin)));
    }
    // SAFETY: the kernel says that this part of the stack holds arguments and environment; std copied neither, but
    // reads them only when asked, and nobody asks after this.
    let area = unsafe { std::slice::from_raw_parts_mut(begin as *mut u8, end - begin) };
    area.fill(0);
    area[..title.len()].copy_from_slice(title.as_bytes());
    let last = arguments_end - begin - 1;
    if title.len() <= last {
        // A short title is filled up, as setproctitle does, so that it is not read as arguments.
        area[title.len()..=last].fill(b' ');
    }
    let shown = std::fs::read("/proc/self/cmdline").map_err(|error| format!("/proc/self/cmdline: {error}"))?;
    if shown.starts_with(title.as_bytes()) { Ok(()) } else { Err(format!("the title is not shown: {title}")) }
}
