//! A real nats-server with JetStream, and a reader of its streams that shares no code with the sensor's client.

use super::certificates::Certificates;
use super::scene::{Ground, Scene, id, same};
use crate::daemons::{Daemon, host};
use anyhow::{Context, Result, bail};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use rustix::process::Signal;
use serde_json::{Value, json};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

/// How long an answer may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// nats-server's directory and port; it runs, or does not.
pub struct Server {
    directory: PathBuf,
    port: u16,
    running: Option<Daemon>,
}

/// A message in a stream.
pub struct Stored {
    /// Its headers, as they are sent.
    pub headers: String,
    /// The alert.
    pub alert: Value,
}

impl Server {
    /// Writes its configuration, to which `more` is added.
    pub fn new(directory: &Path, more: &str) -> Result<Self> {
        let port = host::free_port()?;
        let at = directory.display();
        let text = format!("listen: \"127.0.0.1:{port}\"\njetstream {{ store_dir: \"{at}/jetstream\" }}\n{more}");
        host::write(directory, "nats.conf", &text)?;
        Ok(Self { directory: directory.to_owned(), port, running: None })
    }

    /// Where it listens.
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// Starts it and waits until it listens.
    pub fn start(&mut self) -> Result<()> {
        let mut command = Command::new("nats-server");
        command.arg("-c").arg(self.directory.join("nats.conf"));
        let daemon = Daemon::start("nats-server", &self.directory, &mut command, Signal::TERM)?;
        daemon.await_port(self.port)?;
        self.running = Some(daemon);
        Ok(())
    }

    /// Ends it; what its streams have stays on disk.
    pub fn stop(&mut self) {
        self.running = None;
    }

    /// Makes a stream of one subject.
    pub fn make_stream(&self, name: &str, subject: &str) -> Result<()> {
        let wanted = json!({
            "name": name, "subjects": [subject], "storage": "file", "retention": "limits", "discard": "old",
            "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "num_replicas": 1,
        });
        let answer = self.ask(&format!("$JS.API.STREAM.CREATE.{name}"), &wanted)?;
        if answer["error"].is_null() { Ok(()) } else { bail!("making the stream {name}: {}", answer["error"]) }
    }

    /// What is known of a stream.
    pub fn stream(&self, name: &str) -> Result<Value> {
        let answer = self.ask(&format!("$JS.API.STREAM.INFO.{name}"), &json!({}))?;
        if answer["error"].is_null() { Ok(answer) } else { bail!("the stream {name}: {}", answer["error"]) }
    }

    /// All messages of a stream, in its order.
    pub fn messages(&self, name: &str) -> Result<Vec<Stored>> {
        let last = self.stream(name)?["state"]["last_seq"].as_u64().context("the stream's last number")?;
        (1..=last).map(|number| self.message(name, number)).collect()
    }

    fn message(&self, name: &str, number: u64) -> Result<Stored> {
        let answer = self.ask(&format!("$JS.API.STREAM.MSG.GET.{name}"), &json!({"seq": number}))?;
        let part = |key: &str| -> Result<String> {
            let text = answer["message"][key].as_str().unwrap_or_default();
            Ok(String::from_utf8(STANDARD.decode(text)?)?)
        };
        let data = part("data")?;
        let alert = serde_json::from_str(&data).with_context(|| format!("message {number} is {data:?}"))?;
        Ok(Stored { headers: part("hdrs")?, alert })
    }

    /// A question and its answer, in the protocol as it is on the wire.
    fn ask(&self, subject: &str, question: &Value) -> Result<Value> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port)).context("connecting to nats-server")?;
        stream.set_read_timeout(Some(PATIENCE))?;
        let question = question.to_string();
        write!(
            stream,
            "CONNECT {{\"verbose\":false,\"pedantic\":false}}\r\nSUB _INBOX.xtask 1\r\n\
             PUB {subject} _INBOX.xtask {}\r\n{question}\r\n",
            question.len()
        )?;
        let mut reader = BufReader::new(stream);
        let mut line = String::new();
        loop {
            line.clear();
            if reader.read_line(&mut line)? == 0 {
                bail!("nats-server closed the connection");
            }
            if line.starts_with("-ERR") {
                bail!("nats-server says {}", line.trim());
            }
            if let Some(length) = line.strip_prefix("MSG ").and_then(|rest| rest.trim().rsplit(' ').next()) {
                let mut bytes = vec![0; length.parse()?];
                reader.read_exact(&mut bytes)?;
                return Ok(serde_json::from_slice(&bytes)?);
            }
        }
    }
}

