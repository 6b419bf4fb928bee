//! What survives a restart: rows of the store, as records for the core, and back.
//!
//! A file is known by device and inode, and device numbers hold for one boot: what the ledger kept is looked up again by
//! its path. What stands there now with the same inode is the same file; what cannot be found is left out.

use crate::event::{Body, Memory, Remembered};
use crate::ledger::Entry;
use crate::procfs::{Root, host_process};
use crate::store::{Row, RowKind, Store};
use rustix::fs::OFlags;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Keeps something, or keeps it no longer (`value` none).
pub fn keep(store: &Store, kind: Memory, key: String, value: Option<String>) {
    let kind = match kind {
        Memory::Ledger => RowKind::Ledger,
        Memory::Baseline => RowKind::Baseline,
    };
    match value {
        Some(value) => store.put(Row { kind, key, value }),
        None => store.remove(kind, &key),
    }
}

/// What was kept, as bodies of events. Rows that do not hold any more are removed.
pub fn restore(store: &Store, rows: Vec<Row>, boot_unix_s: u64) -> Vec<Body> {
    let proc_root = Path::new("/proc");
    let root = Root::of(proc_root, host_process(proc_root)).ok();
    let mut bodies = Vec::with_capacity(rows.len());
    for row in rows {
        let Row { kind, key, value } = row;
        let value = match kind {
            RowKind::Baseline => Some((Memory::Baseline, value)),
            RowKind::Ledger => entry(&value, root.as_ref(), boot_unix_s).map(|value| (Memory::Ledger, value)),
        };
        match value {
            Some((kind, value)) => bodies.push(Body::Remembered(Box::new(Remembered { kind, key, value }))),
            None => store.remove(kind, &key),
        }
    }
    bodies
}

/// An entry of the ledger with the numbers of this boot.
fn entry(value: &str, root: Option<&Root>, boot_unix_s: u64) -> Option<String> {
    let mut entry: Entry = serde_json::from_str(value).ok()?;
    let path = Path::new(OsStr::from_bytes(&entry.path));
    let place = root.and_then(|root| {
        let opened = root.open(path, OFlags::PATH).ok()?;
        root.place(&opened, path).ok()
    });
    // Clocks are set: the same boot may seem some seconds off.
    let same_boot = entry.boot_unix_s.abs_diff(boot_unix_s) < 60;
    match place {
        Some(place) if place.statx.stx_ino == entry.inode => {
            entry.device = place.device;
            entry.boot_unix_s = boot_unix_s;
            serde_json::to_string(&entry).ok()
        }
        // Another file stands there.
        Some(_) => None,
        // It is gone, or it is a container's path that nobody here sees.
        None => {
            let seen = path.parent().zip(root).is_some_and(|(parent, root)| root.open(parent, OFlags::PATH).is_ok());
            (same_boot && !seen).then(|| value.to_owned())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::{Class, Writer};
    use std::os::unix::fs::MetadataExt;

    fn kept(path: &Path, inode: u64, boot_unix_s: u64) -> String {
        let entry = Entry {
            path: path.as_os_str().as_bytes().into(),
            device: 7,
            inode,
            generation: 0,
            class: Class::Dropped,
            component: None,
            writer: Writer::default(),
            lineage: 0,
            written_unix_ns: 1,
            incident: None,
            boot_unix_s,
        };
        serde_json::to_string(&entry).unwrap()
    }

    /// What is left of an entry of an earlier boot, or of this one.
    fn left(path: &Path, inode: u64, same_boot: bool) -> Option<Entry> {
        let root = Root::of(Path::new("/proc"), std::process::id()).ok();
        let boot = if same_boot { 1_000_000 } else { 500_000 };
        let value = entry(&kept(path, inode, boot), root.as_ref(), 1_000_000)?;
        Some(serde_json::from_str(&value).unwrap())
    }

    #[test]
    fn a_file_is_known_again_after_a_restart_of_the_machine_under_its_new_device() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("dropped.php");
        std::fs::write(&file, "x").unwrap();
        let inode = std::fs::metadata(&file).unwrap().ino();
        let again = left(&file, inode, false).unwrap();
        assert!(again.device != 7 && again.inode == inode && again.boot_unix_s == 1_000_000);
    }

    #[test]
    fn what_is_gone_or_another_file_is_forgotten() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("dropped.php");
        assert_eq!(left(&file, 5, true), None, "its directory is there, and it is not");
        std::fs::write(&file, "x").unwrap();
        let inode = std::fs::metadata(&file).unwrap().ino();
        assert_eq!(left(&file, inode + 1, true), None, "another file");
        assert_eq!(left(&file, inode + 1, false), None);
    }

    #[test]
    fn a_path_that_only_a_container_sees_is_kept_for_this_boot() {
        let unseen = Path::new("/no-such-directory-here/app/x.php");
        assert!(left(unseen, 5, true).is_some_and(|entry| entry.device == 7));
        assert_eq!(left(unseen, 5, false), None);
    }
}
