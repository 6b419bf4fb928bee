//! The process that answers HTTP, as `sensor run` starts it: what it may do, and that it answers and ends.

use sensor::metrics::Metrics;
use sensor::metrics::listener::Listener;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_read_timeout(Some(Duration::from_secs(20)))?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").as_bytes())?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(20), "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn it_answers_without_any_privilege_and_its_end_is_told() {
    let program = Path::new(env!("CARGO_BIN_EXE_sensor"));
    let metrics = Arc::new(Metrics::new());
    let listener = Listener::start("127.0.0.1:0".parse().unwrap(), program).unwrap();
    let serving = listener.answer(Arc::clone(&metrics)).unwrap();
    assert!(get(serving.address, "/readyz").unwrap().starts_with("HTTP/1.1 503"));
    metrics.set_alive(sensor::machine::boottime_ns());
    metrics.set_ready(true);
    for path in ["/readyz", "/healthz", "/metrics"] {
        assert!(get(serving.address, path).unwrap().starts_with("HTTP/1.1 200"), "{path}");
    }
    assert!(get(serving.address, "/metrics").unwrap().contains("\nsensor_build_info{"));

    let status = std::fs::read_to_string(format!("/proc/{}/status", serving.pid)).unwrap();
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
    };
    for set in ["CapInh:", "CapPrm:", "CapEff:", "CapAmb:"] {
        assert_eq!(field(set), "0000000000000000", "{set}");
    }
    assert_eq!((field("NoNewPrivs:"), field("Seccomp:"), field("Threads:")), ("1".into(), "2".into(), "1".into()));
    let limits = std::fs::read_to_string(format!("/proc/{}/limits", serving.pid)).unwrap();
    assert!(limits.lines().any(|line| line.starts_with("Max processes") && line.contains(" 0 ")), "{limits}");
    // Only root can become nobody, and look.
    if rustix::process::getuid().is_root() {
        assert_eq!(
            (field("Uid:"), field("Gid:")),
            ("65534 65534 65534 65534".into(), "65534 65534 65534 65534".into())
        );
        assert_eq!(field("Groups:"), "");
        let descriptors = std::fs::read_dir(format!("/proc/{}/fd", serving.pid)).unwrap();
        let targets = descriptors.map(|entry| std::fs::read_link(entry.unwrap().path()).unwrap().display().to_string());
        for target in targets {
            let expected = ["socket:", "anon_inode:[eventpoll]", "anon_inode:[eventfd]", "/dev/null"];
            assert!(expected.iter().any(|start| target.starts_with(start)), "{target} was inherited");
        }
    }

    // It leaves Ctrl-C to the agent; if it is killed, that is told, and its port is closed.
    let pid = rustix::process::Pid::from_raw(serving.pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    assert!(get(serving.address, "/healthz").unwrap().starts_with("HTTP/1.1 200"));
    assert_eq!(serving.ended(), None);
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    wait_until("its end is not told", || serving.ended().is_some());
    assert!(serving.ended().unwrap().contains("signal: 9"), "{:?}", serving.ended());
    assert!(get(serving.address, "/healthz").is_err());
}

#[test]
fn it_is_of_no_use_to_anybody_else() {
    let output = std::process::Command::new(env!("CARGO_BIN_EXE_sensor")).arg("listener").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&output.stderr).contains("`sensor run` starts this for itself"));
}
