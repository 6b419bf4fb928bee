//! Values that Helm itself must refuse, by the chart's schema or its templates, and the words with which it does.

use super::chart;
use crate::command;
use crate::setup::kubernetes::Tools;
use anyhow::{Result, bail, ensure};

const WRONG: &[(&str, &str)] = &[
    (r#"imagee={"tag":"1"}"#, "additional properties 'imagee' not allowed"),
    (r#"image.tagg="1""#, "additional properties 'tagg' not allowed"),
    (r#"image.tag="1 2""#, "/image/tag"),
    (r#"image.digest="sha256:1234""#, "/image/digest"),
    (r#"image.pullPolicy="Sometimes""#, "value must be one of 'IfNotPresent', 'Always', 'Never'"),
    ("imagePullSecrets=[\"one\"]", "/imagePullSecrets/0"),
    ("metrics.port=80", "/metrics/port"),
    (r#"metrics.port="9842""#, "got string, want integer"),
    (r#"metrics.serviceMonitor.interval="15 seconds""#, "/metrics/serviceMonitor/interval"),
    (r#"state.type="disk""#, "value must be one of 'hostPath', 'emptyDir'"),
    (r#"state.hostPath="var/lib/sensor""#, "/state/hostPath"),
    (r#"seccompProfile={"type":"Localhost"}"#, "missing property 'localhostProfile'"),
    (r#"resources={"limit":{"memory":"1Gi"}}"#, "additional properties 'limit' not allowed"),
    (r#"resources={"limits":{"memory":"lots"}}"#, "/resources/limits/memory"),
    (r#"catalogue={"shop.yaml":"x"}"#, "shop.yaml"),
    ("terminationGracePeriodSeconds=1", "/terminationGracePeriodSeconds"),
    (r#"updateStrategy={"type":"Recreate"}"#, "value must be one of 'RollingUpdate', 'OnDelete'"),
    (r#"config.metrics={"listen":"0.0.0.0:1"}"#, "say metrics.port, or metrics.enabled: false"),
    ("config=null", "missing property 'config'"),
    (r#"metrics={"serviceMonitor":{"enabled":true},"service":{"enabled":false}}"#, "it scrapes that Service's pods"),
];

/// Each is refused, and the message says where and why.
pub fn run(tools: &Tools) -> Result<String> {
    for (value, words) in WRONG {
        match command::output(&mut chart::template(tools, &[], &[value])) {
            Ok(_) => bail!("{value} was taken"),
            Err(error) => ensure!(format!("{error:#}").contains(words), "{value}: {error:#}\nwhich lacks: {words}"),
        }
    }
    Ok(format!("{} wrong values", WRONG.len()))
}
