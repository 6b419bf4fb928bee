//! Which packages hold a path: 64-bit hashes of paths, sorted, with the number of a package each. Two paths with one
//! hash would be mixed up; that takes some 2^32 paths by accident, and who makes one on purpose writes the database.

use std::hash::{DefaultHasher, Hasher};

/// Most paths of one database.
pub const MAX_PATHS: usize = 1 << 20;
/// Most packages of one database.
pub const MAX_PACKAGES: usize = 65_536;

/// Longest path, as the kernel has it. Databases keep directory and name apart, so that one long directory could make any
/// number of long paths.
pub const MAX_PATH: usize = 4096;
/// Most packages of one path.
const MAX_HOLDERS: usize = 16;

/// A path's hash; without its first slash.
pub fn hash(path: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    hasher.write(plain(path));
    hasher.finish()
}

/// A path as databases spell it, without what it begins with: `/usr`, `./usr` and `usr` are one.
pub fn plain(path: &[u8]) -> &[u8] {
    let path = path.strip_prefix(b".").filter(|rest| rest.starts_with(b"/")).unwrap_or(path);
    let slashes = path.iter().take_while(|byte| **byte == b'/').count();
    &path[slashes..]
}

/// Collects paths.
#[derive(Default)]
pub struct Builder {
    entries: Vec<(u64, u32)>,
    /// Paths that did not fit.
    pub left_out: u64,
}

impl Builder {
    /// Adds a path of the package with that number.
    pub fn add(&mut self, path: &[u8], package: u32) {
        if self.entries.len() >= MAX_PATHS {
            self.left_out += 1;
        } else {
            self.entries.push((hash(path), package));
        }
    }

    /// Sorts.
    pub fn finish(mut self) -> PathIndex {
        self.entries.sort_unstable();
        self.entries.dedup();
        let hashes = self.entries.iter().map(|entry| entry.0).collect();
        let packages = self.entries.iter().map(|entry| entry.1).collect();
        PathIndex { hashes, packages }
    }
}

/// The finished index. Two lists instead of one of pairs, which would take a third more.
pub struct PathIndex {
    hashes: Vec<u64>,
    packages: Vec<u32>,
}

impl PathIndex {
    /// The numbers of the packages that hold a path, at most 16.
    pub fn holders(&self, path: &[u8]) -> &[u32] {
        let wanted = hash(path);
        let begin = self.hashes.partition_point(|one| *one < wanted);
        let count = self.hashes[begin..].iter().take(MAX_HOLDERS).take_while(|one| **one == wanted).count();
        &self.packages[begin..begin + count]
    }

    /// How many paths.
    pub fn len(&self) -> usize {
        self.hashes.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_find_their_packages_however_they_begin() {
        let mut builder = Builder::default();
        builder.add(b"/usr/bin/a", 3);
        builder.add(b"./usr/bin/a", 3);
        builder.add(b"usr/bin/a", 4);
        builder.add(b".hidden", 5);
        let index = builder.finish();
        assert_eq!(index.holders(b"usr/bin/a"), [3, 4]);
        assert_eq!(index.holders(b"/.hidden"), [5]);
        assert!(index.holders(b"hidden").is_empty());
        assert!(index.holders(b"").is_empty());
        assert_eq!(index.len(), 3);
    }
}
