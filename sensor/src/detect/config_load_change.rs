//! config-load-change: a file is changed that says what a server loads.
//!
//! Sees: writes, renames and links to a product's configuration that loads components, and to files by which a directory
//! changes how its server treats it (.htaccess, .user.ini), wherever pages are served from. Cannot see: what was changed
//! in it, and settings that are kept in a database. Normal: as for component-write; a person's edit in a session and
//! what a server writes through its own settings command (ALTER SYSTEM) is told at info.

use super::component_write::{Told, finding};
use super::{Context, Detector, Finding};
use crate::event::Event;

/// The detector's memory.
#[derive(Default)]
pub struct ConfigLoadChange {
    told: Told,
}

impl ConfigLoadChange {
    pub fn observe(&mut self, event: &Event, context: &Context<'_>) -> Option<Finding> {
        let placement = context.placement?;
        let target = placement.target.as_ref().filter(|target| target.configures)?;
        let finding = finding(Detector::ConfigLoadChange, event, placement, target, context)?;
        self.told.first(&finding).then_some(finding)
    }
}
