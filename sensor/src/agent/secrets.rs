//! Files that the kernel is told of before anything happens: those with credentials, looked up where servers see them, so
//! that their reading is reported; and servers' programs, so that their start wakes the agent.
//!
//! Looked up when a server appears and every [`AGAIN`], because such files are replaced when they change. Bounds:
//! [`MAX_ROOTS`] file system roots each time, 256 files for each pattern.

use crate::catalogue::Catalogue;
use crate::kernel::Sensor;
use crate::procfs::{Place, Root, host_process};
use rustix::fs::OFlags;
use sensor_common::file::{FileKey, FileNote, notes};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// How often they are looked up again.
const AGAIN: Duration = Duration::from_secs(60);
/// Most roots that are looked through at once.
const MAX_ROOTS: usize = 64;
/// Most files that are not looked at twice.
const MAX_NOTED: usize = 4096;

/// What is noted.
#[derive(Default)]
pub struct Secrets {
    looked: Option<Instant>,
    noted: BTreeSet<(u64, u32)>,
}

impl Secrets {
    /// Notes the programs of servers that are installed here, whether they run or not.
    pub fn note_programs(sensor: &mut Sensor, catalogue: &Catalogue) {
        let Ok(root) = Root::of(Path::new("/proc"), host_process(Path::new("/proc"))) else { return };
        let patterns = catalogue.servers().flat_map(|kind| &kind.program.exe).map(|pattern| pattern.text.as_str());
        for pattern in patterns.filter(|text| text.starts_with('/') && !text.contains("**") && !text.contains('{')) {
            for path in root.matches(Path::new(pattern)) {
                if let Some(place) = regular(&root, &path) {
                    note(sensor, &place, notes::PROGRAM);
                }
            }
        }
    }

    /// A server appeared: they are to be looked up where it sees them.
    pub const fn soon(&mut self) {
        self.looked = None;
    }

    /// Whether they are to be looked up again.
    pub fn due(&self) -> bool {
        self.looked.is_none_or(|looked| looked.elapsed() >= AGAIN)
    }

    /// Looks them up as these processes see them; one of each mount namespace is enough. Files that are gone are noted no
    /// longer only by giving way in the kernel's map.
    pub fn look_up(&mut self, sensor: &mut Sensor, catalogue: &Catalogue, pids: impl Iterator<Item = u32>) {
        let begun = Instant::now();
        self.looked = Some(begun);
        let host = host_process(Path::new("/proc"));
        let mut seen = BTreeSet::new();
        let mut patterns: Vec<PathBuf> = Vec::new();
        for place in catalogue.secrets() {
            // What is meant at any depth cannot be looked up.
            patterns.extend((!place.pattern.text.contains("**")).then(|| PathBuf::from(&place.pattern.text)));
        }
        for pid in std::iter::once(host).chain(pids) {
            let namespace = std::fs::read_link(format!("/proc/{pid}/ns/mnt"));
            let root = std::fs::read_link(format!("/proc/{pid}/root"));
            let (Ok(namespace), Ok(root)) = (namespace, root) else { continue };
            if seen.len() >= MAX_ROOTS || !seen.insert((namespace, root)) {
                continue;
            }
            if let Ok(root) = Root::of(Path::new("/proc"), pid) {
                self.note_all(sensor, &root, &patterns);
            }
        }
        let (took, roots) = (begun.elapsed().as_micros(), seen.len());
        tracing::debug!(roots, microseconds = took, "looked for files with credentials");
    }

    fn note_all(&mut self, sensor: &mut Sensor, root: &Root, patterns: &[PathBuf]) {
        // Inode numbers are used again, and so are looked at again.
        if self.noted.len() > MAX_NOTED {
            self.noted.clear();
        }
        for path in patterns.iter().flat_map(|pattern| root.matches(pattern)) {
            let known = |place: &Place| self.noted.contains(&(place.statx.stx_ino, place.device));
            if let Some(place) = regular(root, &path).filter(|place| !known(place)) {
                self.noted.insert((place.statx.stx_ino, place.device));
                note(sensor, &place, notes::SECRET);
            }
        }
    }
}

fn regular(root: &Root, path: &Path) -> Option<Place> {
    const REGULAR: u16 = 0o100_000;
    let opened = root.open(path, OFlags::PATH).ok()?;
    let place = root.place(&opened, path).ok()?;
    (place.statx.stx_mode & 0o170_000 == REGULAR).then_some(place)
}

fn note(sensor: &mut Sensor, place: &Place, what: u32) {
    let key = FileKey { inode: place.statx.stx_ino, device: place.device, reserved: 0 };
    if let Err(error) = sensor.note_file(key, FileNote { what, ..FileNote::default() }) {
        tracing::warn!(path = %place.path, error = format!("{error:#}"), "the kernel was not told of a file");
    }
}
