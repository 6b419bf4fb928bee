//! The many ways in which a server of the scenarios makes a file where components are loaded from.

use super::actor::{c_string, check, unshare};
use anyhow::{Context, Result, bail};
use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};

fn create(path: &Path) -> Result<()> {
    File::create(path).with_context(|| path.display().to_string())?.write_all(b"<?php\n")?;
    Ok(())
}

/// Makes `www/NAME` in one of many ways.
pub fn write_as(how: &str, name: &Path, lab: &Path) -> Result<()> {
    let (www, outside) = (lab.join("www"), lab.join("outside"));
    let (real, away) = (www.join(name), outside.join(name));
    // Left by an earlier try, if there was one.
    for old in [&real, &away] {
        let _ = fs::remove_file(old);
    }
    match how {
        "plainly" => create(&real),
        "symlinked-directory" => {
            let alias = outside.join("alias");
            let _ = std::os::unix::fs::symlink(&www, &alias);
            create(&alias.join(name))
        }
        "bind-mount" => {
            unshare(libc::CLONE_NEWNS)?;
            let bind = outside.join("bind");
            fs::create_dir_all(&bind)?;
            let (from, to) = (c_string(&www)?, c_string(&bind)?);
            // SAFETY: strings that end in NUL.
            let mounted =
                unsafe { libc::mount(from.as_ptr(), to.as_ptr(), std::ptr::null(), libc::MS_BIND, std::ptr::null()) };
            check(mounted.into(), "bind mount")?;
            create(&bind.join(name))
        }
        "new-directory" => {
            let _ = fs::remove_dir_all(www.join(name.iter().next().unwrap_or_default()));
            fs::create_dir_all(real.parent().unwrap_or(&www))?;
            create(&real)
        }
        "mount-namespace" => unshare(libc::CLONE_NEWNS).and_then(|()| create(&real)),
        "hard-link" => create(&away).and_then(|()| Ok(fs::hard_link(&away, &real)?)),
        "rename" => create(&away).and_then(|()| Ok(fs::rename(&away, &real)?)),
        "symlink" => create(&away).and_then(|()| Ok(std::os::unix::fs::symlink(&away, &real)?)),
        "dirfd" => {
            let directory = File::open(&www)?;
            let name = c_string(name)?;
            let flags = libc::O_CREAT | libc::O_WRONLY;
            // SAFETY: a string that ends in NUL.
            let made = unsafe { libc::openat(directory.as_raw_fd(), name.as_ptr(), flags, 0o644) };
            check(made.into(), "openat").map(drop)
        }
        "openat2-beneath" => openat2(&www, name),
        "rewritten-open" => rewritten(&real, &away, &|path| {
            // SAFETY: the buffer ends in NUL whichever of the two paths it holds.
            let made = unsafe { libc::open(path, libc::O_CREAT | libc::O_WRONLY | libc::O_EXCL, 0o644) };
            if made >= 0 {
                // SAFETY: a descriptor that was just made.
                drop(unsafe { OwnedFd::from_raw_fd(made) });
            }
        }),
        "rewritten-rename" => {
            let from = c_string(&outside.join("from"))?;
            rewritten(&real, &away, &|path| {
                // What cannot be made is then not renamed either.
                let _ = File::create(outside.join("from"));
                // SAFETY: strings that end in NUL, whichever of the two paths the second holds.
                unsafe { libc::rename(from.as_ptr(), path) };
            })
        }
        "io-uring" => through_io_uring(&real),
        _ => bail!("no such way: {how}"),
    }
}

fn openat2(directory: &Path, name: &Path) -> Result<()> {
    #[repr(C)]
    struct OpenHow {
        flags: u64,
        mode: u64,
        resolve: u64,
    }
    const RESOLVE_BENEATH: u64 = 8;
    let how = OpenHow { flags: (libc::O_CREAT | libc::O_WRONLY) as u64, mode: 0o644, resolve: RESOLVE_BENEATH };
    let directory = File::open(directory)?;
    let name = c_string(name)?;
    // SAFETY: a string that ends in NUL, and a structure that states its size.
    let made = unsafe {
        libc::syscall(libc::SYS_openat2, directory.as_raw_fd(), name.as_ptr(), &raw const how, size_of::<OpenHow>())
    };
    check(made, "openat2").map(drop)
}

/// Calls `call` again and again while a second thread rewrites the path that it is given: `real` and `away` in turn.
fn rewritten(real: &Path, away: &Path, call: &dyn Fn(*const libc::c_char)) -> Result<()> {
    let mut paths = [c_string(real)?.into_bytes_with_nul(), c_string(away)?.into_bytes_with_nul()];
    // Both are made as long as the longer one: slashes at the beginning do no harm.
    let length = paths.iter().map(Vec::len).max().unwrap_or(0);
    for path in &mut paths {
        let missing = length - path.len();
        path.splice(0..0, std::iter::repeat_n(b'/', missing));
    }
    let shared: Vec<AtomicU8> = paths[0].iter().map(|byte| (*byte).into()).collect();
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                for path in paths.iter().rev() {
                    for (to, from) in shared.iter().zip(path) {
                        to.store(*from, Ordering::Relaxed);
                    }
                }
            }
        });
        for _ in 0..300 {
            call(shared.as_ptr().cast());
        }
        done.store(true, Ordering::Relaxed);
    });
    Ok(())
}

/// Opens through io_uring: at once, and by a worker thread of the ring.
fn through_io_uring(path: &Path) -> Result<()> {
    use io_uring::{IoUring, opcode, squeue, types};
    let mut ring = IoUring::new(4).context("io_uring_setup")?;
    let path = c_string(path)?;
    for flags in [squeue::Flags::empty(), squeue::Flags::ASYNC] {
        let open = opcode::OpenAt::new(types::Fd(libc::AT_FDCWD), path.as_ptr());
        let open = open.flags(libc::O_CREAT | libc::O_WRONLY).mode(0o644).build().flags(flags);
        // SAFETY: the path lives until the completion has been read.
        unsafe { ring.submission().push(&open) }.context("io_uring submission queue")?;
        ring.submit_and_wait(1).context("io_uring_enter")?;
        let completed = ring.completion().next().context("io_uring completion queue")?;
        if completed.result() < 0 {
            bail!("openat through io_uring: {}", std::io::Error::from_raw_os_error(-completed.result()));
        }
        // SAFETY: a descriptor that was just made.
        drop(unsafe { OwnedFd::from_raw_fd(completed.result()) });
    }
    Ok(())
}
