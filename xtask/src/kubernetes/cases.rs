//! The combinations of values that matter (`deploy/helm/sensor/ci`): each renders, is valid, holds together, and shows what it
//! was made to show.

use super::chart::{self, Rendered, list};
use super::{consistent, schemas, settings};
use crate::report::Check;
use crate::setup::kubernetes::Tools;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::time::Instant;

/// A file of values, and what must be seen with it.
struct Case {
    name: &'static str,
    shows: fn(&Rendered) -> Result<()>,
}

const CASES: &[Case] = &[
    Case { name: "default", shows: default },
    Case { name: "minimal", shows: minimal },
    Case { name: "own-image", shows: own_image },
    Case { name: "outputs", shows: outputs },
    Case { name: "operator", shows: operator },
    Case { name: "placement", shows: placement },
    Case { name: "everything", shows: everything },
];

/// Runs all of them.
pub fn run(tools: &Tools) -> Vec<Check> {
    let mut checks: Vec<Check> = CASES.iter().map(|case| one(tools, case)).collect();
    let started = Instant::now();
    checks.push(Check::of("values/none-forgotten", none_forgotten(), started.elapsed().as_secs_f64()));
    checks
}

fn one(tools: &Tools, case: &Case) -> Check {
    let started = Instant::now();
    let file = chart::directory().join(format!("ci/{}-values.yaml", case.name));
    let result = Rendered::of(tools, &mut chart::template(tools, &[&file], &[])).and_then(|rendered| {
        let valid = schemas::validate(tools, &rendered.objects)?;
        consistent::check(&rendered)?;
        (case.shows)(&rendered)?;
        settings::accepted(&rendered)?;
        Ok(valid)
    });
    Check::of(format!("values/{}", case.name), result, started.elapsed().as_secs_f64())
}

/// Each file of values there is a case, or it would not be tested.
fn none_forgotten() -> Result<String> {
    let files = std::fs::read_dir(chart::directory().join("ci"))?.count();
    ensure!(files == CASES.len(), "there are {files} files in ci/ and {} cases", CASES.len());
    Ok(format!("{files} files"))
}

/// Fails unless that is what stands there.
fn is(what: &Value, pointer: &str, expected: &Value) -> Result<()> {
    let found = what.pointer(pointer).unwrap_or(&Value::Null);
    ensure!(found == expected, "{pointer} is {found}, not {expected}");
    Ok(())
}

fn count(rendered: &Rendered, kind: &str) -> usize {
    rendered.of_kind(kind).count()
}

fn default(rendered: &Rendered) -> Result<()> {
    let pod = rendered.pod()?;
    is(pod, "/spec/hostPID", &json!(true))?;
    is(pod, "/spec/hostNetwork", &Value::Null)?;
    is(pod, "/spec/automountServiceAccountToken", &json!(false))?;
    is(pod, "/spec/tolerations", &json!([{"operator": "Exists"}]))?;
    is(pod, "/spec/containers/0/image", &json!(format!("sensor:{}", env!("CARGO_PKG_VERSION"))))?;
    let paths: Vec<&str> =
        list(&pod["spec"]["volumes"]).iter().filter_map(|volume| volume["hostPath"]["path"].as_str()).collect();
    ensure!(paths == ["/var/lib/sensor"], "of the node only its state is mounted, not {paths:?}");
    for kind in ["Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "ServiceMonitor", "NetworkPolicy"] {
        ensure!(count(rendered, kind) == 0, "there is a {kind}");
    }
    Ok(())
}

