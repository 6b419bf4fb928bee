//! What schemas do not see and an API server, a runtime or an operator would trip over: names that point at each other, and
//! what the container may do.

use super::chart::{NAMESPACE, Rendered, list};
use super::privileges;
use anyhow::{Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// Checks all of it.
pub fn check(rendered: &Rendered) -> Result<()> {
    selectors(rendered)?;
    volumes(rendered)?;
    ports(rendered)?;
    security(&rendered.container()?["securityContext"])?;
    for object in &rendered.objects {
        ensure!(object["metadata"]["namespace"] == NAMESPACE, "{} has no namespace", object["kind"]);
    }
    Ok(())
}

/// Whatever selects pods selects ours.
fn selectors(rendered: &Rendered) -> Result<()> {
    let labels = &rendered.pod()?["metadata"]["labels"];
    let places = ["/spec/selector/matchLabels", "/spec/podSelector/matchLabels"];
    for object in rendered.objects.iter().filter(|object| object["kind"] != "ServiceMonitor") {
        let service = if object["kind"] == "Service" { object.pointer("/spec/selector") } else { None };
        for selector in places.iter().filter_map(|place| object.pointer(place)).chain(service) {
            ensure!(contains(labels, selector), "{}: {selector} selects no pod of ours", object["kind"]);
        }
    }
    for monitor in rendered.of_kind("ServiceMonitor") {
        let selector = &monitor["spec"]["selector"]["matchLabels"];
        let selected = rendered.of_kind("Service").filter(|service| contains(&service["metadata"]["labels"], selector));
        ensure!(selected.count() == 1, "the ServiceMonitor does not select the one Service");
    }
    Ok(())
}

fn contains(labels: &Value, selector: &Value) -> bool {
    selector.as_object().is_some_and(|wanted| {
        !wanted.is_empty() && wanted.iter().all(|(name, value)| labels.get(name).is_some_and(|has| has == value))
    })
}

/// What is mounted is there, and what is there is mounted; no two at the same place; ConfigMaps of the same release.
fn volumes(rendered: &Rendered) -> Result<()> {
    let names = |list: &[Value]| -> Vec<String> {
        list.iter().filter_map(|each| each["name"].as_str().map(str::to_owned)).collect()
    };
    let (volumes, mounts) = (list(&rendered.pod()?["spec"]["volumes"]), list(&rendered.container()?["volumeMounts"]));
    let unique = |names: &[String]| names.iter().cloned().collect::<BTreeSet<_>>();
    let (there, mounted) = (names(volumes), names(mounts));
    ensure!(unique(&there).len() == there.len(), "two volumes have one name: {there:?}");
    ensure!(unique(&there) == unique(&mounted), "there are {there:?}, mounted are {mounted:?}");
    let places: BTreeSet<_> = mounts.iter().map(|mount| mount["mountPath"].as_str()).collect();
    ensure!(places.len() == mounts.len(), "two are mounted at one place");
    for map in volumes.iter().filter_map(|volume| volume["configMap"]["name"].as_str()) {
        let made = rendered.of_kind("ConfigMap").any(|object| object["metadata"]["name"] == map);
        ensure!(made, "nobody makes the ConfigMap {map}");
    }
    Ok(())
}

/// Probes, Services and monitors name ports that are there.
fn ports(rendered: &Rendered) -> Result<()> {
    let container = rendered.container()?;
    let known: Vec<&Value> = list(&container["ports"]).iter().map(|port| &port["name"]).collect();
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        if let Some(probe) = container.get(probe) {
            ensure!(known.contains(&&probe["httpGet"]["port"]), "a probe asks no port of the container");
        }
    }
    let services: Vec<&Value> =
        rendered.of_kind("Service").flat_map(|service| list(&service["spec"]["ports"])).collect();
    for port in &services {
        ensure!(known.contains(&&port["targetPort"]), "a Service leads to no port of the container");
    }
    for end in rendered.of_kind("ServiceMonitor").flat_map(|monitor| list(&monitor["spec"]["endpoints"])) {
        ensure!(services.iter().any(|port| port["name"] == end["port"]), "the monitor scrapes no port of the Service");
    }
    Ok(())
}

/// The least that works; capabilities are the sensor's own list.
fn security(context: &Value) -> Result<()> {
    for (name, expected) in
        [("privileged", false), ("allowPrivilegeEscalation", false), ("readOnlyRootFilesystem", true)]
    {
        ensure!(context[name] == expected, "{name} is {}", context[name]);
    }
    let capabilities = &context["capabilities"];
    ensure!(capabilities["drop"] == json!(["ALL"]), "not all capabilities are dropped first");
    let mut added = BTreeSet::new();
    for name in list(&capabilities["add"]).iter().filter_map(Value::as_str) {
        // The API server refuses CAP_SYS_ADMIN together with allowPrivilegeEscalation: false, and knows it by that name only.
        ensure!(!name.starts_with("CAP_"), "{name} must be written without CAP_");
        added.insert(format!("CAP_{name}"));
    }
    privileges::compare(&added)
}
