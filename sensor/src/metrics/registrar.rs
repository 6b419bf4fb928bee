//! Puts metrics into the registry, each with what its reader must know.

use prometheus_client::registry::{Metric, Registry, Unit};

/// What the reference says of a metric and the registry does not keep.
#[derive(Clone, Copy, Debug)]
pub struct Note {
    /// What it belongs to.
    pub section: &'static str,
    /// Its name without `sensor_`, unit and `_total`; of other metrics the whole name.
    pub name: &'static str,
    /// When to worry, or what it is read together with.
    pub worry: &'static str,
}

type Text = &'static str;

/// The registry while it is filled. `help` says what a metric's value is, for `# HELP`, where a full stop is put after
/// it; `worry` is for the reference.
#[derive(Default)]
pub struct Registrar {
    pub registry: Registry,
    pub notes: Vec<Note>,
}

impl Registrar {
    /// A metric without unit.
    pub fn plain<M: Metric + Clone + Default>(&mut self, section: Text, name: Text, help: Text, worry: Text) -> M {
        self.with(section, name, None, help, worry, M::default())
    }

    /// A metric in bytes; `name` is without them.
    pub fn bytes<M: Metric + Clone + Default>(&mut self, section: Text, name: Text, help: Text, worry: Text) -> M {
        self.with(section, name, Some(Unit::Bytes), help, worry, M::default())
    }

    /// A metric in seconds; `name` is without them.
    pub fn seconds<M: Metric + Clone + Default>(&mut self, section: Text, name: Text, help: Text, worry: Text) -> M {
        self.with(section, name, Some(Unit::Seconds), help, worry, M::default())
    }

    /// This metric, of which a handle is kept.
    pub fn with<M: Metric + Clone>(
        &mut self,
        section: Text,
        name: Text,
        unit: Option<Unit>,
        help: Text,
        worry: Text,
        metric: M,
    ) -> M {
        self.add(section, name, unit, help, worry, metric.clone());
        metric
    }

    /// This metric, which does not change.
    pub fn add(&mut self, section: Text, name: Text, unit: Option<Unit>, help: Text, worry: Text, metric: impl Metric) {
        self.notes.push(Note { section, name, worry });
        let name = format!("sensor_{name}");
        match unit {
            Some(unit) => self.registry.register_with_unit(name, help, unit, metric),
            None => self.registry.register(name, help, metric),
        }
    }
}
