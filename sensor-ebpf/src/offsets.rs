//! Where the fields of kernel structures are: read-only globals that the agent sets from the kernel's BTF before it
//! loads the programs (`sensor-common/src/offsets.rs` names the fields). To the verifier they are constants.

pub use sensor_common::offsets::MISSING;

macro_rules! globals {
    ($($name:ident)*) => {
        mod raw {
            $(
                #[unsafe(no_mangle)]
                pub static $name: u32 = 0;
            )*
        }
        $(
            #[allow(non_snake_case, reason = "named like the global it reads")]
            #[inline(always)]
            pub fn $name() -> u32 {
                // SAFETY: a static. Volatile, because the agent changes the value that the compiler sees.
                unsafe { core::ptr::read_volatile(&raw const raw::$name) }
            }
        )*
    };
}

globals! {
    OFF_TASK_TGID
    OFF_TASK_PID
    OFF_TASK_GROUP_LEADER
    OFF_TASK_START_BOOTTIME
    OFF_TASK_REAL_PARENT
    OFF_TASK_CRED
    OFF_TASK_COMM
    OFF_TASK_MM
    OFF_TASK_FS
    OFF_TASK_FILES
    OFF_TASK_SIGNAL
    OFF_TASK_NSPROXY
    OFF_TASK_THREAD_PID
    OFF_TASK_EXIT_CODE
    OFF_SIGNAL_LIVE
    OFF_SIGNAL_PIDS
    OFF_PID_LEVEL
    OFF_PID_NUMBERS
    OFF_UPID_NR
    OFF_UPID_NS
    OFF_PIDNS_INUM
    OFF_NSPROXY_MNT_NS
    OFF_MNTNS_INUM
    OFF_CRED_UID
    OFF_CRED_GID
    OFF_CRED_EUID
    OFF_CRED_EGID
    OFF_CRED_CAP_EFFECTIVE
    OFF_CRED_CAP_PERMITTED
    OFF_MM_ARG_START
    OFF_MM_ARG_END
    OFF_FS_PWD
    OFF_BPRM_FILE
    OFF_BPRM_FILENAME
    OFF_BPRM_INTERP
    OFF_BPRM_ARGC
    OFF_PATH_MNT
    OFF_PATH_DENTRY
    OFF_FILE_PATH
    OFF_FILE_INODE
    OFF_FILE_MODE
    OFF_FILE_FLAGS
    OFF_FILE_PRIVATE_DATA
    OFF_FILES_FDT
    OFF_FDT_FD
    OFF_FDT_MAX_FDS
    OFF_DENTRY_PARENT
    OFF_DENTRY_NAME
    OFF_DENTRY_NAME_LENGTH
    OFF_DENTRY_INODE
    OFF_VFSMOUNT_ROOT
    OFF_MOUNT_MNT
    OFF_MOUNT_PARENT
    OFF_MOUNT_MOUNTPOINT
    OFF_INODE_MODE
    OFF_INODE_UID
    OFF_INODE_INO
    OFF_INODE_SB
    OFF_INODE_NLINK
    OFF_INODE_RDEV
    OFF_INODE_GENERATION
    OFF_SB_DEV
    OFF_SB_MAGIC
    OFF_SOCKET_SK
    OFF_SOCK_FAMILY
    OFF_SOCK_DPORT
    OFF_SOCK_NUM
    OFF_SOCK_DADDR
    OFF_SOCK_RCV_SADDR
    OFF_SOCK_V6_DADDR
    OFF_SOCK_V6_RCV_SADDR
    OFF_SOCK_TYPE
    OFF_UNIX_PEER
    OFF_UNIX_ADDRESS
    OFF_UNIX_ADDRESS_LENGTH
    OFF_UNIX_ADDRESS_NAME
    SIZE_INODE
    SIZE_UPID
    WAKE_SHIFT
}
