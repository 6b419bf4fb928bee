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
    Scenario { name: "write-io-uring", run: Run::Shared(|lab| written(lab, "io-uring")) },
    Scenario { name: "write-rewritten-path", run: Run::Shared(|lab| rewritten(lab, "rewritten-open")) },
    Scenario { name: "rename-rewritten-path", run: Run::Shared(|lab| rewritten(lab, "rewritten-rename")) },
    Scenario { name: "write-new-directory", run: Run::Shared(|lab| written(lab, "new-directory")) },
    Scenario { name: "write-after-restart", run: Run::Shared(after_restart) },
    Scenario { name: "write-no-component", run: Run::Shared(no_component) },
];

/// What a kernel cannot do is passed over where the sensor says that it cannot.
const UNMARKED: &str = "not seen: no marks on this kernel's tmpfs, and the sensor says so";

fn written(lab: &mut Lab, how: &str) -> Result<String> {
    let name = if how == "new-directory" { "new/deeper/file.php".to_owned() } else { format!("{how}.php") };
    written_as(lab, how, &name)
}

fn written_as(lab: &mut Lab, how: &str, name: &str) -> Result<String> {
    let server = lab.play("write", &[how, name])?;
    if matches!(how, "hard-link" | "rename" | "symlink" | "io-uring") && lab.cannot_mark() {
        return Ok(UNMARKED.to_owned());
    }
    let alert = lab.expect(server, "component-write", 1)?.remove(0);
    let real = text(&lab.place.path("www").join(name));
    if alert["file"]["path"] != real.as_str() {
        bail!("file.path is {} instead of {real}", alert["file"]["path"]);
    }
    if alert["process"]["pid"] != server {
        bail!("process.pid is {} instead of {server}", alert["process"]["pid"]);
    }
    Ok(format!("{} by {}", alert["event"]["action"].as_str().unwrap_or_default(), alert["sensor"]["hook"]))
}

/// A second thread rewrites the path during the calls: what is reported is what was made, no more and no less.
fn rewritten(lab: &mut Lab, how: &str) -> Result<String> {
    let name = format!("{how}.php");
    let server = lab.play("write", &[how, &name])?;
    let real = lab.place.path("www").join(name);
    if !real.exists() {
        bail!("not one of the calls met the path in the component directory");
    }
    if how == "rewritten-rename" && lab.cannot_mark() {
        return Ok(UNMARKED.to_owned());
    }
    let alert = lab.expect(server, "component-write", 1)?.remove(0);
    if alert["file"]["path"] != text(&real).as_str() {
        bail!("file.path is {}", alert["file"]["path"]);
    }
    Ok(format!("{} by {}", alert["event"]["action"].as_str().unwrap_or_default(), alert["sensor"]["hook"]))
}

/// The process that a directory was watched for first has ended: new directories in it are still seen.
fn after_restart(lab: &mut Lab) -> Result<String> {
    lab.restart_resident()?;
    // Another name than before: the same file written again is no news.
    written_as(lab, "new-directory", "later/deeper/file.php")
}

fn no_component(lab: &mut Lab) -> Result<String> {
    let server = lab.play("write", &["plainly", "picture.jpg"])?;
    lab.expect(server, "component-write", 0)?;
    Ok(String::new())
}
