//! What is done to the servers, and what the sensor has to say.

use super::hall::{APACHE, Hall, NGINX, NODE, POSTGRES, REDIS};
use crate::command;
use crate::setup::packages;
use anyhow::{Result, bail};
use serde_json::Value;
use std::process::Command;

fn get(port: u16, path: &str) -> Result<String> {
    let address = format!("http://127.0.0.1:{port}/{path}");
    command::output(command::command("curl").args(["--silent", "--show-error", "--max-time", "20", &address]))
}

/// The base names of the lineage's executables.
fn names(alert: &Value) -> Vec<String> {
    let lineage = alert["sensor"]["lineage"].as_array().cloned().unwrap_or_default();
    let executables = lineage.iter().filter_map(|program| program["executable"].as_str());
    executables.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect()
}

/// A finding of `sh -c id` below a server: one alert, with everything right in it.
fn one_shell(hall: &Hall, server: &str, technique: &str, user: &str, above: usize) -> Result<String> {
    let pid = hall.pid(server);
    let alert = hall.ear.expect(pid, "server-shell", 1)?.remove(0);
    let names = names(&alert);
    let expected = |text: &str, found: &Value| if found == text { Ok(()) } else { bail!("{found} instead of {text}") };
    if names.len() != above + 2 || names[above] != "dash" || names[above + 1] != "id" {
        bail!("the lineage reads {names:?}");
    }
    expected("id", &alert["process"]["args"][0])?;
    expected("sh -c id", &alert["process"]["parent"]["command_line"])?;
    expected(user, &alert["process"]["user"]["name"])?;
    expected(technique, &alert["threat"]["technique"]["id"][0])?;
    if alert["sensor"]["why"].as_array().is_none_or(Vec::is_empty) {
        bail!("sensor.why is empty");
    }
    Ok(names.join(" > "))
}

pub fn php_web_shell(hall: &mut Hall) -> Result<String> {
    let said = get(hall.ports[NGINX], "s.php?c=id")?;
    if !said.contains("uid=") {
        bail!("the page said {said}");
    }
    one_shell(hall, "php-fpm", "T1505.003", "www-data", 2)
}

pub fn php_dropped(hall: &mut Hall) -> Result<String> {
    let said = get(hall.ports[NGINX], &format!("s.php?move={}", hall.path("tmp/upload")))?;
    if said != "moved" {
        bail!("the page said {said}");
    }
    let alert = hall.ear.expect(hall.pid("php-fpm"), "component-write", 1)?.remove(0);
    let path = hall.path("www/dropped.php");
    if alert["file"]["path"] != path.as_str() || alert["process"]["user"]["name"] != "www-data" {
        bail!("{} by {}", alert["file"], alert["process"]["user"]);
    }
    Ok(format!("{} by {}", alert["event"]["action"], alert["sensor"]["hook"]))
}

/// A PHP extension is installed while PHP-FPM and Apache run: its module is written where both load modules from.
pub fn php_package(hall: &mut Hall) -> Result<String> {
    let version =
        command::output(command::command("php").args(["-r", "echo PHP_MAJOR_VERSION.'.'.PHP_MINOR_VERSION;"]))?;
    packages::reinstall(&[&format!("php{version}-opcache")])?;
    for server in ["php-fpm", "apache"] {
        let before = usize::from(server == "php-fpm");
        hall.ear.expect(hall.pid(server), "component-write", before)?;
    }
    Ok(format!("php{version}-opcache"))
}

pub fn postgres(hall: &mut Hall) -> Result<String> {
    let sql = "CREATE TABLE t (line text); COPY t FROM PROGRAM 'id'; SELECT * FROM t";
    let port = hall.ports[POSTGRES].to_string();
    let mut psql = Command::new("psql");
    let said =
        command::output(psql.args(["-h", "127.0.0.1", "-p", &port, "-U", "postgres", "-c", sql]).current_dir("/"))?;
    if !said.contains("uid=") && !said.contains("COPY 1") {
        bail!("psql said {said}");
    }
    one_shell(hall, "postgres", "T1505.001", "postgres", 2)
}

pub fn redis(hall: &mut Hall) -> Result<String> {
    let port = hall.ports[REDIS].to_string();
    let www = hall.path("www");
    for words in [
        vec!["config", "set", "dir", &www],
        vec!["config", "set", "dbfilename", "redis.php"],
        vec!["set", "x", "<?php system($_GET['c']);"],
        vec!["save"],
    ] {
        let said = command::output(Command::new("redis-cli").args(["-p", &port]).args(&words))?;
        if said.trim() != "OK" {
            bail!("redis said {said} to {words:?}");
        }
    }
    let alert = hall.ear.expect(hall.pid("redis"), "component-write", 1)?.remove(0);
    let path = hall.path("www/redis.php");
    if alert["file"]["path"] != path.as_str() {
        bail!("file.path is {}", alert["file"]["path"]);
    }
    Ok(format!("{} by {}", alert["event"]["action"], alert["sensor"]["hook"]))
}

pub fn apache(hall: &mut Hall) -> Result<String> {
    get(hall.ports[APACHE], "s.php?c=id")?;
    one_shell(hall, "apache", "T1505.003", "www-data", 1)
}

pub fn node_server(hall: &mut Hall) -> Result<String> {
    get(hall.ports[NODE], "")?;
    one_shell(hall, "node", "T1505.003", "root", 1)
}

/// The same program, but it does not listen: a tool that runs shells is no server.
pub fn node_tool(hall: &mut Hall) -> Result<String> {
    let app = hall.path("app.js");
    let pid = hall.start("node-tool", Command::new("node").arg(&app))?;
    hall.ear.expect(pid, "server-shell", 0)?;
    let said = std::fs::read_to_string(hall.path("node-tool.log"))?;
    if !said.contains("uid=") {
        bail!("the tool said {said}");
    }
    Ok(String::new())
}
