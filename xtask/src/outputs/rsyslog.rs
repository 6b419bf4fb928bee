//! A real rsyslog: listens on a socket of datagrams, one of a stream, TCP and TLS, and writes down what it parsed.

use super::certificates::Certificates;
use super::scene::{Ground, Scene, id, same};
use crate::daemons::{Daemon, host};
use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// How long it may take to start.
const START_LIMIT: Duration = Duration::from_secs(20);

/// rsyslog's directory and ports; it runs, or does not.
pub struct Rsyslog {
    directory: PathBuf,
    tcp: u16,
    tls: u16,
    running: Option<Daemon>,
}

impl Rsyslog {
    /// Writes its configuration. Over TLS it wants a certificate of the same authority.
    pub fn new(directory: &Path, certificates: &Certificates) -> Result<Self> {
        let Certificates { ca, server: (certificate, key), .. } = certificates;
        let (tcp, tls) = (host::free_port()?, host::free_port()?);
        let at = directory.display();
        let (ca, certificate, key) = (ca.display(), certificate.display(), key.display());
        let text = format!(
            "global(workDirectory=\"{at}\" defaultNetstreamDriverCAFile=\"{ca}\" \
               defaultNetstreamDriverCertFile=\"{certificate}\" defaultNetstreamDriverKeyFile=\"{key}\")\n\
             module(load=\"imuxsock\" SysSock.Use=\"off\")\nmodule(load=\"imptcp\")\nmodule(load=\"imtcp\")\n\
             input(type=\"imuxsock\" Socket=\"{at}/log\" UseSpecialParser=\"off\" ParseHostname=\"on\" \
               IgnoreTimestamp=\"off\")\n\
             input(type=\"imptcp\" Path=\"{at}/stream\" Unlink=\"on\")\n\
             input(type=\"imptcp\" Address=\"127.0.0.1\" Port=\"{tcp}\")\n\
             input(type=\"imtcp\" Address=\"127.0.0.1\" Port=\"{tls}\" StreamDriver.Name=\"gtls\" \
               StreamDriver.Mode=\"1\" StreamDriver.AuthMode=\"x509/certvalid\")\n\
             template(name=\"fields\" type=\"list\" option.jsonf=\"on\") {{\n{}}}\n\
             action(type=\"omfile\" file=\"{at}/received.ndjson\" template=\"fields\")\n",
            fields()
        );
        host::write(directory, "rsyslog.conf", &text)?;
        Ok(Self { directory: directory.to_owned(), tcp, tls, running: None })
    }

    /// `output.syslog.address` for each way in.
    pub fn addresses(&self) -> [String; 4] {
        let at = self.directory.display();
        [
            format!("unix:{at}/log"),
            format!("unix:{at}/stream"),
            // By name: the resolver makes system calls of its own.
            format!("tcp://localhost:{}", self.tcp),
            format!("tls://localhost:{}", self.tls),
        ]
    }

    /// Starts it and waits until it listens everywhere.
    pub fn start(&mut self) -> Result<()> {
        let (configuration, pid) = (self.directory.join("rsyslog.conf"), self.directory.join("rsyslog.pid"));
        let mut command = Command::new("rsyslogd");
        command.arg("-n").arg("-f").arg(configuration).arg("-i").arg(pid);
        let daemon = Daemon::start("rsyslogd", &self.directory, &mut command, Signal::TERM)?;
        daemon.await_port(self.tcp)?;
        daemon.await_port(self.tls)?;
        self.running = Some(daemon);
        let begin = Instant::now();
        while !["log", "stream"].iter().all(|name| self.directory.join(name).exists()) {
            if begin.elapsed() > START_LIMIT {
                bail!("rsyslog made no sockets");
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(())
    }

    /// Ends it.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// What it received so far, in order: `pri`, `time`, `host`, `app`, `procid`, `msgid`, `data`, `msg`.
    pub fn received(&self) -> Result<Vec<Value>> {
        let path = self.directory.join("received.ndjson");
        let text = if path.exists() { std::fs::read_to_string(path)? } else { String::new() };
        text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("rsyslog wrote {line}"))).collect()
    }
}

impl Rsyslog {
    /// The alerts among that; whatever else reached it is none of ours.
    pub fn alerts(&self) -> Result<Vec<Value>> {
        self.received()?.iter().map(alert).collect()
    }
}

