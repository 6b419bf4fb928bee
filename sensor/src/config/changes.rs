//! What differs between two configurations, key by key.
//!
//! Values are never in it: some are secrets, or hold one.

use super::{Config, KEYS};

/// A key whose value is another now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Change {
    /// Its dotted name.
    pub key: &'static str,
    /// It takes effect only when the sensor is started again.
    pub needs_restart: bool,
}

impl Config {
    /// The keys whose values are others in `new`.
    pub fn changes(&self, new: &Self) -> Vec<Change> {
        let changed = KEYS.iter().filter(|key| self.values.get(key.name) != new.values.get(key.name));
        changed.map(|key| Change { key: key.name, needs_restart: key.needs_restart() }).collect()
    }

    /// Notes that what needs a restart is still as in `running`, so that it is named again until there is one.
    pub fn keep_until_restart(&mut self, running: &Self) {
        for change in running.changes(self).iter().filter(|change| change.needs_restart) {
            if let Some(value) = running.values.get(change.key) {
                self.values.insert(change.key, value.clone());
            }
        }
    }

    /// How many exceptions came, and how many went.
    pub fn exception_changes(&self, new: &Self) -> (usize, usize) {
        let missing_in = |one: &[String], other: &[String]| one.iter().filter(|text| !other.contains(text)).count();
        (
            missing_in(&new.exception_texts, &self.exception_texts),
            missing_in(&self.exception_texts, &new.exception_texts),
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(text: &str) -> Config {
        Config::parse("sensor.toml", text, &[]).unwrap()
    }

    #[test]
    fn keys_are_compared_by_value_and_those_that_need_a_restart_say_so() {
        let old = config("[output.file]\nkeep = 3\n[state]\npath = \"/a/state.db\"\n");
        let new = config("[output.file]\nkeep = 0x4\nmax_bytes = 104857600\n[kernel]\nhooks = \"tracepoint\"\n");
        let found: Vec<(&str, bool)> =
            old.changes(&new).iter().map(|change| (change.key, change.needs_restart)).collect();
        assert_eq!(found, [("kernel.hooks", true), ("output.file.keep", false), ("state.path", true)]);
        assert_eq!(old.changes(&old), []);
        let mut taken = new.clone();
        taken.keep_until_restart(&old);
        let left: Vec<&str> = taken.changes(&new).iter().map(|change| change.key).collect();
        assert_eq!(left, ["kernel.hooks", "state.path"], "named again at the next reload");
        assert_eq!(taken.changes(&old).iter().map(|change| change.key).collect::<Vec<_>>(), ["output.file.keep"]);
    }

    #[test]
    fn exceptions_come_and_go() {
        let exception =
            |exe: &str| format!("[[exception]]\ndetector = \"server-shell\"\nexe = \"{exe}\"\nreason = \"a test\"\n");
        let old = config(&(exception("/a") + &exception("/b")));
        let new = config(&(exception("/b") + &exception("/c") + &exception("/d")));
        assert_eq!(old.exception_changes(&new), (2, 1));
    }
}
