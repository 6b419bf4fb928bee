//! Docker: `DATA-ROOT/containers/ID/config.v2.json`.

use super::{Facts, json, pod, text};
use crate::container::{Image, Runtime};
use crate::procfs::Root;
use serde_json::Value;
use std::path::{Path, PathBuf};

/// What Docker knows of a container.
pub fn facts(root: &Root, home: Option<&Path>, id: &str) -> Option<Facts> {
    let config = data_roots(root, home).into_iter().find_map(|data| {
        let path = data.join("containers").join(id).join("config.v2.json");
        json(root, &path).filter(|config| config["ID"] == id)
    })?;
    let labels = &config["Config"]["Labels"];
    // The engine puts a slash before names.
    let own = text(&config, "Name").map(|name| name.trim_start_matches('/').to_owned());
    let name = text(labels, "io.kubernetes.container.name").or(own);
    Some(Facts { runtime: Some(Runtime::Docker), name, image: image(&config), pod: pod(labels) })
}

/// What was asked for, and the id of what that was.
fn image(config: &Value) -> Option<Image> {
    let known = text(config, "Image").as_deref().and_then(Image::parse);
    let mut image = text(&config["Config"], "Image").as_deref().and_then(Image::parse).or_else(|| known.clone())?;
    image.hash = image.hash.or(known?.hash);
    Some(image)
}

/// Where it keeps containers: as its configuration says, or the usual place; for one without root, in the user's home.
fn data_roots(root: &Root, home: Option<&Path>) -> Vec<PathBuf> {
    if let Some(home) = home {
        return vec![home.join(".local/share/docker")];
    }
    let configured = json(root, Path::new("/etc/docker/daemon.json")).and_then(|config| text(&config, "data-root"));
    let snap = "/var/snap/docker/common/var-lib-docker";
    configured.into_iter().chain(["/var/lib/docker".to_owned(), snap.to_owned()]).map(PathBuf::from).collect()
}
