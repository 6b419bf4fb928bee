//! A file of lines that begins anew when it is full: `alerts.ndjson`, before it `.1`, before that `.2` and so on.

use super::Sink;
use crate::config;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

/// The file in use.
pub struct Rotated {
    settings: config::File,
    out: BufWriter<File>,
    bytes: u64,
}

impl Rotated {
    /// Opens it for appending; makes its directory. Only the owner may read what it holds.
    pub fn open(settings: &config::File) -> io::Result<Self> {
        if let Some(directory) = settings.path.parent() {
            DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
        }
        let file = OpenOptions::new().append(true).create(true).mode(0o640).open(&settings.path)?;
        let bytes = file.metadata()?.len();
        Ok(Self { settings: settings.clone(), out: BufWriter::new(file), bytes })
    }

    fn rotate(&mut self) -> io::Result<()> {
        self.out.flush()?;
        for number in (1..self.settings.keep).rev() {
            let from = self.older(number);
            if from.exists() {
                std::fs::rename(from, self.older(number + 1))?;
            }
        }
        if self.settings.keep > 0 {
            std::fs::rename(&self.settings.path, self.older(1))?;
        } else {
            std::fs::remove_file(&self.settings.path)?;
        }
        *self = Self::open(&self.settings)?;
        Ok(())
    }

    fn older(&self, number: u32) -> PathBuf {
        let mut name = self.settings.path.clone().into_os_string();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    }
}

impl Sink for Rotated {
    fn write(&mut self, text: &str) -> io::Result<()> {
        if self.bytes > 0 && self.bytes + text.len() as u64 > self.settings.max_bytes {
            self.rotate()?;
        }
        self.out.write_all(text.as_bytes())?;
        self.bytes += text.len() as u64;
        Ok(())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }

    fn reopen(&mut self) -> io::Result<()> {
        self.out.flush()?;
        *self = Self::open(&self.settings)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Include;

    #[test]
    fn full_files_are_kept_up_to_a_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/alerts.ndjson");
        let settings =
            config::File { enabled: true, path: path.clone(), max_bytes: 10, keep: 2, include: Include::Alerts };
        let mut file = Rotated::open(&settings).unwrap();
        for line in ["one\n", "two\n", "three\n", "four\n", "five\n", "six\n", "seven\n"] {
            file.write(line).unwrap();
        }
        file.flush().unwrap();
        let read = |suffix: &str| std::fs::read_to_string(format!("{}{suffix}", path.display())).unwrap();
        assert_eq!(read(""), "six\nseven\n");
        assert_eq!(read(".1"), "four\nfive\n");
        assert_eq!(read(".2"), "three\n");
        assert!(!directory.path().join("new/alerts.ndjson.3").exists());
    }
}
