//! Where things are: the source tree, and `target/`, under which everything that is made or fetched stays.

use std::path::{Path, PathBuf};

/// The root of the source tree.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap_or(Path::new("/"))
}

/// `target/`, or what `CARGO_TARGET_DIR` says instead.
pub fn target() -> PathBuf {
    match std::env::var_os("CARGO_TARGET_DIR") {
        Some(directory) => root().join(directory),
        None => root().join("target"),
    }
}

/// Programs that `setup` installed.
pub fn tools() -> PathBuf {
    target().join("tools")
}

/// The compiled kernel programs.
pub fn ebpf_object() -> PathBuf {
    target().join("ebpf/bpfel-unknown-none/release/sensor-ebpf")
}

/// The finished product.
pub fn sensor() -> PathBuf {
    target().join("release/sensor")
}

/// What is handed out.
pub fn dist() -> PathBuf {
    target().join("dist")
}

/// Kernels, packages lists, initramfs images and logs of the virtual machines.
pub fn vm() -> PathBuf {
    target().join("vm")
}

/// The sensor to test: in a virtual machine the one in `PATH`, else the one that was built.
pub fn installed_sensor() -> PathBuf {
    let built = sensor();
    if built.exists() {
        return built;
    }
    PathBuf::from("/usr/bin/sensor")
}
