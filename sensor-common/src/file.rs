//! Bodies of what happens to files, and of watches.

/// Body of every file record.
///
/// Tail, in this order: the path (components), the other path (components for rename and link, raw bytes for
/// symlink).
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct FileBody {
    /// Inode number of the file; 0 if it does not exist yet.
    pub inode: u64,
    /// `super_block.s_dev`, kernel encoding (major << 20 | minor).
    pub device: u32,
    /// The watch under which the path lies ([`WatchBody::watch`]), 0 for none.
    pub watch: u32,
    /// How many directories above the file the watched directory is: 1 is its own directory. 0 when `watch` is 0.
    pub watch_depth: u32,
    /// Bits of [`file_flags`].
    pub flags: u32,
    /// `inode.i_mode`: type and permissions.
    pub mode: u32,
    /// Owner, in the initial user namespace.
    pub owner: u32,
    /// What the kind says: open flags, new mode, protection bits.
    pub argument: u32,
    /// Bytes of the path in the tail.
    pub path_length: u16,
    /// Bytes of the other path in the tail.
    pub other_length: u16,
    /// `inode.i_generation`: another file that gets the same inode number later has another one, on file systems that
    /// give one (ext4, xfs, btrfs, tmpfs); else 0.
    pub generation: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Bits of [`FileBody::flags`].
pub mod file_flags {
    /// Opened for writing.
    pub const WRITE: u32 = 1;
    /// Made by this open.
    pub const CREATED: u32 = 2;
    /// The path is cut: deeper than the walk goes.
    pub const PATH_CUT: u32 = 4;
    /// The other path is cut.
    pub const OTHER_CUT: u32 = 8;
    /// The file lies in an overlay's upper layer.
    pub const OVERLAY_UPPER: u32 = 16;
    /// The file's file system is an overlay.
    pub const OVERLAY: u32 = 32;
    /// No name leads to the file any more.
    pub const DELETED: u32 = 64;
    /// The old name of a rename lay under the same watch as the new one.
    pub const OTHER_WATCHED: u32 = 128;
    /// Opened for reading, and noted as written: [`super::notes::WRITTEN`].
    pub const NOTED_WRITTEN: u32 = 256;
    /// Opened for reading, and noted as a secret: [`super::notes::SECRET`].
    pub const NOTED_SECRET: u32 = 512;
}

/// Body of [`crate::record::Kind::Watch`]: the agent began to watch a directory tree.
///
/// Tail, in this order: the server's catalogue id, the component kind's name, the directory's path (components).
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(
    feature = "user",
    derive(zerocopy::FromBytes, zerocopy::IntoBytes, zerocopy::KnownLayout, zerocopy::Immutable)
)]
pub struct WatchBody {
    /// Inode number of the directory.
    pub inode: u64,
    /// Its file system, as in [`FileBody::device`].
    pub device: u32,
    /// The number that file records carry; never 0, never used again while the agent runs.
    pub watch: u32,
    /// Bytes of the server id in the tail.
    pub server_length: u16,
    /// Bytes of the component kind in the tail.
    pub component_length: u16,
    /// Bytes of the path in the tail.
    pub path_length: u16,
    /// Always 0.
    pub reserved: u16,
}

/// Key of the kernel's map of watched directories.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct WatchKey {
    /// Inode number of the directory.
    pub inode: u64,
    /// `super_block.s_dev`, kernel encoding.
    pub device: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Key of the kernel's map of noted files: those of which a server's lineage's reading is reported.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileKey {
    /// Inode number.
    pub inode: u64,
    /// `super_block.s_dev`, kernel encoding.
    pub device: u32,
    /// Always 0.
    pub reserved: u32,
}

/// What is noted of a file.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FileNote {
    /// As in [`FileBody::generation`]; 0 if it is not known, which matches any.
    pub generation: u32,
    /// Bits of [`notes`].
    pub what: u32,
    /// Lineages whose reading was reported since the file was last written: a bit each, by their number modulo 32.
    pub readers: u32,
    /// Always 0.
    pub reserved: u32,
}

/// Bits of [`FileNote::what`].
pub mod notes {
    /// A server's lineage wrote it, or somebody did where a server loads components from. Told once a reader.
    pub const WRITTEN: u32 = 1;
    /// It holds credentials. Each reading is told.
    pub const SECRET: u32 = 2;
    /// It is a server's program: its start wakes the agent.
    pub const PROGRAM: u32 = 4;
}
