//! What the kernel side lost: its counters, as differences since the last look.

use super::load::Programs;
use crate::event::Loss;
use aya::maps::{MapData, PerCpuArray};
use sensor_common::losses::{LOSS_COUNTERS, LossReason, REASONS, Ring};
use sensor_common::record::{Hook, Kind};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// The counters, and what they were.
pub struct Losses {
    counters: PerCpuArray<MapData, Counters>,
    last: Counters,
    /// `recursion_misses` of each program: the kernel skipped it.
    skipped: BTreeMap<&'static str, u64>,
    /// When the programs were asked for that: it costs a file each.
    asked: Option<Instant>,
}

/// The value of `LOSSES`, per CPU.
pub type Counters = [u64; LOSS_COUNTERS as usize];

/// How often the programs are asked what the kernel skipped.
const ASK_EVERY: Duration = Duration::from_secs(1);

impl Losses {
    pub fn new(counters: PerCpuArray<MapData, Counters>) -> Self {
        Self { counters, last: [0; LOSS_COUNTERS as usize], skipped: BTreeMap::new(), asked: None }
    }

    pub fn since_last(&mut self, programs: &Programs) -> Vec<Loss> {
        let mut losses = Vec::new();
        let values = self.counters.get(&0, 0);
        for (index, last) in self.last.iter_mut().enumerate() {
            let total: u64 = values.iter().flat_map(|cpus| cpus.iter()).map(|counters| counters[index]).sum();
            let Some((kind, reason)) = meaning(index as u32).filter(|_| total > *last) else {
                continue;
            };
            losses.push(Loss { ring: kind.ring(), reason, kind: Some(kind), count: total - *last });
            *last = total;
        }
        if self.asked.is_none_or(|asked| asked.elapsed() >= ASK_EVERY) {
            self.asked = Some(Instant::now());
            self.skipped_since_last(programs, &mut losses);
        }
        losses
    }

    fn skipped_since_last(&mut self, programs: &Programs, losses: &mut Vec<Loss>) {
        for (hook, misses) in programs.recursion_misses() {
            let last = self.skipped.entry(hook.name()).or_default();
            if misses > *last {
                let kind = kind_of(hook);
                losses.push(Loss {
                    ring: kind.map_or(Ring::Activity, Kind::ring),
                    reason: LossReason::Recursion,
                    kind,
                    count: misses - *last,
                });
                *last = misses;
            }
        }
    }
}

fn meaning(index: u32) -> Option<(Kind, LossReason)> {
    let kind = Kind::from_number((index / REASONS) as u16)?;
    let reason = LossReason::ALL.into_iter().find(|reason| *reason as u32 == index % REASONS)?;
    Some((kind, reason))
}

fn kind_of(hook: Hook) -> Option<Kind> {
    match hook {
        Hook::SchedProcessFork => Some(Kind::Fork),
        Hook::SchedProcessExec => Some(Kind::Exec),
        Hook::SchedProcessExit => Some(Kind::Exit),
        _ => None,
    }
}
