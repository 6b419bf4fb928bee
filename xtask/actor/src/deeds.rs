//! What an actor can be told to do, each by the system calls that real programs use.

use crate::CONTROL;
use crate::socket::{self, Order};
use crate::system::{self, Result, c_string, check, duplicate, number};
use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::Path;

/// What a process has open, by the names that a story gives.
#[derive(Default)]
struct Process {
    kept: HashMap<String, OwnedFd>,
    /// The last of these that listens.
    listener: Option<RawFd>,
}

/// Does what it is told until nobody tells any more.
pub fn obey() -> ! {
    system::forget_children();
    Process::default().obey()
}

/// Becomes that program. Returns only if it could not.
pub fn exec(path: &str, arguments: &[String], environment: &[String]) -> Result<()> {
    let strings = |texts: &[String]| texts.iter().map(|text| c_string(text)).collect::<Result<Vec<_>>>();
    let (program, arguments, environment) = (c_string(path)?, strings(arguments)?, strings(environment)?);
    let pointers = |strings: &[std::ffi::CString]| -> Vec<*const libc::c_char> {
        strings.iter().map(|string| string.as_ptr()).chain([std::ptr::null()]).collect()
    };
    // SAFETY: lists of strings that end in NUL, and in a null pointer.
    unsafe { libc::execve(program.as_ptr(), pointers(&arguments).as_ptr(), pointers(&environment).as_ptr()) };
    Err(format!("exec {path}: {}", std::io::Error::last_os_error()))
}

fn say(path: &str, error: &std::io::Error) -> String {
    format!("{path}: {error}")
}

impl Process {
    /// Says that it is there, and then does one thing after the other.
    fn obey(&mut self) -> ! {
        socket::answer("ok");
        while let Some(order) = socket::receive() {
            match self.perform(order) {
                Ok(said) => socket::answer(&format!("ok {said}")),
                Err(error) => socket::answer(&format!("error {error}")),
            }
        }
        std::process::exit(0)
    }

    fn perform(&mut self, order: Order) -> Result<String> {
        let words: Vec<&str> = order.words.iter().map(String::as_str).collect();
        let done = |result: std::io::Result<()>, path: &str| result.map_err(|error| say(path, &error));
        match words[..] {
            ["fork"] => return self.fork(order.descriptor),
            ["user", user] => system::become_user(number(user)?)?,
            ["directory", path] => done(std::env::set_current_dir(path), path)?,
            ["standard", kind] => self.standard(kind)?,
            ["exec", path, arguments, ..] => {
                let arguments: usize = number(arguments)?;
                let rest = &order.words[3..];
                let (arguments, environment) = rest.split_at(arguments.min(rest.len()));
                exec(path, arguments, environment)?;
            }
            ["exec-memory", name, ..] => {
                let file = system::memory_file(name)?;
                copy_program(order.descriptor, &mut File::from(file.try_clone().map_err(|error| error.to_string())?))?;
                exec(&format!("/proc/self/fd/{}", file.as_raw_fd()), &order.words[2..], &[])?;
            }
            ["title", title] => system::set_title(title)?,
            ["name", name] => system::set_name(name)?,
            ["write", path, how, mode, kind, content, keep] => {
                return self.write(path, how, number(mode)?, kind, content, keep, order.descriptor);
            }
            ["read", path] => {
                let mut file = File::open(path).map_err(|error| say(path, &error))?;
                file.read(&mut [0; 4096]).map_err(|error| say(path, &error))?;
            }
            ["rename", from, to] => make_parent(to).and_then(|()| done(std::fs::rename(from, to), to))?,
            ["link", from, to] => done(std::fs::hard_link(from, to), to)?,
            ["symlink", from, to] => done(std::os::unix::fs::symlink(from, to), to)?,
            ["unlink", path] => done(std::fs::remove_file(path), path)?,
            ["mkdir", path] => done(std::fs::create_dir_all(path), path)?,
            ["chmod", path, mode] => {
                done(std::fs::set_permissions(path, std::fs::Permissions::from_mode(number(mode)?)), path)?;
            }
            ["map", path] => system::map_code(&File::open(path).map_err(|error| say(path, &error))?)?,
            ["listen", at] => self.listen(at)?,
            ["connect", to, from] => self.connect(to, from)?,
            ["accept", at] => self.accept(at)?,
            ["exit"] => {
                socket::answer("ok");
                std::process::exit(0)
            }
            _ => return Err(format!("no such order: {words:?}")),
        }
        Ok(String::new())
    }

