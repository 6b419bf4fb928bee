//! Containers, made by crun as engines have them made: a bundle with an overlay for a root, namespaces and a control group
//! of its own.
//!
//! The machine's root is an initramfs, into which no container can pivot: crun moves the root there instead
//! (`--no-pivot`), which the processes inside cannot tell.

use crate::command;
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How long a container may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// What engines give a container's root unless told otherwise.
const CAPABILITIES: &[&str] = &[
    "CAP_CHOWN",
    "CAP_DAC_OVERRIDE",
    "CAP_FOWNER",
    "CAP_FSETID",
    "CAP_KILL",
    "CAP_NET_BIND_SERVICE",
    "CAP_SETFCAP",
    "CAP_SETGID",
    "CAP_SETPCAP",
    "CAP_SETUID",
    "CAP_SYS_CHROOT",
];

/// What a container is made of.
#[derive(Clone, Debug)]
pub struct Spec {
    /// Its id.
    pub id: String,
    /// Read-only layers of its root, uppermost first.
    pub layers: Vec<PathBuf>,
    /// Further options of the overlay that they make.
    pub overlay: &'static str,
    /// What it runs.
    pub arguments: Vec<String>,
    /// Its control group, from the root of the hierarchy.
    pub cgroup: String,
    /// Capabilities of its first process.
    pub capabilities: Vec<String>,
    /// Namespaces that it gets of its own.
    pub namespaces: Vec<&'static str>,
    /// Mounts beside the usual ones, as in the OCI runtime specification.
    pub mounts: Vec<Value>,
    /// Its root cannot be written to.
    pub read_only: bool,
    /// More of `process` in the OCI runtime specification, such as `noNewPrivileges`.
    pub process: Map<String, Value>,
    /// More of `linux` there, such as `seccomp`.
    pub linux: Map<String, Value>,
}

impl Spec {
    /// As engines make them, with a writable layer.
    pub fn new(id: &str, cgroup: &str, layers: &[PathBuf], arguments: &[&str]) -> Self {
        Self {
            id: id.to_owned(),
            layers: layers.to_vec(),
            overlay: "",
            arguments: arguments.iter().map(|&argument| argument.to_owned()).collect(),
            cgroup: cgroup.to_owned(),
            capabilities: CAPABILITIES.iter().map(|&name| name.to_owned()).collect(),
            namespaces: vec!["pid", "mount", "uts", "ipc", "network", "cgroup"],
            mounts: Vec::new(),
            read_only: false,
            process: Map::new(),
            linux: Map::new(),
        }
    }

    fn config(&self) -> Value {
        let mut mounts = vec![
            json!({"destination": "/proc", "type": "proc", "source": "proc"}),
            json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}),
            json!({"destination": "/dev/shm", "type": "tmpfs", "source": "shm", "options": ["nosuid", "mode=1777"]}),
        ];
        mounts.extend(self.mounts.iter().cloned());
        let namespaces = self.namespaces.iter().map(|kind| json!({"type": kind})).collect::<Vec<_>>();
        let held = &self.capabilities;
        let mut config = json!({
            "ociVersion": "1.0.0",
            "process": {
                "terminal": false,
                "user": {"uid": 0, "gid": 0},
                "args": self.arguments,
                "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
                "cwd": "/",
                "capabilities": {"bounding": held, "effective": held, "permitted": held},
            },
            "root": {"path": "rootfs", "readonly": self.read_only},
            "hostname": self.id.chars().take(12).collect::<String>(),
            "mounts": mounts,
            "linux": {"cgroupsPath": self.cgroup, "namespaces": namespaces},
        });
        for (section, more) in [("process", &self.process), ("linux", &self.linux)] {
            for (key, value) in more {
                config[section][key] = value.clone();
            }
        }
        config
    }
}

/// A container that runs, until this is dropped.
pub struct Container {
    /// What it was made of.
    pub spec: Spec,
    /// Its first process.
    pub pid: u32,
    bundle: PathBuf,
}

impl Container {
    /// Makes it below `directory` and starts it.
    pub fn start(directory: &Path, spec: Spec) -> Result<Self> {
        let bundle = directory.join(&spec.id);
        for part in ["rootfs", "upper", "work"] {
            fs::create_dir_all(bundle.join(part))?;
        }
        let mut container = Self { spec, pid: 0, bundle };
        container.mount()?;
        container.run()?;
        Ok(container)
    }

    fn mount(&self) -> Result<()> {
        let layers: Vec<String> = self.spec.layers.iter().map(|layer| layer.display().to_string()).collect();
        let bundle = self.bundle.display();
        let options =
            format!("lowerdir={},upperdir={bundle}/upper,workdir={bundle}/work{}", layers.join(":"), self.spec.overlay);
        let root = self.root();
        command::output(command::command("mount").args(["-t", "overlay", "overlay", "-o", &options]).arg(root))
            .map(drop)
    }

    fn run(&mut self) -> Result<()> {
        fs::write(self.bundle.join("config.json"), self.spec.config().to_string())?;
        let (log, pid_file) = (self.bundle.join("log"), self.bundle.join("pid"));
        // Its output goes to a file: a pipe would be held open for as long as the container lives.
        let out = fs::File::create(&log)?;
        let status = crun()
            .args(["run", "--no-pivot", "--detach", "--bundle"])
            .arg(&self.bundle)
            .arg("--pid-file")
            .arg(&pid_file)
            .arg(&self.spec.id)
            .stdin(std::process::Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .status()?;
        if !status.success() {
            bail!("crun run {}: {status}: {}", self.spec.id, self.said());
        }
        self.pid = fs::read_to_string(&pid_file)?.trim().parse().context("crun's pid file")?;
        Ok(())
    }

    /// What it wrote.
    pub fn said(&self) -> String {
        fs::read_to_string(self.bundle.join("log")).unwrap_or_default().trim().to_owned()
    }

    /// Its root, as the host sees it.
    pub fn root(&self) -> PathBuf {
        self.bundle.join("rootfs")
    }

    /// The same by way of its first process.
    pub fn root_by_process(&self) -> PathBuf {
        PathBuf::from(format!("/proc/{}/root", self.pid))
    }

    /// Runs a program in it.
    pub fn exec(&self, arguments: &[&str]) -> Result<String> {
        command::output(crun().arg("exec").arg(&self.spec.id).args(arguments))
    }

    /// Sends its first process a signal.
    pub fn signal(&self, name: &str) -> Result<()> {
        command::output(crun().args(["kill", &self.spec.id, name])).map(drop)
    }

    /// Ends it; what was written into it stays.
    pub fn stop(&mut self) -> Result<()> {
        self.pid = 0;
        command::output(crun().args(["delete", "--force"]).arg(&self.spec.id)).map(drop)
    }

    /// Starts it again.
    pub fn start_again(&mut self) -> Result<()> {
        self.run()
    }

    /// Waits until something in it listens on a unix socket there.
    pub fn await_socket(&self, path: &str) -> Result<PathBuf> {
        let path = self.root_by_process().join(path.trim_start_matches('/'));
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if std::os::unix::net::UnixStream::connect(&path).is_ok() {
                return Ok(path);
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("nothing listens on {}: {}", path.display(), self.said())
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if self.pid != 0
            && let Err(error) = self.stop()
        {
            eprintln!("{error:#}");
        }
        let _ = command::output(command::command("umount").arg(self.root()));
    }
}

fn crun() -> std::process::Command {
    let mut crun = command::command("crun");
    crun.arg("--cgroup-manager=cgroupfs");
    crun
}
