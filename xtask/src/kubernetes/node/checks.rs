//! What is checked of the pod, with each hook set.

use super::oci::Image;
use super::pod;
use crate::command;
use crate::containers::crun::Container;
use crate::containers::form::{Called, FORMS};
use crate::containers::image as servers;
use crate::kubernetes::chart::Rendered;
use crate::report::{Check, Message};
use crate::vm::Hooks;
use anyhow::{Context, Result, bail, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long something may take; emulated machines are slow.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long the start may take: the verifier is the slowest of all there, and much slower on a machine that has other work.
const START_PATIENCE: Duration = Duration::from_secs(300);

struct Pod {
    container: Container,
    port: u64,
    /// How long after SIGTERM a kubelet would kill it.
    grace: Duration,
    directory: PathBuf,
}

/// Starts the pod, lets something happen on the node, and ends it; of what happens in between perhaps only some.
pub fn run(hooks: Hooks, only: &[String], rendered: &Rendered, image: &Image, seccomp: &Value) {
    let say = |name: &str, body: &mut dyn FnMut() -> Result<String>| {
        let started = Instant::now();
        let result = body();
        Message::Check(Check::of(format!("{}/{name}", hooks.name()), result, started.elapsed().as_secs_f64())).send();
    };
    let mut pod = None;
    say("ready", &mut || {
        let (started, said) = start(hooks, rendered, image, seccomp)?;
        pod = Some(started);
        Ok(said)
    });
    let Some(mut pod) = pod else { return };
    let wanted = |name: &str| only.is_empty() || only.iter().any(|wanted| wanted == name);
    if wanted("confined") {
        say("confined", &mut || confined(&pod, rendered));
    }
    if wanted("web-shell") {
        say("web-shell", &mut || web_shell(&pod));
    }
    if wanted("status") {
        say("status", &mut || status(&pod));
    }
    say("end", &mut || end(&mut pod));
}

fn start(hooks: Hooks, rendered: &Rendered, image: &Image, seccomp: &Value) -> Result<(Pod, String)> {
    let directory = Path::new("/run/node").join(hooks.name());
    std::fs::create_dir_all(&directory)?;
    let id = format!("{:064x}", 0x5e_0500 + hooks as u64);
    let spec = pod::spec(rendered, image, seccomp, &directory.join("volumes"), &id)?;
    let port = rendered.container()?["ports"][0]["containerPort"].as_u64().context("a port")?;
    let grace = rendered.pod()?["spec"]["terminationGracePeriodSeconds"].as_u64().context("a grace period")?;
    let begin = Instant::now();
    let grace = Duration::from_secs(grace);
    let pod = Pod { container: Container::start(&directory, spec)?, port, grace, directory };
    loop {
        match pod.asked("/readyz") {
            Ok(_) => break,
            Err(error) if begin.elapsed() > START_PATIENCE => {
                return Err(error).with_context(|| format!("not ready: {}", pod.container.said()));
            }
            Err(_) => std::thread::sleep(Duration::from_millis(200)),
        }
    }
    let took = begin.elapsed();
    pod.asked("/healthz")?;
    let attached = format!("set=\"{}\"}} 1", hooks.name());
    ensure!(pod.asked("/metrics")?.contains(&attached), "no hook of that set is attached");
    Ok((pod, format!("after {:.1} s", took.as_secs_f64())))
}

impl Pod {
    /// What it answers over HTTP, from within its own network.
    fn asked(&self, path: &str) -> Result<String> {
        let net = format!("--net=/proc/{}/ns/net", self.container.pid);
        let url = format!("http://127.0.0.1:{}{path}", self.port);
        command::output(command::command("busybox").args(["nsenter", &net, "busybox", "wget", "-q", "-O", "-", &url]))
    }

    /// The alerts that it wrote to its log.
    fn alerts(&self) -> Vec<Value> {
        let said = self.container.said();
        let lines = said.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["event"]["kind"] == "alert").collect()
    }
}

