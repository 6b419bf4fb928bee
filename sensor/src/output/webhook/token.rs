//! A bearer token from a file, read anew for each request: whoever renews it need not tell.

use anyhow::{Context, Result, bail};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest token.
const MOST_BYTES: usize = 8192;

/// The token and where it comes from. Its text is never logged.
pub struct Token {
    path: PathBuf,
    header: String,
    failing: bool,
}

impl Token {
    /// Reads it; warns if others can, too.
    pub fn open(path: &Path) -> Result<Self> {
        let header = read(path).with_context(|| format!("reading output.webhook.token_file = {}", path.display()))?;
        if std::fs::metadata(path).is_ok_and(|file| file.mode() & 0o004 != 0) {
            tracing::warn!("output.webhook.token_file = {}: every user can read it", path.display());
        }
        Ok(Self { path: path.to_owned(), header, failing: false })
    }

    /// What the `authorization` header says now. If the file cannot be read, what it last said.
    pub fn header(&mut self) -> &str {
        match read(&self.path) {
            Ok(header) => {
                self.failing = false;
                self.header = header;
            }
            Err(error) if !std::mem::replace(&mut self.failing, true) => {
                let error = format!("{error:#}");
                tracing::warn!(error, "output.webhook.token_file cannot be read; the last token stays in use");
            }
            Err(_) => {}
        }
        &self.header
    }
}

fn read(path: &Path) -> Result<String> {
    let text = std::fs::read_to_string(path)?;
    let token = text.trim();
    if token.is_empty() || token.len() > MOST_BYTES || !token.bytes().all(|byte| byte.is_ascii_graphic()) {
        bail!("it must hold one token: up to {MOST_BYTES} visible ASCII characters without spaces");
    }
    Ok(format!("Bearer {token}"))
}
