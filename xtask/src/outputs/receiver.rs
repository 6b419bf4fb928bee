//! A webhook's receiver that can be stopped, started again on the same port, and told to answer nothing.

use anyhow::{Context, Result};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

/// How long a connection without requests is kept.
const IDLE: Duration = Duration::from_millis(200);

/// What it got, over all starts.
#[derive(Clone, Default)]
pub struct Got(Arc<Mutex<Vec<String>>>);

impl Got {
    /// All lines, in the order in which they came.
    pub fn lines(&self) -> Vec<String> {
        self.0.lock().map(|lines| lines.clone()).unwrap_or_default()
    }
}

/// A running receiver; dropping it stops it.
pub struct Receiver {
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

/// An address that nobody listens on.
pub fn free_address() -> Result<SocketAddr> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
}

impl Receiver {
    /// Starts it. One that stalls reads requests and never answers.
    pub fn start(address: SocketAddr, got: &Got, stalls: bool) -> Result<Self> {
        let listener = TcpListener::bind(address).context("starting the webhook's receiver")?;
        listener.set_nonblocking(true)?;
        let stop = Arc::new(AtomicBool::new(false));
        let (of_thread, got) = (Arc::clone(&stop), got.clone());
        let thread = std::thread::spawn(move || {
            while !of_thread.load(Ordering::Acquire) {
                match listener.accept() {
                    // Between requests a client that goes away, or a stop, ends the connection.
                    Ok((stream, _)) => drop(serve(stream, &got, stalls, &of_thread)),
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Ok(Self { stop, thread: Some(thread) })
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Release);
        // It looks at the flag every few milliseconds.
        self.thread.take().map(JoinHandle::join);
    }
}

fn serve(stream: TcpStream, got: &Got, stalls: bool, stop: &AtomicBool) -> Result<()> {
    stream.set_nonblocking(false)?;
    stream.set_read_timeout(Some(IDLE))?;
    let mut stream = BufReader::new(stream);
    while !stop.load(Ordering::Acquire) {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            if stream.read_line(&mut headers)? == 0 {
                return Ok(());
            }
        }
        let headers = headers.to_ascii_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")).context("a length")?;
        let mut body = vec![0; length.parse()?];
        stream.read_exact(&mut body)?;
        if stalls {
            while !stop.load(Ordering::Acquire) {
                std::thread::sleep(Duration::from_millis(5));
            }
            return Ok(());
        }
        let body = String::from_utf8(body)?;
        if let Ok(mut lines) = got.0.lock() {
            lines.extend(body.lines().map(str::to_owned));
        }
        stream.get_mut().write_all(b"HTTP/1.1 204 No Content\r\n\r\n")?;
    }
    Ok(())
}