/// The kernel's own word on what the process may do: not more than the chart says.
fn confined(pod: &Pod, rendered: &Rendered) -> Result<String> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", pod.container.pid))?;
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(":\t"));
    let bounding = u64::from_str_radix(field("CapBnd").context("CapBnd")?, 16)?;
    let added = rendered.container()?["securityContext"]["capabilities"]["add"].as_array().context("capabilities")?;
    ensure!(
        bounding.count_ones() as usize == added.len(),
        "its bounding set is {bounding:x}, the chart adds {added:?}"
    );
    let permitted = u64::from_str_radix(field("CapPrm").context("CapPrm")?, 16)?;
    ensure!(permitted & !bounding == 0, "its permitted set is {permitted:x}");
    ensure!(field("NoNewPrivs") == Some("1"), "it may gain privileges");
    ensure!(field("Seccomp") == Some("2"), "no filter for system calls");
    let mounts = std::fs::read_to_string(format!("/proc/{}/mountinfo", pod.container.pid))?;
    let root = mounts.lines().find(|line| line.split(' ').nth(4) == Some("/")).context("its root")?;
    let options = root.split(' ').nth(5).unwrap_or_default();
    ensure!(options.split(',').any(|option| option == "ro"), "its root can be written to: {root}");
    let writable: BTreeSet<&str> = mounts
        .lines()
        .filter_map(|line| {
            let mut fields = line.split(' ').skip(4);
            let (place, options) = (fields.next()?, fields.next()?);
            (options.split(',').any(|option| option == "rw") && !place.starts_with("/proc")).then_some(place)
        })
        .filter(|place| !place.starts_with("/dev"))
        .collect();
    ensure!(writable == BTreeSet::from(["/run/sensor", "/var/lib/sensor"]), "it can write to {writable:?}");
    Ok(format!("{} capabilities", added.len()))
}

/// PHP-FPM in another container of the node: a page runs a command, and drops another.
fn web_shell(pod: &Pod) -> Result<String> {
    let called = Called::new(FORMS[2], 60, "registry.example/shop/web");
    called.write_state()?;
    let command = servers::fpm_command()?;
    let command: Vec<&str> = command.iter().map(String::as_str).collect();
    let spec = crate::containers::crun::Spec::new(&called.id, &called.cgroup(), &servers::layers(), &command);
    let shop = Container::start(&pod.directory, spec)?;
    let socket = shop.await_socket("/run/fpm.sock")?;
    // Until its directories are watched.
    std::thread::sleep(Duration::from_secs(2));
    let visit = |query: &str| {
        let mut visit = command::command("cgi-fcgi");
        visit.args(["-bind", "-connect"]).arg(&socket);
        visit.env("REQUEST_METHOD", "GET").env("SCRIPT_FILENAME", "/var/www/html/old.php");
        command::output(visit.env("QUERY_STRING", query))
    };
    let said = visit("c=id")?;
    ensure!(said.contains("uid=33"), "the page said {said:?}");
    let alert = pod.await_alert("server-shell")?;
    let found =
        json!([alert["sensor"]["server"]["id"], alert["host"]["name"], alert["host"]["id"], alert["container"]["id"]]);
    let machine = std::fs::read_to_string("/etc/machine-id")?;
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname")?;
    let expected = json!(["php-fpm", name.trim(), machine.trim(), called.id]);
    ensure!(found == expected, "server, host and container are {found}, not {expected}");
    shop.exec(&["/usr/bin/dash", "-c", "echo dropped > /var/www/html/new.php"])?;
    let dropped = pod.await_alert("component-write")?;
    ensure!(dropped["file"]["path"] == "/var/www/html/new.php", "the file is {}", dropped["file"]["path"]);
    Ok("server-shell and component-write, with the node's name and the container's id".to_owned())
}

impl Pod {
    fn await_alert(&self, rule: &str) -> Result<Value> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(alert) = self.alerts().into_iter().find(|alert| alert["rule"]["id"] == rule) {
                return Ok(alert);
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        bail!("no {rule}: {}", self.container.said())
    }
}

/// `kubectl exec ... -- sensor status`: the program in the image asks the running one.
fn status(pod: &Pod) -> Result<String> {
    let said = pod.container.exec(&["/usr/bin/sensor", "status", "--json"])?;
    let status: Value = serde_json::from_str(&said).with_context(|| said.clone())?;
    ensure!(status.is_object(), "it says {said}");
    Ok(String::new())
}

/// SIGTERM, as the kubelet sends it: the sensor ends by itself, before it would be killed.
fn end(pod: &mut Pod) -> Result<String> {
    let process = PathBuf::from(format!("/proc/{}", pod.container.pid));
    let begin = Instant::now();
    pod.container.signal("TERM")?;
    while process.exists() {
        ensure!(begin.elapsed() < pod.grace, "it runs on {} s after SIGTERM", pod.grace.as_secs());
        std::thread::sleep(Duration::from_millis(20));
    }
    let took = begin.elapsed();
    ensure!(Path::new("/var/lib/sensor/state.db").exists(), "what was learned is not on the node");
    pod.container.stop()?;
    Ok(format!("after {} ms", took.as_millis()))
}
