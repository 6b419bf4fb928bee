//! Loading the object, choosing the hook set by trying, attaching.

use super::fanotify::Fanotify;
use super::hooks::{Attach, COMMON_GAPS, PROCESS, Plan, TRACEPOINT, TRACEPOINT_GAPS, TRAMPOLINE};
use super::losses::Counters;
use super::offsets::Offsets;
use super::report::{HookReport, HookState, ProgramStatistics};
use super::tracepoint::{self, TraceFs};
use super::{HookSet, Options, StartError};
use crate::privileges::capabilities;
use anyhow::{Context, Result, anyhow};
use aya::maps::{Map, MapData, PerCpuArray};
use aya::programs::{BtfTracePoint, FEntry, Program, ProgramError, TracePoint};
use aya::{Btf, Ebpf, EbpfLoader};
use sensor_common::record::Hook;
use std::os::fd::{AsFd, AsRawFd};

/// The kernel programs, compiled by `cargo xtask build`; empty in a build without them.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/sensor-ebpf.o"));

/// What is loaded and attached. Dropping it detaches.
pub struct Programs {
    ebpf: Ebpf,
    tracepoints: Vec<tracepoint::Attached>,
    attached: Vec<Hook>,
}

/// Which set it came to.
pub struct Chosen {
    pub report: HookReport,
    pub fanotify: Option<Fanotify>,
}

/// Loads the object and attaches one hook set.
pub fn load_and_attach(options: &Options, offsets: &Offsets) -> Result<(Programs, Chosen), StartError> {
    if OBJECT.is_empty() {
        return Err(StartError::NoObject);
    }
    let ebpf = load(options, offsets)?;
    // After the loader, which reads it for itself: both at once would take twice the memory.
    let btf = Btf::from_sys_fs().context("reading the kernel's BTF")?;
    let mut programs = Programs { ebpf, tracepoints: Vec::new(), attached: Vec::new() };
    let mut states = Vec::new();
    programs.attach_all(PROCESS, &btf, &mut states).map_err(|refused| refused.into_start_error("both sets"))?;
    let chosen = match options.hooks {
        HookSet::Tracepoint => programs.attach_tracepoints(&btf, states, "asked for by kernel.hooks".into())?,
        HookSet::Trampoline => match programs.attach_all(TRAMPOLINE, &btf, &mut states) {
            Ok(()) => trampoline(states, "asked for by kernel.hooks".into()),
            Err(refused) => return Err(refused.into_start_error("the trampoline set")),
        },
        HookSet::Auto => {
            let process_states = states.clone();
            match programs.attach_all(TRAMPOLINE, &btf, &mut states) {
                Ok(()) => trampoline(states, "the kernel lets fentry programs load".into()),
                Err(refused) => {
                    programs.detach(TRAMPOLINE);
                    programs.attach_tracepoints(&btf, process_states, refused.explained())?
                }
            }
        }
    };
    let mut chosen = chosen;
    for field in &offsets.missing {
        chosen.report.gaps.push(format!("this kernel has no {field}: paths of unix sockets are not reported"));
    }
    Ok((programs, chosen))
}

fn load(options: &Options, offsets: &Offsets) -> Result<Ebpf> {
    let mut loader = EbpfLoader::new();
    for (global, value) in &offsets.values {
        loader.override_global(global, value, true);
    }
    // A wake-up each time another eighth of the smaller ring has filled.
    let smaller = options.process_ring_bytes.min(options.activity_ring_bytes).max(8192);
    let wake_shift = (smaller / 8).ilog2();
    loader
        .override_global("WAKE_SHIFT", &wake_shift, true)
        .map_max_entries("PROCESS_RING", options.process_ring_bytes)
        .map_max_entries("ACTIVITY_RING", options.activity_ring_bytes);
    loader.load(OBJECT).context("loading the kernel programs' maps")
}

