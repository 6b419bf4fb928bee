//! sensor: catches abuse of server software by process ancestry.
//!
//! The modules are listed in the order in which the data meets them. See ARCHITECTURE.md.

pub mod event;
