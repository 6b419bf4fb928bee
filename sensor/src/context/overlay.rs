//! Whether a file on an overlay is in its upper layer.
//!
//! The mount's options name the upper directory as whoever mounted it saw it, which is the host; so it is looked for
//! below the host's root, and the file in it. The size and times must be the same, or it is not that directory. A
//! directory is in the upper layer as soon as anything in it is.

use crate::procfs::Root;
use bstr::{BString, ByteSlice};
use rustix::fs::{AtFlags, Mode, OFlags, ResolveFlags, Statx, StatxFlags};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Longest list of mounts that is read, in bytes.
const MAX_MOUNTINFO: u64 = 16 << 20;

/// What a line of mountinfo says of an overlay.
#[derive(Debug, PartialEq, Eq)]
struct Overlay {
    /// Which directory of the overlay is mounted.
    root: BString,
    /// Where.
    point: BString,
    /// `None` if it is read-only.
    upper: Option<BString>,
}

/// Whether a file is in the upper layer. `process` is its directory in procfs, `path` is below its root, links resolved.
pub fn upper_layer(process: &Path, host: Option<&Root>, path: &Path, statx: &Statx) -> Option<bool> {
    let text = read(&process.join("mountinfo"))?;
    let overlay = text.lines().find_map(|line| parse(line, statx.stx_mnt_id))?;
    let Some(upper) = overlay.upper else {
        return Some(false);
    };
    let below = below(path.as_os_str().as_bytes(), &overlay.point)?;
    let inside = [overlay.root.as_slice(), b"/", below].concat();
    let inside: Vec<&[u8]> = inside.split(|byte| *byte == b'/').filter(|part| !part.is_empty()).collect();
    let inside = if inside.is_empty() { BString::from(".") } else { BString::from(inside.join(&b'/')) };
    let upper = host?.open(Path::new(OsStr::from_bytes(&upper)), OFlags::PATH | OFlags::DIRECTORY).ok()?;
    // What lies there was written in the container: its links are not followed.
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
    let name = Path::new(OsStr::from_bytes(&inside));
    match rustix::fs::openat2(&upper, name, flags, Mode::empty(), resolve) {
        Ok(found) => {
            let other = rustix::fs::statx(&found, c"", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS).ok()?;
            same(statx, &other).then_some(true)
        }
        Err(rustix::io::Errno::NOENT | rustix::io::Errno::NOTDIR) => Some(false),
        Err(_) => None,
    }
}

fn read(path: &Path) -> Option<Vec<u8>> {
    use std::io::Read;
    let mut text = Vec::new();
    std::fs::File::open(path).ok()?.take(MAX_MOUNTINFO).read_to_end(&mut text).ok()?;
    Some(text)
}

fn same(one: &Statx, other: &Statx) -> bool {
    let of = |statx: &Statx| (statx.stx_mode, statx.stx_mtime.tv_sec, statx.stx_mtime.tv_nsec, statx.stx_uid);
    // The size of a directory is each file system's own.
    of(one) == of(other) && (one.stx_size == other.stx_size || one.stx_mode & 0o170_000 == 0o040_000)
}

/// What of a path is below a mount point.
fn below<'a>(path: &'a [u8], point: &[u8]) -> Option<&'a [u8]> {
    let rest = path.strip_prefix(point.trim_end_with(|c| c == '/'))?;
    (rest.is_empty() || rest.starts_with(b"/")).then_some(rest)
}

fn parse(line: &[u8], id: u64) -> Option<Overlay> {
    let fields: Vec<&[u8]> = line.split(|byte| *byte == b' ').collect();
    let own: u64 = fields.first()?.to_str().ok()?.parse().ok()?;
    let dash = fields.iter().skip(6).position(|field| *field == b"-")? + 6;
    if own != id || *fields.get(dash + 1)? != b"overlay" {
        return None;
    }
    let upper = fields.get(dash + 3)?.split(|byte| *byte == b',').find_map(|option| option.strip_prefix(b"upperdir="));
    Some(Overlay { root: unescape(fields.get(3)?), point: unescape(fields.get(4)?), upper: upper.map(unescape) })
}

