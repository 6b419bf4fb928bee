//! True paths: names copied from dentries, leaf first, across mounts up to the root of the mount namespace.

use crate::{
    emit::{POSITION_MASK, Record, Scratch},
    memory::{direct, read},
    offsets as off,
};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel_str;
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

    /// One step up from `dentry`, whose parent is known.
    #[inline(always)]
    pub fn step(self, parent: u64) -> Step {
        if self.dentry != self.root {
            return if self.dentry == parent { Step::Alone } else { Step::Up(Self { dentry: parent, ..self }) };
        }
        // VERIFIER: one read for each word, although both words stand side by side. A buffer of several words that is used in
        // one branch of a loop only keeps its ways apart, and kernels before 6.3 then look at each of them to the end ("BPF
        // program is too large").
        let above: u64 = read(self.mount, off::OFF_MOUNT_PARENT());
        if above == self.mount || above == 0 {
            return Step::Top;
        }
        let point: u64 = read(self.mount, off::OFF_MOUNT_MOUNTPOINT());
        Step::Across(Self::at(point, above))
    }

    /// The parent of `dentry`, and its name: they stand side by side in every kernel so far, so one read has both.
    #[inline(always)]
    fn parent_and_name(self) -> (u64, u64) {
        if off::OFF_DENTRY_NAME() == off::OFF_DENTRY_PARENT() + 16 {
            let words: [u64; 3] = read(self.dentry, off::OFF_DENTRY_PARENT());
            return (words[0], words[2]);
        }
        (self.parent(), read(self.dentry, off::OFF_DENTRY_NAME()))
    }

    #[inline(always)]
    pub fn parent(self) -> u64 {
        read(self.dentry, off::OFF_DENTRY_PARENT())
    }
}

/// Writes the names from `dentry` upwards into the buffer `slot` at `position`; gives their bytes, and [`CUT`] if the
/// root was not reached.
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
    unsafe { end.write_volatile(position) };
    let mut cursor = Cursor::new(dentry, vfsmount);
    let mut cut = CUT;
    for _ in 0..MAX_STEPS {
        let (parent, name) = cursor.parent_and_name();
        cursor = match cursor.step(parent) {
            Step::Top => {
                cut = 0;
                break;
            }
            Step::Alone => {
                copy_name(scratch, name, position + (MAX_PATH - 256) as u64);
                cut = 0;
                break;
            }
            Step::Across(next) => next,
            Step::Up(next) => {
                copy_name(scratch, name, position + (MAX_PATH - 256) as u64);
                next
            }
        };
    }
    // SAFETY: as above.
    let length = unsafe { end.read_volatile() } - position;
    if length > (MAX_PATH - 256) as u64 { length & 0xfff | CUT } else { length | cut }
}

/// Appends a name, with its NUL, unless `limit` is reached.
#[inline(always)]
fn copy_name(scratch: *mut Scratch, name: u64, limit: u64) {
    // SAFETY: masked, and a name's 256 bytes are within the slack.
    unsafe {
        let end = (&raw mut (*scratch).end).read_volatile();
        if end > limit {
            return;
        }
        let into = (&raw mut (*scratch).bytes).cast::<u8>().add(end as usize & POSITION_MASK);
        let copied = bpf_probe_read_kernel_str(into.cast(), 256, name as *const _);
        (&raw mut (*scratch).end).write_volatile(end + (copied as u64 & 0x1ff));
    }
}

/// Appends a path to a record: its length, and whether it is cut.
#[inline(always)]
pub fn append(record: &mut Record, dentry: u64, vfsmount: u64) -> (u16, bool) {
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

/// The same of a `struct path` that lies at `offset` in a structure that the verifier knows: no helper call.
///
/// # Safety
/// `container` must be such a structure, and have a struct path there.
#[inline(always)]
pub unsafe fn typed_parts(record: &mut Record, container: *const u8, offset: u32) -> (u64, u64) {
    // SAFETY: stated by the caller; the members are a dentry and a vfsmount.
    let (dentry, vfsmount): (*const u8, *const u8) = unsafe {
        (direct(container, offset + off::OFF_PATH_DENTRY()), direct(container, offset + off::OFF_PATH_MNT()))
    };
    (record.address(dentry), record.address(vfsmount))
}
