//! Catalogues and configurations of any size.

use crate::workspace;
use anyhow::{Context, Result};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use toml::{Table, Value};

/// A configuration in a directory of its own, which is removed when it is dropped.
pub struct Configuration {
    directory: PathBuf,
}

impl Configuration {
    /// With the shipped catalogue so many times, each copy with names of its own, and so many exceptions.
    pub fn write(name: &str, catalogues: u32, exceptions: u32) -> Result<Self> {
        let directory = workspace::target().join(format!("bench/growth-{name}"));
        std::fs::create_dir_all(&directory)?;
        let made = Self { directory };
        let extra = made.directory.join("catalogue");
        std::fs::create_dir_all(&extra)?;
        for copy in 1..catalogues {
            copy_catalogue(copy, &extra)?;
        }
        let mut text = format!("[catalogue]\nextra = [{:?}]\n", extra.display().to_string());
        for number in 0..exceptions {
            exception(&mut text, number)?;
        }
        std::fs::write(made.file(), text)?;
        Ok(made)
    }

    /// The file.
    pub fn file(&self) -> PathBuf {
        self.directory.join("sensor.toml")
    }
}

impl Drop for Configuration {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

/// What operators write: a detector, a server, a command or a path. None covers what the capture's attacks do.
fn exception(text: &mut String, number: u32) -> Result<()> {
    let (detector, what) = match number % 4 {
        0 => ("server-shell", format!("args = \"sh -c /opt/job{number} *\"")),
        1 => ("component-write", format!("path = \"/var/www/site{number}/cache/*\"")),
        2 => ("new-ancestry", format!("exe = \"/usr/bin/tool{number}\"")),
        _ => ("credential-access", format!("path = \"/etc/secret{number}/*\"")),
    };
    write!(text, "\n[[exception]]\ndetector = {detector:?}\nserver = \"php-fpm\"\n{what}\nreason = \"growth\"\n")?;
    Ok(())
}

fn copy_catalogue(copy: u32, to: &Path) -> Result<()> {
    let shipped = workspace::root().join("sensor/catalogue");
    for file in std::fs::read_dir(&shipped).with_context(|| shipped.display().to_string())? {
        let file = file?;
        let text = std::fs::read_to_string(file.path())?;
        let mut table: Table = text.parse().with_context(|| file.path().display().to_string())?;
        for (_, value) in &mut table {
            rename(value, None, copy);
        }
        let name = format!("{copy:03}-{}", file.file_name().to_string_lossy());
        std::fs::write(to.join(name), toml::to_string(&table)?)?;
    }
    Ok(())
}

/// Gives ids, programs and paths names that nothing else has.
fn rename(value: &mut Value, key: Option<&str>, copy: u32) {
    match value {
        Value::Table(table) => {
            for (key, value) in table.iter_mut() {
                rename(value, Some(key), copy);
            }
        }
        Value::Array(values) => {
            for value in values {
                rename(value, key, copy);
            }
        }
        Value::String(text) if key == Some("id") => *text = format!("{text}-{copy}"),
        Value::String(text) if matches!(key, Some("exe" | "path" | "own" | "own_secrets")) => {
            *text = renamed(text, copy);
        }
        _ => {}
    }
}

/// Another name for the last one that is all letters: `/usr/sbin/nginx` becomes `/usr/sbin/c7nginx`, which lies in the same
/// directory.
fn renamed(path: &str, copy: u32) -> String {
    let mut names: Vec<String> = path.split('/').map(str::to_owned).collect();
    let plain =
        |name: &&mut String| name.starts_with(|first: char| first.is_ascii_alphanumeric()) && !name.contains('}');
    if let Some(name) = names.iter_mut().rev().find(plain) {
        *name = format!("c{copy}{name}");
    }
    names.join("/")
}

#[cfg(test)]
mod tests {
    use super::renamed;

    #[test]
    fn a_copy_lies_beside_what_it_is_of() {
        for (path, expected) in [
            ("/usr/sbin/nginx", "/usr/sbin/c7nginx"),
            ("/usr/sbin/php-fpm*", "/usr/sbin/c7php-fpm*"),
            ("*/bin/java", "*/bin/c7java"),
            ("**/wp-content/uploads/**", "**/wp-content/c7uploads/**"),
            ("/etc/{ssl,pki}/**", "/c7etc/{ssl,pki}/**"),
            ("/usr/bin/{node,bun}", "/usr/c7bin/{node,bun}"),
        ] {
            assert_eq!(renamed(path, 7), expected);
        }
    }
}
