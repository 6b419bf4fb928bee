//! SIGHUP: the configuration is read again, and taken over as a whole or not at all.
//!
//! What changed is said by key, never by value. Keys that take effect only at the next start are named, too.

use super::Agent;
use crate::config::Config;
use std::sync::Arc;

impl Agent {
    /// Takes over what `load` gives, if it gives something. The service manager knows when that begins and ends.
    pub(super) fn reload(&mut self, load: &dyn Fn() -> Option<Config>) {
        self.supervisor.reloading();
        self.replace(load);
        self.supervisor.ready(&self.status());
    }

    /// What is watched, in one line for people.
    pub(super) fn status(&self) -> String {
        let (set, servers) = (self.sensor.report().set, self.core.servers.iter().count());
        format!("Watching {} processes, {servers} of them servers; {set} hooks", self.core.tree.len())
    }

    fn replace(&mut self, load: &dyn Fn() -> Option<Config>) {
        let Some(new) = load() else {
            return self.metrics.reloaded("failure");
        };
        match self.take_over(new) {
            Ok(()) => self.metrics.reloaded("success"),
            Err(problems) => {
                for problem in problems {
                    tracing::error!(%problem, "the old configuration stays");
                }
                self.metrics.reloaded("failure");
            }
        }
    }

    /// What may fail comes first.
    fn take_over(&mut self, mut new: Config) -> Result<(), Vec<String>> {
        let catalogue = crate::commands::catalogue_of(&new)?;
        let changes = self.config.changes(&new);
        self.outputs.reconfigure(&new, &changes).map_err(|error| vec![format!("{error:#}")])?;
        for (server, what) in self.core.catalogue().changes(&catalogue) {
            tracing::info!("server {server} of the catalogue: {what}");
        }
        self.core.reconfigure(Arc::new(catalogue), new.exceptions.clone());
        for change in &changes {
            if change.needs_restart {
                tracing::warn!("{} changed: needs a restart", change.key);
            } else {
                tracing::info!("{} changed", change.key);
            }
        }
        let (came, went) = self.config.exception_changes(&new);
        if came + went > 0 {
            tracing::info!("exceptions: {came} added, {went} removed");
        }
        tracing::info!("configuration and catalogue were read again, output files opened anew");
        self.tell_expired();
        new.keep_until_restart(&self.config);
        self.config = new;
        Ok(())
    }
}