/// A required hook that did not work.
struct Refused {
    hook: Hook,
    error: anyhow::Error,
}

impl Refused {
    /// Why the other set is used, in a sentence.
    fn explained(&self) -> String {
        let reason = reason(&self.error);
        let hint = if reason.contains("Operation not permitted") {
            " (EPERM although privileged: this kernel does not allow trampolines, for example under lockdown)"
        } else {
            ""
        };
        format!("fentry {} was refused: {reason}{hint}", self.hook.name())
    }

    fn into_start_error(self, set: &str) -> StartError {
        StartError::Kernel { feature: format!("{} for {set}", self.hook.name()), reason: reason(&self.error) }
    }
}

/// The error in one line: the verifier's log, if there is one, is cut to its end, where the reason stands.
fn reason(error: &anyhow::Error) -> String {
    let full = format!("{error:#}");
    // A program that was refused without being looked at has an empty log, and the error twice.
    let full = full.split(". Verifier output: :").next().unwrap_or_default();
    // How much was looked at is no reason.
    let statistics = ["verification time", "stack depth", "processed "];
    let tells = |line: &&str| !line.is_empty() && !statistics.iter().any(|begin| line.starts_with(begin));
    let lines: Vec<&str> = full.lines().map(str::trim).filter(tells).collect();
    if lines.len() <= 3 || std::env::var_os("SENSOR_VERIFIER_LOG").is_some() {
        return lines.join("\n");
    }
    let last = &lines[lines.len() - 3..];
    format!("{} ... {}", lines[0], last.join(" | "))
}

fn trampoline(states: Vec<HookState>, reason: String) -> Chosen {
    let report = HookReport { set: "trampoline", reason, gaps: gaps(&states, &[]), hooks: states };
    Chosen { report, fanotify: None }
}

fn gaps(states: &[HookState], of_set: &[&str]) -> Vec<String> {
    let refused = states
        .iter()
        .filter(|state| !state.attached)
        .map(|state| format!("{} is not attached: {}", state.name, state.covers));
    refused.chain(of_set.iter().chain(COMMON_GAPS).map(|gap| (*gap).to_owned())).collect()
}

impl Programs {
    /// Attaches each of `plans`; fails at the first required one that does not work.
    fn attach_all(&mut self, plans: &[Plan], btf: &Btf, states: &mut Vec<HookState>) -> Result<(), Refused> {
        for plan in plans.iter().filter(|plan| plan.attach != Attach::Fanotify && plan.attach != Attach::Tracepoint) {
            let result = self.attach(plan, btf);
            self.note(plan, result, states)?;
        }
        Ok(())
    }

    fn attach_tracepoints(
        &mut self,
        btf: &Btf,
        mut states: Vec<HookState>,
        reason: String,
    ) -> Result<Chosen, StartError> {
        let _ = btf;
        let missing = capabilities::missing_for_tracepoints();
        if !missing.is_empty() {
            return Err(StartError::Privilege { missing });
        }
        let tracefs = TraceFs::open().context("tracefs, which has the ids of the tracepoints")?;
        for plan in TRACEPOINT.iter().filter(|plan| plan.attach == Attach::Tracepoint) {
            let result = self.attach_tracepoint(plan, &tracefs);
            self.note(plan, result, &mut states).map_err(|refused| refused.into_start_error("the tracepoint set"))?;
        }
        let plan = TRACEPOINT.iter().find(|plan| plan.attach == Attach::Fanotify).context("fanotify is in the set")?;
        let mut state = HookState::new(plan.hook, plan.attach, plan.covers);
        let fanotify = match Fanotify::new() {
            Ok(fanotify) => {
                state.attached = true;
                Some(fanotify)
            }
            Err(error) => {
                state.reason = Some(format!("{error:#}"));
                None
            }
        };
        states.push(state);
        let report = HookReport { set: "tracepoint", reason, gaps: gaps(&states, TRACEPOINT_GAPS), hooks: states };
        Ok(Chosen { report, fanotify })
    }