fn minimal(rendered: &Rendered) -> Result<()> {
    let kinds: Vec<&str> = rendered.objects.iter().filter_map(|object| object["kind"].as_str()).collect();
    ensure!(kinds == ["ConfigMap", "DaemonSet"], "there are {kinds:?}");
    let container = rendered.container()?;
    is(container, "/livenessProbe", &Value::Null)?;
    is(container, "/ports", &Value::Null)?;
    is(rendered.pod()?, "/spec/serviceAccountName", &json!("default"))?;
    let mounted = list(&rendered.pod()?["spec"]["volumes"]).iter().any(|volume| volume.get("hostPath").is_some());
    ensure!(!mounted, "something of the node is mounted");
    ensure!(rendered.files().any(|(_, text)| text.contains("listen = \"off\"")), "metrics are not off");
    Ok(())
}

fn own_image(rendered: &Rendered) -> Result<()> {
    let digest = "2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae";
    let image = format!("images.example.org:5000/security/sensor@sha256:{digest}");
    is(rendered.container()?, "/image", &json!(image))?;
    is(rendered.container()?, "/imagePullPolicy", &json!("Always"))?;
    is(rendered.pod()?, "/spec/imagePullSecrets", &json!([{"name": "images.example.org"}]))
}

fn outputs(rendered: &Rendered) -> Result<()> {
    let mounts: Vec<&str> =
        list(&rendered.container()?["volumeMounts"]).iter().filter_map(|mount| mount["mountPath"].as_str()).collect();
    for path in ["/var/log/sensor", "/etc/sensor/catalogue.d", "/etc/sensor/secrets/sensor-nats"] {
        ensure!(mounts.contains(&path), "{path} is not mounted");
    }
    ensure!(rendered.files().any(|(name, _)| name == "shop.toml"), "the catalogue is not there");
    Ok(())
}

fn operator(rendered: &Rendered) -> Result<()> {
    ensure!(count(rendered, "ServiceMonitor") == 1, "there is no ServiceMonitor");
    for monitor in rendered.of_kind("ServiceMonitor") {
        is(monitor, "/metadata/labels/release", &json!("kube-prometheus-stack"))?;
        is(monitor, "/spec/endpoints/0/interval", &json!("15s"))?;
        // The rules ask for this job.
        is(monitor, "/spec/endpoints/0/relabelings/0/replacement", &json!("sensor"))?;
    }
    let groups = rendered.of_kind("PrometheusRule").flat_map(|rule| list(&rule["spec"]["groups"])).count();
    ensure!(groups > 0, "there are no rules");
    ensure!(rendered.files().any(|(_, text)| text.contains("listen = \"0.0.0.0:19842\"")), "the port is not set");
    is(rendered.container()?, "/ports/0/containerPort", &json!(19842))
}

fn placement(rendered: &Rendered) -> Result<()> {
    let pod = rendered.pod()?;
    is(pod, "/spec/tolerations/0/key", &json!("dedicated"))?;
    is(pod, "/spec/nodeSelector/role", &json!("web"))?;
    is(pod, "/spec/priorityClassName", &json!("security"))?;
    is(rendered.daemon_set()?, "/spec/updateStrategy", &json!({"type": "OnDelete"}))?;
    is(pod, "/spec/containers/0/securityContext/seLinuxOptions", &json!({"type": "spc_t"}))
}

fn everything(rendered: &Rendered) -> Result<()> {
    let dashboard = rendered.files().find(|(name, _)| *name == "sensor.json").map(|(_, text)| text);
    let dashboard: Value = serde_json::from_str(dashboard.unwrap_or_default()).context("the dashboard")?;
    ensure!(!list(&dashboard["panels"]).is_empty(), "the dashboard is empty");
    for kind in ["ServiceAccount", "Service", "ServiceMonitor", "PrometheusRule", "NetworkPolicy"] {
        ensure!(count(rendered, kind) == 1, "there is not one {kind}");
    }
    for object in &rendered.objects {
        is(object, "/metadata/labels/team", &json!("security"))?;
        is(object, "/metadata/labels/app.kubernetes.io~1name", &json!("sensor"))?;
    }
    is(rendered.pod()?, "/metadata/labels/tier", &json!("node"))?;
    is(rendered.container()?, "/env/0/name", &json!("RUST_LOG"))
}
