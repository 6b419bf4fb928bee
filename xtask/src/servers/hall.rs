//! The servers, and the sensor that watches them.

use crate::agent::Agent;
use crate::ear::Ear;
use crate::{command, workspace};
use anyhow::{Context, Result, bail};
use std::collections::HashSet;
use std::fs;
use std::net::{TcpListener, TcpStream};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

/// Everything that runs. Stopped and removed when dropped.
pub struct Hall {
    /// Where their files are; `www` is the document root.
    pub directory: PathBuf,
    /// nginx's port (it hands scripts to PHP-FPM), Apache's, Redis's, PostgreSQL's, Node's.
    pub ports: [u16; 6],
    /// What the sensor says.
    pub ear: Ear,
    pids: Arc<Mutex<HashSet<u32>>>,
    children: Vec<(&'static str, Child)>,
    agent: Option<Agent>,
}

pub const NGINX: usize = 0;
pub const FPM: usize = 1;
pub const APACHE: usize = 2;
pub const REDIS: usize = 3;
pub const POSTGRES: usize = 4;
pub const NODE: usize = 5;

impl Hall {
    /// Starts all of them, and then the sensor.
    pub fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("sensor-servers-{}", std::process::id()));
        let mut hall = Self {
            directory,
            ports: free_ports()?,
            ear: Ear::default(),
            pids: Arc::default(),
            children: Vec::new(),
            agent: None,
        };
        hall.write_files()?;
        hall.start_servers()?;
        let pids = Arc::clone(&hall.pids);
        let settings = ["output.stdout.format=\"json\"".to_owned()];
        let mut agent = Agent::start(&workspace::sensor(), &hall.directory, &settings, Stdio::piped())?;
        let out = agent.take_output().context("the sensor's output")?;
        hall.agent = Some(agent);
        hall.ear = Ear::new(out, move |line| {
            let pid = line["sensor"]["server"]["pid"].as_u64().and_then(|pid| u32::try_from(pid).ok());
            pid.is_some_and(|pid| pids.lock().is_ok_and(|pids| pids.contains(&pid)))
        });
        Ok(hall)
    }

    /// The pid of a server.
    pub fn pid(&self, name: &str) -> u32 {
        self.children.iter().find(|(known, _)| *known == name).map_or(0, |(_, child)| child.id())
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// Starts a program of ours: what the sensor says of it is read.
    pub fn start(&mut self, name: &'static str, command: &mut Command) -> Result<u32> {
        let log = fs::File::create(self.directory.join(format!("{name}.log")))?;
        let child = command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("starting {name}"))?;
        let pid = child.id();
        if let Ok(mut pids) = self.pids.lock() {
            pids.insert(pid);
        }
        self.children.push((name, child));
        Ok(pid)
    }

    /// Waits until something listens on a port.
    pub fn wait_for(&self, name: &str, port: u16) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < Duration::from_secs(30) {
            if TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        let log = fs::read_to_string(self.path(&format!("{name}.log"))).unwrap_or_default();
        bail!("{name} does not listen on {port}: {}", log.trim())
    }

    fn write_files(&self) -> Result<()> {
        let [nginx, fpm, apache, ..] = self.ports;
        for name in ["www", "tmp", "apache", "pg"] {
            fs::create_dir_all(self.directory.join(name))?;
        }
        for (name, owner) in [("www", "www-data"), ("tmp", "www-data"), ("pg", "postgres")] {
            command::output(command::command("chown").arg(owner).arg(self.directory.join(name)))?;
        }
        // Redis runs as root here and writes into the document root as well.
        command::output(command::command("chmod").arg("755").arg(&self.directory))?;
        let (www, tmp, at) = (self.path("www"), self.path("tmp"), self.path(""));
        fs::write(
            self.path("www/s.php"),
            "<?php if (isset($_GET['move'])) { copy(__FILE__, $_GET['move']); rename($_GET['move'], __DIR__.'/dropped.php'); \
             echo 'moved'; }\nelse { system($_GET['c']); }\n",
        )?;
        fs::write(
            self.path("fpm.conf"),
            format!(
                "[global]\nerror_log = {at}fpm-error.log\ndaemonize = no\n[www]\nuser = www-data\ngroup = www-data\n\
                 listen = 127.0.0.1:{fpm}\npm = static\npm.max_children = 2\n"
            ),
        )?;
        let temporary =
            ["client_body", "fastcgi", "proxy", "uwsgi", "scgi"].map(|kind| format!("{kind}_temp_path {tmp};"));
        fs::write(
            self.path("nginx.conf"),
            format!(
                "daemon off; pid {at}nginx.pid; error_log {at}nginx-error.log; user www-data; worker_processes 1;\n\
                 events {{}}\nhttp {{ access_log off; {}\nserver {{ listen 127.0.0.1:{nginx}; root {www};\n\
                 location ~ \\.php$ {{ include /etc/nginx/fastcgi_params; fastcgi_param SCRIPT_FILENAME \
                 $document_root$fastcgi_script_name; fastcgi_pass 127.0.0.1:{fpm}; }} }} }}\n",
                temporary.join(" ")
            ),
        )?;
        let modules = Path::new("/usr/lib/apache2/modules");
        let php = newest(modules, "libphp")?;
        fs::write(
            self.path("apache.conf"),
            format!(
                "ServerRoot /etc/apache2\nServerName localhost\nPidFile {at}apache/pid\nListen 127.0.0.1:{apache}\n\
                 ErrorLog {at}apache/error\nLoadModule mpm_prefork_module {m}/mod_mpm_prefork.so\n\
                 LoadModule authz_core_module {m}/mod_authz_core.so\nLoadModule php_module {php}\nUser www-data\n\
                 Group www-data\nDocumentRoot {www}\n<FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n\
                 </FilesMatch>\n",
                m = modules.display(),
                php = php.display(),
            ),
        )?;
        fs::write(
            self.path("app.js"),
            "const http = require('http'), run = done => require('child_process').exec('id', (e, out) => done(out));\n\
             if (process.argv[2]) http.createServer((q, r) => run(out => r.end(out))).listen(+process.argv[2], '127.0.0.1');\n\
             else run(out => console.log(out));\n",
        )?;
        Ok(())
    }

    fn start_servers(&mut self) -> Result<()> {
        let fpm = newest(Path::new("/usr/sbin"), "php-fpm")?;
        let conf = self.path("fpm.conf");
        self.start("php-fpm", Command::new(fpm).args(["-F", "-y", &conf]))?;
        let conf = self.path("nginx.conf");
        self.start("nginx", Command::new("/usr/sbin/nginx").args(["-c", &conf]))?;
        let conf = self.path("apache.conf");
        self.start("apache", Command::new("/usr/sbin/apache2").args(["-X", "-f", &conf]))?;
        let port = self.ports[REDIS].to_string();
        let mut redis = Command::new("redis-server");
        redis.args(["--port", &port, "--bind", "127.0.0.1", "--daemonize", "no", "--enable-protected-configs", "yes"]);
        redis.args(["--dir", &self.path("tmp")]);
        self.start("redis", &mut redis)?;
        let (app, port) = (self.path("app.js"), self.ports[NODE].to_string());
        self.start("node", Command::new("node").args([&app, &port]))?;
        self.start_postgres()?;
        for (name, port) in [
            ("nginx", NGINX),
            ("php-fpm", FPM),
            ("apache", APACHE),
            ("redis", REDIS),
            ("node", NODE),
            ("postgres", POSTGRES),
        ] {
            self.wait_for(name, self.ports[port])?;
        }
        Ok(())
    }

    fn start_postgres(&mut self) -> Result<()> {
        let programs = newest(Path::new("/usr/lib/postgresql"), "")?.join("bin");
        let (uid, gid) = user("postgres")?;
        let data = self.path("pg/data");
        let mut initdb = Command::new(programs.join("initdb"));
        command::output(initdb.args(["-D", &data, "-A", "trust"]).uid(uid).gid(gid).current_dir("/"))?;
        let port = self.ports[POSTGRES].to_string();
        let mut postgres = Command::new(programs.join("postgres"));
        postgres.args(["-D", &data, "-p", &port, "-k", &self.path("pg"), "-h", "127.0.0.1"]);
        self.start("postgres", postgres.uid(uid).gid(gid).current_dir("/"))?;
        Ok(())
    }
}

