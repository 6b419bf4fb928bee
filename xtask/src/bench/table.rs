//! Numbers of a benchmark, for people.

use super::loops::Operation;

/// One line: an operation without the sensor and with it.
pub struct Row {
    /// What was done.
    pub operation: Operation,
    /// Nanoseconds, or instructions, without the sensor.
    pub without: f64,
    /// With it, for who does it.
    pub with: f64,
    /// Processor time of the agent per operation, on top.
    pub agent: f64,
}

impl Row {
    /// with/without.
    pub fn ratio(&self) -> f64 {
        self.with / self.without
    }
}

/// Prints the rows under a title; `unit` is `ns` or `instructions`.
pub fn print(title: &str, unit: &str, rows: &[Row]) {
    println!("\n{title} ({unit} per operation)");
    println!("  {:<36} {:>10} {:>10} {:>9} {:>8} {:>10}", "operation", "without", "with", "added", "ratio", "agent");
    for row in rows {
        println!(
            "  {:<36} {:>10.0} {:>10.0} {:>9.0} {:>8.3} {:>10.0}",
            row.operation.title(),
            row.without,
            row.with,
            row.with - row.without,
            row.ratio(),
            row.agent
        );
    }
}

/// The middle one of the values; 0 of none.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle() {
        assert!((median(&mut [3.0, 1.0, 2.0]) - 2.0).abs() < f64::EPSILON);
        assert!((median(&mut [4.0, 1.0, 2.0, 3.0]) - 2.5).abs() < f64::EPSILON);
        assert!(median(&mut []).abs() < f64::EPSILON);
    }
}
