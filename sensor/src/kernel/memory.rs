//! Giving memory back to the kernel.
//!
//! The agent's memory grows with what happens (many processes, a burst, a package database) and is to shrink with it.
//! glibc returns what lies at the end of its heap, and no more; the rest it keeps for later. Elsewhere these do nothing.

/// Has big blocks (tables, files) mapped by themselves, so that they go when they are freed. glibc would raise that limit
/// with each such block, and begins with what is read once at the start.
pub fn prepare() {
    #[cfg(target_env = "gnu")]
    // SAFETY: numbers only; before any other thread runs.
    unsafe {
        libc::mallopt(libc::M_MMAP_THRESHOLD, 128 << 10);
        libc::mallopt(libc::M_ARENA_MAX, 2);
    }
}

/// Lets go of the program's pages that the start needed: what goes on being used is mapped again when it is reached, from
/// the page cache. Fails if `/proc/self/maps` cannot be read; then they stay.
pub fn unmap_start() -> std::io::Result<()> {
    let maps = std::fs::read_to_string("/proc/self/maps")?;
    for (start, end) in maps.lines().filter_map(unwritten) {
        // SAFETY: only what is mapped privately from a file and was never written to: the same bytes come back.
        unsafe { libc::madvise(std::ptr::without_provenance_mut(start), end - start, libc::MADV_DONTNEED) };
    }
    Ok(())
}

/// Where a mapping is, if it holds a file's code, or what a program file begins with (tables for the linker, constants):
/// `55d0-55e0 r-xp 00001000 fe:00 1234 /usr/bin/sensor`. Other pages that can only be read now may have been written
/// by the linker.
fn unwritten(line: &str) -> Option<(usize, usize)> {
    let mut words = line.split_whitespace();
    let (start, end) = words.next()?.split_once('-')?;
    let (permissions, offset) = (words.next()?, words.next()?);
    let begins = permissions == "r--p" && offset.bytes().all(|digit| digit == b'0');
    words.nth(2).filter(|path| path.starts_with('/') && (begins || permissions == "r-xp"))?;
    Some((usize::from_str_radix(start, 16).ok()?, usize::from_str_radix(end, 16).ok()?))
}

/// Gives back all pages that hold nothing.
pub fn give_back() {
    #[cfg(target_env = "gnu")]
    // SAFETY: has no preconditions.
    unsafe {
        libc::malloc_trim(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_nobody_wrote_is_let_go() {
        let line = |rest: &str| format!("1000-3000 {rest}");
        for one in ["r-xp 00001000 fe:00 1234    /usr/bin/sensor", "r--p 00000000 fe:00 1234    /usr/bin/sensor"] {
            assert_eq!(unwritten(&line(one)), Some((0x1000, 0x3000)), "{one}");
        }
        for other in [
            "r--p 00001000 fe:00 1234 /usr/bin/sensor",
            "rw-p 00000000 fe:00 1234 /usr/bin/sensor",
            "rwxp 00001000 fe:00 1234 /x",
            "r--s 00000000 00:10 1038 anon_inode:bpf-map",
            "r-xp 00000000 00:00 0 [vdso]",
            "r-xp 00000000 00:00 0",
        ] {
            assert_eq!(unwritten(&line(other)), None, "{other}");
        }
    }

    #[test]
    fn the_program_goes_on_after_that() {
        unmap_start().unwrap();
        give_back();
        assert_eq!(std::hint::black_box(vec![7; 4096]).iter().sum::<i32>(), 7 * 4096);
    }
}
