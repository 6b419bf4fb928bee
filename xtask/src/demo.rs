//! `cargo xtask demo`: a harmless web shell, and the alert that it causes.
//!
//! No server need be installed: a copy of this very program in a temporary directory plays one, an extra catalogue file
//! there says that it is one, and it runs what its only visitor asks for: `id`. Everything is on loopback, and everything
//! is removed at the end.

use crate::agent::Agent;
use crate::{build, command, workspace};
use anyhow::{Context, Result, bail};
use std::io::{BufRead, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::Duration;

/// What the visitor asks for.
const REQUEST: &str = "GET /page?c=id HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n";
/// An alert is there well before.
const ALERT_LIMIT: Duration = Duration::from_secs(15);
/// An alert has several lines; it is over when nothing follows.
const ALERT_END: Duration = Duration::from_secs(1);

/// Builds, then shows it.
pub fn run() -> Result<()> {
    build::run()?;
    without_build()
}

/// Shows it with the sensor that was built; the part that needs root.
pub fn without_build() -> Result<()> {
    if !command::is_root() {
        return command::run(&mut command::myself_as_root(&["demo", "--no-build"])?);
    }
    let directory = std::env::temp_dir().join(format!("sensor-demo-{}", std::process::id()));
    std::fs::create_dir(&directory)?;
    let result = show(&directory);
    std::fs::remove_dir_all(&directory)?;
    result
}

fn show(directory: &Path) -> Result<()> {
    let program = directory.join("demo-server");
    std::fs::copy(command::myself()?, &program).context("copying the demo's server")?;
    let catalogue = write_catalogue(directory, &program)?;
    println!("Starting the sensor ...");
    let settings =
        [format!("catalogue.extra=[\"{}\"]", catalogue.display()), "output.stdout.format=\"pretty\"".to_owned()];
    let mut agent = Agent::start(&workspace::sensor(), directory, &settings, Stdio::piped())?;
    let alerts = lines(agent.take_output().context("the sensor's output")?);
    let server = Server::start(&program)?;
    println!("Asking {} (our server, with a web shell in it): /page?c=id", server.address);
    println!("It answers: {}", server.ask()?.trim());
    let alert = read_alert(&alerts);
    drop(server);
    agent.stop()?;
    let alert = alert?;
    println!("\nThe sensor says:\n");
    for line in alert {
        println!("    {line}");
    }
    println!("\nThat was all; nothing of it is left running or on disk.");
    Ok(())
}

/// The catalogue entry that makes a server of our program.
fn write_catalogue(directory: &Path, program: &Path) -> Result<PathBuf> {
    let catalogue = directory.join("catalogue.d");
    std::fs::create_dir(&catalogue)?;
    let text = format!(
        "[[server]]\n\
         id = \"demo-server\"\n\
         name = \"The demo's server\"\n\
         roles = [\"web\"]\n\
         exe = [\"{}\"]\n",
        program.display()
    );
    std::fs::write(catalogue.join("demo.toml"), text)?;
    Ok(catalogue)
}

/// The sensor's output, line by line.
fn lines(output: std::process::ChildStdout) -> mpsc::Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    std::thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

/// Everything that was said until our alert is complete.
fn read_alert(lines: &mpsc::Receiver<String>) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let mut ours = false;
    loop {
        match lines.recv_timeout(if ours { ALERT_END } else { ALERT_LIMIT }) {
            Ok(line) => {
                ours |= line.contains("server-shell");
                said.push(line);
            }
            Err(_) if ours => return Ok(said),
            Err(_) => bail!("no alert came; the sensor said: {}", said.join("\n")),
        }
    }
}

/// The running server.
struct Server {
    child: Child,
    address: String,
}

impl Server {
    fn start(program: &Path) -> Result<Self> {
        let mut child = Command::new(program)
            .arg("demo-server")
            .stdout(Stdio::piped())
            .spawn()
            .context("starting the demo's server")?;
        let out = child.stdout.take().context("its output")?;
        let mut address = String::new();
        BufReader::new(out).read_line(&mut address)?;
        let address = address.trim().to_owned();
        Ok(Self { child, address })
    }

    fn ask(&self) -> Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        stream.set_read_timeout(Some(Duration::from_secs(10)))?;
        stream.write_all(REQUEST.as_bytes())?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        let (_, body) = answer.split_once("\r\n\r\n").context("an HTTP answer")?;
        Ok(body.to_owned())
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It ends by itself after its one visitor; this is for when none came.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The server: answers one request, by running the command in it if that is `id`.
pub fn serve() -> Result<()> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    println!("{}", listener.local_addr()?);
    let (mut visitor, _) = listener.accept()?;
    let mut request = String::new();
    BufReader::new(&visitor).read_line(&mut request)?;
    // A real web shell runs anything. This one knows one word.
    let output = if request.contains("c=id ") {
        let output = Command::new("sh").args(["-c", "id"]).output()?;
        String::from_utf8_lossy(&output.stdout).into_owned()
    } else {
        "nothing\n".to_owned()
    };
    write!(visitor, "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n{output}")?;
    Ok(())
}
