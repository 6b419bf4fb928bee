//! What was checked and how it came out, in one form for live runs, real servers and virtual machines.
//!
//! A virtual machine has only its serial console to speak through: there a check travels as one line, [`MARK`] and JSON.

use anyhow::{Result, bail};
use serde::{Deserialize, Serialize};

/// What a console line that carries a [`Message`] begins with.
pub const MARK: &str = "@@sensor-test ";

/// What the line of a failed check begins with, for people.
pub const FAILED: &str = "FAILED";

/// The environment variable that asks for [`Message`]s instead of lines for people.
pub const AS_MESSAGES: &str = "SENSOR_TEST_MESSAGES";

/// One thing that was checked.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// What, for people and for `--only`: `double-fork`, `instructions/on_exec`.
    pub name: String,
    /// How it came out.
    pub outcome: Outcome,
    /// One line: why it failed or was skipped, or a number worth seeing.
    pub detail: String,
    /// How long it took.
    pub seconds: f64,
}

/// How a check came out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// As it should be.
    Passed,
    /// Not as it should be.
    Failed,
    /// Could not be tried here; a failure where `CI=true`.
    Skipped,
}

impl Check {
    /// A check that came out well if there is no error.
    pub fn of(name: impl Into<String>, result: Result<String>, seconds: f64) -> Self {
        let (outcome, detail) = match result {
            Ok(detail) => (Outcome::Passed, detail),
            Err(error) => (Outcome::Failed, format!("{error:#}")),
        };
        Self { name: name.into(), outcome, detail, seconds }
    }

    /// Says how it came out: for people, or as a [`Message`] where [`AS_MESSAGES`] is set.
    pub fn announce(&self) {
        if std::env::var_os(AS_MESSAGES).is_some() {
            Message::Check(self.clone()).send();
        } else {
            self.print();
        }
    }

    /// Prints the check for people.
    pub fn print(&self) {
        println!("{}", self.line());
    }

    /// The check for people.
    fn line(&self) -> String {
        let word = match self.outcome {
            Outcome::Passed => "ok",
            Outcome::Failed => FAILED,
            Outcome::Skipped => "skipped",
        };
        format!("  {word:<7} {:<44} {:>6.1} s  {}", self.name, self.seconds, self.detail)
    }
}

/// What a virtual machine says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Message {
    /// A check came out.
    Check(Check),
    /// A fact to show: which hook set was loaded, why another was not.
    Note(String),
    /// A number of a benchmark.
    Sample(serde_json::Value),
    /// Everything was done; without this the machine died.
    Done,
}

impl Message {
    /// Says it on the console.
    pub fn send(&self) {
        if let Ok(json) = serde_json::to_string(self) {
            // The line break before it ends whatever the kernel was printing.
            println!("\n{MARK}{json}");
        }
    }

    /// Reads a console line; `None` if it is another kind of line.
    pub fn read(line: &str) -> Option<Self> {
        let (_, json) = line.split_once(MARK)?;
        serde_json::from_str(json.trim_end()).ok()
    }
}

/// Counts of checks, and the lines of those that failed.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Came out as it should.
    pub passed: u64,
    /// Did not; with `CI=true` skipped ones as well.
    pub failed: u64,
    /// Could not be tried.
    pub skipped: u64,
    /// A line for each that failed, as far as there is one; to be said again at the end of a long run.
    pub failures: Vec<String>,
}

impl Tally {
    /// One check that came out well and has no name.
    pub const ONE: Self = Self { passed: 1, failed: 0, skipped: 0, failures: Vec::new() };

    /// Counts the checks.
    pub fn of<'a>(checks: impl IntoIterator<Item = &'a Check>) -> Self {
        let mut tally = Self::default();
        for check in checks {
            match check.outcome {
                Outcome::Passed => tally.passed += 1,
                Outcome::Skipped if !in_ci() => tally.skipped += 1,
                Outcome::Failed | Outcome::Skipped => {
                    tally.failed += 1;
                    tally.failures.push(check.line());
                }
            }
        }
        tally
    }

    /// Adds another count.
    pub fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
        self.skipped += other.skipped;
        self.failures.extend(other.failures);
    }

    /// Keeps a line that tells of a failed check ([`Check::line`]).
    pub fn note(&mut self, line: &str) {
        if line.trim_start().starts_with(FAILED) {
            self.failures.push(line.to_owned());
        }
    }

    /// The closing line, `N passed, N failed`, and an error if anything failed.
    pub fn close(self) -> Result<()> {
        if self.skipped > 0 {
            println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        } else {
            println!("{} passed, {} failed", self.passed, self.failed);
        }
        if self.failed > 0 {
            bail!("{} checks failed", self.failed);
        }
        Ok(())
    }
}

/// Is this an automated run, in which nothing may be skipped?
pub fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| value == "true" || value == "1")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_survives_the_console() {
        let check = Check::of("x", Ok("because \"so\"".to_owned()), 0.5);
        let message = Message::Check(check);
        let line = format!("[    2.1] noise {MARK}{}\r\n", serde_json::to_string(&message).unwrap());
        assert_eq!(Message::read(&line), Some(message));
        assert_eq!(Message::read("reboot: Power down"), None);
    }

    #[test]
    fn every_outcome_is_counted() {
        let checks = [Check::of("a", Ok(String::new()), 0.0), Check::of("b", Err(anyhow::anyhow!("no")), 0.0)];
        let tally = Tally::of(&checks);
        assert_eq!((tally.passed, tally.failed), (1, 1));
        let mut again = Tally::default();
        tally.failures.iter().for_each(|line| again.note(line));
        again.note("  ok      a");
        assert_eq!(again.failures, tally.failures);
        assert!(tally.failures[0].contains(" b "));
    }
}
