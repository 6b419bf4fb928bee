//! Attaching a program to a classic tracepoint, whether tracefs is mounted or not.
//!
//! The tracepoint's id stands in tracefs only. Where it is mounted, as systemd does, that is read, and no system call that
//! mounts is needed. Elsewhere it is opened as a detached mount (`fsopen(2)`, since 5.2), which no other process sees and
//! which ends with the descriptor.

use anyhow::{Context, Result, bail};
use rustix::fd::{AsFd, FromRawFd, OwnedFd};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use std::os::fd::{AsRawFd, BorrowedFd, RawFd};

/// Where distributions mount it.
const MOUNTED: &str = "/sys/kernel/tracing";
/// `TRACEFS_MAGIC` (`include/uapi/linux/magic.h`).
const MAGIC: i64 = 0x7472_6163;

/// A tracefs: the one that is mounted, or one that only this process sees.
pub struct TraceFs(OwnedFd);

impl TraceFs {
    /// Opens it. Where none is mounted that needs `CAP_SYS_ADMIN`, and a kernel that is not locked down for confidentiality.
    pub fn open() -> Result<Self> {
        Self::mounted().map_or_else(Self::detached, Ok)
    }

    /// The mounted one, if there is one.
    fn mounted() -> Option<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(MOUNTED, flags, Mode::empty()).ok()?;
        (rustix::fs::fstatfs(&directory).ok()?.f_type == MAGIC).then_some(Self(directory))
    }

    fn detached() -> Result<Self> {
        let context = rustix::mount::fsopen("tracefs", FsOpenFlags::FSOPEN_CLOEXEC).context("fsopen tracefs")?;
        rustix::mount::fsconfig_create(context.as_fd()).context("fsconfig tracefs")?;
        let mount = rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, MountAttrFlags::empty())
            .context("fsmount tracefs")?;
        Ok(Self(mount))
    }

    /// The number of the tracepoint `syscalls:<name>`.
    fn id(&self, name: &str) -> Result<u64> {
        let path = format!("events/syscalls/{name}/id");
        let file = rustix::fs::openat(&self.0, path.as_str(), OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
            .with_context(|| format!("no tracepoint syscalls:{name} in this kernel"))?;
        let mut text = [0u8; 24];
        let length = rustix::io::read(&file, &mut text).context("reading the tracepoint's id")?;
        let text = String::from_utf8_lossy(&text[..length]);
        text.trim().parse().with_context(|| format!("the id of syscalls:{name} is {text:?}"))
    }
}

/// A tracepoint with a program; detached when dropped.
pub struct Attached {
    _event: OwnedFd,
}

/// `struct perf_event_attr` up to what is needed (`PERF_ATTR_SIZE_VER0`).
#[repr(C)]
#[derive(Default)]
struct PerfEventAttr {
    kind: u32,
    size: u32,
    config: u64,
    sample_period: u64,
    sample_type: u64,
    read_format: u64,
    flags: u64,
    wakeup_events: u32,
    bp_type: u32,
    config1: u64,
}

const PERF_TYPE_TRACEPOINT: u32 = 2;
const PERF_FLAG_FD_CLOEXEC: libc::c_ulong = 8;
const PERF_EVENT_IOC_ENABLE: libc::c_ulong = 0x2400;
const PERF_EVENT_IOC_SET_BPF: libc::c_ulong = 0x4004_2408;

/// Attaches `program` to `syscalls:<name>`, for all processes.
///
/// A perf event of a tracepoint counts on one CPU, but its program is called for the tracepoint itself, on every CPU
/// (`kernel/trace/bpf_trace.c: perf_event_attach_bpf_prog`), so one event is enough.
pub fn attach(tracefs: &TraceFs, program: BorrowedFd<'_>, name: &str) -> Result<Attached> {
    let attr = PerfEventAttr {
        kind: PERF_TYPE_TRACEPOINT,
        size: size_of::<PerfEventAttr>() as u32,
        config: tracefs.id(name)?,
        sample_period: 1,
        wakeup_events: 1,
        ..PerfEventAttr::default()
    };
    // SAFETY: the attribute lives through the call and states its own size.
    let event = unsafe { libc::syscall(libc::SYS_perf_event_open, &raw const attr, -1, 0, -1, PERF_FLAG_FD_CLOEXEC) };
    if event < 0 {
        bail!("perf_event_open of syscalls:{name}: {}", std::io::Error::last_os_error());
    }
    // SAFETY: a descriptor that was just made and belongs to nobody else.
    let event = unsafe { OwnedFd::from_raw_fd(event as RawFd) };
    control(&event, PERF_EVENT_IOC_SET_BPF, program.as_raw_fd()).context("setting the program")?;
    control(&event, PERF_EVENT_IOC_ENABLE, 0).context("enabling the event")?;
    Ok(Attached { _event: event })
}

fn control(event: &OwnedFd, request: libc::c_ulong, argument: RawFd) -> Result<()> {
    // SAFETY: both requests take a number.
    if unsafe { libc::ioctl(event.as_raw_fd(), request as _, argument) } < 0 {
        bail!("{}", std::io::Error::last_os_error());
    }
    Ok(())
}
