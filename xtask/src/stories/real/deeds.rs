//! What stories do to servers: requests, a small file server to fetch from, a listener to connect to, code to compile.

use super::hall::Instance;
use crate::command;
use anyhow::{Context, Result, bail};
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// How long a deed may take to show its proof.
const PATIENCE: Duration = Duration::from_secs(10);

impl Instance {
    /// Runs curl with further arguments on a path of this server.
    pub fn curl(&self, path: &str, arguments: &[&str]) -> Result<String> {
        let address = format!("http://127.0.0.1:{}/{path}", self.port);
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--path-as-is"]).args(arguments).arg(address);
        command::output(&mut curl)
    }

    /// The page at a path, which is encoded already.
    pub fn page(&self, path: &str) -> Result<String> {
        self.curl(path, &[])
    }

    /// The page at a path with parameters, which are encoded here.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let arguments: Vec<&str> = pairs.iter().flat_map(|pair| ["--data-urlencode", pair]).collect();
        self.curl(path, &[&["--get"], &arguments[..]].concat())
    }

    /// The same with the parameters in the body.
    pub fn post(&self, path: &str, parameters: &[(&str, &str)]) -> Result<String> {
        let pairs: Vec<String> = parameters.iter().map(|(name, value)| format!("{name}={value}")).collect();
        let arguments: Vec<&str> = pairs.iter().flat_map(|pair| ["--data-urlencode", pair]).collect();
        self.curl(path, &arguments)
    }
}

/// Fails unless `said` has `wanted` in it: the deed did not happen.
pub fn prove(said: &str, wanted: &str) -> Result<()> {
    if !said.contains(wanted) {
        bail!("the deed did not happen: {wanted:?} is not in {:?}", said.trim());
    }
    Ok(())
}

/// Waits for a file to be there with `wanted` in it, and returns its text.
pub fn prove_file(path: &Path, wanted: &str) -> Result<String> {
    let begin = Instant::now();
    loop {
        let text = std::fs::read(path).map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
        if let Ok(text) = &text
            && text.contains(wanted)
        {
            return Ok(text.clone());
        }
        if begin.elapsed() > PATIENCE {
            bail!("the deed did not happen: {} has {text:?} and not {wanted:?}", path.display());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// Serves one text to whoever asks over HTTP on loopback, at most a hundred times; returns the port.
pub fn serve(body: impl Into<Vec<u8>>) -> Result<u16> {
    let body = body.into();
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(100).flatten() {
            // A client that goes away takes nothing with it.
            let _ = answer(stream, &body);
        }
    });
    Ok(port)
}

fn answer(mut stream: TcpStream, body: &[u8]) -> Result<()> {
    stream.set_read_timeout(Some(Duration::from_secs(5)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        line.clear();
    }
    write!(stream, "HTTP/1.0 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(body)?;
    Ok(())
}

/// Listens once on loopback, as one who waits for a reverse shell: sends `id` and hands over the first line with `uid=`.
pub fn lie_in_wait() -> Result<(u16, Receiver<String>)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    let (sender, receiver) = channel();
    std::thread::spawn(move || -> Result<()> {
        let (mut stream, _) = listener.accept()?;
        stream.set_read_timeout(Some(PATIENCE))?;
        stream.write_all(b"id\n")?;
        for line in BufReader::new(stream.try_clone()?).lines().map_while(Result::ok) {
            if line.contains("uid=") {
                stream.write_all(b"exit\n")?;
                let _ = sender.send(line);
                break;
            }
        }
        Ok(())
    });
    Ok((port, receiver))
}

/// What [`lie_in_wait`] got.
pub fn caught(receiver: &Receiver<String>) -> Result<()> {
    receiver.recv_timeout(PATIENCE).map(drop).context("the deed did not happen: no shell came back")
}

/// Compiles a library whose functions a server calls; `MARK` in it is the file that proves it.
pub fn library(directory: &Path, name: &str, source: &str, mark: &Path) -> Result<PathBuf> {
    let (text, library) = (directory.join(format!("{name}.c")), directory.join(format!("{name}.so")));
    std::fs::write(&text, source)?;
    let mut compiler = Command::new("cc");
    compiler.args(["-shared", "-fPIC", "-O1", &format!("-DMARK=\"{}\"", mark.display()), "-o"]).arg(&library).arg(text);
    command::output(&mut compiler).context("compiling a library")?;
    Ok(library)
}

/// Packs files into a tar archive, as a plugin is distributed.
pub fn archive(directory: &Path, name: &str, files: &[(&str, &str)]) -> Result<PathBuf> {
    for (path, text) in files {
        super::start::write(&directory.join("tree"), path, text)?;
    }
    let archive = directory.join(format!("{name}.tar"));
    // PHP unpacks no entry that is called ".".
    let mut tar = Command::new("sh");
    tar.args(["-c", "cd tree && tar -cf \"$1\" *", "sh"]).arg(&archive).current_dir(directory);
    command::output(&mut tar)?;
    Ok(archive)
}