const STREAM: &str = "SENSOR";
const SUBJECT: &str = "sensor.alerts";

/// The server ends and comes back, twice: nothing is missing, in order, nothing is there twice.
pub fn restart() -> Result<String> {
    let ground = Ground::new("nats-restart")?;
    let mut server = Server::new(&ground.path("nats")?, "")?;
    let settings = [enabled(), format!("output.nats.url=\"nats://localhost:{}\"", server.port())];
    let mut scene = Scene::start(&ground.path("sensor")?, &settings)?;
    scene.cause(3)?;
    scene.await_log("cannot deliver")?;
    server.start()?;
    server.make_stream(STREAM, SUBJECT)?;
    for _ in 0..2 {
        scene.cause(20)?;
        server.stop();
        scene.cause(5)?;
        server.start()?;
    }
    scene.cause(5)?;
    all_once(&scene, &server)
}

/// There is no stream: the sensor says what to do, keeps alerts on disk, and delivers once the stream is made.
pub fn no_stream() -> Result<String> {
    let ground = Ground::new("nats-no-stream")?;
    let mut server = Server::new(&ground.path("nats")?, "")?;
    server.start()?;
    let settings = [enabled(), format!("output.nats.url=\"nats://localhost:{}\"", server.port())];
    let mut scene = Scene::start(&ground.path("sensor")?, &settings)?;
    scene.cause(5)?;
    scene.await_log("no stream takes the subject sensor.alerts: make SENSOR with it")?;
    scene.await_metric("output_spooled_alerts", "nats", 5.0)?;
    let failures = scene.metric("output_failures_total", "nats")?;
    if failures < 1.0 {
        bail!("{failures} failures are counted");
    }
    server.make_stream(STREAM, SUBJECT)?;
    all_once(&scene, &server)
}

/// TLS with an authority of ours, a password, and a stream that the sensor makes; what is secret is in no log.
pub fn tls() -> Result<String> {
    const PASSWORD: &str = "correct-horse";
    let ground = Ground::new("nats-tls")?;
    let certificates = Certificates::make(&ground.path("certificates")?)?;
    let (certificate, key) = &certificates.server;
    let more = format!(
        "authorization {{ user: sensor, password: \"{PASSWORD}\" }}\ntls {{ cert_file: \"{}\", key_file: \"{}\" }}\n",
        certificate.display(),
        key.display()
    );
    let mut server = Server::new(&ground.path("nats")?, &more)?;
    let at = ground.path("sensor")?;
    let password = host::write(&at, "password", &format!("{PASSWORD}\n"))?;
    let settings = [
        enabled(),
        format!("output.nats.url=\"tls://localhost:{}\"", server.port()),
        format!("output.nats.ca_file=\"{}\"", certificates.ca.display()),
        "output.nats.user=\"sensor\"".to_owned(),
        format!("output.nats.password_file=\"{}\"", password.display()),
        "output.nats.create_stream=true".to_owned(),
    ];
    let mut scene = Scene::start(&at, &settings)?;
    scene.cause(3)?;
    server.start()?;
    scene.cause(3)?;
    let delivered = scene.await_metric("output_delivered_total", "nats", 6.0);
    if scene.log().contains(PASSWORD) {
        bail!("the password is in the log");
    }
    drop(scene);
    server.stop();
    delivered?;
    // The reader speaks no TLS.
    server = Server::new(&ground.path("nats")?, "")?;
    server.start()?;
    let stored = server.messages(STREAM)?;
    if stored.len() != 6 {
        bail!("{} messages are in the stream", stored.len());
    }
    Ok(format!("{} alerts over TLS", stored.len()))
}

fn enabled() -> String {
    "output.nats.enabled=true".to_owned()
}

/// The stream has each alert once, in order, as it was told, and under its id.
fn all_once(scene: &Scene, server: &Server) -> Result<String> {
    scene.await_all(|| Ok(server.messages(STREAM)?.into_iter().map(|stored| stored.alert).collect()))?;
    let stored = server.messages(STREAM)?;
    for Stored { headers, alert } in &stored {
        if !headers.contains(&format!("Nats-Msg-Id: {}\r\n", id(alert))) {
            bail!("the headers are {headers:?}");
        }
    }
    let alerts: Vec<Value> = stored.into_iter().map(|stored| stored.alert).collect();
    match same(&scene.told(), &alerts)? {
        0 => Ok(format!("{} alerts, each once", alerts.len())),
        twice => bail!("{twice} are there twice"),
    }
}
