//! nginx with PHP-FPM under wrk, whose connections stay open.

use super::place::{Clients, directories};
use super::workload::{Load, Sample};
use crate::bench::processors;
use crate::command;
use crate::daemons::{self, Daemon, host};
use anyhow::{Context, Result, bail};
use std::path::Path;
use std::process::Command;

/// Of the small page, where it is shown that it is one.
const PROOF: &str = "Article 919";
/// PHP's own defaults and its opcode cache, whatever this machine's configuration says.
const PHP: &[&str] = &["-n", "-d", "zend_extension=opcache", "-d", "opcache.enable=1"];

/// The small page: nginx, PHP-FPM's children and wrk share the processors.
pub fn page(at: &Path, clients: Clients) -> Result<(Vec<Daemon>, Load)> {
    start(at, "page.php", clients)
}

/// The static file: nginx and wrk have a processor each.
pub fn file(at: &Path, clients: Clients) -> Result<(Vec<Daemon>, Load)> {
    let (daemons, mut wrk) = processors::on(processors::SERVER, || start(at, "file.html", clients))?;
    Ok((daemons, Box::new(move |seconds| processors::on(processors::LOAD, || wrk(seconds)))))
}

/// Starts both, and loads a page.
fn start(at: &Path, page: &str, clients: Clients) -> Result<(Vec<Daemon>, Load)> {
    host::write(at, "www/page.php", include_str!("page.php"))?;
    host::write(at, "www/library.php", include_str!("library.php"))?;
    host::write(at, "www/file.html", &format!("{PROOF}\n{}", "<p>A static file of four kilobytes.</p>\n".repeat(100)))?;
    directories(at, &["www", "tmp"], "www-data")?;
    let (port, fpm) = (host::free_port()?, host::free_port()?);
    let daemons = vec![daemons::php_fpm(at, fpm, PHP)?, daemons::nginx(at, port, fpm)?];
    daemons[0].await_port(fpm)?;
    daemons[1].await_port(port)?;
    prove(port, page)?;
    let (url, connections) = (format!("http://127.0.0.1:{port}/{page}"), clients.count(4));
    let load = move |seconds: f64| {
        let seconds = seconds.round().max(1.0);
        let mut wrk = Command::new("wrk");
        wrk.args(["--threads", "1", "--connections", &connections, "--latency"]);
        let said = command::output(wrk.arg("--duration").arg(format!("{seconds}s")).arg(&url))?;
        read(&said).with_context(|| format!("wrk said {said}"))
    };
    Ok((daemons, Box::new(load)))
}

/// The page is the one that is meant, not an error.
fn prove(port: u16, page: &str) -> Result<()> {
    let answer = host::get(([127, 0, 0, 1], port).into(), &format!("/{page}"))?;
    if !answer.starts_with("HTTP/1.1 200") || !answer.contains(PROOF) {
        bail!("{page} is {answer}");
    }
    Ok(())
}

fn read(said: &str) -> Result<Sample> {
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        bail!("requests failed");
    }
    let value = |label: &str| {
        let line = said.lines().find_map(|line| line.trim().strip_prefix(label));
        line.map(str::trim).with_context(|| format!("no {label}"))
    };
    let count = said.lines().find_map(|line| line.trim().split_once(" requests in "));
    Ok(Sample {
        requests: count.context("no count")?.0.parse()?,
        per_second: value("Requests/sec:")?.parse()?,
        p99_ms: Some(milliseconds(value("99%")?)?),
    })
}

/// wrk's times: `950.00us`, `1.23ms`, `2.00s`.
fn milliseconds(text: &str) -> Result<f64> {
    for (unit, factor) in [("us", 0.001), ("ms", 1.0), ("s", 1000.0)] {
        if let Some(number) = text.strip_suffix(unit) {
            return Ok(number.parse::<f64>()? * factor);
        }
    }
    bail!("{text} is no time")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read_and_failed_requests_are_no_result() {
        let said = "  Latency Distribution\n     50%  310.00us\n     99%    1.25ms\n  19753 requests in 2.00s, 4MB read\nRequests/sec:   9876.54\n";
        let sample = read(said).unwrap();
        assert_eq!((sample.requests, sample.per_second, sample.p99_ms), (19753.0, 9876.54, Some(1.25)));
        assert!(read(&format!("{said}  Non-2xx or 3xx responses: 7\n")).is_err());
        assert!((milliseconds("950.00us").unwrap() - 0.95).abs() < 1e-9);
    }
}
