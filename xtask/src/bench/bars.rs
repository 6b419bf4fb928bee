//! The bars, and the document that shows how the measured figures stand to them.

use super::outcome::{Outcome, Table, directory};
use super::spread::Spread;
use super::{PARTS, plot};
use crate::workspace;
use anyhow::{Context, Result};
use serde::Deserialize;
use std::fmt::Write as _;
use std::path::PathBuf;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bars {
    bar: Vec<Bar>,
}

/// What a figure has to be; the fields are explained in `xtask/bench/bars.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Bar {
    figure: String,
    text: String,
    unit: String,
    most: Option<f64>,
    least: Option<f64>,
    #[serde(default)]
    short: String,
}

impl Bar {
    fn holds(&self, value: f64) -> bool {
        self.most.is_none_or(|most| value <= most) && self.least.is_none_or(|least| value >= least)
    }

    /// Whether the middle round, and whether each round, keeps it.
    fn verdict(&self, spread: Spread) -> &'static str {
        match (self.holds(spread.median), self.holds(spread.low) && self.holds(spread.high)) {
            (true, true) => "yes",
            (true, false) => MEDIAN,
            (false, _) => NO,
        }
    }

    fn limit(&self) -> String {
        match (self.most, self.least) {
            (Some(most), _) => format!("at most {}", self.with_unit(most)),
            (_, Some(least)) => format!("at least {}", self.with_unit(least)),
            _ => String::new(),
        }
    }

    fn with_unit(&self, number: impl std::fmt::Display) -> String {
        format!("{number} {}", self.unit).trim_end().to_owned()
    }

    /// Enough decimals to tell the figure from its bar.
    fn decimals(&self) -> usize {
        match self.most.or(self.least).unwrap_or_default() {
            limit if limit >= 10.0 => 1,
            limit if limit >= 1.1 => 2,
            _ => 3,
        }
    }
}

/// Writes `docs/performance.md` and the plots from what is kept of each part.
pub fn write_document() -> Result<()> {
    let outcomes = outcomes()?;
    for plot in outcomes.iter().flat_map(|outcome| &outcome.plots) {
        plot::draw(plot, &directory().join(format!("{}.svg", plot.name)))?;
    }
    let path = document();
    std::fs::write(&path, text(&outcomes)?).with_context(|| path.display().to_string())?;
    println!("\nWritten: {}", path.display());
    Ok(())
}

fn document() -> PathBuf {
    workspace::root().join("docs/performance.md")
}

fn outcomes() -> Result<Vec<Outcome>> {
    PARTS.iter().filter_map(|part| Outcome::load(part.name).transpose()).collect()
}

fn text(outcomes: &[Outcome]) -> Result<String> {
    let bars: Bars = toml::from_str(include_str!("../../bench/bars.toml")).context("xtask/bench/bars.toml")?;
    let mut out = String::from(HEAD);
    let mut short = String::new();
    for bar in &bars.bar {
        let figure = outcomes.iter().flat_map(|outcome| &outcome.figures).find(|figure| figure.id == bar.figure);
        let (measured, verdict) = match figure {
            None => ("not measured".to_owned(), NO),
            Some(figure) => {
                let decimals = bar.decimals();
                let measured = bar.with_unit(format_args!("{:.decimals$}", figure.spread));
                (measured, bar.verdict(figure.spread))
            }
        };
        writeln!(out, "| {} | {} | {measured} | {verdict} |", bar.text, bar.limit())?;
        if verdict == NO {
            let why = if bar.short.is_empty() { "Not explained yet." } else { bar.short.trim() };
            writeln!(short, "- **{}** ({measured}; {}): {why}", bar.text, bar.limit())?;
        }
    }
    if !short.is_empty() {
        write!(out, "\n## What does not hold\n\n{short}")?;
    }
    for outcome in outcomes {
        section(&mut out, outcome)?;
    }
    Ok(out)
}

const MEDIAN: &str = "in the middle, not in each round";
const NO: &str = "**no**";

const HEAD: &str = "# What it costs\n\n\
    Written by `cargo xtask bench`; by hand only `xtask/bench/bars.toml` is changed. Figures compare with and without \
    the sensor, in turns in one run (A, B, A, B); what stands in brackets is the least and the most of the rounds. \
    Instruction counts come from a virtual machine whose clock counts instructions, and are the same on every machine \
    but for a fraction of a percent.\n\n\
    | figure | bar | measured | holds |\n| --- | --- | --- | --- |\n";

fn section(out: &mut String, outcome: &Outcome) -> Result<()> {
    let title = PARTS.iter().find(|part| part.name == outcome.part).map_or("", |part| part.title);
    writeln!(out, "\n## {title}\n\n`{}`, {}, {}.", outcome.command, outcome.date, outcome.machine)?;
    for table in &outcome.tables {
        writeln!(out, "\n### {}\n\n{}", table.title, table.about.trim())?;
        rows(out, table)?;
    }
    for plot in &outcome.plots {
        writeln!(out, "\n![{}](performance/{}.svg)", plot.title, plot.name)?;
    }
    Ok(())
}

fn rows(out: &mut String, table: &Table) -> Result<()> {
    writeln!(out, "\n| {} |\n|{}", table.columns.join(" | "), " --- |".repeat(table.columns.len()))?;
    for row in &table.rows {
        writeln!(out, "| {} |", row.join(" | "))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_document_is_what_the_results_say() {
        let written = std::fs::read_to_string(document()).unwrap();
        assert_eq!(written, text(&outcomes().unwrap()).unwrap(), "run `cargo xtask bench document`");
    }

    #[test]
    fn every_bar_has_a_limit_and_a_part() {
        let bars: Bars = toml::from_str(include_str!("../../bench/bars.toml")).unwrap();
        for bar in bars.bar {
            assert!(bar.most.is_some() != bar.least.is_some(), "{}", bar.figure);
            let part = bar.figure.split('.').next().unwrap();
            assert!(PARTS.iter().any(|known| known.name == part), "{}", bar.figure);
        }
    }

    #[test]
    fn a_bar_is_kept_at_its_edge_and_not_beyond() {
        let bar = Bar {
            figure: String::new(),
            text: String::new(),
            unit: "%".to_owned(),
            most: Some(2.0),
            least: None,
            short: String::new(),
        };
        assert!(bar.holds(2.0) && bar.holds(-1.0) && !bar.holds(2.01));
        assert_eq!(bar.verdict(Spread::of([1.0, 1.5, 2.0])), "yes");
        assert_eq!(bar.verdict(Spread::of([1.0, 1.5, 2.5])), MEDIAN);
        assert_eq!(bar.verdict(Spread::of([1.0, 2.5, 2.5])), NO);
        assert_eq!(bar.limit(), "at most 2 %");
    }
}
