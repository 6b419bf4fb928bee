//! Signals, as flags that the agent's loop looks at: nothing happens in a signal handler.

use anyhow::{Context, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What was asked for by signals.
#[derive(Clone, Debug, Default)]
pub struct Signals {
    stop: Arc<AtomicBool>,
    reload: Arc<AtomicBool>,
}

impl Signals {
    /// Takes over SIGTERM, SIGINT (stop; a second one ends at once) and SIGHUP (reload). A file that may not become longer
    /// is the failure of that output, and no longer the end.
    pub fn install() -> Result<Self> {
        let signals = Self::default();
        for signal in [SIGTERM, SIGINT] {
            // The order matters: the first signal sets the flag, a later one finds it set.
            signal_hook::flag::register_conditional_shutdown(signal, 1, Arc::clone(&signals.stop))
                .and_then(|_| signal_hook::flag::register(signal, Arc::clone(&signals.stop)))
                .context("installing a signal handler")?;
        }
        signal_hook::flag::register(SIGHUP, Arc::clone(&signals.reload)).context("installing a signal handler")?;
        signal_hook::flag::register(SIGXFSZ, Arc::default()).context("installing a signal handler")?;
        Ok(signals)
    }

    /// Whether it is time to end.
    pub fn stop(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }

    /// Ends the agent from inside.
    pub fn request_stop(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Whether a reload was asked for since the last call.
    pub fn take_reload(&self) -> bool {
        self.reload.swap(false, Ordering::AcqRel)
    }
}
