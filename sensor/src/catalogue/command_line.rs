//! The command line that patterns are held against.

use super::base_name;
use crate::event::Exec;
use bstr::{BString, ByteSlice};

/// Names of shells that run `-c COMMAND` alike.
const SHELL_NAMES: [&str; 4] = ["sh", "dash", "ash", "bash"];

/// The arguments joined by spaces, the program by the last part of its path: `sh -c id`.
///
/// A server that rewrote its arguments has all of them in the first (`php-fpm: master process (/etc/php-fpm.conf)`): only
/// what stands before the first space is taken for a path.
pub fn command_line(image: &Exec) -> BString {
    let mut line = BString::default();
    if let Some(first) = image.argv.first() {
        let end = first.find_byte(b' ').unwrap_or(first.len());
        line.extend_from_slice(base_name(&first[..end]));
        line.extend_from_slice(first[end..].trim_end_with(|letter| letter == ' '));
    }
    for argument in image.argv.iter().skip(1) {
        line.push(b' ');
        line.extend_from_slice(argument);
    }
    line
}

/// [`command_line`] in one form for all ways in which libraries start a shell: `dash -c X`, `bash -c X`,
/// `busybox sh -c X`, and `sh -c -- X` (glibc since 2.38, newer musl) all read `sh -c X`.
pub fn plain_command_line(image: &Exec) -> BString {
    plain(&command_line(image))
}

pub(super) fn plain(line: &[u8]) -> BString {
    let line = line.strip_prefix(b"busybox ").filter(|rest| shell_arguments(rest).is_some()).unwrap_or(line);
    let Some(arguments) = shell_arguments(line) else {
        return line.into();
    };
    let mut plain = BString::from("sh");
    match arguments.strip_prefix(b" -c -- ") {
        Some(command) => {
            plain.extend_from_slice(b" -c ");
            plain.extend_from_slice(command);
        }
        None => plain.extend_from_slice(arguments),
    }
    plain
}

/// What follows the name of a shell, from the space on.
fn shell_arguments(line: &[u8]) -> Option<&[u8]> {
    let (name, arguments) = line.split_at(line.find_byte(b' ').unwrap_or(line.len()));
    let name = base_name(name);
    SHELL_NAMES.iter().any(|shell| shell.as_bytes() == name).then_some(arguments)
}
