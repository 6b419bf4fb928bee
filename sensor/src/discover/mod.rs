//! Where a running server really loads from, beyond the catalogue's usual places: its arguments, its working directory,
//! a few variables of its environment, and the directives of its configuration that name directories.
//!
//! Comes in: a process, its arguments, its server kind. Goes out: further patterns for [`crate::watch`], each with how it
//! was found. Always holds: files are read inside the process's own root only, and what is read and found is bounded.
//! Conditions in a configuration are not understood: all branches count. Values with variables that are not known count
//! up to the variable; what is not understood is left out.
//!
//! A family is a file. Most servers are a row of a table there ([`finder::Product`]).

mod arguments;
mod database;
mod directives;
mod environment;
mod finder;
mod java;
mod languages;
mod php;
mod runtime;
mod service;
mod web;

pub use environment::Environment;
pub use finder::MAX_WANTED;

use crate::procfs::Root;
use crate::watch::Wanted;
use bstr::BString;
use finder::Finder;
use std::collections::BTreeMap;
use std::path::Path;

/// Values that have names.
type Given = BTreeMap<BString, BString>;

/// What is known of the process.
pub struct Facts<'a> {
    /// Its root directory.
    pub root: &'a Root,
    /// Its executable.
    pub executable: &'a [u8],
    /// Its arguments.
    pub argv: &'a [BString],
    /// Its working directory when it began.
    pub directory: &'a Path,
    /// Its working directory now, from its root; `None` if not known.
    pub current: Option<&'a Path>,
    /// The variables that matter.
    pub environment: &'a Environment,
}

/// Further places that a server of that catalogue id loads components from; at most [`MAX_WANTED`].
pub fn discover(server: &str, facts: &Facts<'_>) -> Vec<Wanted> {
    let mut finder = Finder::new(facts);
    match server {
        "nginx" | "ingress-nginx" => web::nginx(&mut finder),
        "apache-httpd" => web::apache(&mut finder),
        "php-fpm" | "php" | "php-cli" if php::built_in_server(&mut finder) => {}
        "php-fpm" => php::fpm(&mut finder),
        "postgresql" => database::postgresql(&mut finder),
        "mysql-mariadb" => database::mysql(&mut finder),
        "redis" => database::redis(&mut finder),
        "uwsgi" => runtime::uwsgi(&mut finder),
        "nodejs" | "python" | "python-wsgi" | "ruby" | "ruby-app" | "php" | "php-cli" => {
            runtime::application(&mut finder);
        }
        "openldap" => service::openldap(&mut finder),
        _ if java::is_known(server) => java::server(&mut finder, server),
        _ => {
            let mut tables = [web::PRODUCTS, database::PRODUCTS, service::PRODUCTS].into_iter().flatten();
            if let Some(product) = tables.find(|product| product.ids.contains(&server)) {
                finder.product(product);
            }
            service::variables(&mut finder, server);
        }
    }
    finder.finish()
}

#[cfg(test)]
mod tests;
