//! Whatever name a component is written by, the alert names the real file.

use super::lab::{Lab, text};
use super::{Run, Scenario};
use anyhow::{Result, bail};

pub const SCENARIOS: &[Scenario] = &[
    Scenario { name: "write-plainly", run: Run::Shared(|lab| written(lab, "plainly")) },
    Scenario { name: "write-symlinked-directory", run: Run::Shared(|lab| written(lab, "symlinked-directory")) },
    Scenario { name: "write-bind-mount", run: Run::Shared(|lab| written(lab, "bind-mount")) },
    Scenario { name: "write-mount-namespace", run: Run::Shared(|lab| written(lab, "mount-namespace")) },
    Scenario { name: "write-hard-link", run: Run::Shared(|lab| written(lab, "hard-link")) },
    Scenario { name: "write-rename", run: Run::Shared(|lab| written(lab, "rename")) },
    Scenario { name: "write-symlink", run: Run::Shared(|lab| written(lab, "symlink")) },
    Scenario { name: "write-dirfd", run: Run::Shared(|lab| written(lab, "dirfd")) },
    Scenario { name: "write-openat2-beneath", run: Run::Shared(|lab| written(lab, "openat2-beneath")) },
    Scenario { name: "write-rewritten-path", run: Run::Shared(rewritten) },
    Scenario { name: "write-no-component", run: Run::Shared(no_component) },
];

fn written(lab: &mut Lab, how: &str) -> Result<String> {
    let name = format!("{how}.php");
    let server = lab.play("write", &[how, &name])?;
    if matches!(how, "hard-link" | "rename" | "symlink") && lab.logged("fanotify cannot watch this directory") {
        return Ok("not seen: no marks on this kernel's tmpfs, and the sensor says so".to_owned());
    }
    let alert = lab.expect(server, "component-write", 1)?.remove(0);
    let real = text(&lab.place.path("www").join(&name));
    if alert["file"]["path"] != real.as_str() {
        bail!("file.path is {} instead of {real}", alert["file"]["path"]);
    }
    if alert["process"]["pid"] != server {
        bail!("process.pid is {} instead of {server}", alert["process"]["pid"]);
    }
    Ok(format!("{} by {}", alert["event"]["action"].as_str().unwrap_or_default(), alert["sensor"]["hook"]))
}

/// A second thread rewrites the path during the calls: what is reported is what was made, no more and no less.
fn rewritten(lab: &mut Lab) -> Result<String> {
    let name = "rewritten.php";
    let server = lab.play("write", &["rewritten-open", name])?;
    let real = lab.place.path("www").join(name);
    let made = usize::from(real.exists());
    let alerts = lab.expect(server, "component-write", made)?;
    if let Some(alert) = alerts.iter().find(|alert| alert["file"]["path"] != text(&real).as_str()) {
        bail!("file.path is {}", alert["file"]["path"]);
    }
    Ok(format!("{made} file was made and reported"))
}

fn no_component(lab: &mut Lab) -> Result<String> {
    let server = lab.play("write", &["plainly", "picture.jpg"])?;
    lab.expect(server, "component-write", 0)?;
    Ok(String::new())
}
