//! How each server is started: its configuration is written below the instance's directory, it stays in the foreground,
//! and it listens on loopback only.
//!
//! What comes out is the pid that the sensor should call the server, and the port.

mod app;
mod database;
mod mail;
mod web;

pub use app::rabbit_environment;
pub use database::socket as database_socket;
pub use mail::PAM_MODULES;

pub use crate::daemons::host::{copy_tree, give, newest, user, write};

use super::Server;
use super::hall::Hall;
use anyhow::Result;
use std::path::Path;
use std::process::Command;

/// Starts the server in its directory and waits until it listens.
pub fn start(hall: &mut Hall, server: Server, at: &Path) -> Result<(u32, u16)> {
    match server {
        Server::Php => web::php(hall, at, &web::Php::default()),
        Server::PhpWithMail => web::php(hall, at, &web::Php { mail: true, ..web::Php::default() }),
        Server::PhpOnBusybox => web::php(hall, at, &web::Php { busybox: true, ..web::Php::default() }),
        Server::PhpInNamespaces => web::php(hall, at, &web::Php { namespaces: true, ..web::Php::default() }),
        Server::Nginx => web::nginx_alone(hall, at),
        Server::Apache => web::apache(hall, at, false),
        Server::ApacheByEntrypoint => web::apache(hall, at, true),
        Server::Lighttpd => web::lighttpd(hall, at),
        Server::Mariadb => database::mariadb(hall, at, true),
        Server::MariadbPackaged => database::mariadb(hall, at, false),
        Server::Postgres => database::postgres(hall, at),
        Server::Redis => database::redis(hall, at, false),
        Server::RedisByCron => database::redis(hall, at, true),
        Server::Node => app::node(hall, at, false),
        Server::NodeByNpm => app::node(hall, at, true),
        Server::Gunicorn => app::gunicorn(hall, at),
        Server::Puma => app::puma(hall, at),
        Server::Tomcat => app::tomcat(hall, at),
        Server::Rabbit => app::rabbit(hall, at),
        Server::Proftpd => mail::proftpd(hall, at),
        Server::Postfix => mail::postfix(hall, at),
        Server::Sshd => mail::sshd(hall, at, mail::Hole::None),
        Server::SshdPatched => mail::sshd(hall, at, mail::Hole::Modules),
        Server::SshdWithHole => mail::sshd(hall, at, mail::Hole::Library),
        Server::Cron => mail::cron(hall, at),
        Server::Zabbix => mail::zabbix(hall, at),
    }
}

/// Gives everything below `path` a modification time of a month ago: it was installed, not dropped.
pub fn age(path: &Path) -> Result<()> {
    let script = "find \"$1\" -exec touch --no-dereference --date '30 days ago' {} +";
    crate::command::output(Command::new("sh").args(["-c", script, "age"]).arg(path)).map(drop)
}
