//! Against an HTTP server of our own on a real socket, which fails, stalls, closes and refuses as it is told.

use super::*;
use crate::config::Include;
use crate::detect::Severity;
use crate::metrics::Metrics;
use crate::output::deliver;
use crate::output::keeper::Keeper;
use crate::output::lane::Lane;
use crate::output::message::Meta;
use crate::output::spool::Spool;
use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::Instant;

const PATIENCE: Duration = Duration::from_secs(30);

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Deed {
    Take,
    /// Takes it and answers with this.
    Answer(&'static str),
    /// Reads it and answers nothing, for longer than anybody waits.
    Stall,
    /// Closes when it has read the request.
    Close,
    /// Takes it, and closes in the middle of the answer's body.
    CloseInBody,
    /// Takes no more than so many lines.
    AtMost(usize),
    /// Takes nothing that has this line.
    Refuse(&'static str),
}

#[derive(Default)]
struct Seen {
    /// What comes first; then everything is as `then`.
    first: VecDeque<Deed>,
    then: Option<Deed>,
    /// Lines that were taken, in order.
    lines: Vec<String>,
    /// Headers of all requests, lower case.
    headers: Vec<String>,
}

/// The server; its threads end with the test.
struct Server {
    address: SocketAddr,
    seen: Arc<Mutex<Seen>>,
}

impl Server {
    fn start(first: &[Deed], tls: Option<Arc<rustls::ServerConfig>>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Mutex::new(Seen { first: first.iter().copied().collect(), ..Seen::default() }));
        let shared = Arc::clone(&seen);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let (seen, tls) = (Arc::clone(&shared), tls.clone());
                std::thread::spawn(move || match tls {
                    Some(config) => {
                        let connection = rustls::ServerConnection::new(config).unwrap();
                        serve(rustls::StreamOwned::new(connection, stream), &seen);
                    }
                    None => serve(stream, &seen),
                });
            }
        });
        Self { address, seen }
    }

    fn settings(&self) -> config::Webhook {
        config::Webhook {
            enabled: true,
            url: format!("http://{}/in", self.address),
            token_file: None,
            ca_file: None,
            batch_max: 8,
            timeout: Duration::from_secs(1),
            include: Include::Alerts,
        }
    }

    fn lines(&self) -> Vec<String> {
        self.seen.lock().unwrap().lines.clone()
    }

    fn headers(&self) -> Vec<String> {
        self.seen.lock().unwrap().headers.clone()
    }
}

/// Answers requests until the connection ends.
fn serve(stream: impl Read + Write, seen: &Mutex<Seen>) {
    let mut stream = BufReader::new(stream);
    loop {
        let mut headers = String::new();
        while !headers.ends_with("\r\n\r\n") {
            if stream.read_line(&mut headers).unwrap_or(0) == 0 {
                return;
            }
        }
        let headers = headers.to_lowercase();
        let length = headers.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap();
        let mut body = vec![0; length.parse().unwrap()];
        if stream.read_exact(&mut body).is_err() {
            return;
        }
        let lines: Vec<String> = String::from_utf8(body).unwrap().lines().map(str::to_owned).collect();
        let deed = {
            let mut seen = seen.lock().unwrap();
            seen.headers.push(headers);
            seen.first.pop_front().or(seen.then).unwrap_or(Deed::Take)
        };
        let (taken, answer, goes_on) = match deed {
            Deed::Take => (true, "204 No Content\r\n\r\n", true),
            Deed::Answer(answer) => (answer.starts_with('2'), answer, true),
            Deed::Stall => {
                std::thread::sleep(Duration::from_secs(3));
                return;
            }
            Deed::Close => return,
            Deed::CloseInBody => (true, "200 OK\r\nContent-Length: 1000\r\n\r\nthe beginning", false),
            Deed::AtMost(most) if lines.len() > most => (false, "413 Too Large\r\nContent-Length: 0\r\n\r\n", true),
            Deed::Refuse(line) if lines.iter().any(|each| each == line) => {
                (false, "400 Bad Request\r\nContent-Length: 0\r\n\r\n", true)
            }
            Deed::AtMost(_) | Deed::Refuse(_) => (true, "200 OK\r\nContent-Length: 2\r\n\r\nok", true),
        };
        if taken {
            seen.lock().unwrap().lines.extend(lines);
        }
        if stream.get_mut().write_all(format!("HTTP/1.1 {answer}").as_bytes()).is_err() || !goes_on {
            return;
        }
    }
}

