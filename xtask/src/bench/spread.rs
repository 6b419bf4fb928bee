//! The middle one of several values, and how far apart they lie.

use serde::{Deserialize, Serialize};
use std::fmt;

/// Of a number that was measured several times.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spread {
    /// The middle one; of an even count, between the two middle ones.
    pub median: f64,
    /// The least.
    pub low: f64,
    /// The most.
    pub high: f64,
}

impl Spread {
    /// Of these values; all zero of none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        let median = median(&mut values);
        let low = values.first().copied().unwrap_or(0.0);
        let high = values.last().copied().unwrap_or(0.0);
        Self { median, low, high }
    }

    /// Each value changed by a function that keeps, or turns round, their order.
    pub fn map(self, change: impl Fn(f64) -> f64) -> Self {
        let (one, other) = (change(self.low), change(self.high));
        Self { median: change(self.median), low: one.min(other), high: one.max(other) }
    }
}

impl fmt::Display for Spread {
    /// `1.034 (1.021 to 1.050)`, with as many decimals as the formatter asks for (three).
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let decimals = out.precision().unwrap_or(3);
        if (self.high - self.low).abs() < f64::EPSILON {
            return write!(out, "{:.decimals$}", self.median);
        }
        write!(out, "{:.decimals$} ({:.decimals$} to {:.decimals$})", self.median, self.low, self.high)
    }
}

/// The middle one of the values, which are sorted; 0 of none.
pub fn median(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => 0.0,
        n if n % 2 == 1 => values[middle],
        _ => f64::midpoint(values[middle - 1], values[middle]),
    }
}

/// The mean of the middle half of the values, which are sorted; 0 of none. Steadier than the median where values come in
/// clusters, and as deaf to what lies far out.
#[expect(clippy::cast_precision_loss, reason = "a few hundred values")]
pub fn middle(values: &mut [f64]) -> f64 {
    values.sort_by(f64::total_cmp);
    let quarter = values.len() / 4;
    let half = &values[quarter..values.len() - quarter];
    if half.is_empty() { 0.0 } else { half.iter().sum::<f64>() / half.len() as f64 }
}

/// The value below which `part` (0 to 1) of the values lie; they are sorted. 0 of none.
pub fn quantile(values: &mut [f64], part: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let last = values.len().saturating_sub(1);
    #[expect(clippy::cast_precision_loss, clippy::cast_sign_loss, reason = "an index of a slice")]
    let index = (last as f64 * part).round() as usize;
    values.get(index).copied().unwrap_or(0.0)
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

    #[test]
    fn a_spread_keeps_its_order_when_it_is_turned_round() {
        let spread = Spread::of([1.0, 2.0, 4.0]).map(|value| -value);
        assert_eq!((spread.median, spread.low, spread.high), (-2.0, -4.0, -1.0));
        assert_eq!(format!("{:.1}", Spread::of([1.0, 2.0, 4.0])), "2.0 (1.0 to 4.0)");
        assert_eq!(format!("{:.0}", Spread::of([3.0])), "3");
    }

    #[test]
    fn the_middle_is_a_mean_without_what_lies_far_out() {
        assert!((middle(&mut [1000.0, 2.0, 4.0, -50.0]) - 3.0).abs() < f64::EPSILON);
        assert!((middle(&mut [7.0]) - 7.0).abs() < f64::EPSILON);
        assert!(middle(&mut []).abs() < f64::EPSILON);
    }

    #[test]
    fn quantiles_are_values_that_were_seen() {
        let mut values: Vec<f64> = (0..=100).map(f64::from).collect();
        assert!((quantile(&mut values, 0.99) - 99.0).abs() < f64::EPSILON);
        assert!(quantile(&mut [], 0.5).abs() < f64::EPSILON);
    }
}
