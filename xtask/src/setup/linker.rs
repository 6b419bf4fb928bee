//! `bpf-linker`, which turns the compiler's bitcode into one eBPF object with BTF.

use super::compiler::Compiler;
use crate::{command, workspace};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};

/// What is installed. Later ones link a system LLVM instead of the compiler's.
const VERSION: &str = "0.10.3";
/// What fits if it is there.
const SERIES: &str = "0.10.";

/// A fitting linker: ours, or one in `PATH`, or else one that is now built.
pub fn find_or_install(compiler: &Compiler) -> Result<PathBuf> {
    let ours = workspace::tools().join("bin/bpf-linker");
    let candidates = [Some(ours.clone()), command::find("bpf-linker")];
    if let Some(found) = candidates.into_iter().flatten().find(|path| fits(path, compiler)) {
        return Ok(found);
    }
    println!(
        "Building bpf-linker {VERSION} with cargo into {} (for linking the kernel programs; about a minute).",
        workspace::tools().display()
    );
    command::run(
        super::cargo()
            .args(["install", "bpf-linker", "--locked", "--quiet", "--version"])
            .arg(VERSION)
            .arg("--root")
            .arg(workspace::tools())
            .env_remove("RUSTC"),
    )?;
    fits(&ours, compiler).then_some(ours).context("the bpf-linker that was just built does not run")
}

fn fits(linker: &Path, compiler: &Compiler) -> bool {
    let version = command::output(command::command(linker).arg("--version").env("LD_LIBRARY_PATH", &compiler.llvm));
    version.is_ok_and(|version| version.split_whitespace().any(|word| word.starts_with(SERIES)))
}
