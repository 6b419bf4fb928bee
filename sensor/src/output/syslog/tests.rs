use super::*;
use crate::config::Include;
use crate::detect::Severity;
use crate::output::Meta;
use std::io::Read;
use std::net::TcpListener;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::time::Duration;

fn syslog(address: &str) -> Syslog {
    let settings = config::Syslog {
        enabled: true,
        address: Address::parse(address).unwrap(),
        facility: "authpriv".into(),
        identity: Identity::default(),
        include: Include::Alerts,
    };
    Syslog::new(&settings).unwrap()
}

fn alert(number: usize) -> Message {
    let id = format!("id-{number:04}");
    let alert =
        Meta { id: id.as_str().into(), severity: Severity::High, time_unix_ns: 0, detector: "server-shell".into() };
    Message { text: format!("{{\"id\":\"{id}\"}}\n").into(), alert: Some(alert) }
}

fn alerts(numbers: std::ops::Range<usize>) -> Vec<Message> {
    numbers.map(alert).collect()
}

/// The ids in what a socket of datagrams holds.
fn received(socket: &UnixDatagram) -> Vec<usize> {
    socket.set_nonblocking(true).unwrap();
    let mut buffer = [0; 8192];
    std::iter::from_fn(|| socket.recv(&mut buffer).ok().map(|length| id(&buffer[..length]))).collect()
}

fn id(message: &[u8]) -> usize {
    let text = String::from_utf8(message.to_vec()).unwrap();
    text.split_once("{\"id\":\"id-").unwrap().1[..4].parse().unwrap()
}

/// Takes messages apart by their lengths.
fn unframe(mut bytes: &[u8]) -> Vec<usize> {
    let mut ids = Vec::new();
    while let Some(space) = bytes.iter().position(|byte| *byte == b' ') {
        let length: usize = std::str::from_utf8(&bytes[..space]).unwrap().parse().unwrap();
        ids.push(id(&bytes[space + 1..space + 1 + length]));
        bytes = &bytes[space + 1 + length..];
    }
    ids
}

#[test]
fn datagrams_arrive_and_what_a_daemon_left_unread_is_sent_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut syslog = syslog(&format!("unix:{}", path.display()));
    let undelivered = syslog.deliver(&alerts(0..2)).unwrap_err();
    assert_eq!((undelivered.delivered, undelivered.kind), (0, Trouble::Retry));
    assert!(format!("{:#}", undelivered.error).contains("No such file"), "{:#}", undelivered.error);

    let first = UnixDatagram::bind(&path).unwrap();
    syslog.deliver(&alerts(0..2)).unwrap();
    assert_eq!(received(&first), [0, 1]);
    syslog.deliver(&alerts(2..4)).unwrap();
    drop(first);
    std::fs::remove_file(&path).unwrap();
    assert!(syslog.deliver(&alerts(4..5)).is_err());

    let second = UnixDatagram::bind(&path).unwrap();
    syslog.deliver(&alerts(4..5)).unwrap();
    assert_eq!(received(&second), [0, 1, 2, 3, 4]);
}

#[test]
fn a_daemon_that_was_started_anew_meanwhile_is_found_without_an_alert() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let mut syslog = syslog(&format!("unix:{}", path.display()));
    let first = UnixDatagram::bind(&path).unwrap();
    syslog.deliver(&alerts(0..3)).unwrap();
    drop(first);
    std::fs::remove_file(&path).unwrap();
    let second = UnixDatagram::bind(&path).unwrap();
    syslog.rest();
    assert_eq!(received(&second), [0, 1, 2]);
    syslog.rest();
    assert!(received(&second).is_empty());
}

#[test]
fn a_datagram_that_is_too_long_is_refused_and_the_one_before_it_counts() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let _receiver = UnixDatagram::bind(&path).unwrap();
    let mut syslog = syslog(&format!("unix:{}", path.display()));
    let long = Message { text: "x".repeat(16 << 20).into(), alert: None };
    let undelivered = syslog.deliver(&[alert(0), long, alert(1)]).unwrap_err();
    assert_eq!((undelivered.delivered, undelivered.kind), (1, Trouble::Refused));
}

#[test]
fn streams_carry_lengths_and_a_closed_one_is_noticed_before_the_next_batch() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("log");
    let unix = UnixListener::bind(&path).unwrap();
    let mut output = syslog(&format!("unix:{}", path.display()));
    output.deliver(&alerts(0..3)).unwrap();
    let (mut peer, _) = unix.accept().unwrap();
    output.connection = None;
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).unwrap();
    assert_eq!(unframe(&bytes), [0, 1, 2]);

    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut output = syslog(&format!("tcp://{}", tcp.local_addr().unwrap()));
    output.deliver(&alerts(0..3)).unwrap();
    drop(tcp.accept().unwrap());
    std::thread::sleep(Duration::from_millis(50));
    output.deliver(&alerts(3..4)).unwrap();
    let (mut peer, _) = tcp.accept().unwrap();
    output.connection = None;
    let mut bytes = Vec::new();
    peer.read_to_end(&mut bytes).unwrap();
    assert_eq!(unframe(&bytes), [0, 1, 2, 3]);
}

#[test]
fn a_server_that_speaks_no_tls_is_named_and_gets_nothing() {
    let tcp = TcpListener::bind("127.0.0.1:0").unwrap();
    let mut output = syslog(&format!("tls://{}", tcp.local_addr().unwrap()));
    let server = std::thread::spawn(move || {
        use std::io::Write;
        let (mut peer, _) = tcp.accept().unwrap();
        let mut hello = [0; 64];
        let length = peer.read(&mut hello).unwrap();
        peer.write_all(b"no TLS here\r\n").unwrap();
        hello[..length].windows(2).any(|pair| pair == b"id")
    });
    let undelivered = output.deliver(&alerts(0..1)).unwrap_err();
    let error = format!("{:#}", undelivered.error);
    assert!(error.contains("tls://127.0.0.1:") && error.contains("TLS handshake"), "{error}");
    assert!(!server.join().unwrap());
}