fn alert(number: usize) -> Message {
    let id: Arc<str> = format!("{number}").into();
    let meta = Meta { id, severity: Severity::High, time_unix_ns: 7, detector: "server-shell".into() };
    Message { text: format!("{number}\n").into(), alert: Some(meta) }
}

fn alerts(count: usize) -> Vec<Message> {
    (0..count).map(alert).collect()
}

fn numbers(count: usize) -> Vec<String> {
    (0..count).map(|number| number.to_string()).collect()
}

fn without_repeats(lines: Vec<String>) -> Vec<String> {
    let mut seen = std::collections::HashSet::new();
    lines.into_iter().filter(|line| seen.insert(line.clone())).collect()
}

#[test]
fn every_alert_arrives_in_order_from_a_server_that_misbehaves_and_other_outputs_are_not_slowed() {
    let unavailable = "503 Service Unavailable\r\nContent-Length: 0\r\n\r\n";
    let asked = "429 Too Many\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n";
    let deeds = [
        Deed::Take,
        Deed::Answer(unavailable),
        Deed::Stall,
        Deed::Take,
        Deed::Close,
        Deed::CloseInBody,
        Deed::Answer(asked),
    ];
    let server = Server::start(&deeds, None);
    let directory = tempfile::tempdir().unwrap();
    let metrics = Arc::new(Metrics::new());
    let spool = Spool::new("webhook", directory.path(), 1 << 20, &metrics);
    let bad = Arc::new(Lane::new("webhook", Some(spool), &metrics));
    deliver::start(&bad, Box::new(Webhook::new(&server.settings()).unwrap())).unwrap();
    let well = Server::start(&[], None);
    let good = Arc::new(Lane::new("file", None, &metrics));
    deliver::start(&good, Box::new(Webhook::new(&well.settings()).unwrap())).unwrap();
    let keeper = Keeper::start().unwrap();
    keeper.look_after(vec![Arc::clone(&bad), Arc::clone(&good)]);
    let begin = Instant::now();
    let mut slowest = Duration::ZERO;
    for number in 0..100 {
        let pushed = Instant::now();
        good.push(alert(number));
        if bad.push(alert(number)) {
            keeper.poke();
        }
        slowest = slowest.max(pushed.elapsed());
        std::thread::sleep(Duration::from_millis(5));
    }
    while well.lines().len() < 100 && begin.elapsed() < PATIENCE {
        std::thread::sleep(Duration::from_millis(2));
    }
    let other = begin.elapsed();
    assert_eq!(well.lines(), numbers(100));
    while without_repeats(server.lines()).len() < 100 {
        assert!(begin.elapsed() < PATIENCE, "{:?}", server.lines());
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(without_repeats(server.lines()), numbers(100));
    assert!(other < begin.elapsed(), "the other output was done first: {other:?}, {:?}", begin.elapsed());
    assert!(slowest < Duration::from_millis(500), "handing out took {slowest:?}");
}

#[test]
fn a_batch_that_is_too_large_is_divided() {
    let server = Server::start(&[], None);
    server.seen.lock().unwrap().then = Some(Deed::AtMost(3));
    let mut webhook = Webhook::new(&server.settings()).unwrap();
    webhook.deliver(&alerts(8)).unwrap();
    assert_eq!(server.lines(), numbers(8));
}

#[test]
fn the_one_that_is_refused_is_found() {
    let server = Server::start(&[], None);
    server.seen.lock().unwrap().then = Some(Deed::Refuse("5"));
    let mut webhook = Webhook::new(&server.settings()).unwrap();
    let undelivered = webhook.deliver(&alerts(8)).unwrap_err();
    assert_eq!((undelivered.delivered, undelivered.kind), (5, Trouble::Refused));
    assert_eq!(server.lines(), numbers(5));
}

#[test]
fn what_is_wrong_is_said_and_when_to_come_again() {
    let date = "503 Later\r\nRetry-After: Fri, 01 Jan 2100 00:00:00 GMT\r\nContent-Length: 0\r\n\r\n";
    let elsewhere = "302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n";
    let deeds = [
        Deed::Answer("401 Unauthorized\r\nContent-Length: 0\r\n\r\n"),
        Deed::Answer(elsewhere),
        Deed::Answer("429 Slow\r\nRetry-After: 7\r\nContent-Length: 0\r\n\r\n"),
        Deed::Answer(date),
        Deed::Stall,
        Deed::Close,
    ];
    let server = Server::start(&deeds, None);
    let mut webhook = Webhook::new(&server.settings()).unwrap();
    let mut failing = || {
        let undelivered = webhook.deliver(&alerts(1)).unwrap_err();
        assert_eq!(undelivered.delivered, 0);
        let said = format!("{:#}", undelivered.error);
        assert!(!said.contains("/in"), "the address is not said: {said}");
        (said, undelivered.kind)
    };
    let (said, kind) = failing();
    assert!(said.contains("401") && kind == Trouble::Retry, "{said}");
    let (said, kind) = failing();
    assert!(said.contains("302") && said.contains("not followed") && kind == Trouble::Retry, "{said}");
    assert_eq!(failing().1, Trouble::RetryAfter(Duration::from_secs(7)));
    let Trouble::RetryAfter(long) = failing().1 else { panic!("a date") };
    assert!(long > Duration::from_secs(1_000_000));
    let begin = Instant::now();
    assert_eq!(failing().1, Trouble::Retry, "a server that stalls");
    assert!((Duration::from_millis(900)..Duration::from_millis(2500)).contains(&begin.elapsed()));
    assert_eq!(failing().1, Trouble::Retry, "a server that closes");
    webhook.deliver(&alerts(1)).unwrap();
    assert_eq!(server.lines(), ["0"]);
}

#[test]
fn nobody_listens() {
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let server = Server { address, seen: Arc::default() };
    let mut webhook = Webhook::new(&server.settings()).unwrap();
    let undelivered = webhook.deliver(&alerts(1)).unwrap_err();
    assert_eq!(undelivered.kind, Trouble::Retry);
    assert!(format!("{:#}", undelivered.error).contains("refused"), "{:#}", undelivered.error);
}

#[test]
fn a_token_is_read_anew_and_must_be_one() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    let server = Server::start(&[], None);
    let settings = config::Webhook { token_file: Some(path.clone()), ..server.settings() };
    let said = |settings| format!("{:#}", Webhook::new(settings).err().unwrap());
    assert!(said(&settings).contains("token_file"));
    std::fs::write(&path, "two words").unwrap();
    assert!(said(&settings).contains("one token") && !said(&settings).contains("two words"));
    std::fs::write(&path, "first\n").unwrap();
    let mut webhook = Webhook::new(&settings).unwrap();
    webhook.deliver(&alerts(1)).unwrap();
    std::fs::write(&path, "second\n").unwrap();
    webhook.deliver(&alerts(1)).unwrap();
    std::fs::remove_file(&path).unwrap();
    webhook.deliver(&alerts(1)).unwrap();
    let headers = server.headers();
    for (headers, token) in headers.iter().zip(["first", "second", "second"]) {
        assert!(headers.contains(&format!("authorization: bearer {token}\r\n")), "{headers}");
        assert!(headers.contains("content-type: application/x-ndjson\r\n"), "{headers}");
    }
    assert_eq!(headers.len(), 3);
}

