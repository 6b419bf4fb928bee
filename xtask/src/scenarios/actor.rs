//! What the server of the scenarios does: real system calls, in processes of its own.

use anyhow::{Context, Result, bail};
use std::ffi::{CString, OsString};
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Plays a part: `xtask actor PART ARGUMENT...`.
pub fn act(part: &str, arguments: &[OsString]) -> Result<()> {
    let lab = PathBuf::from(std::env::var_os("LAB").unwrap_or_default());
    let argument = |at: usize| arguments.get(at).and_then(|argument| argument.to_str()).unwrap_or_default();
    match part {
        "nothing" => Ok(()),
        "spawn" => wait_for(Command::new("sh").args(["-c", argument(0)])),
        "bytes" => {
            let argument = std::os::unix::ffi::OsStrExt::from_bytes(b"a\xffb");
            wait_for(Command::new(lab.join("tool")).args(["actor", "nothing"]).arg::<&std::ffi::OsStr>(argument))
        }
        "double-fork" => in_child(&mut || {
            fork_off(&mut || {
                pause(100);
                shell(&lab)
            })
        }),
        "setsid" => in_child(&mut || {
            // SAFETY: no arguments.
            check(unsafe { libc::setsid() }.into(), "setsid")?;
            in_child(&mut || shell(&lab))
        }),
        "clone-parent" => clone_parent(&lab),
        "vfork-from-thread" => from_thread(&lab),
        "exec-chain" => chain(argument(0), &lab),
        "exec-from-thread" => in_child(&mut || match std::thread::scope(|scope| scope.spawn(|| shell(&lab)).join()) {
            Ok(result) => result,
            Err(_) => bail!("the thread panicked"),
        }),
        "unshare" => unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS).and_then(|()| in_child(&mut || shell(&lab))),
        "parent-exits-first" => fork_off(&mut || {
            pause(300);
            shell(&lab)
        }),
        "comm" => in_child(&mut || {
            // SAFETY: a NUL-terminated name.
            check(unsafe { libc::prctl(libc::PR_SET_NAME, c"systemd".as_ptr()) }.into(), "prctl")?;
            shell(&lab)
        }),
        "when" => {
            until_exists(Path::new(argument(0)), Duration::from_secs(argument(1).parse().unwrap_or(120)))?;
            in_child(&mut || shell(&lab))
        }
        "write" => {
            // A server runs for a while before it is abused: the agent has told the kernel whose lineage this is.
            pause(if super::lab::emulated() { 1500 } else { 200 });
            super::writes::write_as(argument(0), Path::new(argument(1)), &lab)
        }
        "read" => {
            pause(if super::lab::emulated() { 1500 } else { 400 });
            std::fs::read(lab.join("www").join(argument(0))).map(drop).with_context(|| argument(0).to_owned())
        }
        "counts" => super::counts::deeds(&lab),
        "busy" => super::busy::busy(argument(0).parse()?, &lab),
        "probe" => super::privileges::probe(argument(0), Path::new(argument(1))),
        "leader-first" => leader_ends_first(Path::new(argument(0))),
        "burst" => burst(argument(0).parse()?),
        "forks" => repeated(argument(0).parse()?),
        "exec-as" => super::execs::exec_as(argument(0), &lab),
        _ => bail!("no such part: {part}"),
    }
}

fn pause(milliseconds: u64) {
    std::thread::sleep(Duration::from_millis(milliseconds));
}

fn until_exists(path: &Path, patience: Duration) -> Result<()> {
    let begin = Instant::now();
    while !path.exists() {
        if begin.elapsed() > patience {
            bail!("{} did not appear", path.display());
        }
        pause(20);
    }
    Ok(())
}

/// What a web shell would do: becomes a shell that runs a command.
pub fn shell(lab: &Path) -> Result<()> {
    let command = format!("{} actor nothing; exit 0", lab.join("tool").display());
    Err(Command::new("sh").args(["-c", &command]).exec()).context("exec sh")
}

pub fn check(result: i64, what: &str) -> Result<i64> {
    if result < 0 {
        bail!("{what}: {}", std::io::Error::last_os_error());
    }
    Ok(result)
}

