//! The listener for `/metrics`, `/healthz` and `/readyz`, in a thread of its own.
//!
//! It only reads: a slow or hostile client costs it a connection of [`MAX_CONNECTIONS`], for [`MAX_TIME`] at most, and
//! the agent nothing.

use super::{Format, Metrics};
use anyhow::{Context, Result, anyhow};
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{ACCEPT, CONTENT_TYPE};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use std::convert::Infallible;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// Most connections at once; more wait in the kernel's queue.
const MAX_CONNECTIONS: usize = 16;
/// Longest time for a connection.
const MAX_TIME: Duration = Duration::from_secs(10);
const TEXT: &str = "text/plain; charset=utf-8";

/// Begins to listen. Fails, and says what to do, if the address cannot be had.
pub fn start(address: SocketAddr, metrics: Arc<Metrics>) -> Result<SocketAddr> {
    let listener = TcpListener::bind(address).map_err(|error| {
        anyhow!(
            "metrics cannot listen on {address}: {error}; another program (or another sensor) may have it: choose another \
             address with metrics.listen, or \"off\""
        )
    })?;
    listener.set_nonblocking(true).context("preparing the metrics listener")?;
    let address = listener.local_addr().context("the metrics listener's address")?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .enable_time()
        .build()
        .context("starting the metrics listener")?;
    std::thread::Builder::new()
        .name("metrics".to_owned())
        .spawn(move || runtime.block_on(serve(listener, metrics)))
        .context("starting the metrics listener's thread")?;
    Ok(address)
}

async fn serve(listener: TcpListener, metrics: Arc<Metrics>) {
    let Ok(listener) = tokio::net::TcpListener::from_std(listener) else {
        return;
    };
    let free = Arc::new(Semaphore::new(MAX_CONNECTIONS));
    loop {
        let Ok(permit) = Arc::clone(&free).acquire_owned().await else {
            return;
        };
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                // Out of descriptors, most likely.
                tracing::warn!(%error, "the metrics listener cannot accept");
                tokio::time::sleep(Duration::from_secs(1)).await;
                continue;
            }
        };
        let metrics = Arc::clone(&metrics);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(&request, &metrics);
                async move { Ok::<_, Infallible>(answer) }
            });
            let connection = http1::Builder::new()
                .timer(TokioTimer::new())
                .header_read_timeout(MAX_TIME / 2)
                .max_buf_size(16 << 10)
                .serve_connection(TokioIo::new(stream), service);
            match tokio::time::timeout(MAX_TIME, connection).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::debug!(%error, "a metrics connection ended badly"),
                Err(_) => tracing::debug!("a metrics connection took too long"),
            }
            drop(permit);
        });
    }
}

fn answer<B>(request: &Request<B>, metrics: &Metrics) -> Response<Full<Bytes>> {
    if request.method() != Method::GET && request.method() != Method::HEAD {
        return response(StatusCode::METHOD_NOT_ALLOWED, TEXT, "only GET and HEAD\n".to_owned());
    }
    match request.uri().path() {
        "/metrics" => {
            let format = asked_for(request);
            response(StatusCode::OK, format.content_type(), metrics.encode(format))
        }
        "/healthz" => told(metrics.is_alive(), "alive", "the agent's loop has stopped"),
        "/readyz" => told(metrics.is_ready(), "ready", "not ready"),
        _ => response(StatusCode::NOT_FOUND, TEXT, "there are /metrics, /healthz and /readyz\n".to_owned()),
    }
}

/// The format of the metrics that the client wants.
fn asked_for<B>(request: &Request<B>) -> Format {
    let accepted: Vec<&str> = request.headers().get_all(ACCEPT).iter().flat_map(|value| value.to_str()).collect();
    Format::of_accept(&accepted.join(","))
}

fn told(good: bool, yes: &str, no: &str) -> Response<Full<Bytes>> {
    if good {
        response(StatusCode::OK, TEXT, format!("{yes}\n"))
    } else {
        response(StatusCode::SERVICE_UNAVAILABLE, TEXT, format!("{no}\n"))
    }
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
mod tests {
    use super::*;
    use crate::event::Loss;
    use sensor_common::losses::{LossReason, Ring};
    use sensor_common::record::Kind;
    use std::io::{Read, Write};

    fn get(address: SocketAddr, request: &str) -> String {
        let mut stream = TcpStream::connect(address).unwrap();
        stream.write_all(format!("{request}\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    }

    #[test]
    fn the_endpoints_answer() {
        let metrics = Arc::new(Metrics::new());
        let address = start("127.0.0.1:0".parse().unwrap(), Arc::clone(&metrics)).unwrap();
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
        let address = start("127.0.0.1:0".parse().unwrap(), Arc::new(Metrics::new())).unwrap();
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
    fn a_silent_client_keeps_nobody_out() {
        let metrics = Arc::new(Metrics::new());
        let address = start("127.0.0.1:0".parse().unwrap(), metrics).unwrap();
        let _silent: Vec<TcpStream> = (0..8).map(|_| TcpStream::connect(address).unwrap()).collect();
        assert!(get(address, "GET /metrics HTTP/1.1").starts_with("HTTP/1.1 200"));
    }

    #[test]
    fn a_taken_port_says_what_to_do() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let error = start(taken.local_addr().unwrap(), Arc::new(Metrics::new())).unwrap_err().to_string();
        assert!(error.contains("metrics.listen"), "{error}");
    }
}
