//! A server that does all that is reported of servers, for the soak: it writes, connects, makes children, loads, and at the
//! end starts a shell.

use super::actor::{append, in_child, map_executable, shell};
use anyhow::Result;
use std::fs::{self, File};
use std::net::{TcpListener, TcpStream};
use std::path::Path;

/// Files that it writes to in turn.
const FILES: usize = 8;
/// Connections to itself, each to another port.
const CONNECTIONS: usize = 4;

/// So many files and children, and the rest once.
pub fn busy(rounds: usize, lab: &Path) -> Result<()> {
    // The agent learns of a new server from its exec; until it has told the kernel, files are not reported.
    std::thread::sleep(std::time::Duration::from_millis(300));
    let own = std::process::id();
    let at = |number: usize| lab.join("outside").join(format!("busy-{own}-{number}"));
    for round in 0..rounds {
        let file = at(round % FILES);
        File::create(&file)?;
        append(&file, 2)?;
        in_child(&mut || Ok(()))?;
    }
    for number in 0..FILES.min(rounds) {
        fs::remove_file(at(number))?;
    }
    for _ in 0..CONNECTIONS {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let client = TcpStream::connect(listener.local_addr()?)?;
        drop(listener.accept()?);
        drop(client);
    }
    map_executable(&lab.join("tool"), CONNECTIONS)?;
    // A component, in a directory that is new, and gone afterwards.
    let directory = lab.join(format!("www/{own}"));
    fs::create_dir(&directory)?;
    fs::write(directory.join("page.php"), "<?php")?;
    fs::remove_dir_all(&directory)?;
    in_child(&mut || shell(lab))
}