impl Drop for Hall {
    fn drop(&mut self) {
        drop(self.agent.take());
        for (name, child) in &mut self.children {
            // PostgreSQL's and php-fpm's children end with them on these; a killed one would leave them behind.
            let signal = if *name == "postgres" { "INT" } else { "TERM" };
            let _ = command::output(command::command("sh").args(["-c", &format!("kill -{signal} {}", child.id())]));
            let begin = Instant::now();
            while matches!(child.try_wait(), Ok(None)) && begin.elapsed() < Duration::from_secs(10) {
                std::thread::sleep(Duration::from_millis(20));
            }
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = fs::remove_dir_all(&self.directory);
    }
}

/// Ports that nobody listens on.
fn free_ports() -> Result<[u16; 6]> {
    let mut ports = [0; 6];
    let mut held = Vec::new();
    for port in &mut ports {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        *port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(ports)
}

/// The last name in a directory that begins so: the newest version.
fn newest(directory: &Path, begins: &str) -> Result<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(directory)
        .with_context(|| directory.display().to_string())?
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(begins)))
        .collect();
    found.sort();
    found.pop().with_context(|| format!("nothing in {} begins with {begins:?}", directory.display()))
}

/// Uid and gid of a user.
fn user(name: &str) -> Result<(u32, u32)> {
    let passwd = fs::read_to_string("/etc/passwd")?;
    let line =
        passwd.lines().find(|line| line.split(':').next() == Some(name)).with_context(|| format!("no user {name}"))?;
    let numbers: Vec<u32> = line.split(':').skip(2).take(2).filter_map(|field| field.parse().ok()).collect();
    match numbers[..] {
        [uid, gid] => Ok((uid, gid)),
        _ => bail!("/etc/passwd says {line}"),
    }
}
