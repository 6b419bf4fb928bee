//! Programs as the kernel describes them at an exec.

use bstr::BString;
use sensor::event::{Descriptor, Exec};

/// A program with its command line, split at spaces.
pub fn program(executable: &str, command: &str, user: u32) -> Exec {
    let argv = command.split(' ').map(BString::from).collect();
    Exec {
        executable: executable.into(),
        argv,
        directory: if user == 0 { "/" } else { "/srv/work" }.into(),
        comm: executable.rsplit('/').next().unwrap_or_default().chars().take(15).collect::<String>().into(),
        uid: user,
        gid: user,
        euid: user,
        egid: user,
        cap_effective: if user == 0 { 0x1ff_ffff_ffff } else { 0 },
        cap_permitted: if user == 0 { 0x1ff_ffff_ffff } else { 0 },
        session: 1,
        cgroup_id: 4711,
        pid_namespace: 4_026_531_836,
        mount_namespace: 4_026_531_841,
        device: 8_388_609,
        inode: executable.bytes().fold(7, |hash: u64, byte| hash.wrapping_mul(31).wrapping_add(byte.into())) >> 8,
        generation: 1,
        mode: 0o100_755,
        standard: [Descriptor::Pipe(9001), Descriptor::Pipe(9002), Descriptor::Device],
        ..Exec::default()
    }
}

/// A shell that was given a command: `sh -c COMMAND`.
pub fn shell(command: &str, user: u32) -> Exec {
    let mut shell = program("/usr/bin/dash", "sh -c", user);
    shell.argv.push(command.into());
    shell
}
