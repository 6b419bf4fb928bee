//! Directories that are links to others: with a merged `/usr`, `/lib` is `/usr/lib`, and databases use either name.

use super::index::plain;
use crate::procfs::Root;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// What distributions have made links of.
const DIRECTORIES: &[&str] =
    &["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/usr/sbin", "/usr/lib64", "/var/run", "/var/lock"];

/// The links of one root.
#[derive(Default)]
pub struct Aliases {
    /// Link and where it leads, without the first slash.
    pairs: Vec<(Vec<u8>, Vec<u8>)>,
}

impl Aliases {
    /// Those of a root as it is now.
    pub fn of(root: &Root) -> Self {
        let pair = |link: &&str| {
            let place = root.directory(Path::new(link)).ok()?;
            let real = plain(place.in_root.as_os_str().as_bytes()).to_vec();
            let link = plain(link.as_bytes()).to_vec();
            (real != link && !real.is_empty()).then_some((link, real))
        };
        Self { pairs: DIRECTORIES.iter().filter_map(pair).collect() }
    }

    /// A path in all its spellings, itself first.
    pub fn spellings(&self, path: &[u8]) -> Vec<Vec<u8>> {
        let path = plain(path);
        let mut all = vec![path.to_vec()];
        for (link, real) in &self.pairs {
            for (from, to) in [(real, link), (link, real)] {
                let rest = path.strip_prefix(from.as_slice()).filter(|rest| rest.starts_with(b"/"));
                if let Some(rest) = rest {
                    let other = [to.as_slice(), rest].concat();
                    if !all.contains(&other) {
                        all.push(other);
                    }
                }
            }
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_and_whole_names_only() {
        let aliases = Aliases { pairs: vec![(b"lib".to_vec(), b"usr/lib".to_vec())] };
        assert_eq!(aliases.spellings(b"/usr/lib/a"), [b"usr/lib/a".to_vec(), b"lib/a".to_vec()]);
        assert_eq!(aliases.spellings(b"/lib/a"), [b"lib/a".to_vec(), b"usr/lib/a".to_vec()]);
        assert_eq!(aliases.spellings(b"/usr/lib64/a").len(), 1);
    }
}
