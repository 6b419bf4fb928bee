//! The agent's answers for people.

mod baseline;
mod servers;
mod status;
mod tree;

pub use baseline::{baseline, baseline_done, baseline_imported};
pub use servers::servers;
pub use status::status;
pub use tree::tree;

use serde_json::Value;

fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map_or(&[], Vec::as_slice)
}

fn word<'a>(value: &'a Value, key: &str) -> &'a str {
    value[key].as_str().unwrap_or_default()
}

fn words(value: &Value, key: &str) -> String {
    list(value, key).iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
}

/// A length of time in its two largest units: `3d 4h`, `12m 5s`.
fn lasting(seconds: u64) -> String {
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (days, hours, minutes) {
        (0, 0, 0) => format!("{seconds}s"),
        (0, 0, _) => format!("{minutes}m {}s", seconds % 60),
        (0, _, _) => format!("{hours}h {}m", minutes % 60),
        _ => format!("{days}d {}h", hours % 24),
    }
}

/// A number of bytes in its largest binary unit.
fn bytes(number: u64) -> String {
    let units = [(1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")];
    match units.into_iter().find(|(unit, _)| number >= *unit) {
        Some((unit, name)) if number.is_multiple_of(unit) => format!("{} {name}", number / unit),
        // In tenths, without leaving whole numbers.
        Some((unit, name)) => format!("{}.{} {name}", number / unit, number % unit * 10 / unit),
        None => format!("{number} B"),
    }
}

/// How bad something is, by its name.
fn severity(name: &str) -> Option<crate::detect::Severity> {
    crate::detect::Severity::ALL.into_iter().find(|severity| severity.name() == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_readable() {
        let times = [(7, "7s"), (125, "2m 5s"), (7260, "2h 1m"), (90_000, "1d 1h")];
        assert!(times.into_iter().all(|(seconds, text)| lasting(seconds) == text));
        let sizes = [(0, "0 B"), (4096, "4 KiB"), (1_600_000, "1.5 MiB"), (4 << 20, "4 MiB"), (5 << 30, "5 GiB")];
        assert!(sizes.into_iter().all(|(number, text)| bytes(number) == text), "{}", bytes(1_600_000));
    }
}
