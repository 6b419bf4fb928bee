//! What a minute of scrapes has to have shown.

use super::Stage;
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::io::Write;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

/// The classic text format, for whoever does not ask for another, is as promtool wants it.
pub fn classic(stage: &Stage) -> Result<String> {
    let answer = stage.lab.agent().metrics()?;
    let (head, text) = answer.split_once("\r\n\r\n").context("a body")?;
    if !head.to_lowercase().contains("content-type: text/plain; version=0.0.4") {
        bail!("not the classic format: {head}");
    }
    let mut promtool = Command::new("promtool")
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("starting promtool")?;
    promtool.stdin.take().context("its input")?.write_all(text.as_bytes())?;
    let output = promtool.wait_with_output()?;
    let said = [output.stdout, output.stderr].concat();
    if !output.status.success() || !said.is_empty() {
        bail!("promtool check metrics: {}: {}", output.status, String::from_utf8_lossy(&said));
    }
    let series = text.lines().filter(|line| !line.starts_with('#')).count();
    Ok(format!("promtool check metrics is clean on {series} series"))
}

/// Prometheus asked for OpenMetrics and got it: only that has units.
pub fn negotiated(stage: &Stage) -> Result<String> {
    let data = stage.prometheus.ask("targets/metadata", &[("match_target", "{job=\"sensor\"}")])?;
    let all = data.as_array().context("metadata")?;
    let unit = |name: &str| all.iter().find(|one| one["metric"] == name).map(|one| one["unit"].clone());
    for (name, wanted) in [
        ("sensor_ring_bytes", "bytes"),
        ("sensor_detection_latency_seconds", "seconds"),
        ("process_cpu_seconds", "seconds"),
        ("sensor_processes", ""),
    ] {
        if unit(name).as_ref().and_then(Value::as_str) != Some(wanted) {
            bail!("the unit of {name} is {:?} to Prometheus, not {wanted:?}", unit(name));
        }
    }
    Ok(format!("OpenMetrics, {} families with their units", all.len()))
}

/// Every scrape of the minute went well.
pub fn scrapes(stage: &Stage) -> Result<String> {
    let data = stage.prometheus.ask("targets", &[("state", "active")])?;
    let target = &data["activeTargets"][0];
    if target["health"] != "up" || target["lastError"] != "" {
        bail!("the target is {}: {}", target["health"], target["lastError"]);
    }
    let scrapes = stage.prometheus.value("count_over_time(up{job=\"sensor\"}[1m])")?;
    let worst = stage.prometheus.value("min_over_time(up{job=\"sensor\"}[1m])")?;
    if scrapes < 50.0 || worst < 1.0 {
        bail!("{scrapes} scrapes in a minute, the worst was {worst}");
    }
    let longest = stage.prometheus.value("max_over_time(scrape_duration_seconds{job=\"sensor\"}[1m])")?;
    Ok(format!("{scrapes} scrapes, none failed, the longest {:.0} ms", longest * 1000.0))
}

/// No series came or went after the first scrape.
pub fn series(stage: &Stage) -> Result<String> {
    let count =
        |of: &str| stage.prometheus.value(&format!("{of}_over_time(scrape_samples_scraped{{job=\"sensor\"}}[2m])"));
    let (least, most) = (count("min")?, count("max")?);
    // The first scrape adds them all.
    let added = stage.prometheus.value("sum_over_time(scrape_series_added{job=\"sensor\"}[2m])")?;
    #[expect(clippy::float_cmp, reason = "whole numbers")]
    if least != most || added != most {
        bail!("between {least} and {most} series in a scrape, and {added} different ones");
    }
    Ok(format!("{most} series in each scrape"))
}

/// Prometheus found nothing odd in what it was given.
pub fn log(stage: &Stage) -> Result<String> {
    let log = stage.prometheus.log()?;
    let odd: Vec<&str> = log.lines().filter(|line| !line.contains("level=info")).collect();
    if !odd.is_empty() {
        bail!("Prometheus wrote: {}", odd.join("; "));
    }
    Ok("no warning, no error".to_owned())
}

