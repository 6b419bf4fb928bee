//! A Prometheus of our own: in a temporary directory, on loopback, scraping one target each second.

use crate::daemons::host;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use serde_json::Value;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

/// A running Prometheus; ended when dropped.
pub struct Server {
    child: Child,
    port: u16,
    log: PathBuf,
}

impl Server {
    /// Starts it below `directory` with the shipped rules and `target` as the job `sensor`.
    pub fn start(directory: &Path, target: SocketAddr) -> Result<Self> {
        let rules = workspace::root().join("deploy/prometheus/sensor.rules.yml");
        let configuration = format!(
            "global:\n  scrape_interval: 1s\n  scrape_timeout: 1s\n  evaluation_interval: 1s\n\
             rule_files: [{:?}]\n\
             scrape_configs:\n  - job_name: sensor\n    static_configs:\n      - targets: [{:?}]\n",
            rules.display().to_string(),
            target.to_string()
        );
        let at = directory.join("prometheus");
        let file = host::write(&at, "prometheus.yml", &configuration)?;
        let (port, log) = (host::free_port()?, at.join("log"));
        let child = Command::new("prometheus")
            .arg(format!("--config.file={}", file.display()))
            .arg(format!("--storage.tsdb.path={}", at.join("data").display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .current_dir(&at)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(&log)?)
            .spawn()
            .context("starting prometheus")?;
        let server = Self { child, port, log };
        host::await_port(port, &server.log)?;
        Ok(server)
    }

    /// Asks its HTTP API; gives `data`.
    pub fn ask(&self, path: &str, parameters: &[(&str, &str)]) -> Result<Value> {
        let mut curl = command::command("curl");
        curl.args(["--silent", "--show-error", "--max-time", "20", "--get"]);
        for (name, value) in parameters {
            curl.args(["--data-urlencode", &format!("{name}={value}")]);
        }
        let text = command::output(curl.arg(format!("http://127.0.0.1:{}/api/v1/{path}", self.port)))?;
        let mut answer: Value = serde_json::from_str(&text).with_context(|| format!("{path} said {text:?}"))?;
        if answer["status"] != "success" || answer.get("warnings").is_some() {
            bail!("{path} {parameters:?}: {answer}");
        }
        Ok(answer["data"].take())
    }

    /// The samples of a query now: labels and value.
    pub fn query(&self, query: &str) -> Result<Vec<(Value, f64)>> {
        let data = self.ask("query", &[("query", query)])?;
        let one = |sample: &Value| Some((sample["metric"].clone(), sample["value"][1].as_str()?.parse().ok()?));
        let samples = data["result"].as_array().context("a vector")?;
        samples.iter().map(|sample| one(sample).with_context(|| format!("{query} gave {sample}"))).collect()
    }

    /// The one value of a query now.
    pub fn value(&self, query: &str) -> Result<f64> {
        match self.query(query)?[..] {
            [(_, value)] => Ok(value),
            ref samples => bail!("{query} has {} samples: {samples:?}", samples.len()),
        }
    }

    /// What it wrote.
    pub fn log(&self) -> Result<String> {
        std::fs::read_to_string(&self.log).with_context(|| self.log.display().to_string())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself; what it kept is removed with its directory.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
