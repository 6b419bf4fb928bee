//! Label sets of the metrics: closed sets of static words, never a pid, a path or a command line.

use crate::event::Loss;
use prometheus_client::encoding::EncodeLabelSet;
use sensor_common::losses::{LossReason, Ring};
use sensor_common::record::Kind;

macro_rules! labels {
    ($($name:ident { $($label:ident),+ })+) => {$(
        #[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
        pub struct $name { $(pub $label: &'static str),+ }
    )+};
}

labels! {
    OfKind { kind }
    OfLoss { ring, reason, kind }
    OfRing { ring }
    OfRole { role }
    OfAlert { rule, severity }
    OfDetector { detector }
    OfOutput { output }
    OfDrop { output, reason }
    OfProgram { program }
    OfReason { reason }
    OfResult { result }
    OfHook { hook, set }
    Build { version, commit }
}

impl OfLoss {
    pub fn new(ring: Ring, reason: LossReason, kind: Option<Kind>) -> Self {
        Self { ring: ring.name(), reason: reason.name(), kind: kind.map_or("unknown", Kind::name) }
    }

    pub fn of(loss: &Loss) -> Self {
        Self::new(loss.ring, loss.reason, loss.kind)
    }
}

/// What can be lost where, and why: the kind is known where a kernel program counted.
pub fn possible_losses() -> impl Iterator<Item = (Ring, LossReason, Option<Kind>)> {
    let kernels = Kind::ALL.into_iter().filter(|kind| kind.is_kernels());
    let counted = kernels.flat_map(|kind| LossReason::ALL.map(|reason| (kind.ring(), reason, Some(kind))));
    // Only these two keep something in a map.
    let counted = counted.filter(|(_, reason, kind)| {
        *reason != LossReason::ProcessMapFull || matches!(kind, Some(Kind::Fork | Kind::Connect))
    });
    counted.chain([
        (Ring::Process, LossReason::ProcessMapFull, None),
        (Ring::Activity, LossReason::Recursion, None),
        (Ring::Activity, LossReason::Malformed, None),
        (Ring::Fanotify, LossReason::RingFull, None),
        (Ring::Fanotify, LossReason::ReadFault, None),
    ])
}
