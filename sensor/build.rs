//! Puts the compiled kernel programs into the binary.
//!
//! In: the object that `SENSOR_EBPF_OBJECT` names (`cargo xtask build` sets it), or else the one it left under
//! `target/`. Out: `$OUT_DIR/sensor-ebpf.o`. Without any object the file is empty, so that a plain `cargo test` needs no
//! eBPF toolchain; a sensor built so says at start that it has no kernel programs.

use std::env;
use std::path::PathBuf;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SENSOR_EBPF_OBJECT");
    println!("cargo::rerun-if-env-changed=CARGO_TARGET_DIR");
    let named = env::var_os("SENSOR_EBPF_OBJECT").map(PathBuf::from);
    let bytes = match named.or_else(|| default_object().filter(|path| path.exists())) {
        Some(object) => {
            // Only a file that exists is watched: cargo takes a missing one for changed, on each build.
            println!("cargo::rerun-if-changed={}", object.display());
            match std::fs::read(&object) {
                Ok(bytes) => bytes,
                Err(error) => {
                    println!("cargo::error=reading {}: {error}", object.display());
                    return;
                }
            }
        }
        None => Vec::new(),
    };
    let copy = PathBuf::from(env::var_os("OUT_DIR").unwrap_or_default()).join("sensor-ebpf.o");
    if let Err(error) = std::fs::write(&copy, bytes) {
        println!("cargo::error=writing {}: {error}", copy.display());
    }
}

/// Where `cargo xtask build` leaves the object.
fn default_object() -> Option<PathBuf> {
    let root = PathBuf::from(env::var_os("CARGO_MANIFEST_DIR")?).parent()?.to_owned();
    let target = match env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root.join(directory),
        None => root.join("target"),
    };
    Some(target.join("ebpf/bpfel-unknown-none/release/sensor-ebpf"))
}
