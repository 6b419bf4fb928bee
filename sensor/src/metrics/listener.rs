//! The agent's side of the process that answers HTTP: starting it, and answering what it asks.
//!
//! Who speaks to the network has no business near the kernel's rings: it is a process of its own, without privileges
//! ([`crate::privileges::listener`]), that has the listening socket and one end of a pair of sockets and nothing else. It is
//! started before anything is opened or attached. A thread here answers what it asks ([`super::door`]) from the metrics and
//! touches nothing else. If it ends, metrics are gone until the sensor is started anew: nothing in the agent may start a program
//! by then. Its port is closed then, so that whoever asks for `/healthz` notices; detection goes on.

use super::Metrics;
use super::door::{Answer, Confined, Landlock, Question};
use anyhow::{Context, Result, anyhow};
use std::net::{Shutdown, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// How long the listener may take to confine itself, and to take an answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The command that it runs.
pub const COMMAND: &str = "listener";

/// A listener that was started and is not answered yet.
pub struct Listener {
    address: SocketAddr,
    child: Child,
    door: UnixStream,
}

/// A listener at work.
#[derive(Clone, Debug)]
pub struct Serving {
    /// Where.
    pub address: SocketAddr,
    /// Which process.
    pub pid: u32,
    ended: Arc<Mutex<Option<String>>>,
}

impl Listener {
    /// Opens the port and starts `program` with [`COMMAND`] for it. Fails, and says what to do, if the address cannot be had.
    ///
    /// Of what this process has open it gets these two sockets only; no environment either.
    pub fn start(address: SocketAddr, program: &Path) -> Result<Self> {
        let listener = TcpListener::bind(address).map_err(|error| {
            anyhow!(
                "metrics cannot listen on {address}: {error}; another program (or another sensor) may have it: choose \
                 another address with metrics.listen, or \"off\""
            )
        })?;
        let address = listener.local_addr().context("the metrics listener's address")?;
        let (door, other) = UnixStream::pair().context("a pair of sockets for the metrics listener")?;
        let child = Command::new(program)
            .arg(COMMAND)
            .env_clear()
            .current_dir("/")
            .stdin(OwnedFd::from(listener))
            .stdout(OwnedFd::from(other))
            .stderr(Stdio::null())
            .spawn()
            .with_context(|| format!("starting the metrics listener ({} {COMMAND})", program.display()))?;
        Ok(Self { address, child, door })
    }

    /// Answers it from now on, in a thread of its own. Fails if it could not confine itself.
    pub fn answer(mut self, metrics: Arc<Metrics>) -> Result<Serving> {
        self.door.set_read_timeout(Some(PATIENCE)).context("the metrics listener's socket")?;
        self.door.set_write_timeout(Some(PATIENCE)).context("the metrics listener's socket")?;
        let Ok(confined) = Confined::read(&mut self.door) else {
            return Err(anyhow!("the metrics listener could not give up its privileges ({})", self.dismiss()));
        };
        self.door.set_read_timeout(None).context("the metrics listener's socket")?;
        introduce(confined);
        let serving = Serving { address: self.address, pid: self.child.id(), ended: Arc::new(Mutex::new(None)) };
        let ended = Arc::clone(&serving.ended);
        std::thread::Builder::new()
            .name("metrics".to_owned())
            .spawn(move || {
                let told = self.serve(&metrics);
                tracing::error!(
                    reason = told,
                    "the metrics listener has ended: there are no metrics until the sensor is started again; detection goes on"
                );
                *ended.lock().unwrap_or_else(PoisonError::into_inner) = Some(told);
            })
            .context("starting the thread that answers the metrics listener")?;
        Ok(serving)
    }

    /// Answers until the listener ends, or says what makes no sense; gives why.
    fn serve(mut self, metrics: &Metrics) -> String {
        let error = loop {
            let asked = Question::read(&mut self.door);
            let answered = asked.and_then(|(question, number)| answer(question, metrics).write(number, &mut self.door));
            if let Err(error) = answered {
                break error;
            }
        };
        // Whoever does not keep to what was agreed is not trusted any more. It may have ended already.
        format!("{}; {error}", self.dismiss())
    }

    /// Has it end, which it does when its door is closed; gives how. The agent may not kill it: it may kill nobody.
    fn dismiss(&mut self) -> String {
        let _ = self.door.shutdown(Shutdown::Both);
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status.to_string(),
                Ok(None) if Instant::now() < deadline => std::thread::sleep(Duration::from_millis(10)),
                Ok(None) => return "it does not end".to_owned(),
                Err(error) => return error.to_string(),
            }
        }
    }
}

