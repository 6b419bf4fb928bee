//! Descriptors that a process was started with.

/// Closes all from `first` on. For a process that begins, and before it has any of its own there.
pub fn close_from(first: u32) -> std::io::Result<()> {
    // SAFETY: numbers only. Nothing in this process owns these descriptors: its caller runs before anything was opened.
    let closed = unsafe { libc::syscall(libc::SYS_close_range, first, u32::MAX, 0) };
    if closed < 0 { Err(std::io::Error::last_os_error()) } else { Ok(()) }
}
