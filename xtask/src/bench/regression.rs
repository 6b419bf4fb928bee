//! The figures that are the same on every machine, against what was kept of them: what became dearer since fails.

use super::PARTS;
use super::outcome::{Figure, Outcome};
use crate::report::Check;
use anyhow::{Context, Result, bail};
use std::time::Instant;

/// Measures the steady figures of every part again, a check each.
pub fn run() -> Vec<Check> {
    let mut checks = Vec::new();
    for part in PARTS {
        let Some(steady) = part.steady else { continue };
        let begin = Instant::now();
        match measure(part.name, steady) {
            Ok(pairs) => {
                let figures = u32::try_from(pairs.len()).unwrap_or(u32::MAX).max(1);
                let seconds = begin.elapsed().as_secs_f64() / f64::from(figures);
                checks.extend(
                    pairs.into_iter().map(|(kept, now)| {
                        Check::of(format!("steady/{}", now.id), compare(kept.as_ref(), &now), seconds)
                    }),
                );
            }
            Err(error) => {
                let name = format!("steady/{}", part.name);
                checks.push(Check::of(name, Err(error), begin.elapsed().as_secs_f64()));
            }
        }
    }
    for check in &checks {
        check.announce();
    }
    checks
}

/// Each steady figure, as it was kept and as it is now.
fn measure(part: &str, steady: fn(&mut Outcome) -> Result<()>) -> Result<Vec<(Option<Figure>, Figure)>> {
    let kept = Outcome::load(part)?.with_context(|| format!("`cargo xtask bench {part}` was never run"))?;
    let mut now = Outcome::new(part, "")?;
    steady(&mut now)?;
    let of_then = |id: &str| kept.figures.iter().find(|figure| figure.id == id).cloned();
    let now = now.figures.into_iter().filter(|figure| figure.steady.is_some());
    let pairs: Vec<_> = now.map(|figure| (of_then(&figure.id), figure)).collect();
    if pairs.is_empty() {
        bail!("nothing was measured");
    }
    Ok(pairs)
}

/// How a figure stands to what was kept; fails if it is larger by more than its tolerance.
fn compare(kept: Option<&Figure>, now: &Figure) -> Result<String> {
    let before = kept.context("it was never kept")?.spread.median;
    let (now, tolerance) = (now.spread.median, now.steady.unwrap_or_default());
    if now > before + tolerance {
        bail!(
            "{now:.2} instead of {before:.2}, which is more than {tolerance} on top; if that is meant, measure it anew \
             with `cargo xtask bench` and say why"
        );
    }
    Ok(format!("{now:.2} (kept: {before:.2})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::spread::Spread;

    fn figure(value: f64) -> Figure {
        Figure { id: "x".to_owned(), spread: Spread::of([value]), steady: Some(0.5) }
    }

    #[test]
    fn dearer_fails_and_cheaper_does_not() {
        assert!(compare(Some(&figure(2.0)), &figure(2.4)).is_ok());
        assert!(compare(Some(&figure(2.0)), &figure(0.1)).is_ok());
        assert!(compare(Some(&figure(2.0)), &figure(2.6)).is_err());
        assert!(compare(None, &figure(2.0)).is_err());
    }
}
