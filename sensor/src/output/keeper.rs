//! One thread that writes to the spools what waits in memory for too long, whatever the outputs' own threads are doing: one
//! may be in the middle of a delivery that stalls.

use super::lane::Lane;
use anyhow::{Context, Result};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long it sleeps when no alert waits anywhere.
const IDLE: Duration = Duration::from_secs(60);

/// The thread's handle; dropping it ends the thread.
pub struct Keeper {
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    woken: Condvar,
}

#[derive(Default)]
struct State {
    lanes: Vec<Arc<Lane>>,
    poked: bool,
    stop: bool,
}

impl Keeper {
    /// Starts the thread.
    pub fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let of_thread = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("output-keeper".to_owned())
            .spawn(move || of_thread.run())
            .context("starting the thread that keeps alerts")?;
        Ok(Self { shared })
    }

    /// These lanes are looked after from now on.
    pub fn look_after(&self, lanes: Vec<Arc<Lane>>) {
        self.shared.state().lanes = lanes;
        self.poke();
    }

    /// An alert waits somewhere.
    pub fn poke(&self) {
        self.shared.state().poked = true;
        self.shared.woken.notify_one();
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.shared.state().stop = true;
        self.shared.woken.notify_one();
    }
}

impl Shared {
    fn run(&self) {
        loop {
            let (lanes, stop) = {
                let mut state = self.state();
                state.poked = false;
                (state.lanes.clone(), state.stop)
            };
            if stop {
                return;
            }
            let next = lanes.iter().filter_map(|lane| lane.keep(false)).min();
            self.sleep(next.unwrap_or_else(|| Instant::now() + IDLE));
        }
    }

    fn sleep(&self, until: Instant) {
        let mut state = self.state();
        while !state.poked && !state.stop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return;
            }
            state = self.woken.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
