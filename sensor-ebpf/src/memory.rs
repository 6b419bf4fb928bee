//! Reading kernel and user memory. A read that faults gives zeros: the helpers clear the destination.

use aya_ebpf::helpers::generated::{bpf_probe_read_kernel, bpf_probe_read_user, bpf_probe_read_user_str};
use core::mem::MaybeUninit;

/// Reads a value at `base + offset` of kernel memory; zeros if that cannot be read.
#[inline(always)]
pub fn read<T: Copy>(base: u64, offset: u32) -> T {
    // Not zeroed before: a few words already would be a call of memset, byte after byte.
    let mut value = MaybeUninit::<T>::uninit();
    // SAFETY: the destination is as long as stated, and the helper writes all of it, zeros where the source cannot be
    // read. `T` is used for integers and arrays of them only, for which any bits are values.
    unsafe {
        bpf_probe_read_kernel(value.as_mut_ptr().cast(), size_of::<T>() as u32, (base + offset as u64) as *const _);
        value.assume_init()
    }
}

/// Reads through a pointer that the verifier knows the type of (arguments of tp_btf and fentry programs, and pointers
/// read from those): no helper call.
///
/// # Safety
/// `base` must be such a pointer, and `offset` that of a member of type `T`.
#[inline(always)]
pub unsafe fn direct<T: Copy>(base: *const u8, offset: u32) -> T {
    // SAFETY: the verifier checks the access against the kernel's BTF, and faults read as zero.
    unsafe { core::ptr::read_volatile(base.add(offset as usize).cast::<T>()) }
}

/// The address behind a typed pointer, as a number that global functions and the probe helper take.
///
/// VERIFIER: by way of the map `through` points into, because a typed pointer itself must not be handed to a global
/// function ("R1 is not a scalar"). Cheaper than reading the pointer with the probe helper.
///
/// # Safety
/// `through` must point to a place of our own in a map value.
#[inline(always)]
pub unsafe fn address(pointer: *const u8, through: *mut u64) -> u64 {
    // SAFETY: stated by the caller; volatile, so that the compiler does not keep it in a register.
    unsafe {
        through.cast::<*const u8>().write_volatile(pointer);
        through.read_volatile()
    }
}

/// Copies kernel memory; false if it could not be read.
///
/// # Safety
/// `destination` must have `length` bytes.
#[inline(always)]
pub unsafe fn copy_kernel(destination: *mut u8, length: u32, source: u64) -> bool {
    // SAFETY: stated by the caller; the source is checked by the helper.
    unsafe { bpf_probe_read_kernel(destination.cast(), length, source as *const _) == 0 }
}

/// Copies user memory of the current process; false if a page was not resident.
///
/// # Safety
/// `destination` must have `length` bytes.
#[inline(always)]
pub unsafe fn copy_user(destination: *mut u8, length: u32, source: u64) -> bool {
    // SAFETY: stated by the caller; the source is checked by the helper.
    unsafe { bpf_probe_read_user(destination.cast(), length, source as *const _) == 0 }
}

/// Copies text of the current process up to its NUL, which is not counted, or the first `MOST - 1` bytes of it; `None` if a
/// page was not resident. `MOST` is a power of two.
///
/// # Safety
/// `destination` must have `MOST` bytes.
#[inline(always)]
pub unsafe fn copy_user_text<const MOST: u32>(destination: *mut u8, source: u64) -> Option<u32> {
    // SAFETY: stated by the caller; the source is checked by the helper.
    let copied = unsafe { bpf_probe_read_user_str(destination.cast(), MOST, source as *const _) };
    if copied <= 0 {
        return None;
    }
    // VERIFIER: what the helper gives is not known to be bounded; the mask bounds it.
    Some((copied as u32 - 1) & (MOST - 1))
}
