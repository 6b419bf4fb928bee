//! sensor: catches abuse of server software by process ancestry.
//!
//! The modules are listed in the order in which the data meets them. See ARCHITECTURE.md.

pub mod kernel;

pub mod container;
pub mod decode;
pub mod encode;
pub mod event;
pub mod provenance;

pub mod tree;

pub mod baseline;
pub mod ledger;

pub mod catalogue;
pub mod detect;
pub mod exception;
pub mod explain;
pub mod host;
pub mod incident;

pub mod alert;
pub mod paint;
pub mod pipeline;

pub mod capture;
pub mod replay;

pub mod config;
pub mod context;
pub mod control;
pub mod discover;
pub mod machine;
pub mod metrics;
pub mod output;
pub mod privileges;
pub mod procfs;
pub mod shutdown;
pub mod store;
pub mod supervisor;
pub mod terminal;
pub mod users;
pub mod watch;

pub mod agent;
pub mod cli;
pub mod commands;
pub mod reference;

#[cfg(test)]
mod testing;
