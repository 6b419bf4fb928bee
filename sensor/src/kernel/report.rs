//! What `sensor check` tells about the kernel side.

use super::hooks::{Attach, PROCESS, TRACEPOINT, TRAMPOLINE};
use sensor_common::record::Hook;
use serde::Serialize;

/// The hook set in use.
#[derive(Clone, Debug, Serialize)]
pub struct HookReport {
    /// `trampoline` or `tracepoint`.
    pub set: &'static str,
    /// Why that one.
    pub reason: String,
    /// Every hook of the set.
    pub hooks: Vec<HookState>,
    /// What is not seen with this set on this kernel, in sentences.
    pub gaps: Vec<String>,
}

impl HookReport {
    /// Both sets as they are planned, nothing attached.
    pub fn possible() -> [Self; 2] {
        [("trampoline", TRAMPOLINE), ("tracepoint", TRACEPOINT)].map(|(set, plans)| {
            let states = PROCESS.iter().chain(plans).map(|plan| HookState::new(plan.hook, plan.attach, plan.covers));
            Self { set, reason: String::new(), hooks: states.collect(), gaps: Vec::new() }
        })
    }
}

/// One hook.
#[derive(Clone, Debug, Serialize)]
pub struct HookState {
    /// Its attach point.
    pub name: &'static str,
    /// `tp_btf`, `fentry`, `tracepoint` or `fanotify`.
    pub kind: &'static str,
    /// Whether it works.
    pub attached: bool,
    /// What it is for.
    pub covers: &'static str,
    /// Why it does not work.
    pub reason: Option<String>,
    /// Instructions the verifier looked at (since 5.16).
    pub verified_instructions: Option<u32>,
    /// The hook itself, for metrics.
    #[serde(skip)]
    pub hook: Option<Hook>,
}

impl HookState {
    pub(super) fn new(hook: Hook, attach: Attach, covers: &'static str) -> Self {
        Self {
            name: hook.name(),
            kind: attach.name(),
            attached: false,
            covers,
            reason: None,
            verified_instructions: None,
            hook: Some(hook),
        }
    }
}

/// What a program has cost.
#[derive(Clone, Debug, Serialize)]
pub struct ProgramStatistics {
    /// Its name.
    pub name: &'static str,
    /// How often it ran while statistics were on.
    pub runs: u64,
    /// Nanoseconds it took, while statistics were on.
    pub nanoseconds: u64,
}