/// `\040` is a space (`fs/seq_file.c: mangle_path`).
fn unescape(text: &[u8]) -> BString {
    let mut parts = text.split(|byte| *byte == b'\\');
    let mut plain = BString::from(parts.next().unwrap_or_default());
    for part in parts {
        let octal = part.split_at_checked(3).and_then(|(digits, rest)| {
            let value = u8::from_str_radix(digits.to_str().ok()?, 8).ok()?;
            Some((value, rest))
        });
        if let Some((value, rest)) = octal {
            plain.push(value);
            plain.extend_from_slice(rest);
        } else {
            plain.push(b'\\');
            plain.extend_from_slice(part);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_where_the_upper_layer_is() {
        let line = b"36 35 0:49 /sub /mnt/a\\040b rw,noatime shared:1 - overlay overlay rw,lowerdir=/l,upperdir=/u\\054p,workdir=/w";
        let overlay = parse(line, 36).unwrap();
        assert_eq!(overlay, Overlay { root: "/sub".into(), point: "/mnt/a b".into(), upper: Some("/u,p".into()) });
        assert_eq!(parse(line, 35), None);
        assert_eq!(parse(b"36 35 0:49 / / rw - ext4 /dev/a rw,upperdir=/u", 36), None);
        assert_eq!(parse(b"36 35 0:49 / / ro - overlay overlay ro,lowerdir=/l:/m", 36).unwrap().upper, None);
        assert_eq!(parse(b"36", 36), None);
    }

    /// A real overlay in a mount namespace of its own; needs root, and is left out without.
    #[test]
    fn new_and_changed_files_are_in_the_upper_layer() {
        use std::io::BufRead;
        use std::process::{Command, Stdio};
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().unwrap();
        let base = directory.path();
        for name in ["lower", "upper", "work", "merged"] {
            std::fs::create_dir(base.join(name)).unwrap();
        }
        std::fs::write(base.join("lower/old"), "old").unwrap();
        std::fs::write(base.join("lower/changed"), "old").unwrap();
        let script = "cd \"$1\" && mount -t overlay overlay -o lowerdir=lower,upperdir=$1/upper,workdir=work merged \
             && echo new > merged/new && echo new >> merged/changed && echo ready && exec cat";
        let mut child = Command::new("unshare")
            .args(["-m", "sh", "-c", script, "sh", base.to_str().unwrap()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        std::io::BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let mut facts = crate::context::facts::Facts::new(Path::new("/proc"));
        let mut upper = |path: std::path::PathBuf, directory| {
            let path = BString::from(path.as_os_str().as_bytes());
            let question = crate::context::Question { tag: 0, pid: child.id(), path, inode: 0, device: 0, directory };
            let provenance = facts.of(&question, std::time::Instant::now());
            (provenance.exists, provenance.upper_layer)
        };
        let found = ["old", "changed", "new"].map(|name| upper(base.join("merged").join(name), false));
        let outside = upper(base.join("upper/new"), false);
        // It ends when its input does.
        drop(child.stdin.take());
        assert!(child.wait().unwrap().success());
        assert_eq!(line, "ready\n");
        assert_eq!(found, [(true, Some(false)), (true, Some(true)), (true, Some(true))]);
        assert_eq!(outside, (true, None), "on no overlay");
    }

    #[test]
    fn paths_below_mount_points() {
        assert_eq!(below(b"/a/b", b"/"), Some(&b"/a/b"[..]));
        assert_eq!(below(b"/a/b", b"/a"), Some(&b"/b"[..]));
        assert_eq!(below(b"/ab", b"/a"), None);
        assert_eq!(below(b"/a", b"/a"), Some(&b""[..]));
    }
}
