//! Files that are opened, closed, renamed.

use super::c_path;
use anyhow::{Context, Result};
use std::ffi::CStr;
use std::path::Path;

/// open, close. The file is written first, which a server's lineage is reported for.
pub fn open(directory: &Path, flags: i32) -> Result<impl FnMut() -> Result<()> + use<>> {
    let path = directory.join("file");
    std::fs::write(&path, b"x")?;
    let path = c_path(&path)?;
    Ok(move || open_and_close(&path, flags))
}

fn open_and_close(path: &CStr, flags: i32) -> Result<()> {
    // SAFETY: the path ends in NUL.
    let descriptor = unsafe { libc::open(path.as_ptr(), flags) };
    if descriptor < 0 {
        return Err(std::io::Error::last_os_error()).context("open");
    }
    // SAFETY: the descriptor was just opened and is not used again.
    unsafe { libc::close(descriptor) };
    Ok(())
}

/// rename, there and, the next time, back.
pub fn rename(directory: &Path) -> Result<impl FnMut() -> Result<()> + use<>> {
    std::fs::write(directory.join("one"), b"x")?;
    let mut from = c_path(&directory.join("one"))?;
    let mut to = c_path(&directory.join("other"))?;
    Ok(move || {
        // SAFETY: both end in NUL.
        if unsafe { libc::rename(from.as_ptr(), to.as_ptr()) } != 0 {
            return Err(std::io::Error::last_os_error()).context("rename");
        }
        std::mem::swap(&mut from, &mut to);
        Ok(())
    })
}
