//! Containers in ECS names, in alerts and in events.

use super::cut;
use crate::container::Container;
use serde_json::{Map, Value, json};

/// `container`: id, runtime, name, image; texts of at most `most` characters, the id whole.
pub fn container_object(container: &Container, most: usize) -> Value {
    let mut object = Map::new();
    object.insert("id".into(), container.id.clone().into());
    if let Some(runtime) = container.runtime {
        object.insert("runtime".into(), runtime.name().into());
    }
    if let Some(name) = &container.name {
        object.insert("name".into(), cut(name, most).into());
    }
    let mut image = Map::new();
    if let Some(name) = container.image_name() {
        image.insert("name".into(), cut(name, most).into());
    }
    if let Some(tag) = container.image.as_ref().and_then(|image| image.tag.as_ref()) {
        image.insert("tag".into(), json!([cut(tag, most)]));
    }
    if let Some(hash) = container.image.as_ref().and_then(|image| image.hash.as_ref()) {
        image.insert("hash".into(), json!({"all": [hash]}));
    }
    if !image.is_empty() {
        object.insert("image".into(), image.into());
    }
    Value::Object(object)
}

/// `orchestrator`: the Kubernetes pod that the container is part of.
pub fn orchestrator_object(container: &Container, most: usize) -> Option<Value> {
    let pod = container.pod.as_ref()?;
    let mut resource = json!({"type": "pod", "name": cut(&pod.name, most)});
    if let Some(uid) = &pod.uid {
        resource["id"] = cut(uid, most).into();
    }
    let mut object = json!({"type": "kubernetes", "resource": resource});
    if let Some(namespace) = &pod.namespace {
        object["namespace"] = cut(namespace, most).into();
    }
    Some(object)
}
