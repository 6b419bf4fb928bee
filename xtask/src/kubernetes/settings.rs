//! The rendered `sensor.toml`, asked of the sensor itself: `sensor check` names what is wrong with it.

use super::chart::{self, Rendered};
use crate::setup::kubernetes::Tools;
use crate::{command, workspace};
use anyhow::{Context, Result, bail, ensure};
use serde_json::Value;
use std::path::Path;
use std::process::Command;

/// Fails if the sensor refuses the configuration or the catalogue.
pub fn accepted(rendered: &Rendered) -> Result<()> {
    let problems = problems(rendered)?;
    ensure!(problems.is_empty(), "the sensor refuses the configuration: {}", problems.join("; "));
    Ok(())
}

/// Values that Helm cannot know to be wrong, and words that the sensor must then say.
const WRONG: &[(&str, &str)] = &[
    (r#"config.kernel={"process_ring_bytes":5000000}"#, "kernel.process_ring_bytes"),
    (r#"config.exception=[{"detector":"server-shel","reason":"x","exe":"/bin/sh"}]"#, "server-shell"),
    (r#"config.exception=[{"detector":"server-shell","reason":"x"}]"#, "exception[0]"),
    (r#"config.exception=[{"detector":"server-shell","exe":"/bin/sh","reason":"x","expires":"soon"}]"#, "expires"),
    (r#"catalogue={"shop.toml":"[[server]]\nid = \"shop\"\n"}"#, "shop.toml"),
];

/// Each wrong value is named by the sensor.
pub fn refused(tools: &Tools) -> Result<String> {
    for (value, word) in WRONG {
        let problems = problems(&Rendered::of(tools, &mut chart::template(tools, &[], &[value]))?)?;
        ensure!(problems.iter().any(|said| said.contains(word)), "{value}: the sensor says {problems:?}, not {word}");
    }
    Ok(format!("{} wrong settings", WRONG.len()))
}

/// What `sensor check` has against the files of the ConfigMaps, put where they can be read.
fn problems(rendered: &Rendered) -> Result<Vec<String>> {
    let directory = tempfile::tempdir()?;
    let catalogue = directory.path().join("catalogue.d");
    std::fs::create_dir(&catalogue)?;
    let mut config = None;
    for (name, text) in rendered.files().filter(|(name, _)| Path::new(name).extension() == Some("toml".as_ref())) {
        let file = if name == "sensor.toml" { directory.path().join(name) } else { catalogue.join(name) };
        std::fs::write(&file, text)?;
        config = config.or((name == "sensor.toml").then_some(file));
    }
    let config = config.context("no sensor.toml was rendered")?;
    let mut check = without_privileges();
    check.args(["check", "--json", "--config"]).arg(config);
    check.arg("--set").arg(format!("catalogue.extra=[{:?}]", catalogue.display().to_string()));
    // Whether the hooks can be had is not the question here: its exit code is not looked at.
    let output = check.output().context("starting sensor check")?;
    let Ok(findings) = serde_json::from_slice::<Value>(&output.stdout) else {
        bail!("sensor check says nothing: {}", String::from_utf8_lossy(&output.stderr).trim());
    };
    let problems = findings["config_problems"].as_array().context("sensor check names no config_problems")?;
    Ok(problems.iter().map(|problem| problem.as_str().unwrap_or_default().to_owned()).collect())
}

/// The sensor without the means to load anything, which would take it seconds each time.
fn without_privileges() -> Command {
    if !command::is_root() {
        return command::command(workspace::installed_sensor());
    }
    let mut setpriv = command::command("setpriv");
    setpriv.args(["--bounding-set=-all", "--inh-caps=-all", "--"]).arg(workspace::installed_sensor());
    setpriv
}
