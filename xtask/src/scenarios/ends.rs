//! How a sensor ends: when it is asked to, and what it leaves.

use super::lab::{Place, Start, signal};
use super::{Run, Scenario};
use crate::agent::Agent;
use anyhow::{Context, Result, bail, ensure};
use std::process::{ExitStatus, Stdio};
use std::time::{Duration, Instant};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "ends-on-sigterm", run: Run::Once(|start| asked(start, libc::SIGTERM)) },
    Scenario { name: "ends-on-ctrl-c", run: Run::Live(|start| asked(start, libc::SIGINT)) },
    Scenario { name: "ends-at-once", run: Run::Live(at_once) },
];

/// What is promised.
const DRAINED: Duration = Duration::from_secs(5);
/// The kernel frees programs some time after the last descriptor of them is closed.
const FREED: Duration = Duration::from_secs(20);

/// `BPF_PROG_GET_NEXT_ID` of `enum bpf_cmd` (include/uapi/linux/bpf.h).
const BPF_PROG_GET_NEXT_ID: libc::c_int = 11;

fn asked(start: &Start, number: libc::c_int) -> Result<String> {
    let (status, took) = ended(start, &[number])?;
    ensure!(status.success(), "it ended with {status}");
    ensure!(took < DRAINED, "it took {took:?}");
    Ok(format!("after {:.1} s, and nothing was left", took.as_secs_f64()))
}

/// A second signal does not wait for anything.
fn at_once(start: &Start) -> Result<String> {
    let (status, took) = ended(start, &[libc::SIGTERM, libc::SIGINT])?;
    // 0 where it was done before the second came.
    ensure!(matches!(status.code(), Some(0 | 1)), "it ended with {status}");
    ensure!(took < Duration::from_secs(1), "it took {took:?}");
    Ok(format!("after {:.1} s, and nothing was left", took.as_secs_f64()))
}

/// Starts a sensor, sends it these signals, and looks that neither its socket nor its programs outlive it, unless it was
/// not allowed to tidy up.
fn ended(start: &Start, signals: &[libc::c_int]) -> Result<(ExitStatus, Duration)> {
    let place = Place::new()?;
    let before = programs()?;
    let agent = Agent::start(&start.sensor, &place.directory, &place.settings(start, "alerts"), Stdio::null())?;
    ensure!(programs()? > before, "it has no programs in the kernel");
    let begin = Instant::now();
    for number in signals {
        signal(agent.pid(), *number)?;
    }
    let status = agent.wait(Duration::from_secs(30)).context("the sensor was asked to end")?;
    let took = begin.elapsed();
    let socket = place.directory.join("sensor.sock");
    ensure!(!status.success() || !socket.exists(), "{} is still there", socket.display());
    let begin = Instant::now();
    while programs()? > before {
        if begin.elapsed() > FREED {
            bail!("{} programs are left in the kernel", programs()? - before);
        }
        std::thread::sleep(Duration::from_millis(100));
    }
    Ok((status, took))
}

/// How many programs the kernel has, whoever loaded them.
fn programs() -> Result<usize> {
    /// What of `union bpf_attr` that command uses, and more than any kernel looks at.
    #[repr(C)]
    struct Attributes {
        start: u32,
        next: u32,
        rest: [u64; 15],
    }
    let mut attributes = Attributes { start: 0, next: 0, rest: [0; 15] };
    let mut count = 0;
    loop {
        // SAFETY: the structure is as long as stated, and lives on.
        let result =
            unsafe { libc::syscall(libc::SYS_bpf, BPF_PROG_GET_NEXT_ID, &raw mut attributes, size_of::<Attributes>()) };
        if result < 0 {
            let error = std::io::Error::last_os_error();
            return if error.raw_os_error() == Some(libc::ENOENT) { Ok(count) } else { Err(error).context("bpf(2)") };
        }
        count += 1;
        attributes.start = attributes.next;
    }
}
