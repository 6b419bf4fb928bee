//! Listening to what a sensor says, and to nothing that is not about processes of our own.

use crate::schema;
use anyhow::{Result, bail};
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// How long an alert may take to come out; emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(20);
/// How long nothing more must come out for it to be all.
const QUIET: Duration = Duration::from_millis(700);
/// Most lines that are kept.
const MAX_LINES: usize = 200_000;

/// The key under which each line gets the time at which it came, in nanoseconds of boot time.
pub const ARRIVED: &str = "arrived_boottime_ns";

/// Nanoseconds since boot, on the clock of the kernel's records.
pub fn boottime_ns() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.cast_unsigned() * 1_000_000_000 + now.tv_nsec.cast_unsigned()
}

/// Lines of JSON that a sensor wrote.
#[derive(Clone, Default)]
pub struct Ear {
    lines: Arc<Mutex<Vec<Value>>>,
}

impl Ear {
    /// Listens in a thread of its own; what `ours` says no to is dropped unread.
    pub fn new(out: impl Read + Send + 'static, mut ours: impl FnMut(&Value) -> bool + Send + 'static) -> Self {
        let ear = Self::default();
        let lines = Arc::clone(&ear.lines);
        std::thread::spawn(move || {
            for line in BufReader::new(out).lines().map_while(Result::ok) {
                let arrived = boottime_ns();
                let Ok(mut value) = serde_json::from_str::<Value>(&line) else { continue };
                if !value.is_object() || !ours(&value) {
                    continue;
                }
                schema::look(&value);
                value[ARRIVED] = arrived.into();
                if let Ok(mut lines) = lines.lock()
                    && lines.len() < MAX_LINES
                {
                    lines.push(value);
                }
            }
        });
        ear
    }

    /// Everything that was said and is wanted, in the order in which it was said.
    pub fn matching(&self, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        let lines = self.lines.lock();
        lines.map(|lines| lines.iter().filter(|line| wanted(line)).cloned().collect()).unwrap_or_default()
    }

    /// How many lines there are so far.
    pub fn count(&self) -> usize {
        self.lines.lock().map_or(0, |lines| lines.len())
    }

    /// All lines but the first `from`.
    pub fn since(&self, from: usize) -> Vec<Value> {
        self.lines.lock().map(|lines| lines.iter().skip(from).cloned().collect()).unwrap_or_default()
    }

    /// Everything that was said of the server with that pid.
    pub fn said(&self, server: u32) -> Vec<Value> {
        self.matching(|line| line["sensor"]["server"]["pid"] == server)
    }

    /// Alerts of a rule about that server.
    pub fn alerts(&self, server: u32, rule: &str) -> Vec<Value> {
        let mut alerts = self.said(server);
        alerts.retain(|line| line["event"]["kind"] == "alert" && line["rule"]["id"] == rule);
        alerts
    }

    /// Waits until there are `wanted` alerts in all, and then that no further one comes.
    pub fn expect(&self, server: u32, rule: &str, wanted: usize) -> Result<Vec<Value>> {
        let begin = Instant::now();
        while self.alerts(server, rule).len() < wanted && begin.elapsed() < PATIENCE {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::thread::sleep(QUIET);
        let alerts = self.alerts(server, rule);
        if alerts.len() != wanted {
            let whys: Vec<String> = alerts.iter().map(|alert| alert["sensor"]["why"].to_string()).collect();
            bail!("{} {rule} alerts instead of {wanted}: {}", alerts.len(), whys.join(" / "));
        }
        Ok(alerts)
    }
}
