//! `cargo xtask servers`: real servers from the distribution, started by hand on loopback, attacked and used.
//!
//! One sensor watches; only what it says of the servers started here is read. Everything is stopped by pid.

mod checks;
mod hall;

use crate::report::{Check, Tally};
use crate::schema;
use crate::setup::packages;
use anyhow::Result;
use hall::Hall;
use std::time::Instant;

/// One check: its name, and what has to happen.
type Part = (&'static str, fn(&mut Hall) -> Result<String>);

const PARTS: &[Part] = &[
    ("php-fpm/web-shell", checks::php_web_shell),
    ("php-fpm/dropped-script", checks::php_dropped),
    ("php-fpm/package-manager", checks::php_package),
    ("postgresql/copy-from-program", checks::postgres),
    ("redis/script-by-save", checks::redis),
    ("apache-httpd/web-shell", checks::apache),
    ("nodejs/exec-in-server", checks::node_server),
    ("nodejs/exec-in-tool", checks::node_tool),
];

/// Runs all of it.
pub fn run() -> Result<()> {
    packages::ensure("the tests against real servers", packages::SERVERS)?;
    let begin = Instant::now();
    let mut hall = match Hall::new() {
        Ok(hall) => hall,
        Err(error) => {
            let check = Check::of("servers", Err(error), begin.elapsed().as_secs_f64());
            check.announce();
            return Tally::of(&[check]).close();
        }
    };
    let mut checks = Vec::new();
    for (name, part) in PARTS {
        let begin = Instant::now();
        let result = part(&mut hall).map_err(|error| error.context("again: cargo xtask servers"));
        let check = Check::of(*name, result, begin.elapsed().as_secs_f64());
        check.announce();
        checks.push(check);
    }
    drop(hall);
    checks.push(schema::announced());
    Tally::of(&checks).close()
}