    /// A child that takes orders through the descriptor that came along.
    fn fork(&mut self, descriptor: Option<OwnedFd>) -> Result<String> {
        let descriptor = descriptor.ok_or("no descriptor for the child")?;
        let child = system::fork()?;
        if child == 0 {
            duplicate(descriptor.as_raw_fd(), CONTROL)?;
            drop(descriptor);
            self.obey();
        }
        Ok(child.to_string())
    }

    /// What standard input, output and error are.
    fn standard(&mut self, kind: &str) -> Result<()> {
        match kind {
            "null" => {
                let null = File::options().read(true).write(true).open("/dev/null");
                let null = null.map_err(|error| say("/dev/null", &error))?;
                (0..3).try_for_each(|standard| duplicate(null.as_raw_fd(), standard))?;
            }
            // Input alone: what `popen` does for writing. Output alone: for reading; input stays what it was.
            "input" => {
                let (near, far) = system::pipe()?;
                duplicate(near.as_raw_fd(), 0)?;
                self.kept.insert("input".to_owned(), far);
            }
            "output" => {
                let (far, near) = system::pipe()?;
                duplicate(near.as_raw_fd(), 1)?;
                self.kept.insert("output".to_owned(), far);
            }
            "pipes" => {
                self.standard("input")?;
                self.standard("output")?;
            }
            "unix" => {
                let (near, far) = system::socket_pair()?;
                duplicate(near.as_raw_fd(), 0)?;
                duplicate(near.as_raw_fd(), 1)?;
                self.kept.insert("far".to_owned(), far);
            }
            "listener" => {
                let listener = self.listener.ok_or("it does not listen")?;
                duplicate(listener, 0)?;
            }
            "socket" => {
                let socket = self.kept.get("socket").ok_or("nothing is connected")?.as_raw_fd();
                (0..3).try_for_each(|standard| duplicate(socket, standard))?;
            }
            _ => return Err(format!("no such standard input: {kind}")),
        }
        Ok(())
    }

    #[allow(clippy::too_many_arguments, reason = "the words of one order")]
    fn write(
        &mut self,
        path: &str,
        how: &str,
        mode: u32,
        kind: &str,
        content: &str,
        keep: &str,
        descriptor: Option<OwnedFd>,
    ) -> Result<String> {
        make_parent(path)?;
        let mut options = File::options();
        options.write(true).mode(mode);
        match how {
            "create" => options.create(true).truncate(true),
            "exclusive" => options.create_new(true),
            "append" => options.create(true).append(true),
            "truncate" => options.truncate(true),
            _ => return Err(format!("no such way to open: {how}")),
        };
        let mut file = options.open(path).map_err(|error| say(path, &error))?;
        let written = match kind {
            "text" => file.write_all(content.as_bytes()),
            "library" => file.write_all(&library()),
            "program" => return copy_program(descriptor, &mut file).map(|()| String::new()),
            _ => return Err(format!("no such content: {kind}")),
        };
        written.map_err(|error| say(path, &error))?;
        if keep.is_empty() {
            return Ok(String::new());
        }
        let number = file.as_raw_fd();
        self.kept.insert(keep.to_owned(), file.into());
        Ok(number.to_string())
    }

    fn listen(&mut self, at: &str) -> Result<()> {
        let listener: OwnedFd = match at.strip_prefix("unix:") {
            Some(path) => std::os::unix::net::UnixListener::bind(path).map(OwnedFd::from),
            None => bound(at).and_then(|socket| {
                // SAFETY: numbers only.
                let listening = unsafe { libc::listen(socket.as_raw_fd(), 16) };
                check(listening, "listen").map(|_| socket).map_err(std::io::Error::other)
            }),
        }
        .map_err(|error| say(at, &error))?;
        self.listener = Some(listener.as_raw_fd());
        self.kept.insert(at.to_owned(), listener);
        Ok(())
    }

