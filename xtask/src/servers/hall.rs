//! The servers, and the sensor that watches them.

use crate::agent::Agent;
use crate::daemons::{self, Cluster, Daemon, host};
use crate::ear::Ear;
use crate::{command, workspace};
use anyhow::{Context, Result};
use rustix::process::Signal;
use std::collections::HashSet;
use std::fs;
use std::net::TcpListener;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

/// Everything that runs. Stopped and removed when dropped.
pub struct Hall {
    /// Where their files are; `www` is the document root.
    pub directory: PathBuf,
    /// nginx's port (it hands scripts to PHP-FPM), Apache's, Redis's, PostgreSQL's, Node's.
    pub ports: [u16; 6],
    /// What the sensor says.
    pub ear: Ear,
    pids: Arc<Mutex<HashSet<u32>>>,
    daemons: Vec<Daemon>,
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
            daemons: Vec::new(),
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
        self.daemons.iter().find(|daemon| daemon.name == name).map_or(0, Daemon::pid)
    }

    /// A path in the directory.
    pub fn path(&self, name: &str) -> String {
        self.directory.join(name).display().to_string()
    }

    /// Starts a program of ours: what the sensor says of it is read.
    pub fn start(&mut self, name: &'static str, command: &mut Command) -> Result<u32> {
        let daemon = Daemon::start(name, &self.directory, command, Signal::TERM)?;
        Ok(self.take(daemon))
    }

    fn take(&mut self, daemon: Daemon) -> u32 {
        let pid = daemon.pid();
        if let Ok(mut pids) = self.pids.lock() {
            pids.insert(pid);
        }
        self.daemons.push(daemon);
        pid
    }

    /// Waits until something listens on a port.
    pub fn wait_for(&self, name: &str, port: u16) -> Result<()> {
        host::await_port(port, &self.directory.join(format!("{name}.log"))).with_context(|| name.to_owned())
    }

    fn write_files(&self) -> Result<()> {
        let apache = self.ports[APACHE];
        for name in ["www", "tmp", "apache", "pg"] {
            fs::create_dir_all(self.directory.join(name))?;
        }
        for (name, owner) in [("www", "www-data"), ("tmp", "www-data"), ("pg", "postgres")] {
            host::give(&self.directory.join(name), owner)?;
        }
        // Redis runs as root here and writes into the document root as well.
        command::output(command::command("chmod").arg("755").arg(&self.directory))?;
        let (www, at) = (self.path("www"), self.path(""));
        fs::write(
            self.path("www/s.php"),
            "<?php if (isset($_GET['move'])) { copy(__FILE__, $_GET['move']); rename($_GET['move'], __DIR__.'/dropped.php'); \
             echo 'moved'; }\nelse { system($_GET['c']); }\n",
        )?;
        let modules = "/usr/lib/apache2/modules";
        let php = host::newest(modules, "libphp")?;
        fs::write(
            self.path("apache.conf"),
            format!(
                "ServerRoot /etc/apache2\nServerName localhost\nPidFile {at}apache/pid\nListen 127.0.0.1:{apache}\n\
                 ErrorLog {at}apache/error\nLoadModule mpm_prefork_module {m}/mod_mpm_prefork.so\n\
                 LoadModule authz_core_module {m}/mod_authz_core.so\nLoadModule php_module {php}\nUser www-data\n\
                 Group www-data\nDocumentRoot {www}\n<FilesMatch \\.php$>\nSetHandler application/x-httpd-php\n\
                 </FilesMatch>\n",
                m = modules,
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
        let [nginx, fpm, _, redis, postgres, _] = self.ports;
        self.take(daemons::php_fpm(&self.directory, fpm, &[])?);
        self.take(daemons::nginx(&self.directory, nginx, fpm)?);
        let conf = self.path("apache.conf");
        self.start("apache", Command::new("/usr/sbin/apache2").args(["-X", "-f", &conf]))?;
        let arguments = ["--enable-protected-configs", "yes", "--dir", &self.path("tmp")];
        self.take(daemons::redis(&self.directory, redis, &arguments)?);
        let (app, port) = (self.path("app.js"), self.ports[NODE].to_string());
        self.start("node", Command::new("node").args([&app, &port]))?;
        Cluster::newest()?.create(&self.directory.join("pg/data"), &[])?;
        self.take(daemons::postgres(&self.directory, postgres, &[])?);
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
}

impl Drop for Hall {
    fn drop(&mut self) {
        drop(self.agent.take());
        self.daemons.clear();
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