    fn note(&mut self, plan: &Plan, result: Result<()>, states: &mut Vec<HookState>) -> Result<(), Refused> {
        let mut state = HookState::new(plan.hook, plan.attach, plan.covers);
        match result {
            Ok(()) => {
                state.attached = true;
                state.verified_instructions = self
                    .ebpf
                    .program(plan.hook.name())
                    .and_then(|program| program.info().ok())
                    .and_then(|info| info.verified_instruction_count());
                self.attached.push(plan.hook);
            }
            Err(error) if plan.required => {
                return Err(Refused { hook: plan.hook, error });
            }
            Err(error) => state.reason = Some(reason(&error)),
        }
        states.push(state);
        Ok(())
    }

    fn program(&mut self, hook: Hook) -> Result<&mut Program> {
        self.ebpf.program_mut(hook.name()).ok_or_else(|| anyhow!("the object has no program {}", hook.name()))
    }

    fn attach(&mut self, plan: &Plan, btf: &Btf) -> Result<()> {
        let program = self.program(plan.hook)?;
        let name = plan.hook.name();
        if plan.attach == Attach::BtfTracepoint {
            let program: &mut BtfTracePoint = program.try_into()?;
            program.load(name, btf)?;
            program.attach()?;
        } else {
            let program: &mut FEntry = program.try_into()?;
            program.load(name, btf)?;
            program.attach()?;
        }
        Ok(())
    }

    fn attach_tracepoint(&mut self, plan: &Plan, tracefs: &TraceFs) -> Result<()> {
        let program: &mut TracePoint = self.program(plan.hook)?.try_into()?;
        program.load()?;
        let attached = tracepoint::attach(tracefs, program.fd()?.as_fd(), plan.hook.name())?;
        self.tracepoints.push(attached);
        Ok(())
    }

    /// Takes back what of `plans` is loaded.
    fn detach(&mut self, plans: &[Plan]) {
        for plan in plans {
            if let Ok(program) = self.program(plan.hook) {
                let unloaded: Result<(), ProgramError> = match program {
                    Program::FEntry(program) => program.unload(),
                    _ => Ok(()),
                };
                if let Err(error) = unloaded {
                    tracing::debug!(program = plan.hook.name(), %error, "was not loaded");
                }
            }
            self.attached.retain(|hook| *hook != plan.hook);
        }
    }

    /// Takes a map out of the object.
    pub fn take_map(&mut self, name: &str) -> Result<Map> {
        self.ebpf.take_map(name).ok_or_else(|| anyhow!("the object has no map {name}"))
    }

    pub fn statistics(&self) -> Vec<ProgramStatistics> {
        let each = self.attached.iter().filter_map(|hook| {
            let info = self.ebpf.program(hook.name())?.info().ok()?;
            Some(ProgramStatistics {
                name: hook.name(),
                runs: info.run_count(),
                nanoseconds: info.run_time().as_nanos() as u64,
            })
        });
        each.collect()
    }

    /// How often the kernel skipped each program because it was running already (`recursion_misses`, since 5.12).
    pub fn recursion_misses(&self) -> Vec<(Hook, u64)> {
        let each = self.attached.iter().filter_map(|hook| {
            let program = self.ebpf.program(hook.name())?;
            let fd = program.fd().ok()?.as_fd().as_raw_fd();
            let text = std::fs::read_to_string(format!("/proc/self/fdinfo/{fd}")).ok()?;
            let misses = text.lines().find_map(|line| line.strip_prefix("recursion_misses:"))?.trim().parse().ok()?;
            Some((*hook, misses))
        });
        each.collect()
    }
}

/// Takes the loss counters.
pub fn losses(programs: &mut Programs) -> Result<PerCpuArray<MapData, Counters>> {
    PerCpuArray::try_from(programs.take_map("LOSSES")?).context("map LOSSES")
}