/// What was made is what was counted.
pub fn counters(stage: &Stage) -> Result<String> {
    let counted = |kind: &str| stage.prometheus.value(&format!("increase(sensor_events_total{{kind=\"{kind}\"}}[1m])"));
    let (execs, forks) = (counted("exec")?, counted("fork")?);
    let made = f64::from(stage.started);
    // The minute of the query is not quite the minute of the load.
    if execs < made * 0.7 || forks < made * 0.7 {
        bail!("{made} programs were started, and {execs:.0} execs and {forks:.0} forks counted");
    }
    let age = stage.prometheus.value("time() - sensor_last_event_timestamp_seconds")?;
    if !(-1.0..10.0).contains(&age) {
        bail!("the last event is {age} s old");
    }
    let lost = stage.prometheus.value("sum(sensor_lost_events_total)")?;
    Ok(format!("{made} programs started, {execs:.0} execs counted in the minute, {lost} events lost"))
}

/// The histogram gives quantiles.
pub fn quantiles(stage: &Stage) -> Result<String> {
    let of = |quantile: f64| {
        let buckets = "sum by (le) (increase(sensor_detection_latency_seconds_bucket[1m]))";
        stage.prometheus.value(&format!("histogram_quantile({quantile}, {buckets})"))
    };
    let (half, most) = (of(0.5)?, of(0.99)?);
    // Not a benchmark: only that these are times, on a machine that may be busy.
    if !(half > 0.0 && half <= most && most <= 10.0) {
        bail!("half of the alerts within {half} s, 99 of 100 within {most} s");
    }
    Ok(format!("half of the alerts within {:.1} ms, 99 of 100 within {:.1} ms", half * 1000.0, most * 1000.0))
}

/// The shipped rules are evaluated without error, and no other fires than those that have a reason.
pub fn rules(stage: &Stage) -> Result<String> {
    let data = stage.prometheus.ask("rules", &[])?;
    let groups = data["groups"].as_array().context("groups")?;
    let rules: Vec<&Value> = groups.iter().flat_map(|group| group["rules"].as_array().into_iter().flatten()).collect();
    for rule in &rules {
        if rule["health"] != "ok" {
            bail!("the rule {} is {}: {}", rule["name"], rule["health"], rule["lastError"]);
        }
        let reasonable = ["SensorCriticalIncident", "SensorLosingEvents", "SensorBlind"];
        let name = rule["name"].as_str().unwrap_or_default();
        if rule["state"] != "inactive" && !reasonable.contains(&name) {
            bail!("{name} is {}", rule["state"]);
        }
    }
    if rules.len() < 10 {
        bail!("only {} rules are in force", rules.len());
    }
    Ok(format!("{} rules are evaluated without error", rules.len()))
}

/// The attack's incident is critical to the sensor, and fires in Prometheus.
pub fn critical(stage: &Stage) -> Result<String> {
    let begin = Instant::now();
    while begin.elapsed() < Duration::from_secs(10) {
        let data = stage.prometheus.ask("alerts", &[])?;
        let firing = data["alerts"].as_array().into_iter().flatten();
        let mut firing = firing.filter(|alert| alert["state"] == "firing");
        if let Some(alert) = firing.find(|alert| alert["labels"]["alertname"] == "SensorCriticalIncident") {
            let summary = alert["annotations"]["summary"].as_str().unwrap_or_default();
            if !summary.contains("127.0.0.1:") {
                bail!("the summary says {summary:?}");
            }
            return Ok(format!("SensorCriticalIncident fires: {summary}"));
        }
        std::thread::sleep(Duration::from_millis(500));
    }
    bail!(
        "SensorCriticalIncident does not fire; the sensor counted {:?}",
        stage.prometheus.query("sensor_alerts_total > 0")?
    )
}
