//! `sensor run` and `sensor record`.

use super::{DONE, Failure, catalogue_in_force, config};
use crate::agent::{Agent, Capture, Parts};
use crate::capture::{Header, Writer};
use crate::cli::{ConfigArgs, RecordArgs, RunArgs};
use crate::config::Config;
use crate::context::Inspector;
use crate::control::Control;
use crate::host::Host;
use crate::kernel::Sensor;
use crate::metrics::Metrics;
use crate::metrics::listener::Listener;
use crate::output::Outputs;
use crate::pipeline::{Core, MAX_PROCESSES, Settings};
use crate::privileges;
use crate::shutdown::Signals;
use crate::store::Store;
use anyhow::Context;
use std::fs::OpenOptions;
use std::io::BufWriter;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

/// `sensor run`.
pub fn run(arguments: &RunArgs) -> Result<u8, Failure> {
    stay(&arguments.config, None, None)
}

/// `sensor record`.
pub fn record(arguments: &RecordArgs) -> Result<u8, Failure> {
    stay(&arguments.config, Some(&arguments.output), arguments.length)
}

fn stay(arguments: &ConfigArgs, capture: Option<&Path>, length: Option<Duration>) -> Result<u8, Failure> {
    let config = config(arguments)?;
    let catalogue = catalogue_in_force(&config)?;
    let signals = Signals::install()?;
    // It is to have nothing of what is opened from here on.
    let listener = config.metrics.map(|address| Listener::start(address, Path::new("/proc/self/exe"))).transpose()?;
    // The kernel before all else: without it nothing is opened, and what happens from here on is in its rings.
    let sensor = Sensor::start(&config.kernel)?;
    // While the first process's names may be asked for.
    let host = crate::machine::host();
    // Before the first thread, and before files are opened: what cannot be written without privileges is known now.
    let shed = privileges::shed(config.seccomp)?;
    let capture = capture.map(|path| begin_capture(path, &host)).transpose()?;
    let (store, rows) = Store::open_or_forget(config.state.as_deref());
    let metrics = Arc::new(Metrics::new());
    let serving = listener.map(|listener| listener.answer(Arc::clone(&metrics))).transpose()?;
    let parts = Parts {
        sensor,
        core: Core::new(Settings {
            catalogue: Arc::new(catalogue),
            exceptions: config.exceptions.clone(),
            host,
            max_processes: MAX_PROCESSES,
            learning_hours: config.learning_hours,
        }),
        outputs: Outputs::start(&config, &metrics)?,
        inspector: Inspector::start()?,
        store,
        rows,
        control: Control::start(&config.socket)?,
        metrics,
        serving,
        shed,
        capture,
        config,
    };
    introduce(&parts);
    let mut agent = Agent::new(parts)?;
    list_servers(&agent);
    let reload = || reloaded(arguments);
    let ended = agent.run(&signals, length, &reload);
    agent.finish();
    ended?;
    tracing::info!("ended");
    Ok(DONE)
}

fn begin_capture(path: &Path, host: &Host) -> anyhow::Result<Capture> {
    let doing = || format!("writing the capture {}", path.display());
    // It holds every command line of the machine, and those hold secrets.
    let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).with_context(doing)?;
    let header = Header { sensor_version: env!("CARGO_PKG_VERSION").to_owned(), host: host.clone() };
    Writer::new(BufWriter::new(file), &header).with_context(doing)
}

/// Says at start what is used, on standard error: standard output is for alerts.
fn introduce(parts: &Parts) {
    let report = parts.sensor.report();
    tracing::info!(set = report.set, reason = report.reason, "hooks are attached");
    for hook in report.hooks.iter().filter(|hook| !hook.attached) {
        tracing::warn!(hook = hook.name, reason = hook.reason, misses = hook.covers, "a hook is not attached");
    }
    tracing::info!(kept = parts.shed.capabilities.join(" "), seccomp = parts.shed.filter, "privileges are given up");
    if let Some(serving) = &parts.serving {
        tracing::info!("metrics are at http://{}/metrics", serving.address);
    } else {
        tracing::info!("metrics are off");
    }
    tracing::info!("questions are answered on {}", parts.config.socket.display());
}

fn list_servers(agent: &Agent) {
    let core = agent.core();
    let mut any = false;
    for server in core.servers.iter() {
        any = true;
        let name = core.catalogue().server(&server.id).map_or(server.id.as_str(), |kind| kind.name.as_str());
        let paths: Vec<String> = server.directories.iter().map(|watch| watch.path.to_string()).collect();
        let watches = if paths.is_empty() { "no component directories yet".to_owned() } else { paths.join(", ") };
        tracing::info!("{name} (pid {}): watching {watches}", server.root.tgid);
    }
    if !any {
        tracing::info!("no servers run yet; they are recognised when they start");
    }
    tracing::info!("watching {} processes; alerts follow", core.tree.len());
}

/// The configuration as it is now, or nothing if it is wrong: the old one stays.
fn reloaded(arguments: &ConfigArgs) -> Option<Config> {
    match Config::load(arguments.config.as_deref(), &arguments.set) {
        Ok(config) => Some(config),
        Err(problems) => {
            for problem in problems {
                tracing::error!(%problem, "the old configuration stays");
            }
            None
        }
    }
}
