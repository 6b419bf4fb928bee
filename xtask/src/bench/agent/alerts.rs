//! How long alerts are, over the stories' alerts.

use crate::bench::outcome::{Outcome, Table};
use crate::bench::spread::{Spread, median, quantile};
use crate::stories;
use anyhow::Result;

/// Measures.
pub fn measure(outcome: &mut Outcome) -> Result<()> {
    let sizes = stories::alert_sizes()?;
    let mut kib: Vec<f64> = sizes.iter().map(|(_, bytes)| number(*bytes) / 1024.0).collect();
    let (middle, most) = (median(&mut kib), quantile(&mut kib, 1.0));
    outcome.figure("agent.alert-median", Spread::of([middle]));
    outcome.figure("agent.alert-most", Spread::of([most]));
    let about = format!("Lines of JSON, {} alerts of the catalogue's stories, played synthetically.", kib.len());
    let mut table = Table::new("How long alerts are", about, &["rule", "alerts", "median (bytes)", "most"]);
    let mut rules: Vec<&str> = sizes.iter().map(|(rule, _)| rule.as_str()).collect();
    rules.sort_unstable();
    rules.dedup();
    for rule in rules {
        let mut of: Vec<f64> = sizes.iter().filter(|(name, _)| name == rule).map(|(_, bytes)| number(*bytes)).collect();
        let (middle, most) = (median(&mut of), quantile(&mut of, 1.0));
        table.row([rule.to_owned(), of.len().to_string(), format!("{middle:.0}"), format!("{most:.0}")]);
    }
    outcome.tables.push(table);
    Ok(())
}

/// Bytes as a number to reckon with.
fn number(bytes: usize) -> f64 {
    f64::from(u32::try_from(bytes).unwrap_or(u32::MAX))
}
