//! An OCI image that was written to a tar file, unpacked as an engine unpacks it: index, manifest, configuration, layers.

use anyhow::{Context, Result, bail};
use flate2::read::GzDecoder;
use serde_json::Value;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// An image that is ready to be run.
pub struct Image {
    /// Its one layer.
    pub layer: PathBuf,
    /// Its entry point.
    pub entry_point: Vec<String>,
    /// Its environment.
    pub environment: Vec<String>,
}

/// Unpacks it.
pub fn unpack(file: &Path, layer: &Path) -> Result<Image> {
    let blobs = blobs(file)?;
    let blob = |descriptor: &Value| {
        let digest = descriptor["digest"].as_str().and_then(|digest| digest.strip_prefix("sha256:"));
        let digest = digest.with_context(|| format!("no digest in {descriptor}"))?;
        blobs.get(&format!("blobs/sha256/{digest}")).with_context(|| format!("no blob {digest}"))
    };
    let index: Value = serde_json::from_slice(blobs.get("index.json").context("no index.json")?)?;
    let manifest: Value = serde_json::from_slice(blob(&index["manifests"][0])?)?;
    let configuration: Value = serde_json::from_slice(blob(&manifest["config"])?)?;
    let Some([only]) = manifest["layers"].as_array().map(Vec::as_slice) else {
        bail!("it has not one layer");
    };
    std::fs::create_dir_all(layer)?;
    let mut archive = tar::Archive::new(GzDecoder::new(blob(only)?.as_slice()));
    archive.set_preserve_permissions(true);
    archive.unpack(layer).context("unpacking the layer")?;
    let texts = |value: &Value| -> Vec<String> {
        let texts = value.as_array().into_iter().flatten();
        texts.filter_map(|text| text.as_str().map(str::to_owned)).collect()
    };
    let config = &configuration["config"];
    Ok(Image { layer: layer.to_owned(), entry_point: texts(&config["Entrypoint"]), environment: texts(&config["Env"]) })
}

fn blobs(file: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let mut blobs = BTreeMap::new();
    let mut archive = tar::Archive::new(std::fs::File::open(file).with_context(|| file.display().to_string())?);
    for entry in archive.entries()? {
        let mut entry = entry?;
        let mut data = Vec::new();
        entry.read_to_end(&mut data)?;
        blobs.insert(entry.path()?.to_string_lossy().into_owned(), data);
    }
    Ok(blobs)
}