/// Runs `body` in a child and waits for it.
pub fn in_child(body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    let child = fork(body)?;
    let mut status = 0;
    // SAFETY: a place for the status.
    check(unsafe { libc::waitpid(child, &raw mut status, 0) }.into(), "waitpid")?;
    if status != 0 {
        bail!("a child ended with {status:#x}");
    }
    Ok(())
}

/// Runs `body` in a child that nobody waits for.
fn fork_off(body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    fork(body).map(drop)
}

fn fork(body: &mut dyn FnMut() -> Result<()>) -> Result<libc::pid_t> {
    // SAFETY: actors have one thread where they fork, but for one scenario, whose child only execs.
    let child = unsafe { libc::fork() };
    if child == 0 {
        end(body());
    }
    check(child.into(), "fork")?;
    Ok(child)
}

fn end(result: Result<()>) -> ! {
    let code = match result {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("actor: {error:#}");
            1
        }
    };
    std::process::exit(code)
}

/// A child whose parent, to the kernel, is our parent.
fn clone_parent(lab: &Path) -> Result<()> {
    let flags = libc::CLONE_PARENT | libc::SIGCHLD;
    // SAFETY: like fork: no new stack, nothing shared.
    let child = unsafe { libc::syscall(libc::SYS_clone, flags, 0, 0, 0, 0) };
    if child == 0 {
        pause(100);
        end(shell(lab));
    }
    check(child, "clone")?;
    // It is not our child, so it cannot be waited for.
    pause(400);
    Ok(())
}

/// A server with several threads, one of which spawns (vfork) while others run.
fn from_thread(lab: &Path) -> Result<()> {
    let command = format!("{} actor nothing; exit 0", lab.join("tool").display());
    std::thread::scope(|scope| {
        scope.spawn(|| pause(300));
        let spawning = scope.spawn(|| wait_for(Command::new("sh").args(["-c", &command])));
        spawning.join().unwrap_or_else(|_| bail!("the thread panicked"))
    })
}

fn wait_for(command: &mut Command) -> Result<()> {
    let status = command.status().context("starting it")?;
    if !status.success() {
        bail!("it ended with {status}");
    }
    Ok(())
}

/// Execs itself so many times in one process, and then the shell.
fn chain(left: &str, lab: &Path) -> Result<()> {
    match left.parse::<u32>()? {
        0 => shell(lab),
        left => {
            let error =
                Command::new(lab.join("test-server")).args(["actor", "exec-chain", &(left - 1).to_string()]).exec();
            Err(error).context("exec")
        }
    }
}

pub fn unshare(flags: libc::c_int) -> Result<()> {
    // SAFETY: flags only.
    check(unsafe { libc::unshare(flags) }.into(), "unshare")?;
    if flags & libc::CLONE_NEWNS != 0 {
        // SAFETY: strings that end in NUL; what is mounted here is not seen elsewhere from now on.
        let private = unsafe {
            libc::mount(
                c"none".as_ptr(),
                c"/".as_ptr(),
                std::ptr::null(),
                libc::MS_REC | libc::MS_PRIVATE,
                std::ptr::null(),
            )
        };
        check(private.into(), "making mounts private")?;
    }
    Ok(())
}

/// Runs `body` in a child that is the first process of a new pid namespace, with mounts of its own.
pub fn act_in_new_namespaces(body: &mut dyn FnMut() -> Result<()>) -> Result<()> {
    in_child(&mut || {
        unshare(libc::CLONE_NEWPID | libc::CLONE_NEWNS)?;
        in_child(&mut || {
            // SAFETY: strings that end in NUL; only this mount namespace sees it.
            let mounted =
                unsafe { libc::mount(c"proc".as_ptr(), c"/proc".as_ptr(), c"proc".as_ptr(), 0, std::ptr::null()) };
            check(mounted.into(), "mounting procfs")?;
            body()
        })
    })
}

