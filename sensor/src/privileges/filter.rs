//! Filters of system calls (seccomp), from lists of calls.
//!
//! seccompiler writes the programs: it is kept by those who confine Firecracker with it, and has no dependencies.

use super::calls::{Call, Only};
use anyhow::{Context, Result};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter, SeccompRule, TargetArch,
};
use std::collections::BTreeMap;

/// What becomes of a call that is not listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deny {
    /// It is refused with `EPERM`, and counted ([`crate::kernel::refused`]).
    Trap,
    /// It is let through, and the kernel logs it.
    Log,
    /// It ends the process.
    Kill,
}

/// Installs a filter for this thread and those that it starts. Cannot be taken back.
pub fn install(calls: &[Call], deny: Deny) -> Result<()> {
    // The program that says "no such call" has to be asked, too: the kernel does what the strictest of all says.
    seccompiler::apply_filter(&no_clone3()?).context("installing the filter for clone3")?;
    seccompiler::apply_filter(&program(calls, deny)?).context("installing the filter of system calls")
}

/// What is to be run for each call.
fn program(calls: &[Call], deny: Deny) -> Result<BpfProgram> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = BTreeMap::new();
    for call in calls {
        let conditions = call.only.iter().map(rule).collect::<Result<Vec<_>>>()?;
        rules.entry(call.number).or_default().extend(conditions);
    }
    // Threads are started with clone3, and with clone where that does not exist; the arguments of the first are in memory,
    // which a filter cannot read.
    rules.insert(libc::SYS_clone3, Vec::new());
    let otherwise = match deny {
        Deny::Trap => SeccompAction::Trap,
        Deny::Log => SeccompAction::Log,
        Deny::Kill => SeccompAction::KillProcess,
    };
    compile(rules, otherwise, SeccompAction::Allow)
}

fn no_clone3() -> Result<BpfProgram> {
    let rules = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
    compile(rules, SeccompAction::Allow, SeccompAction::Errno(libc::ENOSYS as u32))
}

fn compile(
    rules: BTreeMap<i64, Vec<SeccompRule>>,
    otherwise: SeccompAction,
    listed: SeccompAction,
) -> Result<BpfProgram> {
    let arch = TargetArch::try_from(std::env::consts::ARCH).context("no filters for this processor")?;
    let filter = SeccompFilter::new(rules, otherwise, listed, arch).context("making the filter of system calls")?;
    BpfProgram::try_from(filter).context("making the filter of system calls")
}

fn rule(only: &Only) -> Result<SeccompRule> {
    let (index, operator, value) = match *only {
        Only::Is(index, value) => (index, SeccompCmpOp::Eq, value),
        Only::Has(index, bits) => (index, SeccompCmpOp::MaskedEq(bits), bits),
        Only::HasNot(index, bits) => (index, SeccompCmpOp::MaskedEq(bits), 0),
    };
    let condition =
        SeccompCondition::new(index, SeccompCmpArgLen::Dword, operator, value).context("a condition of the filter")?;
    SeccompRule::new(vec![condition]).context("a rule of the filter")
}
