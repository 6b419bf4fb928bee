//! A connection to a NATS server: its runtime, its client, and what it last complained of.
//!
//! The client's tasks run only while this is asked for something. All that waits has a limit.

use crate::config::{self, Credentials, Identity};
use crate::output::{Message, Trouble};
use anyhow::{Context as _, Error, Result, anyhow};
use async_nats::connection::State;
use async_nats::jetstream::Context;
use async_nats::jetstream::context::{ContextBuilder, PublishAckFuture, PublishErrorKind};
use async_nats::jetstream::message::PublishMessage;
use async_nats::jetstream::stream::{Config, DiscardPolicy, StorageType};
use async_nats::{Client, ConnectOptions, Event};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Notify;

/// How long connecting, a question or an acknowledgement may take.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the client's tasks get to answer what the server asked while nothing is delivered.
const GLANCE: Duration = Duration::from_millis(1);
/// How long the server recognises an `event.id` in a stream that we make.
const DUPLICATES: Duration = Duration::from_secs(3600);

/// A connection.
pub struct Connection {
    runtime: Runtime,
    client: Client,
    stream: Context,
    settings: config::Nats,
    said: Arc<Said>,
}

/// What the server or the client says outside of answers.
#[derive(Default)]
struct Said {
    first: Mutex<Option<String>>,
    notify: Notify,
}

impl Connection {
    /// Connects, and makes the stream if that is wanted. Errors do not name the address: the caller knows it.
    pub fn open(settings: &config::Nats) -> Result<Self> {
        let runtime = Builder::new_current_thread().enable_io().enable_time().build().context("starting a runtime")?;
        let said = Arc::new(Said::default());
        let options = options(settings, &said)?;
        let client = runtime.block_on(async {
            // Looking the name up has no limit of its own.
            match tokio::time::timeout(PATIENCE * 2, options.connect(settings.urls.each())).await {
                Ok(connected) => connected.map_err(|error| anyhow!("connecting: {error}")),
                Err(_) => Err(anyhow!("connecting: no answer for {} s", (PATIENCE * 2).as_secs())),
            }
        })?;
        let stream = {
            // It has a task of its own.
            let _inside = runtime.enter();
            let builder = ContextBuilder::new().timeout(PATIENCE).ack_timeout(PATIENCE);
            builder.max_ack_inflight(super::MAX_IN_FLIGHT).build(client.clone())
        };
        let connection = Self { runtime, client, stream, settings: settings.clone(), said };
        if settings.create_stream {
            connection.make_stream()?;
        }
        Ok(connection)
    }

    /// Whether the server is still there, as far as it is known. Gives the client's tasks a moment.
    pub fn is_alive(&self) -> bool {
        self.runtime.block_on(async { tokio::time::sleep(GLANCE).await });
        self.client.connection_state() == State::Connected && self.said.first().is_none()
    }

    /// Publishes messages and waits for their acknowledgements: how many of them, in order, the stream has, and what
    /// stopped the next.
    pub fn publish(&self, messages: &[Message]) -> (usize, Option<(Error, Trouble)>) {
        self.runtime.block_on(async {
            let mut waiting = Vec::with_capacity(messages.len());
            let mut unsent = None;
            for message in messages {
                match self.send(message).await {
                    Ok(acknowledgement) => waiting.push(acknowledgement),
                    Err(failed) => {
                        unsent = Some(failed);
                        break;
                    }
                }
            }
            let mut acknowledged = 0;
            for acknowledgement in waiting {
                if let Err(failed) = self.acknowledged(acknowledgement).await {
                    return (acknowledged, Some(failed));
                }
                acknowledged += 1;
            }
            (acknowledged, unsent)
        })
    }

    async fn send(&self, message: &Message) -> Result<PublishAckFuture, (Error, Trouble)> {
        let text = message.text.strip_suffix('\n').unwrap_or(&message.text);
        let mut publish =
            PublishMessage::build().payload(text.to_owned().into()).expected_stream(&self.settings.stream);
        if let Some(alert) = &message.alert {
            publish = publish.message_id(&*alert.id);
        }
        self.stream.send_publish(self.settings.subject.clone(), publish).await.map_err(|error| self.explained(&error))
    }

    /// Waits for one; not longer when the connection breaks or the server complains meanwhile.
    async fn acknowledged(&self, acknowledgement: PublishAckFuture) -> Result<(), (Error, Trouble)> {
        tokio::select! {
            biased;
            answer = acknowledgement.into_future() => match answer {
                Ok(_) => Ok(()),
                Err(error) => Err(self.explained(&error)),
            },
            () = self.said.notify.notified() => {
                Err((anyhow!(self.said.first().unwrap_or_default()), Trouble::Retry))
            }
        }
    }

