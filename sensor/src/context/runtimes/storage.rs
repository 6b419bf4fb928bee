//! containers/storage, which Podman keeps its containers in: a list, `containers.json`, and one of those that are removed
//! when they end, `volatile-containers.json`.

use super::{Facts, MAX_FILE, text};
use crate::container::{Image, Runtime};
use crate::procfs::Root;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What Podman knows of a container. `home` is the user's, of one without root.
pub fn facts(root: &Root, home: Option<&Path>, id: &str) -> Option<Facts> {
    let storage = home.map_or_else(
        || vec![PathBuf::from("/var/lib/containers/storage"), PathBuf::from("/run/containers/storage")],
        |home| vec![home.join(".local/share/containers/storage")],
    );
    let lists = storage.iter().flat_map(|storage| {
        ["overlay", "vfs", "btrfs"].into_iter().flat_map(move |driver| {
            let directory = storage.join(format!("{driver}-containers"));
            ["containers.json", "volatile-containers.json"].map(|list| directory.join(list))
        })
    });
    let listed = lists.into_iter().find_map(|list| listed(root, &list, id))?;
    // JSON in a text of JSON.
    let metadata: Value = serde_json::from_str(listed["metadata"].as_str().unwrap_or_default()).unwrap_or_default();
    let known = text(&listed, "image").as_deref().and_then(Image::parse);
    let mut image = text(&metadata, "image-name").as_deref().and_then(Image::parse).or_else(|| known.clone());
    if let Some(image) = &mut image {
        image.hash = image.hash.take().or_else(|| known?.hash);
    }
    let first = listed["names"].get(0).and_then(Value::as_str).map(str::to_owned);
    let name = text(&metadata, "name").or(first);
    Some(Facts { runtime: Some(Runtime::Podman), name, image, pod: None })
}

fn listed(root: &Root, list: &Path, id: &str) -> Option<Value> {
    let list: Vec<Value> = serde_json::from_slice(&root.read(list, MAX_FILE)?).ok()?;
    list.into_iter().find(|one| one["id"] == id)
}
