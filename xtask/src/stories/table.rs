//! The table of all stories, for people and as JSON.

use super::latency::Histogram;
use super::{Kind, Told};
use crate::report::FAILED;
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::path::Path;

/// Longest text of a column.
const MAX_WIDTH: usize = 60;

/// Prints it, and counts at its end.
pub fn print(told: &[Told], latency: &Histogram) {
    let rows: Vec<[String; 6]> = told.iter().map(row).collect();
    let head = ["scenario", "kind", "expected", "seen", "time to alert", ""].map(str::to_owned);
    let width = |column: usize| {
        let texts = rows.iter().chain([&head]).map(|row| row[column].chars().count());
        texts.max().unwrap_or(0)
    };
    let widths: [usize; 6] = std::array::from_fn(width);
    for row in [&head].into_iter().chain(&rows) {
        let cells: Vec<String> = row.iter().zip(widths).map(|(text, width)| format!("{text:<width$}")).collect();
        println!("  {}", cells.join("  ").trim_end());
    }
    println!("{}", counts(told));
    print_times(told, latency);
}

fn row(told: &Told) -> [String; 6] {
    let seen = match &told.verdict {
        Ok(verdict) => verdict.seen.clone(),
        Err(error) => format!("not played: {error:#}"),
    };
    let time = told.time_to_alert.map_or_else(String::new, |seconds| milliseconds(Some(seconds)));
    let word = if passed(told) { "ok" } else { FAILED };
    [
        told.story.id.clone(),
        kind(told.kind).to_owned(),
        told.story.expect.to_string(),
        cut(&seen),
        time,
        word.to_owned(),
    ]
}

const fn kind(kind: Kind) -> &'static str {
    match kind {
        Kind::Real => "real",
        Kind::Synthetic => "synthetic",
    }
}

fn passed(told: &Told) -> bool {
    told.verdict.as_ref().is_ok_and(|verdict| verdict.passed)
}

fn cut(text: &str) -> String {
    if text.chars().count() <= MAX_WIDTH {
        return text.to_owned();
    }
    let kept: String = text.chars().take(MAX_WIDTH - 1).collect();
    kept + "\u{2026}"
}

fn counts(told: &[Told]) -> String {
    let count = |wanted: &dyn Fn(&Told) -> bool| told.iter().filter(|told| wanted(told)).count();
    let share = |attack: bool| {
        let all = count(&|told| told.story.is_attack() == attack);
        format!("{} of {all}", count(&|told| told.story.is_attack() == attack && passed(told)))
    };
    let by_kind = |wanted: Kind, attack: bool| count(&|told| told.kind == wanted && told.story.is_attack() == attack);
    format!(
        "attacks {}, benign {}; real: {} attacks, {} benign; synthetic: {} attacks, {} benign",
        share(true),
        share(false),
        by_kind(Kind::Real, true),
        by_kind(Kind::Real, false),
        by_kind(Kind::Synthetic, true),
        by_kind(Kind::Synthetic, false),
    )
}

/// The value below which this share of the sorted numbers lies.
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    #[allow(
        clippy::cast_precision_loss,
        clippy::cast_sign_loss,
        reason = "a hundred numbers, and a share between 0 and 1"
    )]
    let index = (share * sorted.len() as f64).ceil() as usize;
    sorted.get(index.saturating_sub(1)).copied()
}

fn sorted(mut numbers: Vec<f64>) -> Vec<f64> {
    numbers.sort_by(f64::total_cmp);
    numbers
}

/// From deed to alert, of the attacks that were seen.
fn times_to_alert(told: &[Told]) -> Vec<f64> {
    let attacks = told.iter().filter(|told| told.story.is_attack() && passed(told));
    sorted(attacks.filter_map(|told| told.time_to_alert).collect())
}

/// From event to alert, of all stories.
fn delays(told: &[Told]) -> Vec<f64> {
    sorted(told.iter().flat_map(|told| told.delays.iter().copied()).collect())
}

fn milliseconds(seconds: Option<f64>) -> String {
    seconds.map_or("-".to_owned(), |seconds| format!("{:.1} ms", seconds * 1000.0))
}

fn print_times(told: &[Told], latency: &Histogram) {
    for (what, times) in [("from deed to alert", times_to_alert(told)), ("from event to alert", delays(told))] {
        let (median, most) = (milliseconds(quantile(&times, 0.5)), milliseconds(quantile(&times, 0.99)));
        println!("{what}: median {median}, 99th percentile {most} ({} alerts)", times.len());
    }
    let bound = |share: f64| milliseconds(latency.quantile(share));
    println!(
        "from event to alert, as the sensor counts, whatever else it saw included: median at most {}, 99th percentile at \
         most {} ({} alerts)",
        bound(0.5),
        bound(0.99),
        latency.count(),
    );
}

/// Writes the same as JSON.
pub fn write_json(file: &Path, told: &[Told], latency: &Histogram) -> Result<()> {
    let (times, delays) = (times_to_alert(told), delays(told));
    let stories: Vec<Value> = told
        .iter()
        .map(|told| {
            json!({
                "id": told.story.id,
                "server": told.story.server,
                "description": told.story.description,
                "attack_ids": told.story.attack_ids,
                "kind": told.kind,
                "expected": told.story.expect.to_string(),
                "seen": told.verdict.as_ref().map_or_else(|_| Value::Null, |verdict| verdict.seen.clone().into()),
                "error": told.verdict.as_ref().err().map(|error| format!("{error:#}")),
                "passed": passed(told),
                "time_to_alert_seconds": told.time_to_alert,
                "event_to_alert_seconds": told.delays,
                "seconds": told.seconds,
            })
        })
        .collect();
    let finite = |seconds: Option<f64>| seconds.filter(|seconds| seconds.is_finite());
    let all = json!({
        "stories": stories,
        "time_to_alert_seconds": {"median": quantile(&times, 0.5), "p99": quantile(&times, 0.99)},
        "event_to_alert_seconds": {"median": quantile(&delays, 0.5), "p99": quantile(&delays, 0.99)},
        "sensor_detection_latency_seconds": {
            "count": latency.count(),
            "median_at_most": finite(latency.quantile(0.5)),
            "p99_at_most": finite(latency.quantile(0.99)),
        },
    });
    let text = serde_json::to_string_pretty(&all)? + "\n";
    std::fs::write(file, text).with_context(|| file.display().to_string())
}
