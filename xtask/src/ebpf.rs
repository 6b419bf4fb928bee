//! Builds the kernel programs: one object, `target/ebpf/bpfel-unknown-none/release/sensor-ebpf`.

use crate::{command, setup, workspace};
use anyhow::{Result, bail};
use std::path::PathBuf;

/// Builds the object and returns where it is. Installs the toolchain if need be.
pub fn build() -> Result<PathBuf> {
    let toolchain = setup::toolchain()?;
    println!("Building the kernel programs with {}.", toolchain.compiler.name);
    let flags = [
        // The linker makes BTF of the debug information; fentry and tp_btf programs do not load without it.
        "-Cdebuginfo=2".to_owned(),
        "-Clink-arg=--btf".to_owned(),
        format!("-Clinker={}", toolchain.linker.display()),
        // aya-ebpf asks for the architecture whose registers a program sees.
        format!("--cfg=bpf_target_arch=\"{}\"", std::env::consts::ARCH),
    ];
    let target = workspace::target().join("ebpf");
    command::run(
        toolchain
            .compiler
            .cargo()
            .args(["build", "--release", "--locked"])
            .args(["--target", "bpfel-unknown-none", "-Zbuild-std=core"])
            .arg("--target-dir")
            .arg(&target)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .current_dir(workspace::root().join("sensor-ebpf")),
    )?;
    let object = workspace::ebpf_object();
    if !object.exists() {
        bail!("the build made no {}", object.display());
    }
    Ok(object)
}
