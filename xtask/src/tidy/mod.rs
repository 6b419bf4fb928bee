//! Rules of ARCHITECTURE.md that a program can check; it names the file, the line and the rule.
//!
//! It looks at text from which comments and strings were removed ([`source`]): enough for these rules, and no compiler
//! is needed. What it does not see: names that a macro makes.

mod rules;
mod source;

use crate::workspace;
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};

/// Checks the tree and prints every problem.
pub fn run() -> Result<()> {
    let mut files = Vec::new();
    collect(workspace::root(), &mut files)?;
    let mut problems = Vec::new();
    for path in &files {
        let bytes = std::fs::read(path).with_context(|| path.display().to_string())?;
        // What is not text has no rules.
        let Ok(text) = String::from_utf8(bytes) else {
            continue;
        };
        let name = path.strip_prefix(workspace::root())?.to_string_lossy();
        rules::check(&name, &text, &mut problems);
    }
    for problem in &problems {
        println!("{problem}");
    }
    if !problems.is_empty() {
        bail!("tidy: {} problems", problems.len());
    }
    println!("tidy: {} files, no problems", files.len());
    Ok(())
}

/// Every file of the source tree; nothing that was made or belongs to a tool.
fn collect(directory: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let mut entries: Vec<_> = std::fs::read_dir(directory)?.collect::<Result<_, _>>()?;
    entries.sort_by_key(std::fs::DirEntry::file_name);
    for entry in entries {
        let path = entry.path();
        let kind = entry.file_type()?;
        if kind.is_dir() {
            if !matches!(entry.file_name().to_str(), Some("target" | ".git" | "node_modules")) {
                collect(&path, files)?;
            }
        } else if kind.is_file() {
            files.push(path);
        }
    }
    Ok(())
}
