//! A primary that speaks just enough of Redis' replication to hand a replica any bytes as its first dump.
//!
//! It serves one replica on loopback and then ends.

use anyhow::{Result, bail};
use std::io::{BufReader, Write as _};
use std::net::TcpListener;
use std::time::Duration;

/// Most requests that are answered.
const MOST: usize = 20;

/// Listens; returns the port.
pub fn listen(payload: Vec<u8>) -> Result<u16> {
    let listener = TcpListener::bind(("127.0.0.1", 0))?;
    let port = listener.local_addr()?.port();
    std::thread::spawn(move || serve(&listener, &payload));
    Ok(port)
}

fn serve(listener: &TcpListener, payload: &[u8]) -> Result<()> {
    let (mut stream, _) = listener.accept()?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    for _ in 0..MOST {
        let words = request(&mut reader)?;
        match words.first().map(String::as_str) {
            Some("PING") => stream.write_all(b"+PONG\r\n")?,
            Some("PSYNC" | "SYNC") => {
                write!(stream, "+FULLRESYNC {} 1\r\n${}\r\n", "a".repeat(40), payload.len())?;
                stream.write_all(payload)?;
                stream.flush()?;
            }
            _ => stream.write_all(b"+OK\r\n")?,
        }
    }
    Ok(())
}

/// One request: an array of strings.
fn request(reader: &mut impl std::io::BufRead) -> Result<Vec<String>> {
    let count = number(reader, '*')?;
    let mut words = Vec::new();
    for _ in 0..count.min(16) {
        let length = number(reader, '$')?;
        let mut text = vec![0; length.min(4096) + 2];
        reader.read_exact(&mut text)?;
        text.truncate(length);
        words.push(String::from_utf8_lossy(&text).to_uppercase());
    }
    Ok(words)
}

fn number(reader: &mut impl std::io::BufRead, kind: char) -> Result<usize> {
    let mut line = String::new();
    if reader.read_line(&mut line)? == 0 {
        bail!("the replica went away");
    }
    Ok(line.trim().trim_start_matches(kind).parse()?)
}
