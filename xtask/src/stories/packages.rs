//! A package database as dpkg keeps it, so that a story's old files belong to a package.
//!
//! What a distribution would have put there is packaged: what lies below `/usr` and not below `/usr/local`, with digests,
//! and what lies in `/etc` as configuration files.

use anyhow::Result;
use md5::{Digest, Md5};
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// The package that holds what belongs to no other.
const REST: &str = "distribution";

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing into a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Files and their digests, by package.
#[derive(Default)]
pub struct Packages {
    digests: BTreeMap<String, BTreeMap<String, String>>,
    /// Digests by inode: most programs are links of one file.
    known: BTreeMap<u64, String>,
}

impl Packages {
    /// Takes a file in, if a distribution would have put it there; `at` is where it is now.
    pub fn add(&mut self, package: Option<&str>, path: &str, at: &Path) -> Result<()> {
        let in_distribution = path.starts_with("/usr/") && !path.starts_with("/usr/local/");
        if !in_distribution && !path.starts_with("/etc/") {
            return Ok(());
        }
        let inode = fs::metadata(at)?.ino();
        let digest = match self.known.get(&inode) {
            Some(digest) => digest.clone(),
            None => hexadecimal(&Md5::digest(fs::read(at)?)),
        };
        self.known.insert(inode, digest.clone());
        self.digests.entry(package.unwrap_or(REST).to_owned()).or_default().insert(path.to_owned(), digest);
        Ok(())
    }

    /// Writes the database below `root`.
    pub fn write(&self, root: &Path) -> Result<()> {
        let directory = root.join("var/lib/dpkg");
        fs::create_dir_all(directory.join("info"))?;
        let mut status = String::new();
        for (package, digests) in &self.digests {
            let (mut list, mut sums, mut configuration) = (String::from("/.\n"), String::new(), String::new());
            for (path, digest) in digests {
                writeln!(list, "{path}")?;
                if path.starts_with("/etc/") {
                    writeln!(configuration, " {path} {digest}")?;
                } else {
                    writeln!(sums, "{digest}  {}", path.trim_start_matches('/'))?;
                }
            }
            fs::write(directory.join("info").join(format!("{package}.list")), list)?;
            fs::write(directory.join("info").join(format!("{package}.md5sums")), sums)?;
            let conffiles =
                if configuration.is_empty() { String::new() } else { format!("Conffiles:\n{configuration}") };
            write!(
                status,
                "Package: {package}\nStatus: install ok installed\nMaintainer: nobody <nobody@example.org>\n\
                 Architecture: amd64\nVersion: 1.0\n{conffiles}Description: what a story finds installed\n\n"
            )?;
        }
        fs::write(directory.join("status"), status)?;
        Ok(())
    }
}