/// Mounts an overlay where nobody else sees it: `lower` is a program in its lower layer. Gives where it is.
pub fn mount_overlay(lab: &Path) -> Result<PathBuf> {
    unshare(libc::CLONE_NEWNS)?;
    let at = lab.join("outside/overlay");
    std::fs::create_dir_all(&at)?;
    let (path, size) = (c_string(&at)?, c"size=64m".as_ptr());
    // SAFETY: strings that end in NUL. An upper layer cannot lie on an overlay, where the lab itself may be.
    let mounted = unsafe { libc::mount(c"tmpfs".as_ptr(), path.as_ptr(), c"tmpfs".as_ptr(), 0, size.cast()) };
    check(mounted.into(), "mounting a tmpfs")?;
    for layer in ["lower", "upper", "work", "merged"] {
        std::fs::create_dir(at.join(layer))?;
    }
    std::fs::copy("/bin/true", at.join("lower/lower"))?;
    let place = |layer: &str| at.join(layer).display().to_string();
    let layers = format!("lowerdir={},upperdir={},workdir={}", place("lower"), place("upper"), place("work"));
    let (merged, layers) = (c_string(&at.join("merged"))?, CString::new(layers)?);
    let kind = c"overlay".as_ptr();
    // SAFETY: strings that end in NUL.
    let mounted = unsafe { libc::mount(kind, merged.as_ptr(), kind, 0, layers.as_ptr().cast()) };
    check(mounted.into(), "mounting an overlay")?;
    Ok(at.join("merged"))
}

pub fn c_string(path: &Path) -> Result<CString> {
    Ok(CString::new(path.as_os_str().as_encoded_bytes())?)
}

/// The first thread ends, the process goes on in another until `go` is there, and ends with that one.
fn leader_ends_first(go: &Path) -> Result<()> {
    let go = go.to_owned();
    std::thread::spawn(move || {
        let ended = until_exists(&go, Duration::from_secs(120));
        // SAFETY: numbers only. Ends this thread alone, which is the last.
        unsafe { libc::syscall(libc::SYS_exit, i32::from(ended.is_err())) };
    });
    // SAFETY: numbers only. Ends this thread alone.
    unsafe { libc::syscall(libc::SYS_exit, 0) };
    bail!("the first thread did not end")
}

/// So many children that end at once: their pids are free for others, and come again.
fn repeated(count: u32) -> Result<()> {
    for _ in 0..count {
        in_child(&mut || Ok(()))?;
    }
    Ok(())
}

/// So many programs, one after the other, as fast as they go; half of them from a second process.
fn burst(count: u32) -> Result<()> {
    let half = |count: u32| {
        for _ in 0..count {
            wait_for(&mut Command::new("/bin/true"))?;
        }
        Ok(())
    };
    let child = fork(&mut || half(count / 2))?;
    half(count - count / 2)?;
    let mut status = 0;
    // SAFETY: a place for the status.
    check(unsafe { libc::waitpid(child, &raw mut status, 0) }.into(), "waitpid").map(drop)
}

/// A file mapped executable, so many times.
pub fn map_executable(path: &Path, times: usize) -> Result<()> {
    for _ in 0..times {
        let file = File::open(path)?;
        // SAFETY: a new mapping that is not touched.
        let map = unsafe {
            libc::mmap(
                std::ptr::null_mut(),
                4096,
                libc::PROT_READ | libc::PROT_EXEC,
                libc::MAP_PRIVATE,
                file.as_raw_fd(),
                0,
            )
        };
        if map == libc::MAP_FAILED {
            bail!("mmap: {}", std::io::Error::last_os_error());
        }
    }
    Ok(())
}

/// Connections to so many TCP and as many unix sockets, twice to each, accepted by ourselves.
pub fn talk(lab: &Path, times: usize) -> Result<()> {
    for number in 0..times {
        let tcp = TcpListener::bind(("127.0.0.1", 0))?;
        let path = lab.join(format!("outside/socket-{number}"));
        let unix = UnixListener::bind(&path)?;
        for _ in 0..2 {
            let client = TcpStream::connect(tcp.local_addr()?)?;
            drop(tcp.accept()?);
            drop(client);
            let client = UnixStream::connect(&path)?;
            drop(unix.accept()?);
            drop(client);
        }
    }
    Ok(())
}

/// Opened for writing without being made, so many times.
pub fn append(path: &Path, times: usize) -> Result<()> {
    for _ in 0..times {
        OpenOptions::new().append(true).open(path)?.write_all(b"x")?;
        // Reading alone is not reported.
        File::open(path)?.read_to_end(&mut Vec::new())?;
    }
    Ok(())
}
