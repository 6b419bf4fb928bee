//! Messages with descriptors: fields that end in NUL, one message a packet.

use crate::CONTROL;
use std::os::fd::{FromRawFd, OwnedFd};

/// Longest message.
const MAX_BYTES: usize = 65_536;

/// What was ordered.
pub struct Order {
    /// The words; the first says what to do.
    pub words: Vec<String>,
    /// A descriptor that came along.
    pub descriptor: Option<OwnedFd>,
}

/// Waits for the next order; `None` when nobody can send one any more.
pub fn receive() -> Option<Order> {
    let mut bytes = vec![0_u8; MAX_BYTES];
    // Aligned as a control message has to be; room for one descriptor and more.
    let mut control = [0_u64; 16];
    let mut part = libc::iovec { iov_base: bytes.as_mut_ptr().cast(), iov_len: bytes.len() };
    // SAFETY: all zero is a message header without anything.
    let mut header: libc::msghdr = unsafe { std::mem::zeroed() };
    header.msg_iov = &raw mut part;
    header.msg_iovlen = 1;
    header.msg_control = control.as_mut_ptr().cast();
    header.msg_controllen = size_of_val(&control);
    let length = loop {
        // SAFETY: the header describes buffers that live until it returns.
        let length = unsafe { libc::recvmsg(CONTROL, &raw mut header, libc::MSG_CMSG_CLOEXEC) };
        if length >= 0 || std::io::Error::last_os_error().kind() != std::io::ErrorKind::Interrupted {
            break length;
        }
    };
    let length = usize::try_from(length).ok().filter(|length| *length > 0)?;
    // SAFETY: the kernel filled the header in.
    let first = unsafe { libc::CMSG_FIRSTHDR(&raw const header).as_ref() };
    let descriptor = first.filter(|first| first.cmsg_type == libc::SCM_RIGHTS).map(|first| {
        // SAFETY: a message of that type holds at least one descriptor, which is ours from now on.
        unsafe {
            OwnedFd::from_raw_fd(libc::CMSG_DATA(std::ptr::from_ref(first)).cast::<libc::c_int>().read_unaligned())
        }
    });
    let text = String::from_utf8_lossy(&bytes[..length]);
    let mut words: Vec<String> = text.split('\0').map(str::to_owned).collect();
    // Each word ends in NUL, so what follows the last is empty.
    words.pop();
    Some(Order { words, descriptor })
}

/// Answers. If nobody listens, the next order does not come either.
pub fn answer(text: &str) {
    // SAFETY: a buffer with its length.
    unsafe { libc::send(CONTROL, text.as_ptr().cast(), text.len(), libc::MSG_NOSIGNAL) };
}
