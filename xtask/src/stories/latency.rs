//! From the kernel's event to the alert: the sensor's own measurement, added up over several sensors, and ours.

use super::judge::ARRIVED;
use rustix::time::{ClockId, clock_gettime};
use serde_json::Value;
use std::collections::BTreeSet;

/// From the time that each alert carries to its arrival, in seconds: of each rule of an incident the first, since later
/// ones may be held back on purpose.
pub fn event_to_arrival(alerts: &[Value]) -> Vec<f64> {
    let mut known = BTreeSet::new();
    let first =
        |alert: &&Value| known.insert((alert["sensor"]["incident"]["id"].to_string(), alert["rule"]["id"].to_string()));
    let delays = alerts.iter().filter(first).filter_map(|alert| {
        let delay = alert[ARRIVED].as_u64()?.saturating_sub(event_boottime_ns(alert)?);
        Some(std::time::Duration::from_nanos(delay).as_secs_f64())
    });
    delays.collect()
}

/// When that happened which the alert is about, as it says; boot time.
pub fn event_boottime_ns(alert: &Value) -> Option<u64> {
    let event: jiff::Timestamp = alert["@timestamp"].as_str()?.parse().ok()?;
    u64::try_from(event.as_nanosecond() - boot_unix_ns()).ok()
}

/// When the machine was booted, in nanoseconds of Unix time.
fn boot_unix_ns() -> i128 {
    let nanoseconds = |clock| {
        let now = clock_gettime(clock);
        i128::from(now.tv_sec) * 1_000_000_000 + i128::from(now.tv_nsec)
    };
    nanoseconds(ClockId::Realtime) - nanoseconds(ClockId::Boottime)
}

/// Counts by upper bound in seconds; the last is infinite.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bound, and how many were at most that long.
    buckets: Vec<(f64, u64)>,
}

impl Histogram {
    /// Adds what one sensor's `/metrics` say.
    pub fn read(&mut self, metrics: &str) {
        let lines =
            metrics.lines().filter_map(|line| line.strip_prefix("sensor_detection_latency_seconds_bucket{le=\""));
        for line in lines {
            let Some((bound, rest)) = line.split_once("\"}") else { continue };
            let bound = if bound == "+Inf" { Ok(f64::INFINITY) } else { bound.parse() };
            let count = rest.split_whitespace().next().and_then(|count| count.parse::<u64>().ok());
            let (Ok(bound), Some(count)) = (bound, count) else { continue };
            match self.buckets.iter_mut().find(|(known, _)| known.total_cmp(&bound).is_eq()) {
                Some((_, total)) => *total += count,
                None => self.buckets.push((bound, count)),
            }
        }
        self.buckets.sort_by(|one, other| one.0.total_cmp(&other.0));
    }

    /// How many were measured.
    pub fn count(&self) -> u64 {
        self.buckets.last().map_or(0, |(_, count)| *count)
    }

    /// The bound that this share of all did not exceed; `None` without a measurement.
    pub fn quantile(&self, share: f64) -> Option<f64> {
        #[allow(clippy::cast_precision_loss, reason = "counts of alerts")]
        let reached = |count: u64| count as f64 >= share * self.count() as f64;
        self.buckets.iter().find(|(_, count)| *count > 0 && reached(*count)).map(|(bound, _)| *bound)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_alert_of_each_rule_is_measured() {
        let at = jiff::Timestamp::from_nanosecond(boot_unix_ns() + 5_000_000_000).unwrap().to_string();
        let alert = |rule: &str, arrived: u64| {
            let incident = serde_json::json!({"incident": {"id": "1"}});
            serde_json::json!({"@timestamp": at, "rule": {"id": rule}, "sensor": incident, ARRIVED: arrived})
        };
        let alerts = [alert("a", 5_002_000_000), alert("a", 9_000_000_000), alert("b", 5_004_000_000)];
        let delays = event_to_arrival(&alerts);
        assert_eq!(delays.len(), 2);
        // The two clocks are read one after the other, several times.
        assert!((delays[0] - 0.002).abs() < 0.001 && (delays[1] - 0.004).abs() < 0.001, "{delays:?}");
    }

    #[test]
    fn buckets_of_several_sensors_add_up() {
        let text = "# TYPE x histogram\n\
             sensor_detection_latency_seconds_bucket{le=\"0.001\"} 60\n\
             sensor_detection_latency_seconds_bucket{le=\"0.01\"} 98\n\
             sensor_detection_latency_seconds_bucket{le=\"+Inf\"} 100\n";
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), None);
        histogram.read(text);
        histogram.read(text);
        assert_eq!(histogram.count(), 200);
        assert_eq!(histogram.quantile(0.5), Some(0.001));
        assert_eq!(histogram.quantile(0.97), Some(0.01));
        assert_eq!(histogram.quantile(0.99), Some(f64::INFINITY));
    }
}
