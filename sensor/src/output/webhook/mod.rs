//! A webhook: batches of JSON lines by POST, `application/x-ndjson`, over HTTP or TLS.
//!
//! Always holds: a batch counts as delivered when the answer's status is 2xx, and not before; each request ends within
//! `timeout_seconds`; the token goes to the configured address alone, since redirects are not followed; neither the token nor
//! the address (which may hold a secret, too) is logged. A batch that the receiver does not take as a whole is divided, until
//! the one that it refuses is known.
//!
//! ureq, because it is blocking, as a thread of its own wants it, and brings TLS; whom to trust is decided as for the other outputs.

mod token;

use super::message::{Message, Sink, Trouble, Undelivered};
use super::tls;
use crate::config;
use anyhow::{Context, Result, anyhow};
use std::io;
use std::time::{Duration, SystemTime};
use token::Token;
use ureq::tls::{Certificate, RootCerts, TlsConfig};

/// Most of an answer that is read; the rest says nothing that we want to know.
const ANSWER_BYTES: u64 = 16 << 10;

/// The sink.
pub struct Webhook {
    settings: config::Webhook,
    agent: ureq::Agent,
    token: Option<Token>,
}

/// What became of a request.
enum Answer {
    Taken,
    /// Not this batch.
    NotThis(anyhow::Error),
    /// Not now.
    NotNow(anyhow::Error, Trouble),
}

impl Webhook {
    /// Reads the token and the certificates; connects to nobody.
    pub fn new(settings: &config::Webhook) -> Result<Self> {
        let token = settings.token_file.as_deref().map(Token::open).transpose()?;
        if token.is_some() && settings.url.starts_with("http://") && !settings.is_local() {
            tracing::warn!("output.webhook.url is not https: whoever is on the way can read the token");
        }
        Ok(Self { agent: agent(settings)?, settings: settings.clone(), token })
    }

    fn post(&mut self, batch: &[Message]) -> Answer {
        let body: Vec<u8> = batch.iter().flat_map(|message| message.text.bytes()).collect();
        let mut request = self.agent.post(&self.settings.url).header("content-type", "application/x-ndjson");
        if let Some(token) = &mut self.token {
            request = request.header("authorization", token.header());
        }
        match request.send(&body[..]) {
            Ok(response) => answer(response),
            Err(error) => Answer::NotNow(anyhow!("asking the webhook: {}", said(&error)), Trouble::Retry),
        }
    }
}

impl Sink for Webhook {
    fn deliver(&mut self, batch: &[Message]) -> Result<(), Undelivered> {
        let mut delivered = 0;
        let mut most = batch.len();
        while delivered < batch.len() {
            let next = &batch[delivered..batch.len().min(delivered + most)];
            match self.post(next) {
                Answer::Taken => delivered += next.len(),
                Answer::NotThis(_) if next.len() > 1 => most = next.len() / 2,
                Answer::NotThis(error) => return Err(Undelivered { delivered, error, kind: Trouble::Refused }),
                Answer::NotNow(error, kind) => return Err(Undelivered { delivered, error, kind }),
            }
        }
        Ok(())
    }

    fn batch_max(&self) -> usize {
        self.settings.batch_max
    }

    /// Certificates may have been renewed.
    fn reopen(&mut self) -> io::Result<()> {
        self.agent = agent(&self.settings).map_err(io::Error::other)?;
        Ok(())
    }
}

fn agent(settings: &config::Webhook) -> Result<ureq::Agent> {
    let config = ureq::Agent::config_builder()
        .tls_config(TlsConfig::builder().root_certs(roots(settings)?).build())
        .timeout_global(Some(settings.timeout))
        .http_status_as_error(false)
        // A redirect is somebody else's address.
        .max_redirects(0)
        .max_redirects_will_error(false)
        .user_agent(concat!("sensor/", env!("CARGO_PKG_VERSION")))
        .max_idle_connections(1)
        .build();
    Ok(config.new_agent())
}

/// Whom it trusts. Plain HTTP needs nobody's word.
fn roots(settings: &config::Webhook) -> Result<RootCerts> {
    if settings.ca_file.is_none() && !settings.url.starts_with("https:") {
        return Ok(RootCerts::new_with_certs(&[]));
    }
    let trusted = tls::trusted(settings.ca_file.as_deref()).context("output.webhook.ca_file")?;
    let trusted: Vec<Certificate<'static>> =
        trusted.iter().map(|certificate| Certificate::from_der(certificate).to_owned()).collect();
    Ok(RootCerts::new_with_certs(&trusted))
}

fn answer(response: ureq::http::Response<ureq::Body>) -> Answer {
    let status = response.status();
    let asked = retry_after(&response);
    // Read, so that the connection can be used again. The status alone decides.
    let _ = response.into_body().into_with_config().limit(ANSWER_BYTES).read_to_vec();
    if status.is_success() {
        return Answer::Taken;
    }
    let error = anyhow!("the webhook answered {status}");
    match status.as_u16() {
        400 | 413 | 422 => Answer::NotThis(error),
        300..=399 => Answer::NotNow(error.context("redirects are not followed"), Trouble::Retry),
        _ => Answer::NotNow(error, asked.map_or(Trouble::Retry, Trouble::RetryAfter)),
    }
}

/// RFC 9110, 10.2.3: seconds, or a date.
fn retry_after(response: &ureq::http::Response<ureq::Body>) -> Option<Duration> {
    let text = response.headers().get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let until = jiff::fmt::rfc2822::parse(text).ok()?.timestamp();
    SystemTime::from(until).duration_since(SystemTime::now()).ok()
}

/// The error without the address, which may hold a secret.
fn said(error: &ureq::Error) -> String {
    match error {
        ureq::Error::BadUri(_) => "the address cannot be used".to_owned(),
        error => error.to_string(),
    }
}

#[cfg(test)]
mod tests;
