//! A file of lines that begins anew when it is full: `alerts.ndjson`, before it `.1`, before that `.2` and so on.
//!
//! Always holds: a line is in the file in full or not at all, as far as the file can be cut after a failed write; a file that
//! failed, or was removed, is opened anew by its name. A file that was moved away is written to until [`Sink::reopen`].

use super::lines;
use super::message::{Message, Sink, Trouble, Undelivered};
use crate::config;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::PathBuf;

/// The file in use.
pub struct Rotated {
    settings: config::File,
    out: File,
    bytes: u64,
    failed: bool,
}

impl Rotated {
    /// Opens it for appending; makes its directory. Only the owner may read what it holds.
    pub fn open(settings: &config::File) -> io::Result<Self> {
        if let Some(directory) = settings.path.parent() {
            DirBuilder::new().recursive(true).mode(0o750).create(directory)?;
        }
        let out = OpenOptions::new().append(true).create(true).mode(0o640).open(&settings.path)?;
        let bytes = out.metadata()?.len();
        Ok(Self { settings: settings.clone(), out, bytes, failed: false })
    }

    fn rotate(&mut self) -> io::Result<()> {
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

    /// How many of these still fit; the first does if the file is empty.
    fn fitting(&self, batch: &[Message]) -> usize {
        let mut bytes = self.bytes;
        let fits = |message: &&Message| {
            let empty = bytes == 0;
            bytes += message.text.len() as u64;
            empty || bytes <= self.settings.max_bytes
        };
        batch.iter().take_while(fits).count()
    }

    /// Opens a file that failed or is gone anew; somebody may have emptied it.
    fn look(&mut self) -> io::Result<()> {
        let found = self.out.metadata()?;
        if self.failed || found.nlink() == 0 {
            *self = Self::open(&self.settings)?;
        } else {
            self.bytes = found.len();
        }
        Ok(())
    }

    /// Takes the beginning of a line away again. What is no regular file cannot be cut.
    fn cut(&self, bytes: usize) {
        if bytes > 0 && self.out.metadata().is_ok_and(|file| file.is_file()) {
            let cut = self.out.metadata().and_then(|file| self.out.set_len(file.len().saturating_sub(bytes as u64)));
            if let Err(error) = cut {
                tracing::warn!(%error, "{} has half a line", self.settings.path.display());
            }
        }
    }

    /// Gives how many were written in full.
    fn write(&mut self, batch: &[Message]) -> (usize, io::Result<()>) {
        let mut done = 0;
        if let Err(error) = self.look() {
            return (0, Err(error));
        }
        while done < batch.len() {
            let next = &batch[done..done + self.fitting(&batch[done..])];
            if next.is_empty() {
                if let Err(error) = self.rotate() {
                    return (done, Err(error));
                }
                continue;
            }
            let (progress, result) = lines::write(&mut self.out, next);
            done += progress.messages;
            self.bytes += progress.whole as u64;
            if result.is_err() {
                self.cut(progress.bytes - progress.whole);
                return (done, result);
            }
        }
        (done, Ok(()))
    }
}

impl Sink for Rotated {
    fn deliver(&mut self, batch: &[Message]) -> Result<(), Undelivered> {
        let (delivered, result) = self.write(batch);
        self.failed = result.is_err();
        result.map_err(|error| {
            let doing = format!("writing {}", self.settings.path.display());
            Undelivered { delivered, error: anyhow::Error::from(error).context(doing), kind: Trouble::Retry }
        })
    }

    fn reopen(&mut self) -> io::Result<()> {
        *self = Self::open(&self.settings)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Include;

    fn lines(texts: &[&str]) -> Vec<Message> {
        texts.iter().map(|text| Message { text: format!("{text}\n").into(), alert: None }).collect()
    }

    fn settings(path: &std::path::Path, max_bytes: u64, keep: u32) -> config::File {
        config::File { enabled: true, path: path.to_owned(), max_bytes, keep, include: Include::Alerts }
    }

    #[test]
    fn full_files_are_kept_up_to_a_number() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("new/alerts.ndjson");
        let mut file = Rotated::open(&settings(&path, 10, 2)).unwrap();
        file.deliver(&lines(&["one", "two", "three", "four", "five", "six", "seven"])).unwrap();
        let read = |suffix: &str| std::fs::read_to_string(format!("{}{suffix}", path.display())).unwrap();
        assert_eq!(read(""), "six\nseven\n");
        assert_eq!(read(".1"), "four\nfive\n");
        assert_eq!(read(".2"), "three\n");
        assert!(!directory.path().join("new/alerts.ndjson.3").exists());
    }

    #[test]
    fn a_line_longer_than_the_file_may_be_has_one_of_its_own() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.ndjson");
        let mut file = Rotated::open(&settings(&path, 4, 5)).unwrap();
        file.deliver(&lines(&["much too long", "a"])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "a\n");
    }

    #[test]
    fn a_file_that_was_removed_or_moved_is_opened_anew() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.ndjson");
        let mut file = Rotated::open(&settings(&path, 1000, 0)).unwrap();
        file.deliver(&lines(&["lost with the file"])).unwrap();
        std::fs::remove_file(&path).unwrap();
        file.deliver(&lines(&["one"])).unwrap();
        let moved = directory.path().join("moved");
        std::fs::rename(&path, &moved).unwrap();
        file.deliver(&lines(&["two"])).unwrap();
        file.reopen().unwrap();
        file.deliver(&lines(&["three"])).unwrap();
        assert_eq!(std::fs::read_to_string(&moved).unwrap(), "one\ntwo\n");
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "three\n");
    }

    #[test]
    fn a_full_disk_is_tried_again_by_name() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("alerts.ndjson");
        std::os::unix::fs::symlink("/dev/full", &path).unwrap();
        let mut file = Rotated::open(&settings(&path, 1000, 0)).unwrap();
        let undelivered = file.deliver(&lines(&["one", "two"])).unwrap_err();
        assert_eq!((undelivered.delivered, undelivered.kind), (0, Trouble::Retry));
        assert!(format!("{:#}", undelivered.error).contains("No space left"), "{:#}", undelivered.error);
        std::fs::remove_file(&path).unwrap();
        file.deliver(&lines(&["one", "two"])).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\ntwo\n");
    }
}
