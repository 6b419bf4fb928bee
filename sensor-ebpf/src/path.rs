//! True paths: names copied from dentries, leaf first, across mounts up to the root of the mount namespace.

use crate::{
    emit::{POSITION_MASK, Record, Scratch},
    memory::{copy_kernel, direct, read},
    offsets as off,
};
use sensor_common::settings::{MAX_PATH, MAX_STEPS};

/// Bit of [`path_walk`]'s result: the path goes on above.
const CUT: u64 = 1 << 16;

/// A place in the tree of dentries and mounts, on the way up.
#[derive(Clone, Copy)]
pub struct Cursor {
    pub dentry: u64,
    mount: u64,
    /// Root dentry of `mount`, read once a mount.
    root: u64,
}

/// Where a step upwards leads.
pub enum Step {
    /// The directory above, in the same mount: `dentry` was a name to be kept.
    Up(Cursor),
    /// `dentry` was the root of a mount, and has no name there: go on at its mount point.
    Across(Cursor),
    /// `dentry` is in no tree, and its name is all there is: a memfd.
    Alone,
    /// The top.
    Top,
}

impl Cursor {
    #[inline(always)]
    pub fn new(dentry: u64, vfsmount: u64) -> Self {
        Self::at(dentry, vfsmount - off::OFF_MOUNT_MNT() as u64)
    }

    #[inline(always)]
    fn at(dentry: u64, mount: u64) -> Self {
        Self { dentry, mount, root: read(mount, off::OFF_MOUNT_MNT() + off::OFF_VFSMOUNT_ROOT()) }
    }

    /// One step up from `dentry`.
    #[inline(always)]
    pub fn step(self) -> Step {
        if self.dentry == self.root {
            return self.across().map_or(Step::Top, Step::Across);
        }
        let parent: u64 = read(self.dentry, off::OFF_DENTRY_PARENT());
        if self.dentry == parent { Step::Alone } else { Step::Up(Self { dentry: parent, ..self }) }
    }

    /// From the root of a mount to where that is mounted; `None` at the top.
    ///
    /// VERIFIER: one read for each word, although both words stand side by side. A buffer of several words on the stack that
    /// is used in one branch of a loop only keeps its ways apart, and kernels before 6.3 then look at each of them to the
    /// end ("BPF program is too large").
    #[inline(always)]
    fn across(self) -> Option<Self> {
        let above: u64 = read(self.mount, off::OFF_MOUNT_PARENT());
        if above == self.mount || above == 0 {
            return None;
        }
        let point: u64 = read(self.mount, off::OFF_MOUNT_MOUNTPOINT());
        Some(Self::at(point, above))
    }

    /// The parent of `dentry`, and its name: they stand side by side in every kernel so far, so one read has both. It goes
    /// into the scratch buffer for the reason that is told at [`Self::across`].
    #[inline(always)]
    fn parent_and_name(self, scratch: *mut Scratch) -> (u64, Text) {
        if off::OFF_DENTRY_NAME() == off::OFF_DENTRY_PARENT() + 16
            && off::OFF_DENTRY_NAME_LENGTH() == off::OFF_DENTRY_PARENT() + 12
        {
            // SAFETY: the buffer has three words there; where they cannot be read it holds zeros.
            let [parent, hash_and_length, address] = unsafe {
                let words = &raw mut (*scratch).link;
                copy_kernel(words.cast(), 24, self.dentry + off::OFF_DENTRY_PARENT() as u64);
                words.read_volatile()
            };
            return (parent, Text { length: (hash_and_length >> 32) as u32, address });
        }
        let name = Text {
            length: read(self.dentry, off::OFF_DENTRY_NAME_LENGTH()),
            address: read(self.dentry, off::OFF_DENTRY_NAME()),
        };
        (read(self.dentry, off::OFF_DENTRY_PARENT()), name)
    }
}

/// A dentry's name. Its length and its text may be of two names, if it is renamed at this moment.
#[derive(Clone, Copy)]
struct Text {
    length: u32,
    address: u64,
}

/// Writes the names from `dentry` upwards into the buffer `slot`, where [`Scratch::end`] says; gives the bytes of the path,
/// which begins at `position`, and [`CUT`] if the root was not reached.
///
/// VERIFIER: a global function, so it is verified once for all callers instead of at each call. The place to write next
/// is kept in the buffer, not in a register: so all ways through one turn of the loop end in the same state, and the
/// next turn is looked at once ("BPF program is too large" on 6.1 otherwise).
#[unsafe(no_mangle)]
#[inline(never)]
pub extern "C" fn path_walk(dentry: u64, vfsmount: u64, slot: u64, position: u64) -> u64 {
    let Some(scratch) = Scratch::of(slot as u32) else {
        return CUT;
    };
    // SAFETY: the caller has taken this CPU's buffer; volatile, so that the compiler keeps the value there.
    let end = unsafe { &raw mut (*scratch).end };
    let mut cursor = Cursor::new(dentry, vfsmount);
    let mut cut = CUT;
    for _ in 0..MAX_STEPS {
        if cursor.dentry == cursor.root {
            let Some(next) = cursor.across() else {
                cut = 0;
                break;
            };
            cursor = next;
            continue;
        }
        let (parent, name) = cursor.parent_and_name(scratch);
        copy_name(scratch, name, position + (MAX_PATH - 256) as u64);
        if parent == cursor.dentry {
            // In no tree, and its name is all there is: a memfd.
            cut = 0;
            break;
        }
        cursor.dentry = parent;
    }
    // SAFETY: as above.
    let length = unsafe { end.read_volatile() } - position;
    if length > (MAX_PATH - 256) as u64 { length & 0xfff | CUT } else { length | cut }
}

