//! The stage: new namespaces, the story's own root, addresses on its own loopback; then the first process.
//!
//! Nothing that is mounted or configured here is seen outside, and nothing of it outlives the first process.

use crate::system::{Result, c_string, check, duplicate, end_in_time, fork};
use crate::{CONTROL, socket};

/// Networks whose every address is ours: for documentation, link-local metadata, and private ones.
const NETWORKS: [[u8; 5]; 6] = [
    [203, 0, 113, 1, 24],
    [198, 51, 100, 1, 24],
    [192, 0, 2, 1, 24],
    [169, 254, 169, 254, 32],
    [10, 0, 0, 1, 16],
    [127, 0, 0, 1, 8],
];
/// Longest life of a story, in seconds.
const MAX_SECONDS: u32 = 240;

/// Makes it for `root` and runs its first process; what is wrong is said on standard input, which is the socket. With
/// `layers`, a directory with room for an overlay's parts, `root` is a container's image and stays as it is.
pub fn build(root: &str, layers: &str) -> ! {
    let made = duplicate(0, CONTROL).and_then(|()| make(root, layers));
    if let Err(error) = &made {
        socket::answer(&format!("error {error}"));
    }
    std::process::exit(i32::from(made.is_err()))
}

fn make(root: &str, layers: &str) -> Result<()> {
    let null = std::fs::File::options().read(true).write(true).open("/dev/null").map_err(|error| error.to_string())?;
    for standard in 0..3 {
        duplicate(std::os::fd::AsRawFd::as_raw_fd(&null), standard)?;
    }
    let spaces = libc::CLONE_NEWNS | libc::CLONE_NEWNET | libc::CLONE_NEWPID | libc::CLONE_NEWUTS | libc::CLONE_NEWIPC;
    // SAFETY: flags only.
    check(unsafe { libc::unshare(spaces) }, "unshare")?;
    let first = fork()?;
    if first == 0 {
        let entered = enter(root, layers).and_then(|()| first_process());
        socket::answer(&format!("error {}", entered.err().unwrap_or_default()));
        std::process::exit(1);
    }
    // SAFETY: closes our end: what is said from now on comes from the first process; and no status is wanted.
    unsafe {
        libc::close(CONTROL);
        check(libc::waitpid(first, std::ptr::null_mut(), 0), "waitpid")?;
    }
    Ok(())
}

/// Goes into the root, with its own procfs.
fn enter(root: &str, layers: &str) -> Result<()> {
    end_in_time(MAX_SECONDS);
    mount(None, "/", None, libc::MS_REC | libc::MS_PRIVATE, "")?;
    let merged = format!("{layers}/merged");
    let root = if layers.is_empty() {
        mount(Some(root), root, None, libc::MS_BIND, "")?;
        root
    } else {
        let parts = format!("lowerdir={root},upperdir={layers}/upper,workdir={layers}/work");
        mount(Some("overlay"), &merged, Some("overlay"), 0, &parts)?;
        &merged
    };
    let flags = libc::MS_NOSUID | libc::MS_NODEV | libc::MS_NOEXEC;
    mount(Some("proc"), &format!("{root}/proc"), Some("proc"), flags, "")?;
    mount(Some("/dev/null"), &format!("{root}/dev/null"), None, libc::MS_BIND, "")?;
    std::env::set_current_dir(root).map_err(|error| format!("{root}: {error}"))?;
    // SAFETY: strings that end in NUL. The old root lies below the new one for a moment, and is let go.
    unsafe {
        check(libc::syscall(libc::SYS_pivot_root, c".".as_ptr(), c".".as_ptr()), "pivot_root")?;
        check(libc::umount2(c".".as_ptr(), libc::MNT_DETACH), "umount")?;
        check(libc::sethostname(c"story".as_ptr(), 5), "sethostname")?;
        check(libc::setsid(), "setsid")?;
    }
    std::env::set_current_dir("/").map_err(|error| error.to_string())?;
    // As container runtimes do: a server that never was root listens on port 80.
    let ports = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    std::fs::write(ports, "0").map_err(|error| format!("{ports}: {error}"))?;
    addresses()
}

fn mount(from: Option<&str>, at: &str, kind: Option<&str>, flags: libc::c_ulong, data: &str) -> Result<()> {
    let (from, at, kind) = (from.map(c_string).transpose()?, c_string(at)?, kind.map(c_string).transpose()?);
    let data = c_string(data)?;
    let pointer = |text: &Option<std::ffi::CString>| text.as_ref().map_or(std::ptr::null(), |text| text.as_ptr());
    // SAFETY: strings that end in NUL, or nothing.
    let mounted = unsafe { libc::mount(pointer(&from), at.as_ptr(), pointer(&kind), flags, data.as_ptr().cast()) };
    check(mounted, &format!("mount {}", at.to_string_lossy())).map(drop)
}

/// Puts the networks on the loopback device. What is on it is local with its whole network.
fn addresses() -> Result<()> {
    // SAFETY: numbers only.
    let socket = unsafe { libc::socket(libc::AF_INET, libc::SOCK_DGRAM | libc::SOCK_CLOEXEC, 0) };
    check(socket, "socket")?;
    for (index, [a, b, c, d, bits]) in NETWORKS.into_iter().enumerate() {
        let device = if index + 1 == NETWORKS.len() { "lo".to_owned() } else { format!("lo:{index}") };
        set(socket, &device, libc::SIOCSIFADDR, u32::from_be_bytes([a, b, c, d]))?;
        set(socket, &device, libc::SIOCSIFNETMASK, u32::MAX << (32 - u32::from(bits)))?;
    }
    let mut up = request("lo");
    up.ifr_ifru.ifru_flags = (libc::IFF_UP | libc::IFF_LOOPBACK | libc::IFF_RUNNING) as libc::c_short;
    // SAFETY: a request that lives until it returns.
    check(unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const up) }, "bringing lo up").map(drop)
}

fn set(socket: libc::c_int, device: &str, what: libc::c_ulong, value: u32) -> Result<()> {
    let mut request = request(device);
    let address = libc::sockaddr_in {
        sin_family: libc::AF_INET as libc::sa_family_t,
        sin_port: 0,
        sin_addr: libc::in_addr { s_addr: value.to_be() },
        sin_zero: [0; 8],
    };
    // SAFETY: both are sixteen bytes of plain numbers.
    request.ifr_ifru.ifru_addr = unsafe { std::mem::transmute::<libc::sockaddr_in, libc::sockaddr>(address) };
    // SAFETY: a request that lives until it returns.
    check(unsafe { libc::ioctl(socket, what, &raw const request) }, &format!("an address on {device}")).map(drop)
}

fn request(device: &str) -> libc::ifreq {
    // SAFETY: all zero is an empty request.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(device.bytes()) {
        *to = from.cast_signed();
    }
    request
}

/// Becomes what the machine's first process is.
fn first_process() -> Result<()> {
    crate::deeds::exec(
        "/usr/lib/systemd/systemd",
        &["/sbin/init".to_owned()],
        &["PATH=/usr/sbin:/usr/bin".to_owned(), "LANG=C.UTF-8".to_owned()],
    )
}
