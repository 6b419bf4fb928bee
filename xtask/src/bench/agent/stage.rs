//! A directory with what the measurements need: small programs, and a server of our own that the catalogue names.

use crate::agent::Agent;
use crate::bench::load::Programs;
use crate::{command, workspace};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::process::Stdio;

/// The directory; removed at the end.
pub struct Stage {
    directory: PathBuf,
    /// Small programs; `tiny` is one that our server normally starts.
    pub programs: Programs,
}

impl Stage {
    /// Makes it.
    pub fn new() -> Result<Self> {
        let directory = std::env::temp_dir().join(format!("sensor-bench-agent-{}", std::process::id()));
        for name in ["www", "catalogue", "programs"] {
            std::fs::create_dir_all(directory.join(name)).with_context(|| directory.display().to_string())?;
        }
        let programs = Programs::new(&directory.join("programs"))?;
        let stage = Self { directory, programs };
        std::fs::copy(command::myself()?, stage.server()).context("copying this program")?;
        let text = format!(
            "[[server]]\nid = \"bench-server\"\nroles = [\"app\"]\nexe = [{server:?}]\nexec_policy = \"never\"\n\
             [[server.component]]\npath = {www:?}\nkind = \"script_docroot\"\n\
             [[server.normal_child]]\nexe = [{tiny:?}]\nargs = [\"tiny\"]\nreason = \"a benchmark\"\n",
            server = stage.server().display().to_string(),
            www = stage.www().display().to_string(),
            tiny = stage.programs.tiny.display().to_string(),
        );
        std::fs::write(stage.directory.join("catalogue/bench.toml"), text)?;
        Ok(stage)
    }

    /// Our server: a copy of this program.
    pub fn server(&self) -> PathBuf {
        self.directory.join("bench-server")
    }

    /// From where it loads pages.
    pub fn www(&self) -> PathBuf {
        self.directory.join("www")
    }

    /// Where everything is.
    pub fn path(&self) -> &Path {
        &self.directory
    }

    /// Starts the sensor, which knows our server.
    pub fn agent(&self, out: Stdio) -> Result<Agent> {
        Agent::start(&workspace::sensor(), &self.directory, &self.settings(), out)
    }

    /// With which the sensor knows our server.
    pub fn settings(&self) -> [String; 2] {
        let catalogue = self.directory.join("catalogue").display().to_string();
        ["output.stdout.format=\"json\"".to_owned(), format!("catalogue.extra=[{catalogue:?}]")]
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What cannot be removed is in the temporary directory.
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}