/// What the template writes, as JSON.
fn fields() -> String {
    let named = [
        ("pri", "pri"),
        ("host", "hostname"),
        ("app", "app-name"),
        ("procid", "procid"),
        ("msgid", "msgid"),
        ("data", "structured-data"),
        ("msg", "msg"),
    ];
    let property = |out: &str, name: &str| format!("property(outname=\"{out}\" name=\"{name}\" format=\"jsonf\")\n");
    let mut text = named.map(|(out, name)| property(out, name)).concat();
    text += "property(outname=\"time\" name=\"timereported\" dateFormat=\"rfc3339\" format=\"jsonf\")\n";
    text
}

/// Datagrams to a socket in the file system.
pub fn datagrams() -> Result<String> {
    check("datagrams", 0)
}

/// A stream to a socket in the file system.
pub fn stream() -> Result<String> {
    check("stream", 1)
}

/// Plain TCP.
pub fn tcp() -> Result<String> {
    check("tcp", 2)
}

/// TLS, with a certificate of ours, which rsyslog asks for.
pub fn tls() -> Result<String> {
    check("tls", 3)
}

/// rsyslog is there, is stopped, comes back; is down when the sensor starts. All alerts arrive, in order and as they were.
fn check(name: &str, address: usize) -> Result<String> {
    let ground = Ground::new(name)?;
    let certificates = Certificates::make(&ground.path("certificates")?)?;
    let mut rsyslog = Rsyslog::new(&ground.path("rsyslog")?, &certificates)?;
    let address = &rsyslog.addresses()[address];
    let mut settings = vec!["output.syslog.enabled=true".to_owned(), format!("output.syslog.address=\"{address}\"")];
    if address.starts_with("tls:") {
        let (certificate, key) = &certificates.client;
        for (name, file) in [("ca_file", &certificates.ca), ("cert_file", certificate), ("key_file", key)] {
            settings.push(format!("output.syslog.{name}=\"{}\"", file.display()));
        }
    }
    let mut scene = Scene::start(&ground.path("sensor")?, &settings)?;
    scene.cause(3)?;
    scene.await_log("cannot deliver")?;
    rsyslog.start()?;
    scene.await_all(|| rsyslog.alerts())?;
    scene.cause(20)?;
    rsyslog.stop();
    scene.cause(5)?;
    rsyslog.start()?;
    scene.cause(5)?;
    let got = scene.await_all(|| rsyslog.alerts())?;
    let twice = same(&scene.told(), &got)?;
    let received = rsyslog.received()?;
    received.iter().try_for_each(fields_are_right)?;
    Ok(format!("{} alerts through two outages, {twice} came twice", scene.told().len()))
}

/// The header's fields are the alert's.
fn fields_are_right(received: &Value) -> Result<()> {
    let alert = alert(received)?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let severity = word(&alert["sensor"]["severity"]);
    let level = ["critical", "high", "medium", "low", "info"].iter().position(|name| **name == severity);
    // authpriv is 10; critical is crit, which is 2.
    let pri = level.map(|level| (10 * 8 + 2 + level).to_string()).unwrap_or_default();
    let data = format!("[sensor@32473 id=\"{}\" severity=\"{severity}\"]", id(&alert));
    let wanted = [
        ("pri", pri),
        ("host", word(&alert["host"]["name"])),
        ("app", "sensor".to_owned()),
        ("msgid", word(&alert["rule"]["id"])),
        ("data", data),
    ];
    if let Some((name, wanted)) = wanted.iter().find(|(name, wanted)| received[*name] != wanted.as_str()) {
        bail!("{name} is {} instead of {wanted}", received[*name]);
    }
    let time = |text: &Value| text.as_str().and_then(|text| text.parse::<jiff::Timestamp>().ok());
    let same = time(&received["time"])
        .zip(time(&alert["@timestamp"]))
        .is_some_and(|(one, other)| one.as_microsecond() == other.as_microsecond());
    if same { Ok(()) } else { bail!("time is {} instead of {}", received["time"], alert["@timestamp"]) }
}

/// MSG is the alert.
fn alert(received: &Value) -> Result<Value> {
    let text = received["msg"].as_str().unwrap_or_default();
    serde_json::from_str(text).with_context(|| format!("rsyslog got {received}"))
}