/// Appends a name, with its NUL, unless `limit` is reached. By its length, since looking for its end takes a name's
/// bytes one by one.
#[inline(always)]
fn copy_name(scratch: *mut Scratch, name: Text, limit: u64) {
    // SAFETY: masked, and a name's 256 bytes are within the slack.
    unsafe {
        if (&raw mut (*scratch).end).read_volatile() > limit {
            return;
        }
        // VERIFIER: read once more, so that the mask is not taken for needless after the comparison, of which kernels before
        // 6.8 learn nothing ("math between map_value pointer and register with unbounded min value").
        let end = (&raw mut (*scratch).end).read_volatile();
        let into = (&raw mut (*scratch).bytes).cast::<u8>().add(end as usize & POSITION_MASK);
        let length = name.length & 0xff;
        copy_kernel(into, length, name.address);
        into.add(length as usize).write_volatile(0);
        (&raw mut (*scratch).end).write_volatile(end + length as u64 + 1);
    }
}

/// Appends a path to a record: its length, and whether it is cut.
#[inline(always)]
pub fn append(record: &mut Record, dentry: u64, vfsmount: u64) -> (u16, bool) {
    record.begin_path();
    walk_on(record, dentry, vfsmount)
}

/// The rest of a path that begins at the record's position.
#[inline(always)]
fn walk_on(record: &mut Record, dentry: u64, vfsmount: u64) -> (u16, bool) {
    let result = path_walk(dentry, vfsmount, record.slot as u64, record.position as u64);
    let length = result as usize & 0x1fff;
    record.position += length;
    (length as u16, result & CUT != 0)
}

/// `struct path` at an address: its dentry and its vfsmount.
#[inline(always)]
pub fn parts(path: u64) -> (u64, u64) {
    // Two pointers, in whichever order.
    let both: [u64; 2] = read(path, 0);
    let first_is_mount = off::OFF_PATH_MNT() < off::OFF_PATH_DENTRY();
    if first_is_mount { (both[1], both[0]) } else { (both[0], both[1]) }
}

/// Names of the first directories on the way up are read without helper calls, where the verifier knows the types.
const TYPED_STEPS: u32 = 12;

/// Appends the path that lies at `offset` in a structure that the verifier knows; as [`append`].
///
/// As far as the mount's root, at most [`TYPED_STEPS`], each step is a few loads; from there on it is [`path_walk`]'s.
///
/// # Safety
/// `container` must be such a structure, and have a struct path there.
#[inline(always)]
pub unsafe fn append_typed(record: &mut Record, container: *const u8, offset: u32) -> (u16, bool) {
    let scratch = record.begin_path();
    // SAFETY: the members are dentries, a vfsmount and a name, as the caller states.
    let (dentry, vfsmount, at_root) = unsafe {
        let vfsmount: *const u8 = direct(container, offset + off::OFF_PATH_MNT());
        let root: *const u8 = direct(vfsmount, off::OFF_VFSMOUNT_ROOT());
        let mut dentry: *const u8 = direct(container, offset + off::OFF_PATH_DENTRY());
        for _ in 0..TYPED_STEPS {
            let parent: *const u8 = direct(dentry, off::OFF_DENTRY_PARENT());
            if dentry == root || dentry == parent {
                break;
            }
            let name = Text {
                length: direct(dentry, off::OFF_DENTRY_NAME_LENGTH()),
                address: direct(dentry, off::OFF_DENTRY_NAME()),
            };
            copy_name(scratch, name, (record.position + MAX_PATH - 256) as u64);
            dentry = parent;
        }
        (record.address(dentry), record.address(vfsmount), dentry == root)
    };
    if !at_root {
        return walk_on(record, dentry, vfsmount);
    }
    let mount = vfsmount - off::OFF_MOUNT_MNT() as u64;
    let (above, point) = mounted_on(mount);
    if above != mount && above != 0 {
        return walk_on(record, point, above + off::OFF_MOUNT_MNT() as u64);
    }
    // SAFETY: in this CPU's buffer, which the record has taken.
    let end = unsafe { (&raw const (*scratch).end).read_volatile() };
    let length = (end as usize - record.position) & 0xfff;
    record.position += length;
    (length as u16, false)
}

/// The mount that a mount is mounted on, and the dentry there: they stand side by side in every kernel so far.
#[inline(always)]
fn mounted_on(mount: u64) -> (u64, u64) {
    if off::OFF_MOUNT_MOUNTPOINT() == off::OFF_MOUNT_PARENT() + 8 {
        let words: [u64; 2] = read(mount, off::OFF_MOUNT_PARENT());
        return (words[0], words[1]);
    }
    (read(mount, off::OFF_MOUNT_PARENT()), read(mount, off::OFF_MOUNT_MOUNTPOINT()))
}
