//! Connections over loopback.

use super::Work;
use anyhow::{Context, Result, bail};
use std::cell::RefCell;
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::os::fd::AsRawFd;
use std::rc::Rc;

/// Connects to ourselves, accepts, closes both.
pub fn connect() -> Result<impl FnMut() -> Result<()>> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    Ok(move || {
        let client = TcpStream::connect(address)?;
        let (server, _) = listener.accept()?;
        reset_at_close(&client)?;
        drop(client);
        drop(server);
        Ok(())
    })
}

/// How many connections may wait: what `TcpListener` asks for.
const BACKLOG: u32 = 128;

/// Accepts connections that wait already, so that only the accept is measured; and closes them.
pub fn accept() -> Result<Work> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    let address = listener.local_addr()?;
    let waiting = Rc::new(RefCell::new(Vec::new()));
    let left = Rc::clone(&waiting);
    Ok(Work {
        prepare: Box::new(move |count| {
            if count > BACKLOG {
                bail!("{count} connections cannot wait at once");
            }
            for _ in 0..count {
                waiting.borrow_mut().push(TcpStream::connect(address)?);
            }
            Ok(())
        }),
        step: Box::new(move || {
            drop(listener.accept()?);
            Ok(())
        }),
        tidy: Box::new(move || {
            for client in left.borrow_mut().drain(..) {
                reset_at_close(&client)?;
            }
            Ok(())
        }),
    })
}

/// A reset leaves no TIME_WAIT behind, of which thousands would change what is measured.
fn reset_at_close(socket: &impl AsRawFd) -> Result<()> {
    let linger = libc::linger { l_onoff: 1, l_linger: 0 };
    // SAFETY: the descriptor is open and the struct has the size that is given.
    let result = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_LINGER,
            (&raw const linger).cast(),
            size_of::<libc::linger>() as libc::socklen_t,
        )
    };
    if result != 0 {
        return Err(std::io::Error::last_os_error()).context("SO_LINGER");
    }
    Ok(())
}
