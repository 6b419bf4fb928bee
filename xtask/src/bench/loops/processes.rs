//! Processes that are made, perhaps begin a program, and end.

use super::c_path;
use anyhow::{Context, Result, bail};
use std::ffi::CStr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// vfork, exec, exit, wait, and nothing else.
pub fn vfork(directory: &Path) -> Result<impl FnMut() -> Result<()> + use<>> {
    let program = c_path(&tiny_program(directory)?)?;
    let mut stack = vec![0_u8; 64 * 1024];
    Ok(move || vfork_and_exec(&program, &mut stack))
}

/// vfork(2) itself returns twice, which Rust has no notion of: clone with its flags, and a stack for the child.
fn vfork_and_exec(program: &CStr, stack: &mut [u8]) -> Result<()> {
    extern "C" fn child(program: *mut libc::c_void) -> libc::c_int {
        let arguments = [program.cast_const().cast::<libc::c_char>(), std::ptr::null()];
        // SAFETY: the path ends in NUL, and both lists in a null pointer.
        unsafe { libc::execve(arguments[0], arguments.as_ptr(), arguments[1..].as_ptr()) };
        127
    }
    let top = stack.as_mut_ptr_range().end;
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the stack is the child's alone as long as it shares our memory, and so long we wait; `top` is aligned as
    // the allocator aligns large blocks.
    let child = unsafe { libc::clone(child, top.cast(), flags, program.as_ptr().cast_mut().cast()) };
    if child < 0 {
        return Err(std::io::Error::last_os_error()).context("clone");
    }
    reap(child)
}

/// posix_spawn, exit, wait.
pub fn spawn(directory: &Path) -> Result<impl FnMut() -> Result<()> + use<>> {
    let program = c_path(&tiny_program(directory)?)?;
    Ok(move || posix_spawn(&program))
}

fn posix_spawn(program: &CStr) -> Result<()> {
    reap(start(program, &[])?)
}

/// Starts a program (posix_spawn) with these arguments; gives its pid.
pub fn start(program: &CStr, arguments: &[&CStr]) -> Result<libc::pid_t> {
    let mut pid = 0;
    let words = std::iter::once(program).chain(arguments.iter().copied());
    let arguments: Vec<_> = words.map(|word| word.as_ptr().cast_mut()).chain([std::ptr::null_mut()]).collect();
    let environment = [std::ptr::null_mut()];
    // SAFETY: all strings end in NUL and both arrays in a null pointer; null actions and attributes are allowed.
    let error = unsafe {
        libc::posix_spawn(
            &raw mut pid,
            program.as_ptr(),
            std::ptr::null(),
            std::ptr::null(),
            arguments.as_ptr(),
            environment.as_ptr(),
        )
    };
    if error != 0 {
        return Err(std::io::Error::from_raw_os_error(error)).context("posix_spawn");
    }
    Ok(pid)
}

/// fork, exit, wait.
pub fn fork() -> Result<()> {
    // SAFETY: this process has one thread, and the child only ends.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("fork"),
        // SAFETY: ends the child without running anything of the parent's.
        0 => unsafe { libc::_exit(0) },
        child => reap(child),
    }
}

/// A child that waits for ever, and ends with its parent.
pub fn fork_and_pause() -> Result<libc::pid_t> {
    // SAFETY: this process has one thread, and the child only asks to end with it and waits.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("fork"),
        0 => loop {
            // SAFETY: numbers only.
            unsafe {
                libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL);
                libc::pause();
            }
        },
        child => Ok(child),
    }
}

/// Ends children of ours that were not waited for, so that their numbers are their own.
pub fn end(children: &[libc::pid_t]) {
    for child in children {
        // SAFETY: numbers only.
        unsafe { libc::kill(*child, libc::SIGKILL) };
    }
    for child in children {
        // SAFETY: no place for a status is allowed.
        unsafe { libc::waitpid(*child, std::ptr::null_mut(), 0) };
    }
}

/// Waits for a child, which must succeed.
pub fn reap(pid: libc::pid_t) -> Result<()> {
    let mut status = 0;
    // SAFETY: status is a valid place for an int.
    if unsafe { libc::waitpid(pid, &raw mut status, 0) } != pid || status != 0 {
        bail!("the child ended with status {status}");
    }
    Ok(())
}

/// A program that does nothing: with a real one most of the time would be its dynamic loader's.
pub fn tiny_program(directory: &Path) -> Result<PathBuf> {
    if std::env::consts::ARCH != "x86_64" {
        return Ok(PathBuf::from("/bin/true"));
    }
    // xor edi, edi; mov eax, 60 (exit); syscall
    write_program(&directory.join("tiny"), &[0x31, 0xff, 0xb8, 60, 0, 0, 0, 0x0f, 0x05])
}

/// Writes a static x86_64 executable that runs `code`.
pub fn write_program(path: &Path, code: &[u8]) -> Result<PathBuf> {
    std::fs::write(path, static_elf(code))?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o755))?;
    Ok(path.to_owned())
}

/// A static x86_64 executable: headers and code.
fn static_elf(code: &[u8]) -> Vec<u8> {
    const BASE: u64 = 0x40_0000;
    const HEADERS: u64 = 64 + 56;
    let size = HEADERS + code.len() as u64;
    let mut elf = vec![0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    // Type EXEC, machine x86_64, version 1.
    elf.extend([2, 0, 62, 0, 1, 0, 0, 0]);
    // Entry point, program headers' offset, section headers' offset.
    for word in [BASE + HEADERS, 64, 0] {
        elf.extend(word.to_le_bytes());
    }
    // Flags; sizes and counts of headers.
    elf.extend([0, 0, 0, 0, 64, 0, 56, 0, 1, 0, 0, 0, 0, 0, 0, 0]);
    // One segment: LOAD, readable and executable.
    elf.extend([1, 0, 0, 0, 5, 0, 0, 0]);
    for word in [0, BASE, BASE, size, size, 0x1000] {
        elf.extend(u64::to_le_bytes(word));
    }
    elf.extend(code);
    elf
}
