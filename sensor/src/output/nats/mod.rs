//! NATS JetStream: alerts and events as messages of a stream, each acknowledged by the server.
//!
//! Always holds: an alert counts as delivered only when the server has said that the stream has it; `Nats-Msg-Id` is
//! `event.id`, so that the server itself leaves out what is sent twice within its window. Messages of a batch are sent
//! before the acknowledgements of those before them have come, but first one alone, then two, four and so on up to
//! [`MAX_IN_FLIGHT`]: an outage is met with one message, so that nothing newer gets in before it.
//!
//! Nothing runs while nothing is delivered, but for a look at the connection now and then. A connection that failed is
//! thrown away with all its tasks: nothing that was reported as undelivered can be sent by it later.

mod connection;

use super::{Message, Sink, Trouble, Undelivered, tls};
use crate::config;
use anyhow::Result;
use connection::Connection;

/// Most messages that wait for their acknowledgements.
const MAX_IN_FLIGHT: usize = 64;

/// The output.
pub struct Nats {
    settings: config::Nats,
    connection: Option<Connection>,
    /// How many messages may be in flight.
    window: usize,
}

impl Nats {
    /// Connects when something is to be delivered. Fails if a file that is named cannot be used.
    pub fn new(settings: &config::Nats) -> Result<Self> {
        tls::check(&settings.identity)?;
        connection::check(&settings.credentials)?;
        Ok(Self { settings: settings.clone(), connection: None, window: 1 })
    }

    fn publish(&mut self, batch: &[Message]) -> Result<(), Undelivered> {
        let mut delivered = 0;
        while delivered < batch.len() {
            let connection = match &self.connection {
                Some(connection) => connection,
                None => match Connection::open(&self.settings) {
                    Ok(connection) => self.connection.insert(connection),
                    Err(error) => return Err(Undelivered { delivered, error, kind: Trouble::Retry }),
                },
            };
            let end = batch.len().min(delivered + self.window);
            let (acknowledged, failed) = connection.publish(&batch[delivered..end]);
            delivered += acknowledged;
            if let Some((error, kind)) = failed {
                return Err(Undelivered { delivered, error, kind });
            }
            self.window = MAX_IN_FLIGHT.min(self.window * 2);
        }
        Ok(())
    }
}

impl Sink for Nats {
    fn deliver(&mut self, batch: &[Message]) -> Result<(), Undelivered> {
        if self.connection.as_ref().is_some_and(|connection| !connection.is_alive()) {
            self.connection = None;
        }
        self.publish(batch).map_err(|undelivered| {
            self.window = 1;
            if undelivered.kind == Trouble::Retry {
                self.connection = None;
            }
            let urls = &self.settings.urls;
            Undelivered { error: undelivered.error.context(format!("output.nats.url = {urls}")), ..undelivered }
        })
    }

    /// Credentials and certificates may be new.
    fn reopen(&mut self) -> std::io::Result<()> {
        self.connection = None;
        Ok(())
    }

    /// Answers the server's pings, and lets a dead connection go.
    fn rest(&mut self) {
        if self.connection.as_ref().is_some_and(|connection| !connection.is_alive()) {
            tracing::debug!(urls = %self.settings.urls, "the connection was closed; the next alert opens another");
            self.connection = None;
        }
    }
}
