//! Syslog: alerts and events as RFC 5424 messages, to a socket in the file system, over TCP or over TLS.
//!
//! Always holds: messages are handed over in order; one connection at a time; nothing waits for long.
//!
//! Syslog has no acknowledgement. Handed over means that the kernel took it, and a daemon that dies may not have read it.
//! So the connection is looked at before each batch and while nothing happens, and when it is found broken, alerts that may
//! not have been read ([`Tail`]) are handed over once more, before anything newer: rather twice than never. What is lost all
//! the same: alerts that were handed over longer ago than that, to a daemon that stopped reading but kept the connection; and
//! all of this when the sensor ends at the same time.

mod connection;
mod format;
mod tail;

use super::{Message, Sink, Trouble, Undelivered, tls};
use crate::config::{self, Address, Identity};
use anyhow::{Context, Result};
use connection::Connection;
use format::Format;
use std::time::{Instant, SystemTime, UNIX_EPOCH};
use tail::Tail;

/// The output.
pub struct Syslog {
    address: Address,
    identity: Identity,
    format: Format,
    connection: Option<Connection>,
    tail: Tail,
}

impl Syslog {
    /// Connects when something is to be delivered. Fails if a certificate that is named cannot be used.
    pub fn new(settings: &config::Syslog) -> Result<Self> {
        tls::check(&settings.identity)?;
        let host = rustix::system::uname().nodename().to_string_lossy().into_owned();
        Ok(Self {
            address: settings.address.clone(),
            identity: settings.identity.clone(),
            format: Format::new(format::facility(&settings.facility), &host),
            connection: None,
            tail: Tail::default(),
        })
    }

    /// A connection that was alive just now, over which nothing older is missing.
    fn ready(&mut self) -> Result<&mut Connection> {
        let now = Instant::now();
        if self.connection.as_mut().is_some_and(|connection| !connection.is_alive()) {
            self.connection = None;
        }
        if self.connection.is_some() {
            self.tail.confirm(now);
        } else {
            self.connect().with_context(|| format!("output.syslog.address = {}", self.address))?;
        }
        self.connection.as_mut().context("no connection")
    }

    fn connect(&mut self) -> Result<()> {
        let mut connection = Connection::open(&self.address, &self.identity)?;
        let missing: Vec<Vec<u8>> = self.tail.messages().map(<[u8]>::to_vec).collect();
        connection
            .send(&missing)
            .map_err(|(_, error)| error)
            .context("handing over again what may not have arrived")?;
        self.tail.again(Instant::now());
        if !missing.is_empty() {
            tracing::info!(count = missing.len(), address = %self.address, "alerts were handed over again");
        }
        self.connection = Some(connection);
        Ok(())
    }

    /// Hands over what it can of `batch`: how many, and what stopped it.
    fn hand_over(&mut self, batch: &[Message]) -> (usize, Result<()>) {
        let now_unix_ns = now_unix_ns();
        let messages: Vec<Vec<u8>> = batch.iter().map(|message| self.format.message(message, now_unix_ns)).collect();
        let connection = match self.ready() {
            Ok(connection) => connection,
            Err(error) => return (0, Err(error)),
        };
        let (count, result) = match connection.send(&messages) {
            Ok(()) => (batch.len(), Ok(())),
            Err((count, error)) => (count, Err(error)),
        };
        let now = Instant::now();
        for (message, bytes) in batch.iter().zip(messages).take(count) {
            if message.alert.is_some() {
                self.tail.push(bytes, now);
            }
        }
        (count, result.with_context(|| format!("output.syslog.address = {}", self.address)))
    }
}

impl Sink for Syslog {
    fn deliver(&mut self, batch: &[Message]) -> Result<(), Undelivered> {
        let (first, result) = self.hand_over(batch);
        let Err(error) = result else { return Ok(()) };
        if is_too_long(&error) {
            return Err(Undelivered { delivered: first, error, kind: Trouble::Refused });
        }
        if self.connection.take().is_none() {
            return Err(Undelivered { delivered: first, error, kind: Trouble::Retry });
        }
        // It broke since it was last used; the daemon may have been started anew.
        let (second, result) = self.hand_over(&batch[first..]);
        let Err(error) = result else { return Ok(()) };
        self.connection = None;
        Err(Undelivered { delivered: first + second, error, kind: Trouble::Retry })
    }

    /// Certificates may be new.
    fn reopen(&mut self) -> std::io::Result<()> {
        self.connection = None;
        Ok(())
    }

    fn rest(&mut self) {
        if self.connection.is_none() && self.tail.is_empty() {
            return;
        }
        if let Err(error) = self.ready() {
            tracing::debug!(error = format!("{error:#}"), "what may not have arrived waits");
        }
    }
}

/// A datagram may be longer than the socket takes; no other attempt will change that.
fn is_too_long(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<std::io::Error>().and_then(std::io::Error::raw_os_error);
    code == Some(rustix::io::Errno::MSGSIZE.raw_os_error())
}

fn now_unix_ns() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_nanos() as u64)
}

#[cfg(test)]
mod tests;
