//! The kernel's events, as bytes.

use super::*;
use crate::event::{Body, Event};
use proptest::prelude::*;
use sensor_common::record::Kind;

/// An event as `fanotify_read` gives it: metadata, and one record of a directory and a name.
fn notice(mask: u64, pid: u32, handle: &[u8], name: &[u8]) -> Vec<u8> {
    let mut info = vec![libc::FAN_EVENT_INFO_TYPE_DFID_NAME, 0];
    let length = 20 + handle.len() + name.len() + 1;
    info.extend_from_slice(&(length as u16).to_ne_bytes());
    info.extend_from_slice(&[1; 8]);
    info.extend_from_slice(&(handle.len() as u32).to_ne_bytes());
    info.extend_from_slice(&7i32.to_ne_bytes());
    info.extend_from_slice(handle);
    info.extend_from_slice(name);
    info.push(0);
    let mut event = Vec::new();
    event.extend_from_slice(&(24 + info.len() as u32).to_ne_bytes());
    event.extend_from_slice(&[3, 0]);
    event.extend_from_slice(&24u16.to_ne_bytes());
    event.extend_from_slice(&mask.to_ne_bytes());
    event.extend_from_slice(&(-1i32).to_ne_bytes());
    event.extend_from_slice(&pid.to_ne_bytes());
    event.extend_from_slice(&info);
    event
}

#[test]
fn directory_name_and_process_are_read() {
    let mut bytes = notice(libc::FAN_MOVED_TO, 77, &[9; 8], b"a.php");
    bytes.extend(notice(libc::FAN_CREATE, 78, &[8; 8], b"b.php"));
    let (first, rest) = Notice::parse(&bytes).unwrap();
    assert_eq!((first.mask, first.pid), (libc::FAN_MOVED_TO, 77));
    let (handle, name) = first.directory_and_name().unwrap();
    assert_eq!(name, c"a.php");
    assert_eq!(handle, [&[1u8; 8][..], &8u32.to_ne_bytes(), &7i32.to_ne_bytes(), &[9; 8]].concat());
    let (second, rest) = Notice::parse(rest).unwrap();
    assert_eq!((second.pid, rest.len()), (78, 0));
}

fn told(mask: u64, prepare: impl FnOnce(&Path)) -> Vec<Kind> {
    let directory = tempfile::tempdir().unwrap();
    prepare(directory.path());
    let marked = Marked { path: BString::from("/var/www"), below: PathBuf::new(), watch: 4, depth: 1 };
    let events = events(&marked, Some(directory.path()), c"a.php", mask, 77);
    for event in &events {
        let Body::File(file) = &event.body else { panic!("a file") };
        assert_eq!((file.path.as_slice(), file.watch, file.watch_depth), (&b"/var/www/a.php"[..], Some(4), 2));
    }
    events.iter().map(Event::kind).collect()
}

#[test]
fn a_new_name_is_what_it_is_now() {
    let file = |at: &Path| std::fs::write(at.join("a.php"), "x").unwrap();
    assert_eq!(told(libc::FAN_CREATE, file), [Kind::Open]);
    assert_eq!(told(libc::FAN_MOVED_TO, file), [Kind::Rename]);
    assert_eq!(told(libc::FAN_CLOSE_WRITE, file), [Kind::Open]);
    assert_eq!(told(libc::FAN_ATTRIB, file), []);
    let linked = |at: &Path| {
        std::fs::write(at.join("other"), "x").unwrap();
        std::fs::hard_link(at.join("other"), at.join("a.php")).unwrap();
    };
    assert_eq!(told(libc::FAN_CREATE, linked), [Kind::Link]);
    let symbolic = |at: &Path| std::os::unix::fs::symlink("/tmp/x", at.join("a.php")).unwrap();
    assert_eq!(told(libc::FAN_CREATE, symbolic), [Kind::Symlink]);
    assert_eq!(told(libc::FAN_MOVED_TO, |_| {}), [Kind::Rename], "gone again: still reported");
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200), length in 0u32..200) {
        let mut bytes = bytes;
        if bytes.len() >= 8 {
            bytes[..4].copy_from_slice(&length.to_ne_bytes());
            bytes[6..8].copy_from_slice(&24u16.to_ne_bytes());
        }
        let mut rest = bytes.as_slice();
        while let Some((notice, next)) = Notice::parse(rest) {
            let _ = notice.directory_and_name();
            rest = next;
        }
    }
}
