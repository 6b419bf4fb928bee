//! Is this below a watched directory? By inode, so whatever name, link, mount or namespace was used.

use crate::{
    maps::{WATCH_BITS, WATCHES},
    memory::read,
    offsets as off,
    path::{Cursor, Step},
};
use sensor_common::{
    file::WatchKey,
    settings::{MAX_STEPS, WATCH_WORDS, watch_bit},
};

/// The nearest watched directory above `dentry`: its number, and how many directories above it is (1: its own).
#[derive(Clone, Copy)]
pub struct Watched {
    pub watch: u32,
    pub depth: u32,
}

/// Whether a directory above `dentry` has an inode number that a watched one has, too: 0 says that none is watched.
///
/// VERIFIER: a global function, verified once, see `path_walk`. And apart from [`watch_walk`], because a look-up that is
/// made in the loop, but not on every way through it, keeps those ways apart: kernels before 6.3 then look at each of
/// them to the end ("BPF program is too large").
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn may_be_watched(dentry: u64, vfsmount: u64) -> u64 {
    let Some(bits) = Bits::read() else {
        return 0;
    };
    let mut cursor = Cursor::new(dentry, vfsmount);
    for _ in 0..MAX_STEPS {
        match cursor.step() {
            Step::Top | Step::Alone => return 0,
            Step::Across(next) => cursor = next,
            Step::Up(next) => {
                cursor = next;
                let inode: u64 = read(cursor.dentry, off::OFF_DENTRY_INODE());
                if bits.has(read(inode, off::OFF_INODE_INO())) {
                    return 1;
                }
            }
        }
    }
    0
}

/// Looks each directory above `dentry` up; watch number in the low half, depth in the high half, 0 for none.
///
/// VERIFIER: a global function, verified once, see `path_walk`.
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn watch_walk(dentry: u64, vfsmount: u64) -> u64 {
    let mut cursor = Cursor::new(dentry, vfsmount);
    let mut depth = 0u64;
    for _ in 0..MAX_STEPS {
        match cursor.step() {
            Step::Top | Step::Alone => return 0,
            Step::Across(next) => cursor = next,
            Step::Up(next) => {
                cursor = next;
                depth += 1;
                let watch = look_up(cursor.dentry);
                if watch != 0 {
                    return depth << 32 | watch as u64;
                }
            }
        }
    }
    0
}

#[inline(always)]
fn look_up(dentry: u64) -> u32 {
    let inode: u64 = read(dentry, off::OFF_DENTRY_INODE());
    let superblock: u64 = read(inode, off::OFF_INODE_SB());
    let key =
        WatchKey { inode: read(inode, off::OFF_INODE_INO()), device: read(superblock, off::OFF_SB_DEV()), reserved: 0 };
    // SAFETY: the value is a number that is read at once.
    unsafe { WATCHES.get(key) }.copied().unwrap_or(0)
}

/// For which inode numbers a look-up is worth it.
#[derive(Clone, Copy)]
struct Bits(*const [u64; WATCH_WORDS]);

impl Bits {
    #[inline(always)]
    fn read() -> Option<Self> {
        WATCH_BITS.get_ptr(0).map(Self)
    }

    #[inline(always)]
    fn has(self, inode: u64) -> bool {
        let (word, bit) = watch_bit(inode);
        // SAFETY: a map value; the word is masked. Another bit may change meanwhile.
        unsafe { self.0.cast::<u64>().add(word).read_volatile() & bit != 0 }
    }
}

/// The watch above a name; `watch` is 0 for none.
#[inline(always)]
pub fn above(dentry: u64, vfsmount: u64) -> Watched {
    if may_be_watched(dentry, vfsmount) == 0 {
        return Watched { watch: 0, depth: 0 };
    }
    let both = watch_walk(dentry, vfsmount);
    Watched { watch: both as u32, depth: (both >> 32) as u32 }
}