    fn connect(&mut self, to: &str, from: &str) -> Result<()> {
        let stream = if from.is_empty() { TcpStream::connect(to) } else { connect_from(to, from) };
        let stream = stream.map_err(|error| say(to, &error))?;
        self.kept.insert("socket".to_owned(), stream.into());
        Ok(())
    }

    /// Takes a connection on a listener of its own, or one that its parent left it.
    fn accept(&mut self, at: &str) -> Result<()> {
        let listener = self.kept.get(at).ok_or_else(|| format!("it does not listen on {at}"))?;
        let listener = TcpListener::from(listener.try_clone().map_err(|error| say(at, &error))?);
        let (stream, _) = listener.accept().map_err(|error| say(at, &error))?;
        self.kept.insert("socket".to_owned(), stream.into());
        Ok(())
    }
}

fn make_parent(path: &str) -> Result<()> {
    match Path::new(path).parent() {
        Some(parent) if !parent.as_os_str().is_empty() && !parent.exists() => {
            std::fs::create_dir_all(parent).map_err(|error| say(&parent.to_string_lossy(), &error))
        }
        _ => Ok(()),
    }
}

/// What begins like a shared library, one page long.
fn library() -> Vec<u8> {
    let mut bytes = b"\x7fELF\x02\x01\x01".to_vec();
    bytes.resize(16, 0);
    // A shared object for x86_64.
    bytes.extend_from_slice(&[3, 0, 62, 0, 1, 0, 0, 0]);
    bytes.resize(4096, 0);
    bytes
}

/// Writes the actor itself, from the descriptor that came along.
fn copy_program(descriptor: Option<OwnedFd>, to: &mut File) -> Result<()> {
    let mut program = File::from(descriptor.ok_or("no program came along")?);
    std::io::Seek::rewind(&mut program).map_err(|error| error.to_string())?;
    std::io::copy(&mut program, to).map(drop).map_err(|error| error.to_string())
}

/// An address for the kernel.
fn address(at: &str) -> std::io::Result<libc::sockaddr_in> {
    match at.parse() {
        Ok(SocketAddr::V4(at)) => Ok(libc::sockaddr_in {
            sin_family: libc::AF_INET as libc::sa_family_t,
            sin_port: at.port().to_be(),
            sin_addr: libc::in_addr { s_addr: u32::from(*at.ip()).to_be() },
            sin_zero: [0; 8],
        }),
        _ => Err(std::io::Error::other("not an IPv4 address and port")),
    }
}

/// A socket with that address. Others may have it too: what a story's server listens on, on every address, is not to
/// be in the way of who is somewhere else and listens on the same port.
fn bound(at: &str) -> std::io::Result<OwnedFd> {
    let near = address(at)?;
    let yes: libc::c_int = 1;
    let failed = |what: &str, result: libc::c_int| check(result, what).map_err(std::io::Error::other);
    // SAFETY: an address and an option with their lengths; the descriptor is ours if it succeeds.
    unsafe {
        let made = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
        failed("socket", made)?;
        let socket = OwnedFd::from_raw_fd(made);
        for option in [libc::SO_REUSEADDR, libc::SO_REUSEPORT] {
            let length = size_of_val(&yes) as libc::socklen_t;
            failed("setsockopt", libc::setsockopt(made, libc::SOL_SOCKET, option, (&raw const yes).cast(), length))?;
        }
        failed("bind", libc::bind(made, (&raw const near).cast(), size_of_val(&near) as libc::socklen_t))?;
        Ok(socket)
    }
}

/// Connects from an address of its own choice.
fn connect_from(to: &str, from: &str) -> std::io::Result<TcpStream> {
    let (socket, far) = (bound(from)?, address(to)?);
    let length = size_of_val(&far) as libc::socklen_t;
    // SAFETY: an address with its length.
    let connected = unsafe { libc::connect(socket.as_raw_fd(), (&raw const far).cast(), length) };
    check(connected, "connect").map_err(std::io::Error::other)?;
    Ok(socket.into())
}
