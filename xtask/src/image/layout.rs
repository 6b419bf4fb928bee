//! The image as the OCI's image layout 1.0 in a tar file, which engines load without a registry: one layer, its configuration,
//! its manifest, an index.
//!
//! The same files give the same bytes: entries are sorted, owned by root, and dated at the commit. What is written here are four
//! small JSON texts; whether they are right is asked of skopeo.

use super::rootfs::{Entry, Rootfs};
use crate::{command, workspace};
use anyhow::{Context, Result};
use flate2::{Compression, GzBuilder};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use std::fmt::Write as _;
use std::path::Path;

/// What the image is called in its index.
pub const REFERENCE: &str = concat!("sensor:", env!("CARGO_PKG_VERSION"));

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIGURATION: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// A tar file being filled with blobs.
struct Layout {
    tar: tar::Builder<Vec<u8>>,
    time: u64,
}

/// Writes the image to a file; returns the digest of its manifest.
pub fn write(rootfs: &Rootfs, file: &Path) -> Result<String> {
    let time = commit_time()?;
    let mut layout = Layout { tar: tar::Builder::new(Vec::new()), time };
    layout.put("oci-layout", json!({"imageLayoutVersion": "1.0.0"}).to_string().as_bytes())?;
    for directory in ["blobs", "blobs/sha256"] {
        append(&mut layout.tar, directory, &Entry::Directory(0o755), time)?;
    }
    let tar = layer(rootfs, time)?;
    let difference = digest(&tar);
    let layer = layout.blob(LAYER, &compressed(&tar)?)?;
    let configuration = layout.blob(CONFIGURATION, configuration(&difference, time)?.to_string().as_bytes())?;
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": MANIFEST,
        "config": configuration,
        "layers": [layer],
        "annotations": labels()?,
    });
    let mut manifest = layout.blob(MANIFEST, manifest.to_string().as_bytes())?;
    let digest = manifest["digest"].as_str().unwrap_or_default().to_owned();
    manifest["platform"] = json!({"architecture": "amd64", "os": "linux"});
    manifest["annotations"] = json!({"org.opencontainers.image.ref.name": REFERENCE});
    let index = json!({"schemaVersion": 2, "manifests": [manifest]});
    layout.put("index.json", index.to_string().as_bytes())?;
    if let Some(directory) = file.parent() {
        std::fs::create_dir_all(directory)?;
    }
    std::fs::write(file, layout.tar.into_inner()?).with_context(|| file.display().to_string())?;
    Ok(digest)
}

impl Layout {
    fn put(&mut self, name: &str, data: &[u8]) -> Result<()> {
        append(&mut self.tar, name, &Entry::File(0o644, data.to_vec()), self.time)
    }

    /// Adds a blob; returns its descriptor.
    fn blob(&mut self, kind: &str, data: &[u8]) -> Result<Value> {
        let digest = digest(data);
        self.put(&format!("blobs/sha256/{digest}"), data)?;
        Ok(json!({"mediaType": kind, "digest": format!("sha256:{digest}"), "size": data.len()}))
    }
}

/// How a container of it is started, if nothing else is said.
fn configuration(difference: &str, time: u64) -> Result<Value> {
    let created = jiff::Timestamp::from_second(i64::try_from(time)?)?.to_string();
    Ok(json!({
        "created": created,
        "architecture": "amd64",
        "os": "linux",
        "config": {
            // Capabilities are given to root only; all but a few are dropped by whoever starts it.
            "User": "0:0",
            "Env": ["PATH=/usr/bin"],
            "Entrypoint": ["/usr/bin/sensor"],
            "Cmd": ["run"],
            "WorkingDir": "/",
            "StopSignal": "SIGTERM",
            "Labels": labels()?,
        },
        "rootfs": {"type": "layers", "diff_ids": [format!("sha256:{difference}")]},
        "history": [{"created": created, "created_by": "cargo xtask image"}],
    }))
}

fn labels() -> Result<Value> {
    let revision = git(&["rev-parse", "HEAD"])?;
    Ok(json!({
        "org.opencontainers.image.title": "sensor",
        "org.opencontainers.image.description": "Catches abuse of server software by process ancestry, with eBPF",
        "org.opencontainers.image.version": env!("CARGO_PKG_VERSION"),
        "org.opencontainers.image.revision": revision,
        "org.opencontainers.image.licenses": "MIT OR Apache-2.0",
        "org.opencontainers.image.source": env!("CARGO_PKG_REPOSITORY"),
    }))
}

fn commit_time() -> Result<u64> {
    git(&["log", "-1", "--format=%ct"])?.parse().context("the commit's time")
}

/// What git says; where there is no repository (a source archive), an empty commit of 1970.
fn git(arguments: &[&str]) -> Result<String> {
    if !workspace::root().join(".git").exists() {
        return Ok("0".to_owned());
    }
    let mut git = command::command("git");
    // Whoever owns the files: only its own history is read.
    git.args(["-c", "safe.directory=*"]).args(arguments).current_dir(workspace::root());
    Ok(command::output(&mut git)?.trim().to_owned())
}

fn layer(rootfs: &Rootfs, time: u64) -> Result<Vec<u8>> {
    let mut tar = tar::Builder::new(Vec::new());
    for (name, entry) in rootfs {
        append(&mut tar, name, entry, time)?;
    }
    Ok(tar.into_inner()?)
}

fn append(tar: &mut tar::Builder<Vec<u8>>, name: &str, entry: &Entry, time: u64) -> Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_mtime(time);
    header.set_uid(0);
    header.set_gid(0);
    header.set_size(0);
    match entry {
        Entry::Directory(mode) => {
            header.set_entry_type(tar::EntryType::Directory);
            header.set_mode(*mode);
            tar.append_data(&mut header, format!("{name}/"), std::io::empty())?;
        }
        Entry::Link(target) => {
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_mode(0o777);
            tar.append_link(&mut header, name, target)?;
        }
        Entry::File(mode, data) => {
            header.set_entry_type(tar::EntryType::Regular);
            header.set_mode(*mode);
            header.set_size(data.len() as u64);
            tar.append_data(&mut header, name, data.as_slice())?;
        }
    }
    Ok(())
}

fn compressed(tar: &[u8]) -> Result<Vec<u8>> {
    let mut out = Vec::new();
    let mut reader = GzBuilder::new().mtime(0).read(tar, Compression::default());
    std::io::copy(&mut reader, &mut out)?;
    Ok(out)
}

fn digest(data: &[u8]) -> String {
    Sha256::digest(data).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_files_are_the_same_bytes() {
        let rootfs = || {
            Rootfs::from([
                ("usr".to_owned(), Entry::Directory(0o755)),
                ("usr/x".to_owned(), Entry::File(0o644, b"hello".to_vec())),
                ("bin".to_owned(), Entry::Link("usr")),
            ])
        };
        let one = layer(&rootfs(), 7).unwrap();
        assert_eq!(one, layer(&rootfs(), 7).unwrap());
        assert_eq!(compressed(&one).unwrap(), compressed(&one).unwrap());
        let mut archive = tar::Archive::new(one.as_slice());
        let names: Vec<String> =
            archive.entries().unwrap().map(|entry| entry.unwrap().path().unwrap().display().to_string()).collect();
        assert_eq!(names, ["bin", "usr/", "usr/x"]);
    }

    #[test]
    fn digests_are_sha256_in_hexadecimal() {
        assert_eq!(digest(b""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    }
}