impl Serving {
    /// Why it has ended, if it has.
    pub fn ended(&self) -> Option<String> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn introduce(confined: Confined) {
    if !confined.nobody {
        tracing::warn!(
            "the metrics listener keeps its user and groups, without capabilities: CAP_SETUID and CAP_SETGID are missing"
        );
    }
    let landlock = match confined.landlock {
        Landlock::Missing => "not in this kernel",
        Landlock::Partly => "in part",
        Landlock::Full => "full",
    };
    tracing::debug!(nobody = confined.nobody, landlock, "the metrics listener has given up its privileges");
}

fn answer(question: Question, metrics: &Metrics) -> Answer {
    match question {
        Question::Metrics(format) => Answer { good: true, text: metrics.encode(format) },
        Question::Alive => told(metrics.is_alive(), "alive", "the agent's loop has stopped"),
        Question::Ready => told(metrics.is_ready(), "ready", "not ready"),
    }
}

fn told(good: bool, yes: &str, no: &str) -> Answer {
    Answer { good, text: format!("{}\n", if good { yes } else { no }) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Loss;
    use crate::metrics::http::tests::{get, serve_here};
    use sensor_common::losses::{LossReason, Ring};
    use sensor_common::record::Kind;

    fn serve(metrics: &Arc<Metrics>) -> SocketAddr {
        let metrics = Arc::clone(metrics);
        serve_here(move |question| answer(question, &metrics))
    }

    #[test]
    fn the_endpoints_answer() {
        let metrics = Arc::new(Metrics::new());
        let address = serve(&metrics);
        assert!(get(address, "GET /readyz HTTP/1.1").starts_with("HTTP/1.1 503"));
        metrics.set_alive(crate::machine::boottime_ns());
        metrics.set_ready(true);
        metrics.event(Kind::Exec, crate::machine::boottime_ns());
        metrics.lost(&Loss { ring: Ring::Process, reason: LossReason::RingFull, kind: Some(Kind::Fork), count: 7 });
        metrics.ring(Ring::Process, 10, 4096);
        assert!(get(address, "GET /readyz HTTP/1.1").starts_with("HTTP/1.1 200"));
        assert!(get(address, "GET /healthz HTTP/1.1").starts_with("HTTP/1.1 200"));
        assert!(get(address, "GET /other HTTP/1.1").starts_with("HTTP/1.1 404"));
        assert!(get(address, "POST /metrics HTTP/1.1").starts_with("HTTP/1.1 405"));
        metrics.set_alive(1);
        for path in ["healthz", "readyz"] {
            assert!(get(address, &format!("GET /{path} HTTP/1.1")).starts_with("HTTP/1.1 503"), "a stalled agent");
        }
        let text = get(address, "GET /metrics HTTP/1.1");
        for line in [
            "sensor_events_total{kind=\"exec\"} 1",
            "sensor_lost_events_total{ring=\"process\",reason=\"ring_full\",kind=\"fork\"} 7",
            "sensor_ring_bytes{ring=\"process\"} 10",
            "sensor_ring_capacity_bytes{ring=\"process\"} 4096",
            "sensor_processes 0",
            "sensor_process_evictions_total 0",
            "sensor_watched_directories 0",
            "sensor_detection_latency_seconds_count 0",
            "sensor_build_info{version=",
            "process_cpu_seconds_total ",
            "process_resident_memory_bytes ",
        ] {
            assert!(text.lines().any(|found| found.starts_with(line)), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn the_format_is_the_one_that_is_asked_for() {
        let address = serve(&Arc::new(Metrics::new()));
        let classic = get(address, "GET /metrics HTTP/1.1");
        assert!(classic.contains("content-type: text/plain; version=0.0.4"), "{classic}");
        assert!(classic.contains("\n# TYPE sensor_events_total counter\n") && !classic.contains("# EOF"), "{classic}");
        let open =
            get(address, "GET /metrics HTTP/1.1\r\nAccept: text/plain;q=0.1\r\nAccept: application/openmetrics-text");
        assert!(open.contains("content-type: application/openmetrics-text; version=1.0.0"), "{open}");
        assert!(open.contains("\n# TYPE sensor_events counter\n") && open.ends_with("# EOF\n"), "{open}");
        assert!(open.contains("\n# UNIT sensor_ring_bytes bytes\n"), "{open}");
    }

    #[test]
    fn a_taken_port_says_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap();
        let error = Listener::start(address, Path::new("/proc/self/exe")).map(drop).unwrap_err().to_string();
        assert!(error.contains("metrics.listen"), "{error}");
    }
}