    /// What an error means for whoever runs the sensor.
    fn explained(&self, error: &async_nats::jetstream::context::PublishError) -> (Error, Trouble) {
        let config::Nats { subject, stream, .. } = &self.settings;
        match error.kind() {
            PublishErrorKind::MaxPayloadExceeded => (anyhow!("{error}"), Trouble::Refused),
            PublishErrorKind::StreamNotFound => {
                let advice = format!(
                    "no stream takes the subject {subject}: make {stream} with it, or set output.nats.create_stream = true"
                );
                (anyhow!(advice), Trouble::Retry)
            }
            PublishErrorKind::TimedOut => {
                let waited = format!("no acknowledgement for {} s", PATIENCE.as_secs());
                (anyhow!(self.said.first().unwrap_or(waited)), Trouble::Retry)
            }
            _ => (anyhow!("{error}"), Trouble::Retry),
        }
    }

    fn make_stream(&self) -> Result<()> {
        let settings = &self.settings;
        let most = Duration::from_secs(settings.stream_max_hours * 3600);
        let config = Config {
            name: settings.stream.clone(),
            subjects: vec![settings.subject.clone()],
            max_bytes: i64::try_from(settings.stream_max_bytes).unwrap_or(i64::MAX),
            max_age: most,
            duplicate_window: DUPLICATES.min(most),
            discard: DiscardPolicy::Old,
            storage: StorageType::File,
            ..Config::default()
        };
        let doing = || format!("making or finding the stream {}", settings.stream);
        self.runtime
            .block_on(async { tokio::time::timeout(PATIENCE * 2, self.stream.get_or_create_stream(config)).await })
            .with_context(doing)?
            .map(drop)
            .map_err(|error| anyhow!("{error}"))
            .with_context(doing)
    }
}

impl Said {
    fn note(&self, event: &Event) {
        let text = match event {
            Event::Disconnected => "the server closed the connection".to_owned(),
            Event::ServerError(error) => error.to_string(),
            Event::LameDuckMode => "the server is about to end".to_owned(),
            Event::Closed => "the connection is closed".to_owned(),
            _ => return,
        };
        self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(text);
        self.notify.notify_one();
    }

    fn first(&self) -> Option<String> {
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn options(settings: &config::Nats, said: &Arc<Said>) -> Result<ConnectOptions> {
    let said = Arc::clone(said);
    let options = ConnectOptions::new()
        .name("sensor")
        .connection_timeout(PATIENCE)
        .request_timeout(Some(PATIENCE))
        .require_tls(settings.urls.tls())
        // Who listens in could name servers of his own before TLS begins, and would get what we say.
        .ignore_discovered_servers()
        .max_reconnects(settings.urls.each().len())
        .client_capacity(super::MAX_IN_FLIGHT)
        .subscription_capacity(super::MAX_IN_FLIGHT)
        .event_callback(move |event| {
            said.note(&event);
            async {}
        });
    with_credentials(with_identity(options, &settings.identity), &settings.credentials)
}

/// The client makes its own TLS configuration; what it would do with one of ours costs a reading of the system's
/// certificates in any case.
fn with_identity(mut options: ConnectOptions, identity: &Identity) -> ConnectOptions {
    // Fails if there is one already, which will then be the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    if let Some(file) = &identity.ca_file {
        options = options.add_root_certificates(file.clone());
    }
    if let Some((certificate, key)) = &identity.own {
        options = options.add_client_certificate(certificate.clone(), key.clone());
    }
    options
}

/// Whether the files that are named can be used.
pub fn check(credentials: &Credentials) -> Result<()> {
    with_credentials(ConnectOptions::new(), credentials).map(drop)
}

fn with_credentials(options: ConnectOptions, credentials: &Credentials) -> Result<ConnectOptions> {
    Ok(match credentials {
        Credentials::None => options,
        Credentials::File(path) => {
            let text = secret(path)?;
            options.credentials(&text).with_context(|| format!("the credentials in {}", path.display()))?
        }
        Credentials::Token(path) => options.token(secret(path)?),
        Credentials::Password(user, path) => options.user_and_password(user.clone(), secret(path)?),
    })
}

fn secret(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    Ok(text.trim_end_matches(['\r', '\n']).to_owned())
}
