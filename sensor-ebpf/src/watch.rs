//! Is this below a watched directory? By inode, so whatever name, link, mount or namespace was used.

use crate::{
    maps::WATCHES,
    memory::read,
    offsets as off,
    path::{Cursor, Place},
};
use sensor_common::{file::WatchKey, settings::MAX_STEPS};

/// The nearest watched directory above `dentry`: its number, and how many directories above it is (1: its own).
#[derive(Clone, Copy)]
pub struct Watched {
    pub watch: u32,
    pub depth: u32,
}

/// Looks each directory above `dentry` up; watch number in the low half, depth in the high half, 0 for none.
///
/// VERIFIER: a global function, verified once, see `path_walk`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn watch_walk(dentry: u64, vfsmount: u64) -> u64 {
    let mut cursor = Cursor::new(dentry, vfsmount);
    let mut place = Place::of(dentry);
    let mut depth = 0u64;
    for _ in 0..MAX_STEPS {
        if cursor.at_root() {
            match cursor.across() {
                Some(next) => cursor = next,
                None => return 0,
            }
            place = Place::of(cursor.dentry);
        } else {
            if place.parent == cursor.dentry {
                return 0;
            }
            cursor = cursor.up(place.parent);
            place = Place::of(cursor.dentry);
            depth += 1;
            let watch = look_up(place.inode);
            if watch != 0 {
                return depth << 32 | watch as u64;
            }
        }
    }
    0
}

#[inline(always)]
fn look_up(inode: u64) -> u32 {
    let (superblock, number) = superblock_and_number(inode);
    let key = WatchKey { inode: number, device: read(superblock, off::OFF_SB_DEV()), reserved: 0 };
    // SAFETY: the value is a number that is read at once.
    unsafe { WATCHES.get(key) }.copied().unwrap_or(0)
}

/// `i_sb` and `i_ino`: three words apart in every kernel so far, so one read has both.
#[inline(always)]
fn superblock_and_number(inode: u64) -> (u64, u64) {
    if off::OFF_INODE_INO() == off::OFF_INODE_SB() + 24 {
        let words: [u64; 4] = read(inode, off::OFF_INODE_SB());
        return (words[0], words[3]);
    }
    (read(inode, off::OFF_INODE_SB()), read(inode, off::OFF_INODE_INO()))
}

/// The watch above a name; `watch` is 0 for none.
#[inline(always)]
pub fn above(dentry: u64, vfsmount: u64) -> Watched {
    let both = watch_walk(dentry, vfsmount);
    Watched { watch: both as u32, depth: (both >> 32) as u32 }
}
