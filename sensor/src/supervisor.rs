//! What the service manager is told (`sd_notify(3)`): ready, reloading, stopping, alive.
//!
//! In: what the agent does. Out: datagrams to the socket that `NOTIFY_SOCKET` names; nothing where it names none. Always
//! holds: a manager that cannot be reached is said in the log and changes nothing else. It decides nothing: when the sensor
//! is ready the agent knows.

use sd_notify::NotifyState;

/// The service manager that started the sensor, if one did.
#[derive(Debug)]
pub struct Supervisor {
    watchdog: bool,
}

impl Supervisor {
    /// The one that the environment names.
    pub fn of_environment() -> Self {
        Self { watchdog: sd_notify::watchdog_enabled().is_some() }
    }

    /// Everything is watched from now on; also after a reload. `status` is one line for people.
    pub fn ready(&self, status: &str) {
        tell(&[NotifyState::Ready, NotifyState::Status(status)]);
    }

    /// The configuration is being read again; [`Self::ready`] ends that.
    pub fn reloading(&self) {
        // The time is what `Type=notify-reload` (systemd 253) asks for, to know which reload this is.
        let now = NotifyState::monotonic_usec_now();
        match now {
            Ok(now) => tell(&[NotifyState::Reloading, now]),
            Err(_) => tell(&[NotifyState::Reloading]),
        }
    }

    /// It ends, on purpose.
    pub fn stopping(&self) {
        tell(&[NotifyState::Stopping]);
    }

    /// The agent's loop goes round; to be said several times in the time that the manager waits at most.
    pub fn alive(&self) {
        if self.watchdog {
            tell(&[NotifyState::Watchdog]);
        }
    }
}

fn tell(state: &[NotifyState<'_>]) {
    if let Err(error) = sd_notify::notify(state) {
        tracing::debug!(%error, "the service manager was not told");
    }
}
