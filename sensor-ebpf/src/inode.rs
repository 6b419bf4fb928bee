//! What is told of a file: its `struct inode`, and the super block behind it.

use crate::{
    emit::{INODE_WORDS, Record},
    file::flag,
    memory::{direct, read},
    offsets as off,
};
use aya_ebpf::helpers::generated::bpf_probe_read_kernel;
use sensor_common::file::file_flags;

/// Super block magics (`include/uapi/linux/magic.h`).
const OVERLAYFS_SUPER_MAGIC: u64 = 0x794c_7630;
const TMPFS_MAGIC: u64 = 0x0102_1994;

/// What is told of an inode.
#[derive(Clone, Copy)]
pub struct InodeFacts {
    pub number: u64,
    pub device: u32,
    pub mode: u32,
    pub owner: u32,
    pub generation: u32,
    /// Bits of [`file_flags`].
    pub flags: u32,
    pub on_tmpfs: bool,
}

impl InodeFacts {
    const NONE: Self = Self { number: 0, device: 0, mode: 0, owner: 0, generation: 0, flags: 0, on_tmpfs: false };
}

/// A `struct inode`, by address; 0 for none.
#[derive(Clone, Copy)]
pub struct Inode(pub u64);

impl Inode {
    #[inline(always)]
    pub fn of_file(file: u64) -> Self {
        Self(read(file, off::OFF_FILE_INODE()))
    }

    #[inline(always)]
    pub fn of_dentry(dentry: u64) -> Self {
        Self(read(dentry, off::OFF_DENTRY_INODE()))
    }

    /// Copies its beginning, once for all members that are asked for.
    #[inline(always)]
    pub fn copied(self, record: &mut Record) -> CopiedInode {
        let into = record.inode_buffer();
        // SAFETY: the destination is as long as stated; a fault leaves zeros there.
        unsafe { bpf_probe_read_kernel(into.cast(), (INODE_WORDS * 8) as u32, self.0 as *const _) };
        CopiedInode { address: self.0, words: into.cast() }
    }

    #[inline(always)]
    pub fn facts(self, record: &mut Record) -> InodeFacts {
        if self.0 == 0 {
            return InodeFacts::NONE;
        }
        let copied = self.copied(record);
        let superblock: u64 = copied.member(off::OFF_INODE_SB());
        let magic: u64 = read(superblock, off::OFF_SB_MAGIC());
        InodeFacts {
            number: copied.member(off::OFF_INODE_INO()),
            device: read(superblock, off::OFF_SB_DEV()),
            mode: copied.member::<u16>(off::OFF_INODE_MODE()) as u32,
            owner: copied.member(off::OFF_INODE_UID()),
            generation: copied.member(off::OFF_INODE_GENERATION()),
            flags: flags(copied.member(off::OFF_INODE_NLINK()), magic, self.0),
            on_tmpfs: magic == TMPFS_MAGIC,
        }
    }
}

/// The beginning of an inode, copied into the record's buffer; the next copy overwrites it.
#[derive(Clone, Copy)]
pub struct CopiedInode {
    address: u64,
    words: *const u8,
}

impl CopiedInode {
    /// The member at an offset; read from the kernel where it lies further behind than was copied.
    #[inline(always)]
    pub fn member<T: Copy>(self, offset: u32) -> T {
        if offset as usize + size_of::<T>() > INODE_WORDS * 8 {
            return read(self.address, offset);
        }
        // SAFETY: inside the copy, and members are aligned to their size.
        unsafe { self.words.add(offset as usize).cast::<T>().read_volatile() }
    }
}

/// What is told of a file that the verifier knows the type of: read without helper calls.
///
/// # Safety
/// `inode` must be a struct inode to the verifier.
#[inline(always)]
pub unsafe fn typed_facts(inode: *const u8, address: u64) -> InodeFacts {
    // SAFETY: stated by the caller; the members are a super_block and numbers.
    unsafe {
        let superblock: *const u8 = direct(inode, off::OFF_INODE_SB());
        let magic: u64 = direct(superblock, off::OFF_SB_MAGIC());
        InodeFacts {
            number: direct(inode, off::OFF_INODE_INO()),
            device: direct(superblock, off::OFF_SB_DEV()),
            mode: direct::<u16>(inode, off::OFF_INODE_MODE()) as u32,
            owner: direct(inode, off::OFF_INODE_UID()),
            generation: direct(inode, off::OFF_INODE_GENERATION()),
            flags: flags(direct(inode, off::OFF_INODE_NLINK()), magic, address),
            on_tmpfs: magic == TMPFS_MAGIC,
        }
    }
}

#[inline(always)]
fn flags(links: u32, magic: u64, inode: u64) -> u32 {
    let overlay = magic == OVERLAYFS_SUPER_MAGIC;
    flag(links == 0, file_flags::DELETED)
        | flag(overlay, file_flags::OVERLAY)
        | flag(overlay && has_upper(inode), file_flags::OVERLAY_UPPER)
}

/// Whether an overlay's inode has a dentry in the upper layer: `ovl_inode.__upperdentry` stands right behind the VFS
/// inode that it embeds (`fs/overlayfs/ovl_entry.h`, 4.14 to 7.2; overlay is a module, its types are not in the
/// kernel's BTF).
#[inline(always)]
fn has_upper(inode: u64) -> bool {
    read::<u64>(inode, off::SIZE_INODE()) != 0
}
