//! HTTP for `/metrics`, `/healthz` and `/readyz`, in the process that does nothing else.
//!
//! What is to be said it asks the agent ([`super::door`]). A slow or hostile client costs it a connection of
//! [`MAX_CONNECTIONS`], for [`MAX_TIME`] at most, and the agent nothing.

use super::Format;
use super::door::{Answer, HEAD, Head, Question};
use anyhow::{Context, Result};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::unix::{OwnedReadHalf, OwnedWriteHalf};
use tokio::sync::{Mutex, Semaphore, mpsc};

/// Most connections at once; more wait in the kernel's queue.
pub const MAX_CONNECTIONS: usize = 16;
/// Longest time for a connection.
const MAX_TIME: Duration = Duration::from_secs(10);
/// Longest time that the agent is waited for.
const PATIENCE: Duration = Duration::from_secs(5);

const TEXT: &str = "text/plain; charset=utf-8";

/// The runtime; made before calls are filtered.
pub fn runtime() -> Result<tokio::runtime::Runtime> {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_io().enable_time().build().context("starting the metrics listener")
}

/// Answers on `listener`, asking through `door`, until the agent ends. Neither socket may block.
pub async fn serve(listener: TcpListener, door: UnixStream) -> Result<()> {
    let listener = tokio::net::TcpListener::from_std(listener).context("the listening socket")?;
    let door = tokio::net::UnixStream::from_std(door).context("the agent's socket")?;
    let (from_agent, to_agent) = door.into_split();
    let (sender, answers) = mpsc::channel(1);
    let door = Arc::new(Mutex::new(Door { to_agent, answers, number: 0 }));
    tokio::spawn(accept(listener, door));
    // Always waited for, so that the agent's end is noticed at once.
    hear(from_agent, sender).await.context("the agent has ended")
}

async fn accept(listener: tokio::net::TcpListener, door: Arc<Mutex<Door>>) {
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    while let Ok(permit) = Arc::clone(&free).acquire_owned().await {
        let Ok((stream, _)) = listener.accept().await else {
            // Out of descriptors, most likely.
            tokio::time::sleep(Duration::from_secs(1)).await;
            continue;
        };
        let door = Arc::clone(&door);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let door = Arc::clone(&door);
                async move { Ok::<_, Infallible>(answer(&request, &door).await) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(MAX_TIME / 2)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service);
            // How a client ends its connection is its own business.
            let _ = tokio::time::timeout(MAX_TIME, connection).await;
            drop(permit);
        });
    }
}

/// Hands on the agent's answers, until it ends.
async fn hear(mut agent: OwnedReadHalf, answers: mpsc::Sender<(u32, Answer)>) -> std::io::Result<()> {
    loop {
        let mut head = [0; HEAD];
        agent.read_exact(&mut head).await?;
        let head = Head::parse(head)?;
        let mut text = vec![0; head.length];
        agent.read_exact(&mut text).await?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if answers.send((head.number, Answer { good: head.good, text })).await.is_err() {
            return Ok(());
        }
    }
}

/// Where questions go to, and answers come from; one question at a time.
struct Door {
    to_agent: OwnedWriteHalf,
    answers: mpsc::Receiver<(u32, Answer)>,
    /// Of the latest question.
    number: u32,
}

impl Door {
    /// Nothing if the agent has ended.
    async fn ask(&mut self, question: Question) -> Option<Answer> {
        self.number = self.number.wrapping_add(1);
        self.to_agent.write_all(&question.encode(self.number)).await.ok()?;
        loop {
            let (number, answer) = self.answers.recv().await?;
            // Else it is an earlier question's, which nobody waits for any more.
            if number == self.number {
                return Some(answer);
            }
        }
    }
}

async fn answer<B>(request: &Request<B>, door: &Mutex<Door>) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
    }
    let (question, kind) = match request.uri().path() {
        "/metrics" => {
            let format = asked_for(request);
            (Question::Metrics(format), format.content_type())
        }
        "/healthz" => (Question::Alive, TEXT),
        "/readyz" => (Question::Ready, TEXT),
        _ => {
            let told = "there are /metrics, /healthz and /readyz\n".to_owned();
            return response(StatusCode::NOT_FOUND, TEXT, told);
        }
    };
    let asked = tokio::time::timeout(PATIENCE, async { door.lock().await.ask(question).await }).await;
    match asked {
        Ok(Some(answer)) if answer.good => response(StatusCode::OK, kind, answer.text),
        Ok(Some(answer)) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, answer.text),
        Ok(None) | Err(_) => response(StatusCode::SERVICE_UNAVAILABLE, TEXT, "the agent does not answer\n".to_owned()),
    }
}

/// The format of the metrics that the client wants.
fn asked_for<B>(request: &Request<B>) -> Format {
    let accepted: Vec<&str> = request.headers().get_all(ACCEPT).iter().flat_map(|value| value.to_str()).collect();
    Format::of_accept(&accepted.join(","))
}

fn response(status: StatusCode, kind: &'static str, body: String) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(Bytes::from(body)));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, hyper::header::HeaderValue::from_static(kind));
    response
}

/// Whether something answers there; for `sensor check`.
pub fn is_taken(address: SocketAddr) -> bool {
    TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use std::io::{Read, Write};

    /// One request, and all of its answer.
    pub fn get(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    /// Serves in this process; `agent` answers.
    pub fn serve_here(agent: impl Fn(Question) -> Answer + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        listener.set_nonblocking(true).unwrap();
        let (mut inside, outside) = UnixStream::pair().unwrap();
        outside.set_nonblocking(true).unwrap();
        std::thread::spawn(move || runtime().unwrap().block_on(serve(listener, outside)));
        std::thread::spawn(move || {
            while let Ok((question, number)) = Question::read(&mut inside) {
                agent(question).write(number, &mut inside).unwrap();
            }
        });
        address
    }

    fn yes(text: &str) -> Answer {
        Answer { good: true, text: text.to_owned() }
    }

    #[test]
    fn a_silent_client_keeps_nobody_out() {
        let address = serve_here(|_| yes("here\n"));
        let _silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert!(get(address, "GET /metrics HTTP/1.1").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn a_long_answer_comes_whole() {
        let text = "a line of metrics\n".repeat(50_000);
        let answer = yes(&text);
        let address = serve_here(move |_| answer.clone());
        assert!(get(address, "GET /metrics HTTP/1.1").ends_with(&text));
    }

    #[test]
    fn an_answer_that_comes_too_late_is_nobody_elses() {
        let slow = std::sync::atomic::AtomicBool::new(true);
        let address = serve_here(move |question| {
            if slow.swap(false, std::sync::atomic::Ordering::AcqRel) {
                std::thread::sleep(PATIENCE + Duration::from_millis(500));
            }
            yes(if question == Question::Alive { "alive\n" } else { "metrics\n" })
        });
        assert!(get(address, "GET /metrics HTTP/1.1").contains("503 Service Unavailable"));
        assert!(get(address, "GET /healthz HTTP/1.1").ends_with("\r\nalive\n"));
    }
}