/// A certificate for 127.0.0.1 from an authority of its own; gives the authority's file.
fn certified(directory: &Path) -> (PathBuf, Arc<rustls::ServerConfig>) {
    let authority_key = rcgen::KeyPair::generate().unwrap();
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let certificate = authority.self_signed(&authority_key).unwrap();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let key = rcgen::KeyPair::generate().unwrap();
    let own = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap().signed_by(&key, &issuer).unwrap();
    let path = directory.join("ca.pem");
    std::fs::write(&path, certificate.pem()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let key = rustls::pki_types::PrivateKeyDer::try_from(key.serialize_der()).unwrap();
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![own.der().clone()], key)
        .unwrap();
    (path, Arc::new(config))
}

#[test]
fn tls_trusts_the_authority_that_is_named_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let (ca_file, tls) = certified(directory.path());
    let server = Server::start(&[], Some(tls));
    let url = format!("https://{}/in", server.address);
    let strangers = config::Webhook { url, ..server.settings() };
    let undelivered = Webhook::new(&strangers).unwrap().deliver(&alerts(1)).unwrap_err();
    assert_eq!(undelivered.kind, Trouble::Retry);
    let said = format!("{:#}", undelivered.error);
    assert!(said.contains("certificate") || said.contains("UnknownIssuer"), "{said}");
    assert!(server.lines().is_empty());
    let trusting = config::Webhook { ca_file: Some(ca_file.clone()), ..strangers };
    let mut webhook = Webhook::new(&trusting).unwrap();
    webhook.deliver(&alerts(3)).unwrap();
    webhook.reopen().unwrap();
    webhook.deliver(&alerts(1)).unwrap();
    assert_eq!(server.lines(), ["0", "1", "2", "0"]);
    std::fs::write(&ca_file, "nothing").unwrap();
    let said = format!("{:#}", Webhook::new(&trusting).err().unwrap());
    assert!(said.contains("ca_file") && said.contains("PEM"), "{said}");
}
