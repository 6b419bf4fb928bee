//! `sensor check`: what would work here, found out by trying, and undone at once.

use super::{DONE, Failure, MISSING, WRONG, catalogue_of, print};
use crate::cli::CheckArgs;
use crate::config::Config;
use crate::kernel::{HookReport, Options, Sensor, StartError, VMLINUX_BTF};
use serde::Serialize;
use std::fmt::Write;
use std::path::Path;

/// What was found.
#[derive(Serialize)]
struct Findings {
    kernel: String,
    btf: bool,
    missing_capabilities: Vec<String>,
    tracefs_mounted: bool,
    bpffs_mounted: bool,
    hooks: Option<HookReport>,
    problem: Option<String>,
    config_problems: Vec<String>,
}

/// `sensor check`.
pub fn check(arguments: &CheckArgs) -> Result<u8, Failure> {
    let (options, config_problems) = match Config::load(arguments.config.config.as_deref(), &arguments.config.set) {
        Ok(config) => {
            let problems = catalogue_of(&config).err().unwrap_or_default();
            (config.kernel, problems)
        }
        Err(problems) => (defaults(), problems.iter().map(ToString::to_string).collect()),
    };
    let started = Sensor::start(&options);
    let (hooks, problem) = match &started {
        Ok(sensor) => (Some(sensor.report().clone()), None),
        Err(error) => (None, Some(told(error))),
    };
    drop(started);
    let mounted = |path: &str| Path::new(path).read_dir().is_ok_and(|mut entries| entries.next().is_some());
    let findings = Findings {
        kernel: rustix::system::uname().release().to_string_lossy().into_owned(),
        btf: Path::new(VMLINUX_BTF).exists(),
        missing_capabilities: crate::privileges::capabilities::missing(),
        tracefs_mounted: mounted("/sys/kernel/tracing"),
        bpffs_mounted: std::fs::read_to_string("/proc/self/mounts").is_ok_and(|mounts| mounts.contains(" bpf ")),
        hooks,
        problem,
        config_problems,
    };
    let text = if arguments.json {
        serde_json::to_string_pretty(&findings).map_err(anyhow::Error::from)? + "\n"
    } else {
        drawn(&findings)
    };
    print(&text)?;
    Ok(match (&findings.config_problems[..], &findings.problem) {
        ([], None) => DONE,
        ([], Some(_)) => MISSING,
        _ => WRONG,
    })
}

fn defaults() -> Options {
    let nothing: &[String] = &[];
    Config::parse("defaults", "", nothing).map_or(
        Options { hooks: crate::kernel::HookSet::Auto, process_ring_bytes: 4 << 20, activity_ring_bytes: 4 << 20 },
        |config| config.kernel,
    )
}

fn told(error: &StartError) -> String {
    match error {
        StartError::Other(error) => format!("{error:#}"),
        error => error.to_string(),
    }
}

fn drawn(findings: &Findings) -> String {
    let mut out = String::new();
    let yes = |good: bool| if good { "yes" } else { "NO" };
    // Writing to a String cannot fail.
    let _ = writeln!(out, "kernel        {}", findings.kernel);
    let _ = writeln!(out, "BTF           {} ({VMLINUX_BTF})", yes(findings.btf));
    let capabilities = match &findings.missing_capabilities[..] {
        [] => "all that are needed".to_owned(),
        missing => format!("MISSING {}", missing.join(", ")),
    };
    let _ = writeln!(out, "capabilities  {capabilities}");
    let _ = writeln!(
        out,
        "tracefs       {}",
        if findings.tracefs_mounted { "mounted" } else { "not mounted (not needed: it is opened detached)" }
    );
    let _ = writeln!(
        out,
        "bpffs         {}",
        if findings.bpffs_mounted { "mounted" } else { "not mounted (not used yet)" }
    );
    if let Some(hooks) = &findings.hooks {
        draw_hooks(&mut out, hooks);
    }
    if let Some(problem) = &findings.problem {
        let _ = writeln!(out, "\nThe sensor cannot start here: {problem}");
    }
    match &findings.config_problems[..] {
        [] => out.push_str("\nconfiguration is right\n"),
        problems => {
            let _ = writeln!(out, "\nconfiguration has {} mistakes:", problems.len());
            for problem in problems {
                let _ = writeln!(out, "  {problem}");
            }
        }
    }
    out
}

fn draw_hooks(out: &mut String, report: &HookReport) {
    let _ = writeln!(out, "\nhook set      {}", report.set);
    let _ = writeln!(out, "  because     {}\n", report.reason);
    for hook in &report.hooks {
        let state = if hook.attached { "ok" } else { "NO" };
        let _ = writeln!(out, "  {state:<3} {:<11} {:<24} {}", hook.kind, hook.name, hook.covers);
        if let Some(reason) = &hook.reason {
            let _ = writeln!(out, "                  {reason}");
        }
    }
    out.push_str("\nnot seen:\n");
    for gap in &report.gaps {
        let _ = writeln!(out, "  - {gap}");
    }
}
