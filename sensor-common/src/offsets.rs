//! Which fields of kernel structures the programs read. The agent finds each in the kernel's BTF before it loads the
//! programs and sets the read-only global `OFF_<NAME>` to the byte offset.

/// One field: the global's name, the structure, the path of members, and whether the programs can do without.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Name of the global in the eBPF object.
    pub global: &'static str,
    /// Kernel structure.
    pub structure: &'static str,
    /// Member, or members joined by dots; unnamed structures and unions on the way are looked into.
    pub member: &'static str,
    /// Whether loading must fail without it. An optional field that is missing is set to [`MISSING`].
    pub required: bool,
}

/// The value of an optional field that this kernel does not have.
pub const MISSING: u32 = u32::MAX;

const fn field(global: &'static str, structure: &'static str, member: &'static str) -> Field {
    Field { global, structure, member, required: true }
}

const fn optional(global: &'static str, structure: &'static str, member: &'static str) -> Field {
    Field { global, structure, member, required: false }
}

/// Every field that is read.
pub const FIELDS: &[Field] = &[
    field("OFF_TASK_TGID", "task_struct", "tgid"),
    field("OFF_TASK_PID", "task_struct", "pid"),
    field("OFF_TASK_GROUP_LEADER", "task_struct", "group_leader"),
    field("OFF_TASK_START_BOOTTIME", "task_struct", "start_boottime"),
    field("OFF_TASK_REAL_PARENT", "task_struct", "real_parent"),
    field("OFF_TASK_CRED", "task_struct", "cred"),
    field("OFF_TASK_COMM", "task_struct", "comm"),
    field("OFF_TASK_MM", "task_struct", "mm"),
    field("OFF_TASK_FS", "task_struct", "fs"),
    field("OFF_TASK_FILES", "task_struct", "files"),
    field("OFF_TASK_SIGNAL", "task_struct", "signal"),
    field("OFF_TASK_NSPROXY", "task_struct", "nsproxy"),
    field("OFF_TASK_THREAD_PID", "task_struct", "thread_pid"),
    field("OFF_TASK_EXIT_CODE", "task_struct", "exit_code"),
    field("OFF_SIGNAL_LIVE", "signal_struct", "live"),
    field("OFF_SIGNAL_PIDS", "signal_struct", "pids"),
    field("OFF_PID_LEVEL", "pid", "level"),
    field("OFF_PID_NUMBERS", "pid", "numbers"),
    field("OFF_UPID_NR", "upid", "nr"),
    field("OFF_UPID_NS", "upid", "ns"),
    field("OFF_PIDNS_INUM", "pid_namespace", "ns.inum"),
    field("OFF_NSPROXY_MNT_NS", "nsproxy", "mnt_ns"),
    field("OFF_MNTNS_INUM", "mnt_namespace", "ns.inum"),
    field("OFF_CRED_UID", "cred", "uid"),
    field("OFF_CRED_GID", "cred", "gid"),
    field("OFF_CRED_EUID", "cred", "euid"),
    field("OFF_CRED_EGID", "cred", "egid"),
    field("OFF_CRED_CAP_EFFECTIVE", "cred", "cap_effective"),
    field("OFF_CRED_CAP_PERMITTED", "cred", "cap_permitted"),
    field("OFF_MM_ARG_START", "mm_struct", "arg_start"),
    field("OFF_MM_ARG_END", "mm_struct", "arg_end"),
    field("OFF_FS_PWD", "fs_struct", "pwd"),
    field("OFF_BPRM_FILE", "linux_binprm", "file"),
    field("OFF_BPRM_FILENAME", "linux_binprm", "filename"),
    field("OFF_BPRM_INTERP", "linux_binprm", "interp"),
    field("OFF_BPRM_ARGC", "linux_binprm", "argc"),
    field("OFF_PATH_MNT", "path", "mnt"),
    field("OFF_PATH_DENTRY", "path", "dentry"),
    field("OFF_FILE_PATH", "file", "f_path"),
    field("OFF_FILE_INODE", "file", "f_inode"),
    field("OFF_FILE_MODE", "file", "f_mode"),
    field("OFF_FILE_FLAGS", "file", "f_flags"),
    field("OFF_FILE_PRIVATE_DATA", "file", "private_data"),
    field("OFF_FILES_FDT", "files_struct", "fdt"),
    field("OFF_FDT_FD", "fdtable", "fd"),
    field("OFF_FDT_MAX_FDS", "fdtable", "max_fds"),
    field("OFF_DENTRY_PARENT", "dentry", "d_parent"),
    field("OFF_DENTRY_NAME", "dentry", "d_name.name"),
    field("OFF_DENTRY_NAME_LENGTH", "dentry", "d_name.len"),
    field("OFF_DENTRY_INODE", "dentry", "d_inode"),
    field("OFF_VFSMOUNT_ROOT", "vfsmount", "mnt_root"),
    field("OFF_MOUNT_MNT", "mount", "mnt"),
    field("OFF_MOUNT_PARENT", "mount", "mnt_parent"),
    field("OFF_MOUNT_MOUNTPOINT", "mount", "mnt_mountpoint"),
    field("OFF_INODE_MODE", "inode", "i_mode"),
    field("OFF_INODE_UID", "inode", "i_uid"),
    field("OFF_INODE_INO", "inode", "i_ino"),
    field("OFF_INODE_SB", "inode", "i_sb"),
    field("OFF_INODE_NLINK", "inode", "i_nlink"),
    field("OFF_INODE_RDEV", "inode", "i_rdev"),
    field("OFF_INODE_GENERATION", "inode", "i_generation"),
    field("OFF_SB_DEV", "super_block", "s_dev"),
    field("OFF_SB_MAGIC", "super_block", "s_magic"),
    field("OFF_SOCKET_SK", "socket", "sk"),
    field("OFF_SOCK_FAMILY", "sock", "__sk_common.skc_family"),
    field("OFF_SOCK_DPORT", "sock", "__sk_common.skc_dport"),
    field("OFF_SOCK_NUM", "sock", "__sk_common.skc_num"),
    field("OFF_SOCK_DADDR", "sock", "__sk_common.skc_daddr"),
    field("OFF_SOCK_RCV_SADDR", "sock", "__sk_common.skc_rcv_saddr"),
    field("OFF_SOCK_V6_DADDR", "sock", "__sk_common.skc_v6_daddr"),
    field("OFF_SOCK_V6_RCV_SADDR", "sock", "__sk_common.skc_v6_rcv_saddr"),
    field("OFF_SOCK_TYPE", "sock", "sk_type"),
    optional("OFF_UNIX_PEER", "unix_sock", "peer"),
    optional("OFF_UNIX_ADDRESS", "unix_sock", "addr"),
    optional("OFF_UNIX_ADDRESS_LENGTH", "unix_address", "len"),
    optional("OFF_UNIX_ADDRESS_NAME", "unix_address", "name"),
];

/// Sizes of kernel structures that are needed: global and structure.
pub const SIZES: &[(&str, &str)] = &[("SIZE_INODE", "inode"), ("SIZE_UPID", "upid")];
